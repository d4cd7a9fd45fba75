"""Offers, redemptions and vouchers as a citizen sees them."""

import uuid
from typing import Any

from marshmallow import fields

from carbon_credit.api.auth import access
from carbon_credit.api.errors import language
from carbon_credit.api.fields import Id, Instant, Whole, Word
from carbon_credit.api.operation import Call, reads, writes
from carbon_credit.api.schemas import Answer, PageQuery, Strict, page_of
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
from carbon_credit.redemption.operations import cancel, reserve
from carbon_credit.redemption.queries import OfferRecord, Voucher, open_offers, vouchers

_READ = access(CITIZEN, scope="account:read")
_SPEND = access(CITIZEN, scope="points:spend")


class Offer(Answer):
    """What points can be given for."""

    id = Id(required=True, metadata={"example": "0192f3c1-7a52-7b61-9d3e-0f6a1c2b3d4e"})
    merchant_id = Id(required=True, metadata={"example": "0192f3c1-7a52-7b61-9d3e-0f6a1c2b3d40"})
    kind = Word("coupon", required=True, metadata={"example": "coupon"})
    title = fields.String(required=True, metadata={"example": "Tea coupon, 5 yuan"})
    title_zh = fields.String(required=True, metadata={"example": "五元茶饮券"})
    title_en = fields.String(required=True, metadata={"example": "Tea coupon, 5 yuan"})
    points_price = Whole(required=True, metadata={"example": 100})
    value_fen = Whole(
        required=True, metadata={"description": "What it is worth at the till.", "example": 500}
    )
    per_citizen_limit = Whole(required=True, allow_none=True, metadata={"example": 2})
    voucher_ttl_s = Whole(required=True, metadata={"description": "Seconds.", "example": 86400})
    opens_at = Instant(required=True, metadata={"example": "2026-11-01T00:00:00Z"})
    closes_at = Instant(required=True, metadata={"example": "2026-12-31T16:00:00Z"})
    left = Whole(required=True, metadata={"description": "Pieces that can be had.", "example": 40})


class RedemptionIn(Strict):
    """One piece of an offer."""

    offer_id = Id(required=True, metadata={"example": "0192f3c1-7a52-7b61-9d3e-0f6a1c2b3d4e"})


class RedemptionOut(Answer):
    """A redemption with its voucher. `code` is null once it is of no use."""

    id = Id(required=True, metadata={"example": "0192f3c1-7a52-7b61-9d3e-0f6a1c2b3d41"})
    offer_id = Id(required=True, metadata={"example": "0192f3c1-7a52-7b61-9d3e-0f6a1c2b3d4e"})
    merchant_id = Id(required=True, metadata={"example": "0192f3c1-7a52-7b61-9d3e-0f6a1c2b3d40"})
    title = fields.String(required=True, metadata={"example": "Tea coupon, 5 yuan"})
    points = Whole(required=True, metadata={"example": 100})
    value_fen = Whole(required=True, metadata={"example": 500})
    state = Word("held", "consumed", "cancelled", "expired", required=True, metadata={"example": "held"})
    code = fields.String(required=True, allow_none=True, metadata={"example": "7K3M-9QXD-2TVW4"})
    qr_text = fields.String(required=True, allow_none=True, metadata={"example": "CV1:7K3M9QXD2TVW4"})
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
    raises=(
        CitizenNotFound,
        OfferNotFound,
        OfferClosed,
        OfferExhausted,
        LimitReached,
        MerchantInactive,
        InsufficientBalance,
    ),
)
def redeem(call: Call) -> dict[str, Any]:
    """Redeem points: hold one piece and its price, and get a voucher."""
    held = reserve(
        call.session,
        programme=call.caller.programme,
        citizen_id=call.caller.id,
        offer_id=call.body["offer_id"],
        now=call.now,
    )
    return _voucher(held)


@writes(
    allowed=_SPEND,
    answer=RedemptionOut,
    raises=(RedemptionNotFound, VoucherConsumed, VoucherCancelled, VoucherExpired),
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
    return _voucher(given_back)


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
    return Page(items=[_voucher(row) for row in page.items], next_cursor=page.next_cursor)


def offer_shown(row: OfferRecord) -> dict[str, Any]:
    """An offer's members, with the title in the language of the request."""
    names = [name for name in OfferRecord.__dataclass_fields__ if name != "programme"]
    shown = {name: getattr(row, name) for name in names}
    return {**shown, "title": row.title_zh if language() == "zh" else row.title_en}


def _voucher(row: Voucher) -> dict[str, Any]:
    shown = {name: getattr(row, name) for name in Voucher.__dataclass_fields__}
    return {
        **shown,
        "title": row.title_zh if language() == "zh" else row.title_en,
        "code": voucher.grouped(row.code) if row.code else None,
        "qr_text": voucher.qr_text(row.code) if row.code else None,
    }
