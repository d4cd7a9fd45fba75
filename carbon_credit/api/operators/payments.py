"""Terms and payees of merchants; payment files, and what the bank answers."""

import uuid
from typing import Any

from flask import Response
from marshmallow import fields

from carbon_credit.api.auth import access
from carbon_credit.api.fields import Day, Flag, Id, Instant, Text, Whole, Word
from carbon_credit.api.operation import Call, reads, writes
from carbon_credit.api.operators.merchants import merchant_of
from carbon_credit.api.schemas import Answer, PageQuery, Strict, page_of
from carbon_credit.identity.errors import PartyNotFound
from carbon_credit.identity.scopes import OPERATOR
from carbon_credit.kernel.paging import Page, cut, id_position
from carbon_credit.settlement import terms
from carbon_credit.settlement.errors import (
    ConfirmationsUnreadable,
    NothingToPay,
    PayeeConfirmForbidden,
    PayeeNotFound,
    PaymentFileNotFound,
    TermsBackdated,
    TermsTaken,
)
from carbon_credit.settlement.paying import confirmations, files
from carbon_credit.settlement.terms import Payee, PayeeRecord, TermsRecord

_READ = access(OPERATOR, scope="settlements:read")
_WRITE = access(OPERATOR, scope="settlements:write")
_READ_MERCHANTS = access(OPERATOR, scope="merchants:read")
_WRITE_MERCHANTS = access(OPERATOR, scope="merchants:write")
CSV = "text/csv"


class TermsIn(Strict):
    """What a merchant pays from a day on. Terms never change; later ones follow them."""

    effective_from = Day(required=True, metadata={"example": "2026-12-01"})
    fee_bps = Whole(
        maximum=10_000,
        required=True,
        metadata={"description": "Hundredths of a percent of what it is owed.", "example": 60},
    )
    fee_per_use_fen = Whole(
        maximum=100_000,
        required=True,
        metadata={"description": "For each consumption beside it.", "example": 0},
    )
    invoice_required = Flag(required=True, metadata={"example": True})


class TermsOut(Answer):
    """Terms, in force until the next begin."""

    effective_from = Day(required=True, metadata={"example": "2026-12-01"})
    fee_bps = Whole(required=True, metadata={"example": 60})
    fee_per_use_fen = Whole(required=True, metadata={"example": 0})
    invoice_required = Flag(required=True, metadata={"example": True})


class TermsList(Answer):
    """All terms of a merchant, those that begin first first."""

    items = fields.List(fields.Nested(TermsOut), required=True)


class PayeeIn(Strict):
    """To whom a merchant is paid. Kept sealed."""

    name = Text(longest=120, required=True, metadata={"example": "珠江茶饮有限公司"})
    bank = Text(longest=120, required=True, metadata={"example": "某银行广州天河支行"})
    account = Text(
        longest=40,
        pattern=r"^[0-9A-Za-z-]{5,40}$",
        required=True,
        metadata={"example": "6222020200012345678"},
    )


class PayeeOut(Answer):
    """A payee, of whose account only the end is shown. It is paid to once another has confirmed it."""

    id = Id(required=True, metadata={"example": "0192f3c1-7a52-7b61-9d3e-0f6a1c2b3e30"})
    tail = fields.String(required=True, metadata={"example": "5678"})
    recorded_at = Instant(required=True, metadata={"example": "2026-11-21T04:00:00Z"})
    confirmed_at = Instant(required=True, allow_none=True, metadata={"example": "2026-11-22T04:00:00Z"})


class PayeeList(Answer):
    """Every payee of a merchant, the newest first; the one confirmed last is paid to."""

    items = fields.List(fields.Nested(PayeeOut), required=True)


class PaymentFileOut(Answer):
    """Payments that are handed to the bank together."""

    id = Id(required=True, metadata={"example": "0192f3c1-7a52-7b61-9d3e-0f6a1c2b3e40"})
    payments = Whole(required=True, metadata={"example": 12})
    total_fen = Whole(required=True, metadata={"example": 7138908})
    made_at = Instant(required=True, metadata={"example": "2026-12-05T02:00:00Z"})


class PaymentOutcome(Answer):
    """What became of one row of the bank's answer."""

    row = Whole(required=True, metadata={"description": "The first after the headings is 1.", "example": 1})
    reference = fields.String(required=True, metadata={"example": "CC202600001701"})
    outcome = Word(*confirmations.OUTCOMES, required=True, metadata={"example": "paid"})
    expected_fen = Whole(
        required=True, allow_none=True, metadata={"description": "What was sent, where it differs."}
    )


class PaymentOutcomes(Answer):
    """One outcome for each row."""

    items = fields.List(fields.Nested(PaymentOutcome), required=True)


@writes(
    allowed=_WRITE_MERCHANTS,
    takes=TermsIn,
    answer=TermsOut,
    status=201,
    raises=(PartyNotFound, TermsTaken, TermsBackdated),
)
def record_merchant_terms(call: Call, merchant_id: uuid.UUID) -> TermsRecord:
    """Record what a merchant pays from a day on."""
    merchant_of(call, merchant_id)
    return terms.record_terms(call.session, merchant_id=merchant_id, **call.body, **_act(call))


@reads(allowed=_READ_MERCHANTS, answer=TermsList, raises=(PartyNotFound,))
def list_merchant_terms(call: Call, merchant_id: uuid.UUID) -> dict[str, Any]:
    """List the terms of a merchant."""
    merchant_of(call, merchant_id)
    return {"items": terms.terms_of(call.session, merchant_id=merchant_id)}


@writes(allowed=_WRITE_MERCHANTS, takes=PayeeIn, answer=PayeeOut, status=201, raises=(PartyNotFound,))
def record_merchant_payee(call: Call, merchant_id: uuid.UUID) -> PayeeRecord:
    """Record to whom a merchant is paid. Another operator confirms it before anything is paid there."""
    merchant_of(call, merchant_id)
    return terms.record_payee(call.session, merchant_id=merchant_id, payee=Payee(**call.body), **_act(call))


@reads(allowed=_READ_MERCHANTS, answer=PayeeList, raises=(PartyNotFound,))
def list_merchant_payees(call: Call, merchant_id: uuid.UUID) -> dict[str, Any]:
    """List the payees of a merchant, without what is sealed."""
    merchant_of(call, merchant_id)
    return {"items": terms.payees_of(call.session, merchant_id=merchant_id)}


@writes(
    allowed=_WRITE_MERCHANTS,
    answer=PayeeOut,
    raises=(PartyNotFound, PayeeNotFound, PayeeConfirmForbidden),
)
def confirm_merchant_payee(call: Call, merchant_id: uuid.UUID, payee_id: uuid.UUID) -> PayeeRecord:
    """Confirm a payee that another operator has recorded, after comparing it with the document."""
    merchant_of(call, merchant_id)
    return terms.confirm_payee(call.session, merchant_id=merchant_id, payee_id=payee_id, **_act(call))


@writes(allowed=_WRITE, answer=PaymentFileOut, status=201, raises=(NothingToPay,))
def make_a_payment_file(call: Call) -> object:
    """Put every statement that is ready to be paid into a payment file. They are sent from then on."""
    return files.make_payment_file(call.session, **_act(call))


@reads(allowed=_READ, query=PageQuery, answer=page_of(PaymentFileOut))
def list_payment_files(call: Call) -> Page[Any]:
    """List the payment files, oldest first."""
    limit, after = call.query["limit"], id_position(call.query.get("cursor"))
    rows = files.payment_files(call.session, programme=call.caller.programme, after=after, limit=limit + 1)
    return cut(rows, limit, lambda row: [str(row.id)])


@reads(allowed=_WRITE, answer=None, downloads=(CSV,), raises=(PaymentFileNotFound,))
def get_payment_file(call: Call, file_id: uuid.UUID) -> Response:
    """Download a payment file, in our own layout: a bank's is made from it. It holds accounts."""
    body = files.payment_csv(call.session, programme=call.caller.programme, file_id=file_id)
    response = Response(body, mimetype=CSV)
    response.headers["Content-Disposition"] = f'attachment; filename="payments-{file_id}.csv"'
    response.headers["Cache-Control"] = "no-store"
    return response


@writes(
    allowed=_WRITE,
    content={CSV: {"schema": {"type": "string"}}},
    answer=PaymentOutcomes,
    raises=(ConfirmationsUnreadable,),
)
def confirm_bank_payments(call: Call) -> dict[str, Any]:
    """Take in what the bank answers: CSV with reference, amount_fen, paid_on, result (paid or returned).

    Each row has its own outcome; one that comes twice does nothing.
    """
    return {"items": confirmations.confirm_payments(call.session, body=call.body, **_act(call))}


def _act(call: Call) -> dict[str, Any]:
    return {"programme": call.caller.programme, "actor": call.caller.key, "now": call.now}
