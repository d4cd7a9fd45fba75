"""Look at a voucher before it is taken: what it is worth, or why it is of no use."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from carbon_credit.kernel.errors import CarbonError
from carbon_credit.redemption.errors import VoucherLapsed
from carbon_credit.redemption.models import Offer
from carbon_credit.redemption.queries import left_of
from carbon_credit.redemption.refusals import ended, said
from carbon_credit.redemption.terms.discount import needs_bill
from carbon_credit.redemption.till.consuming import Place, find


@dataclass(frozen=True, slots=True)
class Look:
    """A voucher of the merchant's. `refusal`: why nothing of it can be taken; None where `left_fen` can.
    `needs_bill`: only with what the customer has to pay."""

    title_zh: str
    title_en: str
    value_fen: int
    left_fen: int
    partial_use: bool
    needs_bill: bool
    expires_at: datetime
    refusal: CarbonError | None


def look(session: Session, *, place: Place, text: str, now: datetime) -> Look:
    """What the merchant would take. Nothing changes. Raises VoucherInvalid, VoucherNotFound."""
    found = find(session, merchant_id=place.merchant_id, text=text, lock=False)
    left_fen = left_of(
        partial_use=found.partial_use,
        state=found.state,
        value_fen=found.value_fen,
        consumed_fen=found.consumed_fen,
        usable=now < found.expires_at,
    )
    refusal: CarbonError | None = None
    if not left_fen and found.partial_use and found.state == "consumed" and found.left_fen:
        until = said(session, found.programme, found.expires_at)
        refusal = VoucherLapsed(expires_at=until, left_fen=found.left_fen)
    elif not left_fen:
        refusal = ended(session, redemption_id=found.id)
    terms = select(Offer.title_zh, Offer.title_en, Offer.percent_off, Offer.min_spend_fen)
    offer = session.execute(terms.where(Offer.id == found.offer_id)).one()
    title_zh, title_en, percent_off, min_spend_fen = offer
    return Look(
        title_zh=title_zh,
        title_en=title_en,
        value_fen=found.value_fen,
        left_fen=left_fen,
        partial_use=found.partial_use,
        needs_bill=needs_bill(percent_off, min_spend_fen),
        expires_at=found.expires_at,
        refusal=refusal,
    )
