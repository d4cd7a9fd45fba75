"""Vouchers at the till. Another merchant's voucher is not found; nothing is told about the citizen."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from marshmallow import fields

from carbon_credit.api.auth import access
from carbon_credit.api.errors import RateLimited, language, problem
from carbon_credit.api.fields import Id, Instant, Whole
from carbon_credit.api.operation import Call, reads, writes
from carbon_credit.api.schemas import Answer, PageQuery, Problem, Strict, page_of
from carbon_credit.identity.scopes import MERCHANT
from carbon_credit.kernel.errors import CarbonError
from carbon_credit.kernel.paging import CursorInvalid, Page, cut, position
from carbon_credit.redemption.errors import (
    BillNeeded,
    BillTooSmall,
    ConsumptionNotFound,
    PartialUseRefused,
    TillLocked,
    UndoElsewhere,
    UndoSettled,
    UndoTooLate,
    VoucherCancelled,
    VoucherConsumed,
    VoucherExpired,
    VoucherInvalid,
    VoucherLapsed,
    VoucherNotFound,
    VoucherTooSmall,
)
from carbon_credit.redemption.till.consuming import Place, consume, place_of, undo
from carbon_credit.redemption.till.guesses import count_failure, require_open
from carbon_credit.redemption.till.looking import Look, look
from carbon_credit.redemption.till.uses import Consumption, ConsumptionCursor, consumptions

_CONSUME = access(MERCHANT, scope="vouchers:consume")
_READ = access(MERCHANT, scope="vouchers:read")
CODES_A_MINUTE = 120  # no queue at a till is faster


class ConsumptionIn(Strict):
    """How much of the voucher."""

    value_fen = Whole(
        minimum=1,
        metadata={
            "description": "Where the offer allows partial use; all that is left where it is absent.",
            "example": 500,
        },
    )
    bill_fen = Whole(
        metadata={
            "description": "What the customer has to pay, where the offer depends on it.",
            "example": 3000,
        },
    )


class ConsumptionOut(Answer):
    """A use of a voucher at this merchant."""

    id = Id(required=True, metadata={"example": "0192f3c1-7a52-7b61-9d3e-0f6a1c2b3d41"})
    redemption_id = Id(required=True, metadata={"example": "0192f3c1-7a52-7b61-9d3e-0f6a1c2b3d42"})
    offer_id = Id(required=True, metadata={"example": "0192f3c1-7a52-7b61-9d3e-0f6a1c2b3d4e"})
    title = fields.String(required=True, metadata={"example": "Tea coupon, 5 yuan"})
    points = Whole(
        required=True,
        metadata={"description": "What this use spent: all of the price at the first.", "example": 100},
    )
    value_fen = Whole(required=True, metadata={"example": 500})
    left_fen = Whole(
        required=True, metadata={"description": "What can still be used of the voucher.", "example": 0}
    )
    store_id = Id(required=True, allow_none=True, metadata={"example": None})
    till_id = Id(required=True, allow_none=True, metadata={"example": None})
    consumed_at = Instant(
        required=True, metadata={"description": "By the till's clock.", "example": "2026-11-21T05:00:00Z"}
    )
    recorded_at = Instant(required=True, metadata={"example": "2026-11-21T05:00:00Z"})
    offline = fields.Boolean(required=True, metadata={"example": False})
    undone_at = Instant(required=True, allow_none=True, metadata={"example": None})


class ConsumptionsQuery(PageQuery):
    """Which uses, and where to read."""

    since = Instant(
        metadata={"description": "Only what was used from then on.", "example": "2026-11-30T00:00:00+08:00"}
    )
    until = Instant(
        metadata={"description": "Only what was used before.", "example": "2026-12-01T00:00:00+08:00"}
    )
    store_id = Id(metadata={"example": "0192f3c1-7a52-7b61-9d3e-0f6a1c2b3e01"})
    till_id = Id(
        metadata={
            "description": "A till's own credential sees its own uses only.",
            "example": "0192f3c1-7a52-7b61-9d3e-0f6a1c2b3e02",
        }
    )


class VoucherSeen(Answer):
    """A voucher of this merchant, and whether it can be taken."""

    title = fields.String(required=True, metadata={"example": "Tea coupon, 5 yuan"})
    value_fen = Whole(required=True, metadata={"example": 500})
    left_fen = Whole(required=True, metadata={"description": "What can be taken now.", "example": 500})
    partial_use = fields.Boolean(required=True, metadata={"example": False})
    needs_bill = fields.Boolean(
        required=True,
        metadata={
            "description": "Taken only with `bill_fen`, what the customer has to pay.",
            "example": False,
        },
    )
    expires_at = Instant(required=True, metadata={"example": "2026-11-22T04:00:00Z"})
    refusal = fields.Nested(
        Problem, required=True, allow_none=True, metadata={"description": "Why nothing can be taken."}
    )


def _keep_guess(call: Call, error: CarbonError) -> None:
    if isinstance(error, VoucherInvalid | VoucherNotFound):
        count_failure(call.session, caller=call.caller.key, now=call.now)


@writes(
    allowed=_CONSUME,
    refused=_keep_guess,
    takes=ConsumptionIn,
    bare=True,
    answer=ConsumptionOut,
    raises=(
        TillLocked,
        RateLimited,
        VoucherInvalid,
        VoucherNotFound,
        VoucherConsumed,
        VoucherCancelled,
        VoucherExpired,
        VoucherLapsed,
        VoucherTooSmall,
        PartialUseRefused,
        BillNeeded,
        BillTooSmall,
    ),
)
def consume_voucher(call: Call, code: str) -> dict[str, Any]:
    """Take a voucher. Its points become the merchant's claim; used up, it cannot be used again."""
    used = consume(
        call.session,
        place=_place(call),
        text=code,
        now=call.now,
        value_fen=call.body.get("value_fen"),
        bill_fen=call.body.get("bill_fen"),
    )
    return use_shown(used)


@writes(
    allowed=_CONSUME,
    refused=_keep_guess,
    answer=ConsumptionOut,
    raises=(
        TillLocked,
        RateLimited,
        VoucherInvalid,
        VoucherNotFound,
        ConsumptionNotFound,
        UndoTooLate,
        UndoElsewhere,
        UndoSettled,
    ),
)
def undo_consumption(call: Call, code: str) -> dict[str, Any]:
    """Undo the last use of a voucher, within five minutes. In its time it can be used again."""
    return use_shown(undo(call.session, place=_place(call), text=code, now=call.now))


@reads(allowed=_READ, query=ConsumptionsQuery, answer=page_of(ConsumptionOut))
def list_consumptions(call: Call) -> Page[dict[str, Any]]:
    """List the uses of vouchers here, undone or not, oldest first."""
    limit = call.query["limit"]
    rows = consumptions(
        call.session,
        merchant_id=call.caller.id,
        now=call.now,
        after=_after(call.query.get("cursor")),
        since=call.query.get("since"),
        until=call.query.get("until"),
        store_id=call.query.get("store_id"),
        till_id=call.caller.till_id or call.query.get("till_id"),
        limit=limit + 1,
    )
    page = cut(rows, limit, lambda row: [row.consumed_at.isoformat(), str(row.id)])
    return Page(items=[use_shown(row) for row in page.items], next_cursor=page.next_cursor)


@reads(
    allowed=_CONSUME,
    refused=_keep_guess,
    answer=VoucherSeen,
    raises=(TillLocked, RateLimited, VoucherInvalid, VoucherNotFound),
)
def look_at_voucher(call: Call, code: str) -> dict[str, Any]:
    """Look at a voucher before it is taken. A wrong code counts as one that was tried."""
    seen = look(call.session, place=_place(call), text=code, now=call.now)
    shown = {name: getattr(seen, name) for name in Look.__dataclass_fields__}
    return {
        **shown,
        "title": seen.title_zh if language() == "zh" else seen.title_en,
        "refusal": None if seen.refusal is None else problem(seen.refusal),
    }


def _place(call: Call) -> Place:
    """Where the caller stands, if it has not guessed too often."""
    caller = call.caller
    verdict = call.runtime.limiter.hit(f"codes {caller.key}", limit=CODES_A_MINUTE, window_s=60, now=call.now)
    if not verdict.allowed:
        raise RateLimited(retry_after_s=verdict.retry_after_s)
    require_open(call.session, caller=caller.key, programme=caller.programme, now=call.now)
    return place_of(call.session, merchant_id=call.caller.id, till_id=call.caller.till_id)


def use_shown(row: Consumption) -> dict[str, Any]:
    """A use's members, with the title in the language of the request."""
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
