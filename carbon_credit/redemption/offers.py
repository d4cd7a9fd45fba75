"""Making offers, approving and closing them, and adding pieces. What was approved is never reworded."""

import uuid
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from carbon_credit.identity.queries import party
from carbon_credit.kernel.ids import new_id
from carbon_credit.kernel.quantity import MAX_QUANTITY
from carbon_credit.ledger import operations as ledger
from carbon_credit.ledger.entries import Transfer
from carbon_credit.redemption.errors import (
    ApprovalForbidden,
    MerchantInactive,
    OfferInvalid,
    OfferNotFound,
    OfferState,
)
from carbon_credit.redemption.models import Offer
from carbon_credit.redemption.queries import stock_key, supply_key

MAX_PIECES = 10_000_000
MAX_TTL_S = 366 * 86_400
MIN_TTL_S = 60


@dataclass(frozen=True, slots=True)
class OfferTerms:
    """What is offered. `points_price` in points, `value_fen` in fen, `voucher_ttl_s` in seconds.

    Open in [opens_at, closes_at); a voucher taken at the last moment still lives `voucher_ttl_s`.
    """

    title_zh: str
    title_en: str
    points_price: int
    value_fen: int
    opens_at: datetime
    closes_at: datetime
    voucher_ttl_s: int
    per_citizen_limit: int | None = None
    kind: str = "coupon"


def propose_offer(
    session: Session, *, programme: str, merchant_id: uuid.UUID, terms: OfferTerms, now: datetime
) -> uuid.UUID:
    """A draft of the merchant's; its id. Raises PartyNotFound, MerchantInactive, OfferInvalid."""
    merchant = party(session, party_id=merchant_id, programme=programme)
    if merchant.role != "merchant" or not merchant.active:
        raise MerchantInactive
    problem = _problem(terms, now)
    if problem is not None:
        raise OfferInvalid(why=problem)
    offer = Offer(
        id=new_id(),
        programme=programme,
        merchant_id=merchant_id,
        kind=terms.kind,
        title_zh=terms.title_zh.strip(),
        title_en=terms.title_en.strip(),
        points_price=terms.points_price,
        value_fen=terms.value_fen,
        per_citizen_limit=terms.per_citizen_limit,
        voucher_ttl_s=terms.voucher_ttl_s,
        opens_at=terms.opens_at,
        closes_at=terms.closes_at,
        state="draft",
        created_at=now,
        approved_by=None,
    )
    session.add(offer)
    session.flush()
    return offer.id


def approve_offer(session: Session, *, programme: str, operator_id: uuid.UUID, offer_id: uuid.UUID) -> None:
    """An operator lets citizens have it. Raises OfferNotFound, OfferState, ApprovalForbidden."""
    if party(session, party_id=operator_id, programme=programme).role != "operator":
        raise ApprovalForbidden
    _move(session, programme, offer_id, ("draft",), state="approved", approved_by=operator_id)


def close_offer(
    session: Session, *, programme: str, offer_id: uuid.UUID, merchant_id: uuid.UUID | None = None
) -> None:
    """No more of it from now on; vouchers that were given stay good. `merchant_id`: only if it is theirs.

    Raises OfferNotFound, OfferState.
    """
    _of(session, programme, offer_id, merchant_id)
    _move(session, programme, offer_id, ("draft", "approved"), state="closed")


def add_stock(
    session: Session,
    *,
    programme: str,
    offer_id: uuid.UUID,
    pieces: int,
    now: datetime,
    merchant_id: uuid.UUID | None = None,
) -> uuid.UUID:
    """`pieces` more to be had; the id of the posting. `merchant_id`: only if the offer is theirs.

    Raises OfferNotFound, OfferState, OfferInvalid.
    """
    state = _of(session, programme, offer_id, merchant_id)
    if state == "closed":
        raise OfferState(state=state)
    if not 0 < pieces <= MAX_PIECES:
        raise OfferInvalid(why=f"pieces must be between 1 and {MAX_PIECES}")
    transfer = Transfer(
        id=new_id(),
        code="stock.add",
        debit=supply_key(programme, offer_id),
        credit=stock_key(programme, offer_id),
        amount=pieces,
        effective_at=now,
        reference=offer_id,
    )
    ledger.post(session, transfers=[transfer], now=now)
    return transfer.id


def _of(session: Session, programme: str, offer_id: uuid.UUID, merchant_id: uuid.UUID | None) -> str:
    wanted = [Offer.id == offer_id, Offer.programme == programme]
    if merchant_id is not None:
        wanted.append(Offer.merchant_id == merchant_id)
    state = session.scalar(select(Offer.state).where(*wanted))
    if state is None:
        raise OfferNotFound
    return state


def _move(
    session: Session, programme: str, offer_id: uuid.UUID, allowed: tuple[str, ...], **values: object
) -> None:
    # Conditional, so that of two who close or approve at once the second is told.
    statement = (
        update(Offer)
        .where(Offer.id == offer_id, Offer.programme == programme, Offer.state.in_(allowed))
        .values(**values)
        .returning(Offer.id)
        .execution_options(synchronize_session=False)
    )
    if session.execute(statement).scalar_one_or_none() is None:
        raise OfferState(state=_of(session, programme, offer_id, None))


def _problem(terms: OfferTerms, now: datetime) -> str | None:
    if terms.kind != "coupon":
        return "the kind is not coupon"
    if not 0 < len(terms.title_zh.strip()) <= 80 or not 0 < len(terms.title_en.strip()) <= 160:
        return "a title is empty or too long (80 characters in Chinese, 160 in English)"
    if not 0 < terms.points_price <= MAX_QUANTITY or not 0 < terms.value_fen <= MAX_QUANTITY:
        return "the price in points and the value in fen must be above zero"
    if terms.per_citizen_limit is not None and not 0 < terms.per_citizen_limit <= MAX_PIECES:
        return "the limit for one citizen must be above zero, or absent for none"
    if not MIN_TTL_S <= terms.voucher_ttl_s <= MAX_TTL_S:
        return f"a voucher must live between {MIN_TTL_S} and {MAX_TTL_S} seconds"
    if terms.closes_at <= max(terms.opens_at, now):
        return "it must close after it opens, and in the future"
    return None
