"""The caller's own programme, and the trial balance of its ledger."""

from typing import Any

from marshmallow import fields

from carbon_credit.api.auth import access
from carbon_credit.api.fields import Day, Flag, Whole, Word
from carbon_credit.api.operation import Call, reads
from carbon_credit.api.schemas import Answer, PageQuery, page_of
from carbon_credit.catalogue.errors import ProgrammeNotFound
from carbon_credit.catalogue.queries import programme_rules
from carbon_credit.catalogue.rules import ProgrammeRules
from carbon_credit.identity.scopes import OPERATOR, PARTNER, VERIFIER
from carbon_credit.kernel.paging import CursorInvalid, Page
from carbon_credit.ledger.accounts import CO2E, POINTS
from carbon_credit.ledger.queries import totals

_READ = access(OPERATOR, PARTNER, VERIFIER, scope="programme:read")
_AUDIT = access(OPERATOR, scope="audit:read")


class SceneOut(Answer):
    """A part of life that a citizen consents to, one partner at a time."""

    code = fields.String(required=True, metadata={"example": "metro"})
    label_zh = fields.String(required=True, metadata={"example": "地铁出行"})
    label_en = fields.String(required=True, metadata={"example": "Metro"})
    activity_types = fields.List(fields.String(), required=True, metadata={"example": ["metro.ride"]})
    consent_version = fields.String(required=True, metadata={"example": "2026-1"})


class BindingOut(Answer):
    """Which methodology version governs an activity, from when to when (half open)."""

    activity_type = fields.String(required=True, metadata={"example": "metro.ride"})
    methodology = fields.String(required=True, metadata={"example": "gz-metro-ride/v1"})
    use = Word("credit", "points", "display", required=True, metadata={"example": "credit"})
    effective_from = Day(required=True, metadata={"example": "2025-01-01"})
    effective_to = Day(required=True, allow_none=True, metadata={"example": None})


class Programme(Answer):
    """A 碳普惠 scheme as this installation runs it."""

    code = fields.String(required=True, metadata={"example": "gd-gz"})
    name_zh = fields.String(required=True, metadata={"example": "广州碳普惠"})
    name_en = fields.String(required=True, metadata={"example": "Guangzhou carbon inclusion"})
    phase = Word("shadow", "pilot", "open", "closing", "closed", required=True, metadata={"example": "open"})
    rehearsal = Flag(required=True, metadata={"example": False})
    time_zone = fields.String(required=True, metadata={"example": "Asia/Shanghai"})
    digest = fields.String(
        required=True, metadata={"description": "Stored with each posting.", "example": "9f2b" * 16}
    )
    scenes = fields.List(fields.Nested(SceneOut), required=True)
    bindings = fields.List(fields.Nested(BindingOut), required=True)


class KindTotal(Answer):
    """The sum over all accounts of one kind."""

    kind = fields.String(required=True, metadata={"example": "citizen.points"})
    posted = Whole(minimum=-(2**63), required=True, metadata={"example": 1200})
    held = Whole(required=True, metadata={"example": 100})


class AssetTotal(Answer):
    """All accounts of one asset. `difference` is zero, or the ledger is broken."""

    asset = Word("co2e_mg", "points", required=True, metadata={"example": "points"})
    kinds = fields.List(fields.Nested(KindTotal), required=True)
    difference = Whole(minimum=-(2**63), required=True, metadata={"example": 0})


class TrialBalance(Answer):
    """The programme's ledger by asset and kind of account."""

    programme = fields.String(required=True, metadata={"example": "gd-gz"})
    assets = fields.List(fields.Nested(AssetTotal), required=True)


@reads(allowed=_READ, query=PageQuery, answer=page_of(Programme), raises=(ProgrammeNotFound,))
def list_programmes(call: Call) -> Page[dict[str, Any]]:
    """List the programmes of this credential: its own."""
    if call.query.get("cursor") is not None:
        raise CursorInvalid  # one programme fills one page: no cursor was ever given out
    rules = programme_rules(call.session, programme=call.caller.programme)
    return Page(items=[_shown(rules)], next_cursor=None)


@reads(allowed=_READ, answer=Programme, raises=(ProgrammeNotFound,))
def get_programme(call: Call, programme: str) -> dict[str, Any]:
    """Read a programme: phase, scenes of consent, methodologies in force."""
    if programme != call.caller.programme:
        raise ProgrammeNotFound(programme=programme)
    return _shown(programme_rules(call.session, programme=programme))


@reads(allowed=_AUDIT, answer=TrialBalance)
def get_trial_balance(call: Call) -> dict[str, Any]:
    """Add up the ledger: per asset the sum over all accounts is zero."""
    assets = []
    for asset in (CO2E, POINTS):
        found = totals(call.session, programme=call.caller.programme, asset=asset)
        kinds = [
            {"kind": kind, "posted": found[kind].posted, "held": found[kind].debits_pending}
            for kind in sorted(found)
        ]
        difference = sum(balance.posted for balance in found.values())
        assets.append({"asset": asset, "kinds": kinds, "difference": difference})
    return {"programme": call.caller.programme, "assets": assets}


def _shown(rules: ProgrammeRules) -> dict[str, Any]:
    profile = rules.profile
    return {
        "code": profile.code,
        "name_zh": profile.name.zh,
        "name_en": profile.name.en,
        "phase": rules.phase,
        "rehearsal": profile.rehearsal,
        "time_zone": profile.time_zone,
        "digest": rules.digest,
        "scenes": [
            {
                "code": scene.code,
                "label_zh": scene.label.zh,
                "label_en": scene.label.en,
                "activity_types": scene.activity_types,
                "consent_version": scene.consent_version,
            }
            for scene in profile.scenes
        ],
        "bindings": [
            {
                "activity_type": one.activity_type,
                "methodology": f"{one.methodology}/{one.version_name}",
                "use": one.use,
                "effective_from": one.effective_from,
                "effective_to": one.effective_to,
            }
            for one in profile.bindings
        ],
    }
