"""Operators' report of the points outstanding at a month's end, reconciled against the ledger."""

from typing import Any

from marshmallow import fields

from carbon_credit.api.auth import access
from carbon_credit.api.fields import Day, Flag, Whole, Word
from carbon_credit.api.operation import Call, reads
from carbon_credit.api.schemas import Answer, Strict
from carbon_credit.catalogue.errors import ProgrammeNotFound
from carbon_credit.identity.scopes import OPERATOR
from carbon_credit.points.outstanding import outstanding_of

_AUDIT = access(OPERATOR, scope="audit:read")
_SIGNED = -(2**63)
_CHECKS = ("movements", "debts", "balances", "balances-held", "balances-owed", "lots-that-differ")


class OutstandingQuery(Strict):
    """Which month, by any of its days."""

    month = Day(required=True, metadata={"example": "2026-11-01"})


class YearOfExpiryOut(Answer):
    """Points in lots whose last day lies in that year."""

    year = Whole(required=True, metadata={"example": 2029})
    outstanding = Whole(required=True, metadata={"example": 120000})
    held = Whole(required=True, metadata={"description": "Of these: for vouchers.", "example": 800})


class HistoryOut(Answer):
    """What the rule of breakage was computed from: points of lots that ended before the month. Of what is
    outstanding, expired ÷ (spent + expired) is expected to expire, and what is over already."""

    until = Day(required=True, metadata={"example": "2026-10-31"})
    spent = Whole(required=True, metadata={"example": 60000})
    expired = Whole(required=True, metadata={"example": 40000})


class WorthOut(Answer):
    """So many fen for so many points."""

    points = Whole(required=True, metadata={"example": 100})
    value_fen = Whole(required=True, metadata={"example": 500})


class OutstandingCheck(Answer):
    """Two ways to one sum. `difference` is zero, or the books are broken."""

    name = Word(*_CHECKS, required=True, metadata={"example": "balances"})
    told = Whole(minimum=_SIGNED, required=True, metadata={"example": 120000})
    found = Whole(minimum=_SIGNED, required=True, metadata={"example": 120000})
    difference = Whole(minimum=_SIGNED, required=True, metadata={"example": 0})


def _points(description: str, example: int) -> Whole:
    return Whole(required=True, metadata={"description": description, "example": example})


def _known(description: str, example: int) -> Whole:
    metadata = {"description": description, "example": example}
    return Whole(required=True, allow_none=True, metadata=metadata)


class OutstandingOut(Answer):
    """The points of citizens at the end of a month. Null is what nobody can know yet."""

    programme = fields.String(required=True, metadata={"example": "gd-gz"})
    starts_on = fields.String(required=True, metadata={"example": "2026-11-01"})
    ends_on = fields.String(required=True, metadata={"example": "2026-11-30"})
    ended = Flag(required=True, metadata={"description": "False: so far.", "example": True})
    holds = Flag(required=True, metadata={"example": True})
    opening = _points("Outstanding before the month.", 100000)
    granted = _points("Given into lots.", 30000)
    refunded = _points("Given back by merchants.", 0)
    spent = _points("Paid to merchants, or donated.", 8000)
    expired = _points("In lots whose last day was over.", 1500)
    taken_back = _points("After a correction.", 500)
    outstanding = _points("At the month's end.", 120000)
    held = _points("Of these: for vouchers that are not used yet.", 800)
    over = _points("Of these: in lots that have ended; they expire next.", 0)
    owed_before = _points("By citizens, before the month.", 200)
    fell_due = _points("Taken back after it was spent.", 50)
    recovered = _points("Kept from new grants for what was owed.", 100)
    written_off = _points("Given up.", 0)
    owed = _points("By citizens, at the month's end.", 150)
    years = fields.List(fields.Nested(YearOfExpiryOut), required=True)
    history = fields.Nested(HistoryOut, required=True, allow_none=True)
    expected_use = _known("Of what is outstanding, by the rule of `history`.", 72000)
    expected_breakage = _known("The rest: what will expire.", 48000)
    worth = fields.Nested(WorthOut, required=True, allow_none=True)
    offers = fields.List(fields.Nested(WorthOut), required=True)
    value_fen = _known("Of what is outstanding, by what was bought in the year before (`worth`).", 600000)
    expected_use_fen = _known("Of the expected use, likewise.", 360000)
    checks = fields.List(fields.Nested(OutstandingCheck), required=True)


@reads(allowed=_AUDIT, query=OutstandingQuery, answer=OutstandingOut, raises=(ProgrammeNotFound,))
def get_outstanding_points(call: Call) -> dict[str, Any]:
    """Report the points outstanding at a month's end, what moved them and what is expected of them."""
    found = outstanding_of(
        call.session, programme=call.caller.programme, month=call.query["month"], now=call.now
    )
    return found.as_dict()
