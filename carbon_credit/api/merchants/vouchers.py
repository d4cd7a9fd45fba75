"""Vouchers at the till. Another merchant's voucher is not found; nothing is told about the citizen."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from marshmallow import fields

from carbon_credit.api.auth import access
from carbon_credit.api.errors import language
from carbon_credit.api.fields import Id, Instant, Whole
from carbon_credit.api.operation import Call, reads, writes
from carbon_credit.api.schemas import Answer, PageQuery, page_of
from carbon_credit.identity.scopes import MERCHANT
from carbon_credit.kernel.paging import CursorInvalid, Page, cut, position
from carbon_credit.redemption.errors import (
    VoucherCancelled,
    VoucherConsumed,
    VoucherExpired,
    VoucherInvalid,
    VoucherNotFound,
)
from carbon_credit.redemption.operations import consume
from carbon_credit.redemption.queries import Consumption, ConsumptionCursor, consumptions

_CONSUME = access(MERCHANT, scope="vouchers:consume")
_READ = access(MERCHANT, scope="vouchers:read")


class ConsumptionOut(Answer):
    """A voucher that was used at this merchant."""

    id = Id(required=True, metadata={"example": "0192f3c1-7a52-7b61-9d3e-0f6a1c2b3d41"})
    offer_id = Id(required=True, metadata={"example": "0192f3c1-7a52-7b61-9d3e-0f6a1c2b3d4e"})
    title = fields.String(required=True, metadata={"example": "Tea coupon, 5 yuan"})
    points = Whole(required=True, metadata={"example": 100})
    value_fen = Whole(required=True, metadata={"example": 500})
    consumed_at = Instant(required=True, metadata={"example": "2026-11-21T05:00:00Z"})


class ConsumptionsQuery(PageQuery):
    """Up to when, and where to read."""

    until = Instant(
        metadata={"description": "Only what was used before.", "example": "2026-12-01T00:00:00+08:00"}
    )


@writes(
    allowed=_CONSUME,
    answer=ConsumptionOut,
    raises=(VoucherInvalid, VoucherNotFound, VoucherConsumed, VoucherCancelled, VoucherExpired),
)
def consume_voucher(call: Call, code: str) -> dict[str, Any]:
    """Take a voucher. Its points become the merchant's claim; it cannot be used again."""
    return _shown(consume(call.session, merchant_id=call.caller.id, text=code, now=call.now))


@reads(allowed=_READ, query=ConsumptionsQuery, answer=page_of(ConsumptionOut))
def list_consumptions(call: Call) -> Page[dict[str, Any]]:
    """List the vouchers that were used here, oldest first."""
    limit = call.query["limit"]
    rows = consumptions(
        call.session,
        merchant_id=call.caller.id,
        after=_after(call.query.get("cursor")),
        until=call.query.get("until"),
        limit=limit + 1,
    )
    page = cut(rows, limit, lambda row: [row.consumed_at.isoformat(), str(row.id)])
    return Page(items=[_shown(row) for row in page.items], next_cursor=page.next_cursor)


def _shown(row: Consumption) -> dict[str, Any]:
    shown = {name: getattr(row, name) for name in Consumption.__dataclass_fields__}
    return {**shown, "title": row.title_zh if language() == "zh" else row.title_en}


def _after(text: str | None) -> ConsumptionCursor | None:
    if text is None:
        return None
    consumed_at, row_id = position(text, str, str)
    try:
        at = datetime.fromisoformat(str(consumed_at))
        return ConsumptionCursor(consumed_at=at.astimezone(UTC), id=UUID(str(row_id)))
    except (ValueError, OverflowError) as error:
        raise CursorInvalid from error
