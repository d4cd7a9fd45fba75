"""Offers, redemptions and vouchers as a citizen sees them."""

import uuid
from typing import Any

from flask import Response
from marshmallow import fields

from carbon_credit.api.auth import access
from carbon_credit.api.errors import language
from carbon_credit.api.fields import Id, Instant, Whole, Word
from carbon_credit.api.merchants.terms import Offer, offer_shown
from carbon_credit.api.operation import Call, reads, writes
from carbon_credit.api.schemas import Answer, PageQuery, Strict, page_of
from carbon_credit.documents import qr
from carbon_credit.identity.errors import CitizenNotFound
from carbon_credit.identity.scopes import CITIZEN
from carbon_credit.kernel.paging import Page, cut, id_position
from carbon_credit.ledger.errors import InsufficientBalance
from carbon_credit.redemption import voucher
from carbon_credit.redemption.errors import (
    LimitReached,
    MerchantInactive,
    OfferClosed,
    OfferExhausted,
    OfferNotFound,
    RedemptionNotFound,
    VoucherCancelled,
    VoucherConsumed,
    VoucherExpired,
)
from carbon_credit.redemption.offering.errors import (
    DayLimitReached,
    DistrictNeeded,
    DistrictOutside,
    MonthLimitReached,
    NotEligible,
    OfferNotYetOpen,
    OfferOutOfHours,
    OtherWay,
)
from carbon_credit.redemption.operations import cancel, reserve
from carbon_credit.redemption.queries import Voucher, open_offers, voucher_of, vouchers
from carbon_credit.redemption.refusals import ended
from carbon_credit.redemption.terms.offer import KINDS

# What can speak against whatever is taken of an offer.
REFUSALS = (
    CitizenNotFound,
    OfferNotFound,
    OtherWay,
    OfferClosed,
    OfferNotYetOpen,
    OfferOutOfHours,
    OfferExhausted,
    DistrictNeeded,
    DistrictOutside,
    NotEligible,
    LimitReached,
    DayLimitReached,
    MonthLimitReached,
    MerchantInactive,
    InsufficientBalance,
)
_READ = access(CITIZEN, scope="account:read")
_SPEND = access(CITIZEN, scope="points:spend")
_OF_NO_USE = (RedemptionNotFound, VoucherConsumed, VoucherCancelled, VoucherExpired)


class RedemptionIn(Strict):
    """One piece of an offer."""

    offer_id = Id(required=True, metadata={"example": "0192f3c1-7a52-7b61-9d3e-0f6a1c2b3d4e"})


class RedemptionOut(Answer):
    """A redemption with its voucher. `code` is null once it is of no use."""

    id = Id(required=True, metadata={"example": "0192f3c1-7a52-7b61-9d3e-0f6a1c2b3d41"})
    offer_id = Id(required=True, metadata={"example": "0192f3c1-7a52-7b61-9d3e-0f6a1c2b3d4e"})
    merchant_id = Id(required=True, metadata={"example": "0192f3c1-7a52-7b61-9d3e-0f6a1c2b3d40"})
    kind = Word(*KINDS, required=True, metadata={"example": "coupon"})
    title = fields.String(required=True, metadata={"example": "Tea coupon, 5 yuan"})
    points = Whole(required=True, metadata={"example": 100})
    value_fen = Whole(required=True, metadata={"example": 500})
    left_fen = Whole(required=True, metadata={"description": "What of it can still be used.", "example": 500})
    partial_use = fields.Boolean(required=True, metadata={"example": False})
    state = Word("held", "consumed", "cancelled", "expired", required=True, metadata={"example": "held"})
    code = fields.String(required=True, allow_none=True, metadata={"example": "7K3M-9QXD-2TVW4"})
    qr_text = fields.String(
        required=True,
        allow_none=True,
        metadata={
            "description": "What its QR code says: the code and its terms, signed.",
            "example": "CV2:00PYJ0RKP7B9...",
        },
    )
    held_at = Instant(required=True, metadata={"example": "2026-11-21T04:00:00Z"})
    expires_at = Instant(required=True, metadata={"example": "2026-11-22T04:00:00Z"})
    resolved_at = Instant(required=True, allow_none=True, metadata={"example": None})


@reads(allowed=_READ, query=PageQuery, answer=page_of(Offer))
def list_offers(call: Call) -> Page[dict[str, Any]]:
    """List what can be redeemed now."""
    limit = call.query["limit"]
    rows = open_offers(
        call.session,
        programme=call.caller.programme,
        now=call.now,
        after=id_position(call.query.get("cursor")),
        limit=limit + 1,
    )
    page = cut(rows, limit, lambda row: [str(row.id)])
    return Page(items=[offer_shown(row) for row in page.items], next_cursor=page.next_cursor)


@writes(
    allowed=_SPEND,
    takes=RedemptionIn,
    answer=RedemptionOut,
    status=201,
    raises=REFUSALS,
)
def redeem(call: Call) -> dict[str, Any]:
    """Redeem points: hold one piece and its price, and get a voucher."""
    held = reserve(
        call.session,
        programme=call.caller.programme,
        citizen_id=call.caller.id,
        offer_id=call.body["offer_id"],
        now=call.now,
        partner_id=call.caller.actor_id,
    )
    return voucher_shown(held)


@writes(
    allowed=_SPEND,
    answer=RedemptionOut,
    raises=_OF_NO_USE,
)
def cancel_redemption(call: Call, redemption_id: uuid.UUID) -> dict[str, Any]:
    """Give a voucher back before it is used; the points return to the lots that they came from."""
    given_back = cancel(
        call.session,
        programme=call.caller.programme,
        citizen_id=call.caller.id,
        redemption_id=redemption_id,
        now=call.now,
    )
    return voucher_shown(given_back)


@reads(allowed=_READ, query=PageQuery, answer=page_of(RedemptionOut))
def list_vouchers(call: Call) -> Page[dict[str, Any]]:
    """List the vouchers, newest first."""
    limit = call.query["limit"]
    rows = vouchers(
        call.session,
        programme=call.caller.programme,
        citizen_id=call.caller.id,
        now=call.now,
        after=id_position(call.query.get("cursor")),
        limit=limit + 1,
    )
    page = cut(rows, limit, lambda row: [str(row.id)])
    return Page(items=[voucher_shown(row) for row in page.items], next_cursor=page.next_cursor)


@reads(allowed=_READ, answer=None, downloads=("image/png",), raises=_OF_NO_USE)
def get_voucher_png(call: Call, redemption_id: uuid.UUID) -> Response:
    """The QR code of a voucher that can be used, as PNG."""
    return Response(qr.png(_qr_text(call, redemption_id)), mimetype="image/png")


@reads(allowed=_READ, answer=None, downloads=("image/svg+xml",), raises=_OF_NO_USE)
def get_voucher_svg(call: Call, redemption_id: uuid.UUID) -> Response:
    """The QR code of a voucher that can be used, as SVG."""
    return Response(qr.svg(_qr_text(call, redemption_id)), mimetype="image/svg+xml")


def _qr_text(call: Call, redemption_id: uuid.UUID) -> str:
    found = voucher_of(
        call.session,
        programme=call.caller.programme,
        citizen_id=call.caller.id,
        redemption_id=redemption_id,
        now=call.now,
    )
    if found.qr_text is None:
        raise ended(call.session, redemption_id=redemption_id)
    return found.qr_text


def voucher_shown(row: Voucher) -> dict[str, Any]:
    """A voucher's members, with the title in the language of the request."""
    shown = {name: getattr(row, name) for name in Voucher.__dataclass_fields__}
    return {
        **shown,
        "title": row.title_zh if language() == "zh" else row.title_en,
        "code": voucher.grouped(row.code) if row.code else None,
    }
