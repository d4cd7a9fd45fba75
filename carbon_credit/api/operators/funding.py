"""Who paid for the points that were spent in a month, for operators."""

from typing import Any

from marshmallow import fields

from carbon_credit.api.auth import access
from carbon_credit.api.fields import Day, Flag, Whole, Word
from carbon_credit.api.operation import Call, reads
from carbon_credit.api.schemas import Answer, Strict
from carbon_credit.catalogue.errors import ProgrammeNotFound
from carbon_credit.identity.scopes import OPERATOR
from carbon_credit.reach.funding import funding_of

_AUDIT = access(OPERATOR, scope="audit:read")
_SIGNED = -(2**63)
_ID = "0192f3c1-7a52-7b61-9d3e-0f6a1c2b3d42"


class FundingQuery(Strict):
    """Which month, named by any of its days."""

    month = Day(required=True, metadata={"example": "2026-11-01"})


class FundingSource(Answer):
    """Points spent, and what they bought in fen, by who paid."""

    source = Word(
        "merchant",
        "subsidy",
        "fund-sales",
        "fund-others",
        "fund-uncovered",
        required=True,
        metadata={"example": "fund-sales"},
    )
    points = Whole(minimum=_SIGNED, required=True, metadata={"example": 1200})
    fen = Whole(minimum=_SIGNED, required=True, metadata={"example": 6000})


class FundingOffer(Answer):
    """One offer. Of a fund's: fen and points by origin, the first fen that came in used first.
    `settled_fen`: what the month's settlements gave for it, less what they took back, for uses of earlier
    months too; `owed_fen`: what its merchant owes back at the month's end."""

    offer_id = fields.String(required=True, metadata={"example": _ID})
    title_zh = fields.String(required=True, metadata={"example": "五元茶饮券"})
    title_en = fields.String(required=True, metadata={"example": "Tea coupon, 5 yuan"})
    kind = fields.String(required=True, metadata={"example": "coupon"})
    merchant_id = fields.String(required=True, allow_none=True, metadata={"example": _ID})
    merchant = fields.String(required=True, allow_none=True, metadata={"example": "Tea house"})
    funding = Word("merchant", "fund", "subsidy", required=True, metadata={"example": "fund"})
    budget = fields.String(required=True, allow_none=True, metadata={"example": None})
    points = Whole(minimum=_SIGNED, required=True, metadata={"example": 2000})
    donated = Whole(minimum=_SIGNED, required=True, metadata={"example": 0})
    vouchers = Whole(required=True, metadata={"example": 20})
    value_fen = Whole(required=True, metadata={"example": 10000})
    sales_fen = Whole(required=True, metadata={"example": 6000})
    others_fen = Whole(required=True, metadata={"example": 4000})
    sales_points = Whole(minimum=_SIGNED, required=True, metadata={"example": 1200})
    others_points = Whole(minimum=_SIGNED, required=True, metadata={"example": 800})
    settled_fen = Whole(minimum=_SIGNED, required=True, metadata={"example": 9500})
    owed_fen = Whole(required=True, metadata={"example": 0})


class FundingCheckOut(Answer):
    """Two ways to one sum. `difference` is zero, or the books are broken."""

    name = fields.String(required=True, metadata={"example": "ledger-points-spent"})
    told = Whole(minimum=_SIGNED, required=True, metadata={"example": 2000})
    found = Whole(minimum=_SIGNED, required=True, metadata={"example": 2000})
    difference = Whole(minimum=_SIGNED, required=True, metadata={"example": 0})


class FundingReportOut(Answer):
    """Where the points spent in a month got their value from."""

    programme = fields.String(required=True, metadata={"example": "gd-gz"})
    month = fields.String(required=True, metadata={"example": "2026-11-01"})
    holds = Flag(required=True, metadata={"example": True})
    points_spent = Whole(minimum=_SIGNED, required=True, metadata={"example": 2000})
    points_donated = Whole(minimum=_SIGNED, required=True, metadata={"example": 0})
    borne_fen = Whole(
        required=True,
        metadata={
            "description": "Paid by the fund for scans without a connection of vouchers used elsewhere.",
            "example": 0,
        },
    )
    sources = fields.List(fields.Nested(FundingSource), required=True)
    lines = fields.List(fields.Nested(FundingOffer), required=True)
    checks = fields.List(fields.Nested(FundingCheckOut), required=True)


@reads(allowed=_AUDIT, query=FundingQuery, answer=FundingReportOut, raises=(ProgrammeNotFound,))
def get_funding_report(call: Call) -> dict[str, Any]:
    """Report who paid for the points spent in a month: merchants, subsidies, the fund and by which money."""
    found = funding_of(call.session, programme=call.caller.programme, month=call.query["month"])
    return found.as_dict()
