"""Operators' reports of a day, month or year, reconciled against the ledger."""

from typing import Any

from marshmallow import fields

from carbon_credit.api.auth import access
from carbon_credit.api.fields import Day, Flag, Whole, Word
from carbon_credit.api.operation import Call, reads
from carbon_credit.api.schemas import Answer, Strict
from carbon_credit.catalogue.errors import ProgrammeNotFound
from carbon_credit.identity.scopes import OPERATOR
from carbon_credit.sweeps.reporting import report_of

_AUDIT = access(OPERATOR, scope="audit:read")
_SIGNED = -(2**63)


class ReportQuery(Strict):
    """Which period. A month or a year is named by any of its days."""

    kind = Word("day", "month", "year", required=True, metadata={"example": "day"})
    starts_on = Day(required=True, metadata={"example": "2026-11-20"})


class ReportLine(Answer):
    """The reductions of one scene, partner and methodology. `capped_mg` of the results does not count;
    `settled_mg` was added or taken by closing, `corrected_mg` by withdrawals and revisions, `earlier_mg` of
    reductions of earlier periods. `total_mg` is what was counted and all of these."""

    scene = fields.String(required=True, metadata={"example": "metro"})
    partner_id = fields.String(required=True, metadata={"example": "0192f3c1-7a52-7b61-9d3e-0f6a1c2b3d42"})
    partner = fields.String(required=True, metadata={"example": "metro"})
    methodology = fields.String(required=True, metadata={"example": "gz-metro-ride"})
    use = Word("credit", "points", "display", required=True, metadata={"example": "credit"})
    events = Whole(required=True, metadata={"example": 1200})
    gross_mg = Whole(required=True, metadata={"example": 1200000000})
    capped_mg = Whole(minimum=_SIGNED, required=True, metadata={"example": 63600000})
    counted_mg = Whole(required=True, metadata={"example": 1136400000})
    settled_mg = Whole(minimum=_SIGNED, required=True, metadata={"example": 0})
    corrected_mg = Whole(minimum=_SIGNED, required=True, metadata={"example": -23000})
    earlier_mg = Whole(minimum=_SIGNED, required=True, metadata={"example": 0})
    total_mg = Whole(minimum=_SIGNED, required=True, metadata={"example": 1136377000})


class ReportAdjustments(Answer):
    """What was adjusted for one reason, of reductions of the period or of `earlier` ones."""

    reason = fields.String(required=True, metadata={"example": "withdrawn"})
    earlier = Flag(required=True, metadata={"example": False})
    adjustments = Whole(required=True, metadata={"example": 2})
    delta_mg = Whole(minimum=_SIGNED, required=True, metadata={"example": -23000})


class ReportPoints(Answer):
    """Points granted for the period's days, by rule, less those taken back."""

    rule = fields.String(required=True, metadata={"example": "grams"})
    points = Whole(minimum=_SIGNED, required=True, metadata={"example": 11364})


class ReportReceived(Answer):
    """Events that a partner reported in the period, each once, by what became of them."""

    partner_id = fields.String(required=True, metadata={"example": "0192f3c1-7a52-7b61-9d3e-0f6a1c2b3d42"})
    partner = fields.String(required=True, metadata={"example": "metro"})
    outcome = Word(
        "credited", "held", "rejected", "withdrawn", required=True, metadata={"example": "rejected"}
    )
    reason = fields.String(required=True, allow_none=True, metadata={"example": "unlinked"})
    events = Whole(required=True, metadata={"example": 7})


class ReportDelivered(Answer):
    """Rows of a partner's files that were done in the period. `credited` counts events."""

    partner_id = fields.String(required=True, metadata={"example": "0192f3c1-7a52-7b61-9d3e-0f6a1c2b3d42"})
    partner = fields.String(required=True, metadata={"example": "metro"})
    rows = Whole(required=True, metadata={"example": 2500})
    credited_rows = Whole(required=True, metadata={"example": 2400})
    credited = Whole(required=True, metadata={"example": 1200})
    held = Whole(required=True, metadata={"example": 0})
    rejected = Whole(required=True, metadata={"example": 90})
    duplicate = Whole(required=True, metadata={"example": 10})
    dropped = Whole(required=True, metadata={"example": 0})
    revised = Whole(required=True, metadata={"example": 3})
    co2e_mg = Whole(required=True, metadata={"example": 1136400000})


class ReportCheck(Answer):
    """Two ways to one sum. `difference` is zero, or the books are broken."""

    name = Word(
        "ledger-grams", "ledger-points", "closing-record", required=True, metadata={"example": "ledger-grams"}
    )
    told = Whole(minimum=_SIGNED, required=True, metadata={"example": 1136377000})
    found = Whole(minimum=_SIGNED, required=True, metadata={"example": 1136377000})
    difference = Whole(minimum=_SIGNED, required=True, metadata={"example": 0})


class PeriodReportOut(Answer):
    """What a period amounts to. `lines` and `adjustments` go by accounting days, `received` and `delivered`
    by the time at which it came. `holds`: every difference in `checks` is zero."""

    programme = fields.String(required=True, metadata={"example": "gd-gz"})
    kind = Word("day", "month", "year", required=True, metadata={"example": "day"})
    starts_on = fields.String(required=True, metadata={"example": "2026-11-20"})
    ends_on = fields.String(required=True, metadata={"example": "2026-11-20"})
    closed = Flag(required=True, metadata={"example": True})
    holds = Flag(required=True, metadata={"example": True})
    lines = fields.List(fields.Nested(ReportLine), required=True)
    adjustments = fields.List(fields.Nested(ReportAdjustments), required=True)
    points = fields.List(fields.Nested(ReportPoints), required=True)
    received = fields.List(fields.Nested(ReportReceived), required=True)
    delivered = fields.List(fields.Nested(ReportDelivered), required=True)
    checks = fields.List(fields.Nested(ReportCheck), required=True)


@reads(allowed=_AUDIT, query=ReportQuery, answer=PeriodReportOut, raises=(ProgrammeNotFound,))
def get_report(call: Call) -> dict[str, Any]:
    """Report a day, month or year, with the same sums in the ledger."""
    found = report_of(
        call.session,
        programme=call.caller.programme,
        kind=call.query["kind"],
        day=call.query["starts_on"],
    )
    return found.as_dict()
