"""Settling months: the run with its steps, statements of all merchants, and the answers to their disputes."""

import uuid
from datetime import date
from typing import Any

from flask import Response
from marshmallow import fields

from carbon_credit.api.auth import access
from carbon_credit.api.fields import Id, Instant, Text, Whole, Word
from carbon_credit.api.merchants.statements import (
    DisputeOut,
    InvoiceIn,
    StatementOut,
    WholeStatement,
    disputes_page,
    shown,
    statement_file,
    statements_page,
    whole,
)
from carbon_credit.api.operation import Call, reads, writes
from carbon_credit.api.schemas import Answer, PageQuery, Strict, page_of
from carbon_credit.catalogue.errors import ProgrammeNotFound
from carbon_credit.documents.xlsx import TooManyRows
from carbon_credit.identity.scopes import OPERATOR
from carbon_credit.kernel.paging import CursorInvalid, Page, cut, position
from carbon_credit.ledger.errors import InsufficientBalance
from carbon_credit.settlement import disputes, operations
from carbon_credit.settlement.errors import (
    AdjustmentUnfunded,
    AnswerForbidden,
    DisputeAnswered,
    DisputeNotFound,
    InvoiceTaken,
    MonthNotOver,
    RunNotFound,
    StatementNotFound,
    StatementState,
)
from carbon_credit.settlement.rendering.files import MEDIA_TYPES
from carbon_credit.settlement.runs import STEPS, Run, begin_run, run_of, runs
from carbon_credit.settlement.states import STATES

_READ = access(OPERATOR, scope="settlements:read")
_WRITE = access(OPERATOR, scope="settlements:write")
MONTH = r"^(20|21)[0-9]{2}-(0[1-9]|1[0-2])$"


class SettlementIn(Strict):
    """Which month to settle."""

    month = Text(longest=7, pattern=MONTH, required=True, metadata={"example": "2026-11"})


class SettlementStepOut(Answer):
    """A step of it, in their order."""

    step = Word(*STEPS, required=True, metadata={"example": "statements"})
    done = Whole(required=True, metadata={"description": "How much it did so far.", "example": 12})
    note = fields.String(required=True, allow_none=True, metadata={"example": None})
    ended_at = Instant(required=True, allow_none=True, metadata={"example": "2026-12-01T02:00:00Z"})


class Settlement(Answer):
    """A month that is settled, or being settled."""

    month = fields.String(required=True, metadata={"example": "2026-11"})
    state = Word("running", "done", required=True, metadata={"example": "running"})
    started_at = Instant(required=True, metadata={"example": "2026-12-01T01:00:00Z"})
    started_by = fields.String(
        required=True, metadata={"example": "operator:0192f3c1-7a52-7b61-9d3e-0f6a1c2b3d42"}
    )
    steps = fields.List(fields.Nested(SettlementStepOut), required=True)


class StatementsQuery(PageQuery):
    """Which statements, and where to read."""

    month = Text(longest=7, pattern=MONTH, metadata={"example": "2026-11"})
    merchant_id = Id(metadata={"example": "0192f3c1-7a52-7b61-9d3e-0f6a1c2b3e00"})
    state = Word(*STATES, metadata={"example": "disputed"})


class DisputesQuery(PageQuery):
    """Which disputes, and where to read."""

    state = Word("open", "all", load_default="open", metadata={"example": "open"})


class AnswerIn(Strict):
    """What the operator says, and what it gives (above zero) or takes (below)."""

    answer = Text(longest=400, required=True, metadata={"example": "已核实，补 5 元"})
    adjusted_fen = Whole(minimum=-(10**12), maximum=10**12, required=True, metadata={"example": 500})


@writes(
    allowed=_WRITE,
    takes=SettlementIn,
    answer=Settlement,
    status=202,
    raises=(MonthNotOver, ProgrammeNotFound),
)
def settle_a_month(call: Call) -> dict[str, Any]:
    """Settle a month: close what is open, expire, cut off, issue statements, replenish, in that order.

    It goes on by itself; read it again to see how far it is. Asked twice, it is the same run.
    """
    run = begin_run(
        call.session,
        programme=call.caller.programme,
        month=_month(call.body["month"]),
        actor=call.caller.key,
        now=call.now,
    )
    return _run(run)


@reads(allowed=_READ, query=PageQuery, answer=page_of(Settlement))
def list_settlements(call: Call) -> Page[dict[str, Any]]:
    """List the months that were settled, the last first."""
    limit, cursor = call.query["limit"], call.query.get("cursor")
    before = None if cursor is None else _day(str(position(cursor, str)[0]))
    rows = runs(call.session, programme=call.caller.programme, before=before, limit=limit + 1)
    page = cut(rows, limit, lambda row: [row.month.isoformat()])
    return Page(items=[_run(row) for row in page.items], next_cursor=page.next_cursor)


@reads(allowed=_READ, answer=Settlement, raises=(RunNotFound,))
def get_settlement(call: Call, month: date) -> dict[str, Any]:
    """Read how far the settlement of a month is."""
    return _run(run_of(call.session, programme=call.caller.programme, month=month))


@reads(allowed=_READ, query=StatementsQuery, answer=page_of(StatementOut))
def list_merchant_statements(call: Call) -> Page[dict[str, Any]]:
    """List the statements of all merchants, oldest first."""
    month = call.query.get("month")
    return statements_page(
        call,
        month=None if month is None else _month(month),
        merchant_id=call.query.get("merchant_id"),
        state=call.query.get("state"),
    )


@reads(allowed=_READ, answer=WholeStatement, raises=(StatementNotFound,))
def get_merchant_statement(call: Call, statement_id: uuid.UUID) -> dict[str, Any]:
    """Read a statement with its lines, fees and adjustments."""
    return whole(call, statement_id)


@reads(
    allowed=_READ,
    answer=None,
    downloads=tuple(MEDIA_TYPES.values()),
    raises=(StatementNotFound, TooManyRows),
)
def get_merchant_statement_file(call: Call, statement_id: uuid.UUID, form: str) -> Response:
    """Download a statement as csv, xlsx or pdf: the same bytes each time."""
    return statement_file(call, statement_id, form)


@writes(allowed=_WRITE, answer=StatementOut, raises=(StatementNotFound, StatementState))
def agree_for_merchant(call: Call, statement_id: uuid.UUID) -> dict[str, Any]:
    """Agree to a statement for a merchant that did not object in time. The log says who did."""
    return shown(operations.agree(call.session, statement_id=statement_id, **_act(call)))


@writes(
    allowed=_WRITE,
    takes=InvoiceIn,
    answer=StatementOut,
    raises=(StatementNotFound, StatementState, InvoiceTaken),
)
def state_invoice_for_merchant(call: Call, statement_id: uuid.UUID) -> dict[str, Any]:
    """Record the number of an invoice that came on paper."""
    record = operations.state_invoice(call.session, statement_id=statement_id, **call.body, **_act(call))
    return shown(record)


@reads(allowed=_READ, query=DisputesQuery, answer=page_of(DisputeOut))
def list_disputes(call: Call) -> Page[Any]:
    """List the disputes that wait for an answer, or all, oldest first."""
    return disputes_page(call, only_open=call.query["state"] == "open")


@writes(
    allowed=_WRITE,
    takes=AnswerIn,
    answer=DisputeOut,
    raises=(DisputeNotFound, DisputeAnswered, AnswerForbidden, AdjustmentUnfunded, InsufficientBalance),
)
def answer_a_dispute(call: Call, dispute_id: uuid.UUID) -> object:
    """Answer a dispute. Who issued the statement may not; what is given is set aside at once."""
    return disputes.answer_dispute(call.session, dispute_id=dispute_id, **call.body, **_act(call))


def _run(run: Run) -> dict[str, Any]:
    return {
        "month": f"{run.month:%Y-%m}",
        "state": run.state,
        "started_at": run.started_at,
        "started_by": run.started_by,
        "steps": run.steps,
    }


def _month(text: str) -> date:
    return date.fromisoformat(f"{text}-01")


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise CursorInvalid from error


def _act(call: Call) -> dict[str, Any]:
    return {"programme": call.caller.programme, "actor": call.caller.key, "now": call.now}
