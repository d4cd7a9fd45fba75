"""Putting milligrams into an open batch, and giving them back."""

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime
from itertools import groupby
from uuid import UUID

from sqlalchemy import CursorResult, delete, or_, select, update
from sqlalchemy.orm import Session

from carbon_credit.kernel.bulk import lock_alone, lock_shared
from carbon_credit.offsets.allocation import Taken, whole_tonnes
from carbon_credit.offsets.models import BatchItem
from carbon_credit.offsets.ranges import Holder, write_ranges
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

_PORTION = 2_000


def lock_filling(session: Session, *, programme: str, methodology_id: str) -> None:
    """One filling of a methodology at a time: the second one sees what the first one took."""
    lock_alone(session, _lock_name(programme, methodology_id))


def keep_from_filling(session: Session, *, programme: str, methodology_ids: Collection[str]) -> None:
    """No filling of these until the transaction ends; others who only keep it off go on beside."""
    lock_shared(session, *(_lock_name(programme, one) for one in methodology_ids))


def _lock_name(programme: str, methodology_id: str) -> str:
    return f"batch/{programme}/{methodology_id}"


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
        for is_free, run in groupby(items, key=lambda item: item.is_free):
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

    source, holder = counted(), Holder(criteria.rehearsal, batch_id=batch_id)
    portion: list[Taken] = []
    for taken in whole_tonnes(source, most_tonnes=most_tonnes):
        taken_mg += taken.free.mg
        portion.append(taken)
        if len(portion) == _PORTION:
            write_ranges(session, portion, holder, numbered_from=position + 1)
            position += len(portion)
            portion = []
    write_ranges(session, portion, holder, numbered_from=position + 1)
    position += len(portion)
    for _left in source:  # only to count it
        pass
    listed = exclusions.listed()
    if eligible_mg > taken_mg:
        listed += (Exclusion("remainder", None, eligible_mg - taken_mg),)
    return position, Preview(reductions=count, eligible_mg=eligible_mg, exclusions=listed)
