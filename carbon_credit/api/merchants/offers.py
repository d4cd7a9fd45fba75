"""A merchant's own offers: drafts that an operator of the programme approves."""

import uuid
from typing import Any

from carbon_credit.api.auth import access
from carbon_credit.api.citizens.redemptions import Offer, offer_shown
from carbon_credit.api.fields import Instant, Text, Whole, Word
from carbon_credit.api.operation import Call, reads, writes
from carbon_credit.api.schemas import PageQuery, Strict, page_of
from carbon_credit.identity.errors import PartyNotFound
from carbon_credit.identity.scopes import MERCHANT
from carbon_credit.kernel.paging import Page, cut, id_position
from carbon_credit.redemption.errors import MerchantInactive, OfferInvalid, OfferNotFound, OfferState
from carbon_credit.redemption.offers import (
    MAX_PIECES,
    MAX_TTL_S,
    MIN_TTL_S,
    OfferTerms,
    add_stock,
    close_offer,
    propose_offer,
)
from carbon_credit.redemption.queries import OfferRecord, merchant_offers, offer

_OFFERS = access(MERCHANT, scope="offers:write")


class OfferIn(Strict):
    """The terms of an offer. They never change once it is approved."""

    title_zh = Text(longest=80, required=True, metadata={"example": "五元茶饮券"})
    title_en = Text(longest=160, required=True, metadata={"example": "Tea coupon, 5 yuan"})
    points_price = Whole(minimum=1, required=True, metadata={"example": 100})
    value_fen = Whole(
        minimum=1, required=True, metadata={"description": "What it is worth at the till.", "example": 500}
    )
    per_citizen_limit = Whole(minimum=1, maximum=MAX_PIECES, metadata={"example": 2})
    voucher_ttl_s = Whole(
        minimum=MIN_TTL_S,
        maximum=MAX_TTL_S,
        required=True,
        metadata={"description": "How long a voucher lives, in seconds.", "example": 86400},
    )
    opens_at = Instant(required=True, metadata={"example": "2026-11-01T00:00:00+08:00"})
    closes_at = Instant(required=True, metadata={"example": "2099-12-31T00:00:00+08:00"})


class OwnOffer(Offer):
    """An offer with its state and stock, for those who run it."""

    state = Word("draft", "approved", "closed", required=True, metadata={"example": "draft"})
    held = Whole(required=True, metadata={"description": "Pieces that wait for the till.", "example": 0})
    given = Whole(required=True, metadata={"description": "Pieces that were consumed.", "example": 0})


class StockIn(Strict):
    """More pieces."""

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
        terms=OfferTerms(**call.body),
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


@writes(allowed=_OFFERS, takes=StockIn, answer=OwnOffer, raises=(OfferNotFound, OfferState, OfferInvalid))
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


@writes(allowed=_OFFERS, answer=OwnOffer, raises=(OfferNotFound, OfferState))
def close_own_offer(call: Call, offer_id: uuid.UUID) -> dict[str, Any]:
    """Close an offer of this merchant. Vouchers that were given stay good."""
    close_offer(call.session, programme=call.caller.programme, offer_id=offer_id, merchant_id=call.caller.id)
    return one_offer(call, offer_id)


def one_offer(call: Call, offer_id: uuid.UUID) -> dict[str, Any]:
    """The offer as those who run it see it."""
    return offer_shown(offer(call.session, programme=call.caller.programme, offer_id=offer_id))


def offers_page(rows: list[OfferRecord], limit: int) -> Page[dict[str, Any]]:
    """A page of offers as those who run them see them."""
    page = cut(rows, limit, lambda row: [str(row.id)])
    return Page(items=[offer_shown(row) for row in page.items], next_cursor=page.next_cursor)
