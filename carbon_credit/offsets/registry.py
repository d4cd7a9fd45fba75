"""The internal registry: serial numbers, counted up under a lock, one a tonne."""

from datetime import datetime
from typing import cast

from sqlalchemy import Table, select, update
from sqlalchemy.orm import Session

from carbon_credit.kernel.bulk import insert_new
from carbon_credit.kernel.ids import new_id
from carbon_credit.offsets.errors import SerialsExhausted
from carbon_credit.offsets.models import SerialCounter, SerialRange
from carbon_credit.offsets.queries import BatchRecord, ProjectRecord
from carbon_credit.offsets.serials import Range
from carbon_credit.verifier.serial import MAX_NUMBER, series_of

_COUNTER = cast(Table, SerialCounter.__table__)


def issue_range(session: Session, *, batch: BatchRecord, project: ProjectRecord, now: datetime) -> Range:
    """Give the batch the next serial numbers of its project and vintage. Raises SerialsExhausted."""
    tonnes = batch.tonnes or 0
    names = ("project_id", "vintage", "next_no")
    insert_new(session, _COUNTER, names, [(project.id, batch.vintage, 1)], "project_id")
    mine = (SerialCounter.project_id == project.id, SerialCounter.vintage == batch.vintage)
    first = session.execute(select(SerialCounter.next_no).where(*mine).with_for_update()).scalar_one()
    if first + tonnes - 1 > MAX_NUMBER:
        raise SerialsExhausted(vintage=batch.vintage)
    session.execute(
        update(SerialCounter)
        .where(*mine)
        .values(next_no=first + tonnes)
        .execution_options(synchronize_session=False)
    )
    numbers = Range(first, first + tonnes - 1)
    session.add(
        SerialRange(
            id=new_id(),
            programme=batch.programme,
            project_id=project.id,
            batch_id=batch.id,
            vintage=batch.vintage,
            series=series_of(batch.programme, project.code),
            first_no=numbers.first,
            last_no=numbers.last,
            tonnes=tonnes,
            state="issued",
            issued_at=now,
        )
    )
    session.flush()
    return numbers
