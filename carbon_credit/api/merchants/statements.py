"""A merchant's monthly statements: read them, take them as files, agree, object, name the invoice."""

import tempfile
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from typing import IO, Any

from flask import Response
from marshmallow import fields

from carbon_credit.api.auth import access
from carbon_credit.api.fields import Id, Instant, Text, Whole, Word
from carbon_credit.api.operation import Call, reads, writes
from carbon_credit.api.schemas import Answer, PageQuery, Strict, page_of
from carbon_credit.documents.xlsx import TooManyRows
from carbon_credit.identity.scopes import MERCHANT
from carbon_credit.kernel.paging import Page, cut, id_position
from carbon_credit.settlement import disputes, operations, queries
from carbon_credit.settlement.errors import (
    DisputeExists,
    InvoiceTaken,
    LineUnknown,
    StatementNotFound,
    StatementState,
)
from carbon_credit.settlement.queries import StatementRecord
from carbon_credit.settlement.rendering.files import MEDIA_TYPES, write_statement
from carbon_credit.settlement.states import STATES

_READ = access(MERCHANT, scope="statements:read")
_WRITE = access(MERCHANT, scope="statements:write")
INVOICE_NUMBER = r"^[0-9A-Za-z-]{8,40}$"
_SIGNED = {"minimum": -(2**63)}
_MEMORY_BYTES = 8 * 1024 * 1024
_CHUNK_BYTES = 64 * 1024


class StatementOut(Answer):
    """A statement. It never changes, but for its state. Sums are fen:

    closing = opening + used - undone + adjusted - fee - paid.
    """

    id = Id(required=True, metadata={"example": "0192f3c1-7a52-7b61-9d3e-0f6a1c2b3e10"})
    merchant_id = Id(required=True, metadata={"example": "0192f3c1-7a52-7b61-9d3e-0f6a1c2b3e00"})
    label = fields.String(
        required=True,
        metadata={"description": "Its number, without gaps in each year.", "example": "2026-000017"},
    )
    month = fields.String(required=True, metadata={"example": "2026-11"})
    state = Word(*STATES, required=True, metadata={"example": "issued"})
    invoice_number = fields.String(
        required=True, allow_none=True, metadata={"example": "26442000000012345678"}
    )
    ends_at = Instant(
        required=True,
        metadata={
            "description": "Consumptions before it are on this one.",
            "example": "2026-11-30T16:00:00Z",
        },
    )
    opening_fen = Whole(required=True, **_SIGNED, metadata={"example": 0})
    uses = Whole(required=True, metadata={"example": 1200})
    used_fen = Whole(required=True, metadata={"example": 600000})
    undos = Whole(required=True, metadata={"example": 3})
    undone_fen = Whole(required=True, metadata={"example": 1500})
    adjusted_fen = Whole(
        required=True,
        **_SIGNED,
        metadata={
            "description": "Answers to disputes of earlier ones, and lost scans that the programme bears.",
            "example": 0,
        },
    )
    fee_fen = Whole(required=True, **_SIGNED, metadata={"example": 3591})
    paid_fen = Whole(required=True, metadata={"example": 0})
    closing_fen = Whole(required=True, **_SIGNED, metadata={"example": 594909})
    payable_fen = Whole(
        required=True, metadata={"description": "To be paid for this statement.", "example": 594909}
    )
    carried_fen = Whole(
        required=True,
        metadata={"description": "Owed by the merchant, set against the next ones.", "example": 0},
    )
    own_fen = Whole(
        required=True,
        metadata={"description": "Worth of what the merchant itself pays for.", "example": 36000},
    )
    points = Whole(required=True, **_SIGNED, metadata={"example": 120000})
    digest = fields.String(required=True, metadata={"example": "e3b0c442" * 8})
    issued_at = Instant(required=True, metadata={"example": "2026-12-01T02:00:00Z"})


class StatementLineOut(Answer):
    """What one offer came to at one store."""

    offer_id = Id(required=True, metadata={"example": "0192f3c1-7a52-7b61-9d3e-0f6a1c2b3d4e"})
    store_id = Id(
        required=True, allow_none=True, metadata={"example": "0192f3c1-7a52-7b61-9d3e-0f6a1c2b3e01"}
    )
    title_zh = fields.String(required=True, metadata={"example": "五元茶饮券"})
    title_en = fields.String(required=True, metadata={"example": "Tea coupon, 5 yuan"})
    store_name = fields.String(required=True, allow_none=True, metadata={"example": "天河店"})
    funding = fields.String(
        required=True,
        metadata={
            "description": "Who pays: fund, subsidy, or the merchant, then nothing is owed.",
            "example": "fund",
        },
    )
    uses = Whole(required=True, metadata={"example": 1200})
    used_fen = Whole(required=True, metadata={"example": 600000})
    undos = Whole(required=True, metadata={"example": 3})
    undone_fen = Whole(required=True, metadata={"example": 1500})
    points = Whole(required=True, **_SIGNED, metadata={"example": 120000})


class StatementFeeOut(Answer):
    """The fee under one version of the terms."""

    fee_bps = Whole(required=True, metadata={"description": "Hundredths of a percent.", "example": 60})
    fee_per_use_fen = Whole(required=True, metadata={"example": 0})
    uses = Whole(required=True, **_SIGNED, metadata={"example": 1197})
    base_fen = Whole(required=True, **_SIGNED, metadata={"example": 598500})
    fee_fen = Whole(required=True, **_SIGNED, metadata={"example": 3591})


class StatementAdjustmentOut(Answer):
    """The answer to a dispute of an earlier statement."""

    dispute_id = Id(required=True, metadata={"example": "0192f3c1-7a52-7b61-9d3e-0f6a1c2b3e20"})
    offer_id = Id(required=True, metadata={"example": "0192f3c1-7a52-7b61-9d3e-0f6a1c2b3d4e"})
    adjusted_fen = Whole(required=True, **_SIGNED, metadata={"example": 500})


class StatementLossOut(Answer):
    """A scan without a connection of a voucher that was used elsewhere, which the programme bears."""

    till_id = Id(required=True, metadata={"example": "0192f3c1-7a52-7b61-9d3e-0f6a1c2b3e02"})
    scan_id = Id(required=True, metadata={"example": "0192f3c1-7a52-4b61-9d3e-0f6a1c2b3d51"})
    offer_id = Id(required=True, metadata={"example": "0192f3c1-7a52-7b61-9d3e-0f6a1c2b3d4e"})
    value_fen = Whole(required=True, metadata={"example": 500})


class WholeStatement(StatementOut):
    """A statement with what it is made of. Every consumption is in its files."""

    lines = fields.List(fields.Nested(StatementLineOut), required=True)
    fees = fields.List(fields.Nested(StatementFeeOut), required=True)
    adjustments = fields.List(fields.Nested(StatementAdjustmentOut), required=True)
    losses = fields.List(fields.Nested(StatementLossOut), required=True)


class DisputeIn(Strict):
    """What is wrong with the line of an offer."""

    offer_id = Id(required=True, metadata={"example": "0192f3c1-7a52-7b61-9d3e-0f6a1c2b3d4e"})
    reason = Text(longest=400, required=True, metadata={"example": "11 月 12 日少计一笔"})


class DisputeOut(Answer):
    """An objection, and its answer. What the answer gives goes on the next statement."""

    id = Id(required=True, metadata={"example": "0192f3c1-7a52-7b61-9d3e-0f6a1c2b3e20"})
    statement_id = Id(required=True, metadata={"example": "0192f3c1-7a52-7b61-9d3e-0f6a1c2b3e10"})
    merchant_id = Id(required=True, metadata={"example": "0192f3c1-7a52-7b61-9d3e-0f6a1c2b3e00"})
    offer_id = Id(required=True, metadata={"example": "0192f3c1-7a52-7b61-9d3e-0f6a1c2b3d4e"})
    reason = fields.String(required=True, metadata={"example": "11 月 12 日少计一笔"})
    opened_at = Instant(required=True, metadata={"example": "2026-12-02T02:00:00Z"})
    answer = fields.String(required=True, allow_none=True, metadata={"example": "已核实，补 5 元"})
    adjusted_fen = Whole(required=True, allow_none=True, **_SIGNED, metadata={"example": 500})
    answered_at = Instant(required=True, allow_none=True, metadata={"example": "2026-12-03T02:00:00Z"})


class InvoiceIn(Strict):
    """The invoice (发票) that the merchant has made out for the statement."""

    invoice_number = Text(
        longest=40, pattern=INVOICE_NUMBER, required=True, metadata={"example": "26442000000012345678"}
    )


@reads(allowed=_READ, query=PageQuery, answer=page_of(StatementOut))
def list_own_statements(call: Call) -> Page[dict[str, Any]]:
    """List this merchant's statements, oldest first."""
    return statements_page(call, merchant_id=call.caller.id)


@reads(allowed=_READ, answer=WholeStatement, raises=(StatementNotFound,))
def get_own_statement(call: Call, statement_id: uuid.UUID) -> dict[str, Any]:
    """Read a statement of this merchant with its lines, fees and adjustments."""
    return whole(call, statement_id, call.caller.id)


@reads(
    allowed=_READ,
    answer=None,
    downloads=tuple(MEDIA_TYPES.values()),
    raises=(StatementNotFound, TooManyRows),
)
def get_own_statement_file(call: Call, statement_id: uuid.UUID, form: str) -> Response:
    """Download a statement of this merchant as csv, xlsx or pdf: the same bytes each time."""
    return statement_file(call, statement_id, form, call.caller.id)


@writes(allowed=_WRITE, answer=StatementOut, raises=(StatementNotFound, StatementState))
def agree_to_own_statement(call: Call, statement_id: uuid.UUID) -> dict[str, Any]:
    """Agree to a statement. Where nothing is payable it has ended."""
    record = operations.agree(
        call.session, statement_id=statement_id, merchant_id=call.caller.id, **_act(call)
    )
    return shown(record)


@writes(
    allowed=_WRITE,
    takes=DisputeIn,
    answer=DisputeOut,
    status=201,
    raises=(StatementNotFound, StatementState, LineUnknown, DisputeExists),
)
def dispute_own_statement(call: Call, statement_id: uuid.UUID) -> object:
    """Object to what an offer came to. An operator who did not issue the statement answers."""
    return disputes.open_dispute(
        call.session, statement_id=statement_id, merchant_id=call.caller.id, **call.body, **_act(call)
    )


@reads(allowed=_READ, query=PageQuery, answer=page_of(DisputeOut))
def list_own_disputes(call: Call) -> Page[Any]:
    """List this merchant's disputes, oldest first."""
    return disputes_page(call, merchant_id=call.caller.id)


@writes(
    allowed=_WRITE,
    takes=InvoiceIn,
    answer=StatementOut,
    raises=(StatementNotFound, StatementState, InvoiceTaken),
)
def state_own_invoice(call: Call, statement_id: uuid.UUID) -> dict[str, Any]:
    """Name the invoice of a statement that was agreed. It comes before payment where the terms ask for it."""
    record = operations.state_invoice(
        call.session, statement_id=statement_id, merchant_id=call.caller.id, **call.body, **_act(call)
    )
    return shown(record)


def shown(record: StatementRecord) -> dict[str, Any]:
    """A statement's members."""
    members = {name: getattr(record, name) for name in StatementRecord.__dataclass_fields__}
    return {**members, "label": record.label, "month": f"{record.month:%Y-%m}"}


def whole(call: Call, statement_id: uuid.UUID, merchant_id: uuid.UUID | None = None) -> dict[str, Any]:
    """A statement with what it is made of."""
    record = queries.statement(
        call.session, programme=call.caller.programme, statement_id=statement_id, merchant_id=merchant_id
    )
    told = queries.content(call.session, statement_id=statement_id)
    parts = {"lines": told.lines, "fees": told.fees, "adjustments": told.adjustments, "losses": told.losses}
    return {**shown(record), **parts}


def statements_page(call: Call, **wanted: Any) -> Page[dict[str, Any]]:
    """A page of statements."""
    limit, after = call.query["limit"], id_position(call.query.get("cursor"))
    rows = queries.statements(
        call.session, programme=call.caller.programme, after=after, limit=limit + 1, **wanted
    )
    page = cut(rows, limit, lambda row: [str(row.id)])
    return Page(items=[shown(row) for row in page.items], next_cursor=page.next_cursor)


def disputes_page(call: Call, **wanted: Any) -> Page[Any]:
    """A page of disputes."""
    limit, after = call.query["limit"], id_position(call.query.get("cursor"))
    rows = disputes.disputes(
        call.session, programme=call.caller.programme, after=after, limit=limit + 1, **wanted
    )
    return cut(rows, limit, lambda row: [str(row.id)])


def statement_file(
    call: Call, statement_id: uuid.UUID, form: str, merchant_id: uuid.UUID | None = None
) -> Response:
    """A statement as a file; large ones go to disk while they are made."""
    with ExitStack() as on_failure:
        file = on_failure.enter_context(tempfile.SpooledTemporaryFile(max_size=_MEMORY_BYTES))
        told = write_statement(
            call.session,
            form=form,
            target=file,
            programme=call.caller.programme,
            statement_id=statement_id,
            merchant_id=merchant_id,
        )
        on_failure.pop_all()
    file.seek(0, 2)
    length = file.tell()
    file.seek(0)
    response = Response(_sent(file), mimetype=MEDIA_TYPES[form])
    response.call_on_close(file.close)  # also where nobody reads it to the end
    response.content_length = length
    name = f"statement-{told.record.label}.{form}"
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


def _sent(file: IO[bytes]) -> Iterator[bytes]:
    with file:
        while chunk := file.read(_CHUNK_BYTES):
            yield chunk


def _act(call: Call) -> dict[str, Any]:
    return {"programme": call.caller.programme, "actor": call.caller.key, "now": call.now}
