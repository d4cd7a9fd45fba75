"""What is left in the budget of an offer that was wound up goes back to who paid, once all of it is settled.

An offer may be wound up weeks before its last uses are on a statement. Until then what they may cost is left
in its budget, and nobody but settlement knows when that is over.
"""

from datetime import datetime
from uuid import UUID

from sqlalchemy import and_, exists, or_, select
from sqlalchemy.orm import Session

from carbon_credit.kernel.bulk import one_of
from carbon_credit.redemption.settling import left_in_budgets, return_what_is_left, uses_with_offers
from carbon_credit.settlement.models import StatementItem


def return_leftovers(session: Session, *, merchant_id: UUID, now: datetime) -> None:
    """Of the merchant's offers that were wound up. What comes to one of them later is for the next call."""
    waiting = left_in_budgets(session, merchant_id=merchant_id)
    if not waiting:
        return
    used = uses_with_offers().c
    item = select(StatementItem.kind).where(StatementItem.consumption_id == used.consumption_id)
    on_a_statement, undoing_too = (exists(item.where(StatementItem.kind == kind)) for kind in ("use", "undo"))
    unsettled = select(used.offer_id).where(
        one_of(session, used.offer_id, waiting),
        or_(~on_a_statement, and_(used.undone_at.is_not(None), ~undoing_too)),
    )
    done = waiting - set(session.scalars(unsettled.distinct()))
    if done:
        return_what_is_left(session, offer_ids=done, now=now)
