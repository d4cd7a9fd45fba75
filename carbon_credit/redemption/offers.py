"""Making offers, approving and closing them. What was approved is never reworded."""

import uuid
from dataclasses import asdict
from datetime import datetime

import msgspec
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from carbon_credit.identity.queries import PartyRecord, party
from carbon_credit.kernel.ids import new_id
from carbon_credit.kernel.outbox import emit
from carbon_credit.redemption.errors import (
    ApprovalForbidden,
    MerchantInactive,
    OfferInvalid,
    OfferNotFound,
    OfferState,
)
from carbon_credit.redemption.models import Offer
from carbon_credit.redemption.offering.models import SubsidyBudget
from carbon_credit.redemption.offering.stock import own_offer, return_rest
from carbon_credit.redemption.terms import districts
from carbon_credit.redemption.terms.offer import (
    OF_OPERATORS,
    OF_OPERATORS_ONLY,
    OfferTerms,
    problem_of,
)

# Stored otherwise than they are said.
_WRITTEN = ("title_zh", "title_en", "districts", "hours", "eligibility")


def propose_offer(
    session: Session, *, programme: str, merchant_id: uuid.UUID, terms: OfferTerms, now: datetime
) -> uuid.UUID:
    """A draft of the merchant's; its id. A subsidy, a donation or neutralising may be an operator's own.

    Raises PartyNotFound, MerchantInactive, OfferInvalid.
    """
    if not _may_offer(party(session, party_id=merchant_id, programme=programme), terms.kind):
        raise MerchantInactive
    problem = problem_of(terms, now=now) or _problem_of_budget(session, programme, terms)
    if problem is not None:
        raise OfferInvalid(why=problem)
    told = {name: value for name, value in asdict(terms).items() if name not in _WRITTEN}
    offer = Offer(
        id=new_id(),
        programme=programme,
        merchant_id=merchant_id,
        title_zh=terms.title_zh.strip(),
        title_en=terms.title_en.strip(),
        districts=districts.stored(terms.districts),
        hours=msgspec.json.encode(terms.hours).decode(),
        eligibility=msgspec.json.encode(terms.eligibility).decode(),
        state="draft",
        created_at=now,
        approved_by=None,
        **told,
    )
    session.add(offer)
    session.flush()
    return offer.id


def approve_offer(
    session: Session, *, programme: str, operator_id: uuid.UUID, offer_id: uuid.UUID, now: datetime
) -> None:
    """An operator lets citizens have it, and whoever offers it is told.

    Raises OfferNotFound, OfferState, ApprovalForbidden.
    """
    if party(session, party_id=operator_id, programme=programme).role != "operator":
        raise ApprovalForbidden
    merchant_id = _move(session, programme, offer_id, ("draft",), state="approved", approved_by=operator_id)
    emit(
        session,
        programme=programme,
        audience=merchant_id,
        type="offer.approved",
        subject_id=offer_id,
        data={"offer_id": offer_id},
        now=now,
    )


def close_offer(
    session: Session,
    *,
    programme: str,
    offer_id: uuid.UUID,
    now: datetime,
    merchant_id: uuid.UUID | None = None,
) -> None:
    """No more of it from now on; vouchers that were given stay good. `merchant_id`: only if it is theirs.

    Pieces that nobody holds are gone, and the money behind them returns. Raises OfferNotFound, OfferState.
    """
    offer = own_offer(session, programme=programme, offer_id=offer_id, merchant_id=merchant_id)
    _move(session, programme, offer_id, ("draft", "approved"), state="closed")
    return_rest(session, offer=offer, now=now)


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
) -> uuid.UUID:
    """Whose offer it is. Conditional, so that of two who close or approve at once the second is told."""
    statement = (
        update(Offer)
        .where(Offer.id == offer_id, Offer.programme == programme, Offer.state.in_(allowed))
        .values(**values)
        .returning(Offer.merchant_id)
        .execution_options(synchronize_session=False)
    )
    merchant_id = session.execute(statement).scalar_one_or_none()
    if merchant_id is None:
        raise OfferState(state=_of(session, programme, offer_id, None))
    return merchant_id


def _may_offer(who: PartyRecord, kind: str) -> bool:
    if who.role == "operator":
        return who.active and kind in OF_OPERATORS
    return who.role == "merchant" and who.active and kind not in OF_OPERATORS_ONLY


def _problem_of_budget(session: Session, programme: str, terms: OfferTerms) -> str | None:
    if terms.budget_id is None:
        return None
    mine = (SubsidyBudget.id == terms.budget_id, SubsidyBudget.programme == programme)
    if session.scalar(select(SubsidyBudget.id).where(*mine)) is None:
        return "the programme has no such budget of a subsidy"
    return None
