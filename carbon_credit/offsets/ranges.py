"""Writing which milligrams of a reduction are whose: a batch's, or what their citizen retires."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast
from uuid import UUID

from sqlalchemy import CursorResult, Table, delete, update
from sqlalchemy.orm import Session

from carbon_credit.kernel.bulk import append_rows, one_of
from carbon_credit.kernel.errors import Busy
from carbon_credit.offsets.allocation import Taken
from carbon_credit.offsets.models import BatchItem

ITEM = cast(Table, BatchItem.__table__)
COLUMNS = tuple(column.name for column in ITEM.columns)
_FREE = (BatchItem.batch_id.is_(None), BatchItem.retirement_id.is_(None))


@dataclass(frozen=True, slots=True)
class Holder:
    """Who takes ranges: a batch, in which they are numbered, or a retirement."""

    rehearsal: bool
    batch_id: UUID | None = None
    retirement_id: UUID | None = None


def write_ranges(
    session: Session, portion: Sequence[Taken], holder: Holder, *, numbered_from: int = 1
) -> None:
    """Store a portion. The order matters: an end is given free before another range takes it.

    The caller holds the lock of filling, alone or with others, and has seen under it that all are free.
    Raises Busy where one is not.
    """
    if not portion:
        return
    in_batch = holder.batch_id is not None
    numbered = [(number if in_batch else None, one) for number, one in enumerate(portion, numbered_from)]
    fresh = [taken.free.candidate.id for taken in portion if not taken.free.stored]
    if fresh:
        # Ranges of a former filling, all free again.
        stale = delete(BatchItem).where(one_of(session, BatchItem.reduction_id, fresh), *_FREE)
        session.execute(stale.execution_options(synchronize_session=False))
    for number, taken in numbered:
        if taken.free.stored:
            _take_stored(session, taken, holder, number)
    rows = []
    for number, taken in numbered:
        free = taken.free
        if not free.stored:
            rows.append(_row(taken, free.from_mg, free.to_mg, holder, number))
        if taken.rest_to_mg is not None:
            rows.append(_row(taken, free.to_mg, taken.rest_to_mg, Holder(holder.rehearsal), None))
    append_rows(session, ITEM, COLUMNS, rows)


def _take_stored(session: Session, taken: Taken, holder: Holder, position: int | None) -> None:
    free = taken.free
    statement = (
        update(BatchItem)
        .where(
            BatchItem.reduction_id == free.candidate.id,
            BatchItem.from_mg == free.from_mg,
            BatchItem.to_mg == (free.to_mg if taken.rest_to_mg is None else taken.rest_to_mg),
            *_FREE,
        )
        .values(
            batch_id=holder.batch_id,
            retirement_id=holder.retirement_id,
            position=position,
            to_mg=free.to_mg,
        )
        .execution_options(synchronize_session=False)
    )
    result = session.execute(statement)
    if not isinstance(result, CursorResult) or result.rowcount != 1:
        raise Busy


def _row(taken: Taken, from_mg: int, to_mg: int, holder: Holder, position: int | None) -> tuple[object, ...]:
    candidate = taken.free.candidate
    values = {
        "reduction_id": candidate.id,
        "from_mg": from_mg,
        "to_mg": to_mg,
        "total_mg": candidate.net_mg,
        "after_mg": from_mg or None,
        "batch_id": holder.batch_id,
        "position": position,
        "grade": candidate.grade,
        "rehearsal": holder.rehearsal,
        "retirement_id": holder.retirement_id,
    }
    return tuple(values[name] for name in COLUMNS)
