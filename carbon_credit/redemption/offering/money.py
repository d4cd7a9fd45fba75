"""Who pays for an offer, and what is set aside for it: fen that are promised cannot be promised twice.

When pieces are added to an offer that a fund or a subsidy pays for, their value moves to the offer's own
`offer.budget`, which cannot go below zero. It leaves by settlement with the merchant or by a grant; the rest
returns when pieces are taken out or the offer is wound up.
"""

from datetime import datetime

from sqlalchemy.orm import Session

from carbon_credit.kernel.ids import new_id
from carbon_credit.ledger.accounts import FEN, AccountKey
from carbon_credit.ledger.entries import Transfer
from carbon_credit.ledger.queries import balances
from carbon_credit.redemption.models import Offer
from carbon_credit.redemption.offering.errors import BudgetExhausted


def budget_key(offer: Offer) -> AccountKey:
    """What is set aside for the offer."""
    return AccountKey(offer.programme, FEN, "offer.budget", offer.id)


def payer_key(offer: Offer) -> AccountKey:
    """From where it is set aside, and to where the rest returns."""
    if offer.funding == "fund":
        return AccountKey(offer.programme, FEN, "programme.fund")
    return AccountKey(offer.programme, FEN, "subsidy.budget", offer.budget_id)


def is_funded(offer: Offer) -> bool:
    """Whether somebody else than its merchant pays for it."""
    return offer.funding != "merchant"


def set_aside(offer: Offer, *, fen: int, now: datetime) -> list[Transfer]:
    """What sets so much aside; nothing where the merchant pays."""
    if not is_funded(offer) or fen == 0:
        return []
    return [_moved(offer, "offer.reserve", payer_key(offer), budget_key(offer), fen, now)]


def returned(offer: Offer, *, fen: int, now: datetime) -> list[Transfer]:
    """What gives so much back to who pays."""
    if not is_funded(offer) or fen == 0:
        return []
    return [_moved(offer, "offer.unreserve", budget_key(offer), payer_key(offer), fen, now)]


def check_covered(session: Session, *, offer: Offer, fen: int) -> None:
    """Raises BudgetExhausted where who pays has less. The ledger has the last word; this one has words."""
    if is_funded(offer):
        payer = payer_key(offer)
        available = balances(session, keys=[payer])[payer].available
        if available < fen:
            raise BudgetExhausted(lacking_fen=fen - available)


def _moved(
    offer: Offer, code: str, debit: AccountKey, credit: AccountKey, fen: int, now: datetime
) -> Transfer:
    return Transfer(
        id=new_id(), code=code, debit=debit, credit=credit, amount=fen, effective_at=now, reference=offer.id
    )
