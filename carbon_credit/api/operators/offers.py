"""Offers as the programme's operators run them: all merchants', with approval."""

import uuid
from typing import Any

from carbon_credit.api.auth import access
from carbon_credit.api.fields import Id, Word
from carbon_credit.api.merchants.offers import OwnOffer, StockIn, offers_page, one_offer
from carbon_credit.api.merchants.terms import OfferIn, terms_of
from carbon_credit.api.operation import Call, reads, writes
from carbon_credit.api.schemas import PageQuery, page_of
from carbon_credit.catalogue.errors import ProgrammeNotFound
from carbon_credit.identity.errors import PartyNotFound
from carbon_credit.identity.scopes import OPERATOR
from carbon_credit.kernel.paging import Page, id_position
from carbon_credit.ledger.errors import InsufficientBalance
from carbon_credit.redemption.errors import MerchantInactive, OfferInvalid, OfferNotFound, OfferState
from carbon_credit.redemption.offering.errors import BudgetExhausted
from carbon_credit.redemption.offering.stock import add_stock, remove_stock
from carbon_credit.redemption.offers import approve_offer, close_offer, propose_offer
from carbon_credit.redemption.queries import offers

_OFFERS = access(OPERATOR, scope="offers:write")


class OfferOfMerchantIn(OfferIn):
    """The terms of an offer, and whose it is."""

    merchant_id = Id(
        metadata={
            "description": "None: the operator's own, which a subsidy, a donation or neutralising may be.",
            "example": "0192f3c1-7a52-7b61-9d3e-0f6a1c2b3d40",
        }
    )


class OffersQuery(PageQuery):
    """Of which state, and where to read."""

    state = Word("draft", "approved", "closed", metadata={"example": "approved"})


@writes(
    allowed=_OFFERS,
    takes=OfferOfMerchantIn,
    answer=OwnOffer,
    status=201,
    raises=(OfferInvalid, MerchantInactive, PartyNotFound),
)
def propose_offer_for_merchant(call: Call) -> dict[str, Any]:
    """Propose an offer for a merchant, or one of the operator's own."""
    terms = {name: value for name, value in call.body.items() if name != "merchant_id"}
    offer_id = propose_offer(
        call.session,
        programme=call.caller.programme,
        merchant_id=call.body.get("merchant_id", call.caller.id),
        terms=terms_of(terms),
        now=call.now,
    )
    return one_offer(call, offer_id)


@reads(allowed=_OFFERS, query=OffersQuery, answer=page_of(OwnOffer), raises=(ProgrammeNotFound,))
def list_programme_offers(call: Call, programme: str) -> Page[dict[str, Any]]:
    """List all offers of the programme, oldest first."""
    if programme != call.caller.programme:
        raise ProgrammeNotFound(programme=programme)
    limit = call.query["limit"]
    rows = offers(
        call.session,
        programme=programme,
        state=call.query.get("state"),
        after=id_position(call.query.get("cursor")),
        limit=limit + 1,
    )
    return offers_page(rows, limit)


@writes(allowed=_OFFERS, answer=OwnOffer, raises=(OfferNotFound, OfferState))
def approve_one_offer(call: Call, offer_id: uuid.UUID) -> dict[str, Any]:
    """Approve an offer. From now on its terms are fixed and citizens see it."""
    approve_offer(
        call.session,
        programme=call.caller.programme,
        operator_id=call.caller.id,
        offer_id=offer_id,
        now=call.now,
    )
    return one_offer(call, offer_id)


@writes(allowed=_OFFERS, answer=OwnOffer, raises=(OfferNotFound, OfferState))
def close_one_offer(call: Call, offer_id: uuid.UUID) -> dict[str, Any]:
    """Close an offer. Vouchers that were given stay good."""
    close_offer(call.session, programme=call.caller.programme, offer_id=offer_id, now=call.now)
    return one_offer(call, offer_id)


@writes(
    allowed=_OFFERS,
    takes=StockIn,
    answer=OwnOffer,
    raises=(OfferNotFound, OfferState, OfferInvalid, BudgetExhausted),
)
def add_offer_stock(call: Call, offer_id: uuid.UUID) -> dict[str, Any]:
    """Add pieces to an offer."""
    add_stock(
        call.session,
        programme=call.caller.programme,
        offer_id=offer_id,
        pieces=call.body["pieces"],
        now=call.now,
    )
    return one_offer(call, offer_id)


@writes(
    allowed=_OFFERS,
    takes=StockIn,
    answer=OwnOffer,
    raises=(OfferNotFound, OfferState, OfferInvalid, InsufficientBalance),
)
def remove_offer_stock(call: Call, offer_id: uuid.UUID) -> dict[str, Any]:
    """Take pieces out of an offer that nobody holds; the money behind them returns."""
    remove_stock(
        call.session,
        programme=call.caller.programme,
        offer_id=offer_id,
        pieces=call.body["pieces"],
        now=call.now,
    )
    return one_offer(call, offer_id)
