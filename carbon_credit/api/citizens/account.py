"""A citizen's own account: grams, points, what happened to them, and why."""

import uuid
from typing import Any

from marshmallow import fields

from carbon_credit.api.auth import access
from carbon_credit.api.errors import language
from carbon_credit.api.fields import Day, Flag, Id, Instant, Whole, Word
from carbon_credit.api.operation import Call, reads
from carbon_credit.api.schemas import Answer, PageQuery, page_of
from carbon_credit.catalogue.errors import MethodologyNotFound
from carbon_credit.catalogue.queries import time_zone
from carbon_credit.identity.scopes import CITIZEN
from carbon_credit.kernel.clock import business_day
from carbon_credit.kernel.paging import Page, cursor, cut, id_position
from carbon_credit.ledger.accounts import CO2E, POINTS, AccountKey
from carbon_credit.ledger.points import due_key
from carbon_credit.ledger.queries import accounts_of, balances, lots, statement
from carbon_credit.offsets.retirement.queries import retired_mg
from carbon_credit.quantification.errors import ReductionNotFound
from carbon_credit.quantification.explaining import explain
from carbon_credit.quantification.pending import pending_points
from carbon_credit.quantification.queries import (
    ReductionRecord,
    citizen_totals,
    reductions_of,
)

_READ = access(CITIZEN, scope="account:read")
_ASSETS = {"co2e": CO2E, "points": POINTS}
_GRADES = ("official", "published", "secondary", "assumed")


class Grams(Answer):
    """A citizen's reductions in mg CO2e."""

    provisional_mg = Whole(
        required=True, metadata={"description": "Shown, but its month is not closed yet.", "example": 1894000}
    )
    confirmed_mg = Whole(required=True, metadata={"description": "Of closed months.", "example": 20248000})
    passed_on_mg = Whole(
        required=True,
        metadata={"description": "Of these: by mandate in a batch of the programme.", "example": 0},
    )
    retired_mg = Whole(
        required=True,
        metadata={"description": "Of these: retired by the citizen, for themselves.", "example": 0},
    )
    own_mg = Whole(required=True, metadata={"description": "Still the citizen's own.", "example": 22142000})


class PointsLot(Answer):
    """Points that end on the same day."""

    expires_on = Day(
        required=True,
        metadata={"description": "The last day on which they can be spent.", "example": "2029-12-31"},
    )
    points = Whole(required=True, metadata={"example": 120})


class Pending(Answer):
    """Points for what is credited some days after it happened. Caps and budgets are applied then, so these
    are what it can give at most."""

    points = Whole(required=True, metadata={"example": 4})
    due_at = Instant(required=True, metadata={"example": "2026-11-24T16:00:00Z"})


class Points(Answer):
    """A citizen's points."""

    available = Whole(required=True, metadata={"description": "In lots that are not over.", "example": 120})
    held = Whole(required=True, metadata={"description": "For vouchers that are not used yet.", "example": 0})
    due = Whole(
        required=True,
        metadata={"description": "To be taken from later credits, after a correction.", "example": 0},
    )
    next_expiry = fields.Nested(PointsLot, required=True, allow_none=True)
    lots = fields.List(fields.Nested(PointsLot), required=True)
    pending = fields.List(fields.Nested(Pending), required=True)


class Account(Answer):
    """A carbon account. Grams and points never mix."""

    citizen_id = Id(required=True, metadata={"example": "6f1c2b3d-4e5f-4a6b-8c7d-9e0f1a2b3c4d"})
    programme = fields.String(required=True, metadata={"example": "gd-gz"})
    co2e = fields.Nested(Grams, required=True)
    points = fields.Nested(Points, required=True)


class StatementQuery(PageQuery):
    """Which asset, and where to read."""

    asset = Word("co2e", "points", load_default="points", metadata={"example": "points"})


class StatementLine(Answer):
    """One posting. `change` adds to the balance, `held_change` to what is held for vouchers."""

    id = Id(required=True, metadata={"example": "0192f3c1-7a52-7b61-9d3e-0f6a1c2b3d4e"})
    asset = Word("co2e_mg", "points", required=True, metadata={"example": "points"})
    code = fields.String(required=True, metadata={"example": "points.grant"})
    phase = fields.String(required=True, metadata={"example": "posted"})
    change = Whole(minimum=-(2**63), required=True, metadata={"example": 9})
    held_change = Whole(minimum=-(2**63), required=True, metadata={"example": 0})
    effective_at = Instant(required=True, metadata={"example": "2026-11-21T00:03:11Z"})
    recorded_at = Instant(required=True, metadata={"example": "2026-11-21T00:40:00Z"})
    reference = Id(
        required=True, allow_none=True, metadata={"example": "0192f3c1-7a52-7b61-9d3e-0f6a1c2b3d4f"}
    )


class Reduction(Answer):
    """One activity under one methodology version."""

    id = Id(required=True, metadata={"example": "0192f3c1-7a52-7b61-9d3e-0f6a1c2b3d4f"})
    activity_type = fields.String(required=True, metadata={"example": "metro.ride"})
    scene = fields.String(required=True, metadata={"example": "metro"})
    occurred_at = Instant(required=True, metadata={"example": "2026-11-21T00:03:11Z"})
    business_day = Day(required=True, metadata={"example": "2026-11-21"})
    methodology = fields.String(required=True, metadata={"example": "sz-public-transit/v1"})
    digest = fields.String(required=True, metadata={"example": "9f2b" * 16})
    use = Word("credit", "points", "display", required=True, metadata={"example": "credit"})
    grade = Word(*_GRADES, required=True, metadata={"example": "published"})
    gross_mg = Whole(required=True, metadata={"example": 947606})
    co2e_mg = Whole(required=True, metadata={"description": "What counts now.", "example": 947606})
    cap_code = fields.String(required=True, allow_none=True, metadata={"example": None})
    ended = Word("withdrawn", "superseded", required=True, allow_none=True, metadata={"example": None})
    final = Flag(required=True, metadata={"description": "Its month is closed.", "example": False})


class Explanation(Answer):
    """How a reduction was computed: every input, value, source and step."""

    reduction = fields.Nested(Reduction, required=True)
    why = fields.List(
        fields.Dict(keys=fields.String(), values=fields.String()),
        required=True,
        metadata={
            "description": "How this version came to govern it, in sentences.",
            "example": [{"zh": "行为日期为 2026-11-20。", "en": "The day of the activity is 2026-11-20."}],
        },
    )
    limits = fields.List(
        fields.Dict(keys=fields.String(), values=fields.String()),
        required=True,
        metadata={
            "description": "Which days of a divided record it is, the cap that took something, a partner's "
            "share: in sentences.",
            "example": [
                {
                    "zh": "上限为 6 次（证据等级：假定（沙盒））。",
                    "en": "The cap is 6 events (grade: assumed (sandbox)).",
                }
            ],
        },
    )
    changes = fields.List(
        fields.Dict(keys=fields.String()),
        required=True,
        metadata={
            "description": "What happened to it since it was recorded: revisions and corrections, in order.",
            "example": [{"reason": "requantified", "revision": 1, "grade": "official"}],
        },
    )
    awaits_year = Flag(
        required=True,
        metadata={"description": "A condition is open until the year is over.", "example": False},
    )
    replayed = Flag(
        required=True, metadata={"description": "Computing it again gives the same.", "example": True}
    )
    text = fields.String(required=True, metadata={"example": "20,248 m × 46.8 g/km = 947,606 mg"})
    trace = fields.Dict(keys=fields.String(), required=True, metadata={"example": {"reduction_mg": 947606}})


@reads(allowed=_READ, answer=Account)
def get_account(call: Call) -> dict[str, Any]:
    """Read the account: grams and points."""
    citizen_id, programme = call.caller.id, call.caller.programme
    totals = citizen_totals(call.session, programme=programme, citizen_id=citizen_id)
    own = AccountKey(programme, CO2E, "citizen.reductions", citizen_id)
    points = accounts_of(call.session, programme=programme, owner=citizen_id, asset=POINTS)
    due = due_key(programme, citizen_id)
    found = balances(call.session, keys={own, due, *points})
    in_lots = [key for key in points if key.kind == "citizen.points"]
    today = business_day(call.now, time_zone(call.session, programme=programme))
    open_lots = [  # one that is over pays nothing, swept or not
        {"expires_on": lot.expiry, "points": lot.available}
        for lot in lots(call.session, programme=programme, citizen_id=citizen_id)
        if lot.expiry >= today
    ]
    pending = pending_points(call.session, programme=programme, citizen_id=citizen_id)
    counted = totals.provisional_mg + totals.confirmed_mg
    retired = retired_mg(call.session, programme=programme, citizen_id=citizen_id)
    return {
        "citizen_id": citizen_id,
        "programme": programme,
        "co2e": {
            "provisional_mg": totals.provisional_mg,
            "confirmed_mg": totals.confirmed_mg,
            "passed_on_mg": counted - found[own].available - retired,
            "retired_mg": retired,
            "own_mg": found[own].available,
        },
        "points": {
            "available": sum(lot["points"] for lot in open_lots),
            "held": sum(found[key].debits_pending for key in in_lots),
            "due": -found[due].posted,
            "next_expiry": open_lots[0] if open_lots else None,
            "lots": open_lots,
            "pending": [{"points": one.points, "due_at": one.due_at} for one in pending],
        },
    }


@reads(allowed=_READ, query=StatementQuery, answer=page_of(StatementLine))
def get_statement(call: Call) -> Page[dict[str, Any]]:
    """List what happened to the grams or the points, newest first."""
    keys = accounts_of(
        call.session,
        programme=call.caller.programme,
        owner=call.caller.id,
        asset=_ASSETS[call.query["asset"]],
    )
    after = id_position(call.query.get("cursor"))
    found = statement(call.session, keys=keys, after=after, limit=call.query["limit"])
    lines = [
        {
            "id": line.entry.id,
            "asset": line.entry.asset,
            "code": line.entry.code,
            "phase": line.entry.phase,
            "change": line.change,
            "held_change": line.held,
            "effective_at": line.entry.effective_at,
            "recorded_at": line.entry.recorded_at,
            "reference": line.entry.reference,
        }
        for line in found.lines
    ]
    return Page(items=lines, next_cursor=cursor(str(found.next_after)) if found.next_after else None)


@reads(allowed=_READ, query=PageQuery, answer=page_of(Reduction))
def list_reductions(call: Call) -> Page[dict[str, Any]]:
    """List the reductions, newest first."""
    limit = call.query["limit"]
    rows = reductions_of(
        call.session,
        programme=call.caller.programme,
        citizen_id=call.caller.id,
        before=id_position(call.query.get("cursor")),
        limit=limit + 1,
    )
    page = cut(rows, limit, lambda row: [str(row.id)])
    return Page(items=[_reduction(row) for row in page.items], next_cursor=page.next_cursor)


@reads(allowed=_READ, answer=Explanation, raises=(ReductionNotFound, MethodologyNotFound))
def explain_reduction(call: Call, reduction_id: uuid.UUID) -> dict[str, Any]:
    """Explain one reduction: inputs, values with their sources, steps, rounding."""
    explained = explain(
        call.session,
        reduction_id=reduction_id,
        programme=call.caller.programme,
        citizen_id=call.caller.id,
    )
    return {
        "reduction": _reduction(explained.reduction),
        "why": [{"zh": text.zh, "en": text.en} for text in explained.why],
        "limits": [{"zh": text.zh, "en": text.en} for text in explained.limits],
        "changes": explained.told_changes(),
        "awaits_year": explained.pending,
        "replayed": explained.replayed,
        "text": explained.text(language()),
        "trace": explained.trace.as_dict(),
    }


def _reduction(record: ReductionRecord) -> dict[str, Any]:
    return {
        "id": record.id,
        "activity_type": record.activity_type,
        "scene": record.scene,
        "occurred_at": record.occurred_at,
        "business_day": record.business_day,
        "methodology": f"{record.methodology_id}/{record.methodology_version}",
        "digest": record.version_digest,
        "use": record.use,
        "grade": record.grade,
        "gross_mg": record.gross_mg,
        "co2e_mg": record.net_mg,
        "cap_code": record.cap_code,
        "ended": record.ended,
        "final": record.final,
    }
