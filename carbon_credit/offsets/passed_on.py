"""Which milligrams of somebody's reductions were passed on by mandate, and which they retired themselves."""

from typing import Any

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from carbon_credit.offsets.models import Batch, BatchItem

# In an open batch nothing is frozen yet; what a rejected one held was given back.
_NOT_PASSED_ON = ("open", "rejected")


def passed_on(session: Session, *, reductions: Select[*tuple[Any, ...]]) -> dict[Any, int]:
    """Milligrams in frozen batches of the reductions that the statement selects as `id`, added up by its
    second column."""
    wanted = reductions.subquery()
    group = list(wanted.c)[1]
    statement = (
        select(group, func.sum(BatchItem.to_mg - BatchItem.from_mg))
        .join(wanted, wanted.c.id == BatchItem.reduction_id)
        .join(Batch, Batch.id == BatchItem.batch_id)
        .where(Batch.state.not_in(_NOT_PASSED_ON))
        .group_by(group)
    )
    return {name: int(mg) for name, mg in session.execute(statement)}


def retired(session: Session, *, reductions: Select[*tuple[Any, ...]]) -> dict[Any, int]:
    """Milligrams that their citizen retired of the reductions that the statement selects as `id`, added up
    by its second column."""
    wanted = reductions.subquery()
    group = list(wanted.c)[1]
    statement = (
        select(group, func.sum(BatchItem.to_mg - BatchItem.from_mg))
        .join(wanted, wanted.c.id == BatchItem.reduction_id)
        .where(BatchItem.retirement_id.is_not(None))
        .group_by(group)
    )
    return {name: int(mg) for name, mg in session.execute(statement)}
