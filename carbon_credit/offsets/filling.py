"""Putting milligrams into an open batch, and giving them back."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import groupby
from typing import cast
from uuid import UUID

from sqlalchemy import CursorResult, Table, delete, or_, select, update
from sqlalchemy.orm import Session

from carbon_credit.kernel.bulk import append_rows, lock_alone, one_of
from carbon_credit.kernel.errors import Busy
from carbon_credit.offsets.allocation import Taken, whole_tonnes
from carbon_credit.offsets.models import BatchItem
from carbon_credit.offsets.selection import (
    Criteria,
    Exclusion,
    Exclusions,
    Free,
    Preview,
    Progress,
    free_ranges,
    items_of,
)

ITEM = cast(Table, BatchItem.__table__)
COLUMNS = tuple(column.name for column in ITEM.columns)
_PORTION = 2_000


def lock_filling(session: Session, *, programme: str, methodology_id: str) -> None:
    """One filling of a methodology at a time: the second one sees what the first one took."""
    lock_alone(session, f"batch/{programme}/{methodology_id}")


def give_back(session: Session, *, batch_id: UUID) -> int:
    """Free every item of the batch; how many there were. Free ranges that meet are one again."""
    cut = select(BatchItem.reduction_id).where(
        BatchItem.batch_id == batch_id, or_(BatchItem.from_mg > 0, BatchItem.to_mg < BatchItem.total_mg)
    )
    reductions = list(session.scalars(cut.distinct()))
    statement = (
        update(BatchItem)
        .where(BatchItem.batch_id == batch_id)
        .values(batch_id=None, position=None)
        .execution_options(synchronize_session=False)
    )
    result = session.execute(statement)
    _join_free(session, reductions)
    return result.rowcount if isinstance(result, CursorResult) else 0


def _join_free(session: Session, reductions: Sequence[UUID]) -> None:
    """Make neighbouring free ranges one, so that a batch never holds two leaves of one reduction."""
    for items in items_of(session, reductions).values():
        for is_free, run in groupby(items, key=lambda item: item.batch_id is None):
            ranges = list(run)
            if is_free and len(ranges) > 1:
                mine = (BatchItem.reduction_id == ranges[0].reduction_id,)
                later = [item.from_mg for item in ranges[1:]]
                for changed in (
                    delete(BatchItem).where(*mine, BatchItem.from_mg.in_(later)),
                    update(BatchItem)
                    .where(*mine, BatchItem.from_mg == ranges[0].from_mg)
                    .values(to_mg=ranges[-1].to_mg),
                ):
                    session.execute(changed.execution_options(synchronize_session=False))


def fill(
    session: Session,
    *,
    batch_id: UUID,
    criteria: Criteria,
    most_tonnes: int | None,
    now: datetime,
    progress: Progress | None,
) -> tuple[int, Preview]:
    """Take the milligrams of whole tonnes; how many items, and what there was to take and what not.

    The preview's `left_mg` and its exclusion `remainder` say what stayed free below a whole tonne.
    """
    exclusions = Exclusions()
    count = eligible_mg = taken_mg = position = 0

    def counted() -> Iterator[Free]:
        nonlocal count, eligible_mg
        for free in free_ranges(session, criteria, now=now, exclusions=exclusions, progress=progress):
            count += 1
            eligible_mg += free.mg
            yield free

    source = counted()
    portion: list[Taken] = []
    for taken in whole_tonnes(source, most_tonnes=most_tonnes):
        taken_mg += taken.free.mg
        portion.append(taken)
        if len(portion) == _PORTION:
            _write(session, portion, batch_id, criteria, position)
            position += len(portion)
            portion = []
    _write(session, portion, batch_id, criteria, position)
    position += len(portion)
    for _left in source:  # only to count it
        pass
    listed = exclusions.listed()
    if eligible_mg > taken_mg:
        listed += (Exclusion("remainder", None, eligible_mg - taken_mg),)
    return position, Preview(reductions=count, eligible_mg=eligible_mg, exclusions=listed)


def _write(
    session: Session, portion: Sequence[Taken], batch_id: UUID, criteria: Criteria, position: int
) -> None:
    """Store a portion. The order matters: an end is given free before another range takes it."""
    if not portion:
        return
    numbered = list(enumerate(portion, start=position + 1))
    fresh = [taken.free.candidate.id for _number, taken in numbered if not taken.free.stored]
    if fresh:
        # Ranges of a former filling, all free again.
        stale = delete(BatchItem).where(
            one_of(session, BatchItem.reduction_id, fresh), BatchItem.batch_id.is_(None)
        )
        session.execute(stale.execution_options(synchronize_session=False))
    for number, taken in numbered:
        if taken.free.stored:
            _take_stored(session, taken, batch_id, number)
    rows = []
    for number, taken in numbered:
        free = taken.free
        if not free.stored:
            rows.append(_row(free, criteria, free.from_mg, free.to_mg, batch_id, number))
        if taken.rest_to_mg is not None:
            rows.append(_row(free, criteria, free.to_mg, taken.rest_to_mg, None, None))
    append_rows(session, ITEM, COLUMNS, rows)


def _take_stored(session: Session, taken: Taken, batch_id: UUID, position: int) -> None:
    free = taken.free
    statement = (
        update(BatchItem)
        .where(
            BatchItem.reduction_id == free.candidate.id,
            BatchItem.from_mg == free.from_mg,
            BatchItem.to_mg == (free.to_mg if taken.rest_to_mg is None else taken.rest_to_mg),
            BatchItem.batch_id.is_(None),
        )
        .values(batch_id=batch_id, position=position, to_mg=free.to_mg)
        .execution_options(synchronize_session=False)
    )
    result = session.execute(statement)
    if not isinstance(result, CursorResult) or result.rowcount != 1:
        raise Busy


def _row(
    free: Free, criteria: Criteria, from_mg: int, to_mg: int, batch_id: UUID | None, position: int | None
) -> tuple[object, ...]:
    values = {
        "reduction_id": free.candidate.id,
        "from_mg": from_mg,
        "to_mg": to_mg,
        "total_mg": free.candidate.net_mg,
        "after_mg": from_mg or None,
        "batch_id": batch_id,
        "position": position,
        "grade": free.candidate.grade,
        "rehearsal": criteria.rehearsal,
    }
    return tuple(values[name] for name in COLUMNS)
