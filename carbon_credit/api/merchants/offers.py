"""A merchant's own offers: drafts that an operator of the programme approves."""

import uuid
from typing import Any

from carbon_credit.api.auth import access
from carbon_credit.api.fields import Id, Whole, Word
from carbon_credit.api.merchants.terms import Offer, OfferIn, offer_shown, terms_of
from carbon_credit.api.operation import Call, reads, writes
from carbon_credit.api.schemas import PageQuery, Strict, page_of
from carbon_credit.identity.errors import PartyNotFound
from carbon_credit.identity.scopes import MERCHANT
from carbon_credit.kernel.paging import Page, cut, id_position
from carbon_credit.ledger.errors import InsufficientBalance
from carbon_credit.redemption.errors import MerchantInactive, OfferInvalid, OfferNotFound, OfferState
from carbon_credit.redemption.offering.errors import BudgetExhausted
from carbon_credit.redemption.offering.stock import add_stock, remove_stock
from carbon_credit.redemption.offers import close_offer, propose_offer
from carbon_credit.redemption.queries import OfferRecord, merchant_offers, offer
from carbon_credit.redemption.terms.offer import FUNDINGS, MAX_PIECES

_OFFERS = access(MERCHANT, scope="offers:write")


class OwnOffer(Offer):
    """An offer with its state and stock, for those who run it."""

    state = Word("draft", "approved", "closed", required=True, metadata={"example": "draft"})
    held = Whole(required=True, metadata={"description": "Pieces that wait for the till.", "example": 0})
    given = Whole(required=True, metadata={"description": "Pieces that were consumed.", "example": 0})
    funding = Word(*FUNDINGS, required=True, metadata={"example": "merchant"})
    budget_id = Id(required=True, allow_none=True, metadata={"example": None})


class StockIn(Strict):
    """So many pieces."""

    pieces = Whole(minimum=1, maximum=MAX_PIECES, required=True, metadata={"example": 40})


@writes(
    allowed=_OFFERS,
    takes=OfferIn,
    answer=OwnOffer,
    status=201,
    raises=(OfferInvalid, MerchantInactive, PartyNotFound),
)
def propose_own_offer(call: Call) -> dict[str, Any]:
    """Propose an offer. An operator of the programme approves it."""
    offer_id = propose_offer(
        call.session,
        programme=call.caller.programme,
        merchant_id=call.caller.id,
        terms=terms_of(call.body),
        now=call.now,
    )
    return one_offer(call, offer_id)


@reads(allowed=_OFFERS, query=PageQuery, answer=page_of(OwnOffer))
def list_own_offers(call: Call) -> Page[dict[str, Any]]:
    """List this merchant's offers, oldest first."""
    limit = call.query["limit"]
    after = id_position(call.query.get("cursor"))
    return offers_page(
        merchant_offers(call.session, merchant_id=call.caller.id, after=after, limit=limit + 1), limit
    )


@writes(
    allowed=_OFFERS,
    takes=StockIn,
    answer=OwnOffer,
    raises=(OfferNotFound, OfferState, OfferInvalid, BudgetExhausted),
)
def add_own_stock(call: Call, offer_id: uuid.UUID) -> dict[str, Any]:
    """Add pieces to an offer of this merchant."""
    add_stock(
        call.session,
        programme=call.caller.programme,
        offer_id=offer_id,
        pieces=call.body["pieces"],
        now=call.now,
        merchant_id=call.caller.id,
    )
    return one_offer(call, offer_id)


@writes(
    allowed=_OFFERS,
    takes=StockIn,
    answer=OwnOffer,
    raises=(OfferNotFound, OfferState, OfferInvalid, InsufficientBalance),
)
def remove_own_stock(call: Call, offer_id: uuid.UUID) -> dict[str, Any]:
    """Take pieces out of an offer of this merchant that nobody holds."""
    remove_stock(
        call.session,
        programme=call.caller.programme,
        offer_id=offer_id,
        pieces=call.body["pieces"],
        now=call.now,
        merchant_id=call.caller.id,
    )
    return one_offer(call, offer_id)


@writes(allowed=_OFFERS, answer=OwnOffer, raises=(OfferNotFound, OfferState))
def close_own_offer(call: Call, offer_id: uuid.UUID) -> dict[str, Any]:
    """Close an offer of this merchant. Vouchers that were given stay good."""
    close_offer(
        call.session,
        programme=call.caller.programme,
        offer_id=offer_id,
        now=call.now,
        merchant_id=call.caller.id,
    )
    return one_offer(call, offer_id)


def one_offer(call: Call, offer_id: uuid.UUID) -> dict[str, Any]:
    """The offer as those who run it see it."""
    return offer_shown(offer(call.session, programme=call.caller.programme, offer_id=offer_id))


def offers_page(rows: list[OfferRecord], limit: int) -> Page[dict[str, Any]]:
    """A page of offers as those who run them see them."""
    page = cut(rows, limit, lambda row: [str(row.id)])
    return Page(items=[offer_shown(row) for row in page.items], next_cursor=page.next_cursor)
