"""Which running sums an event stands under: the keys of the tallies of caps, netting, shares and points."""

import hashlib
from datetime import date
from uuid import UUID

from carbon_credit.catalogue.rules import ProgrammeRules, Share
from carbon_credit.catalogue.terms import Cap, PointsBudget, PointsRule
from carbon_credit.quantification.caps import SCOPES
from carbon_credit.quantification.netting import span_start
from carbon_credit.quantification.sharing import share_span
from carbon_credit.quantification.tallies import TallyKey

# Scopes of sums that reach over more than one day; their keys bear the first day of the span.
PERSON_YEAR = "person-year"
NETTED = "net"
SHARED = "share"

_LONGEST = 48


def cap_key(citizen_id: UUID, day: date, activity_type: str) -> TallyKey:
    """An activity type on a citizen's day. Always kept: its `capped` says that something was taken there."""
    return TallyKey(citizen_id, day, f"cap:{activity_type}")


def points_key(citizen_id: UUID, day: date, rule: PointsRule) -> TallyKey:
    """A points rule on a citizen's day."""
    return TallyKey(citizen_id, day, f"points:{rule.code}")


def netting_key(citizen_id: UUID, day: date, methodology_id: str, span: str) -> TallyKey:
    """A citizen's results by one methodology in a span: `amount` is their sum, `granted` what counted."""
    return TallyKey(citizen_id, span_start(span, day), _scope(NETTED, methodology_id))


def share_key(citizen_id: UUID, day: date, partner_id: UUID, share: Share) -> TallyKey:
    """What a partner gets of a citizen's reductions in a span: `amount` counted, `granted` the partner's.

    Shares on equal terms are one.
    """
    return TallyKey(
        citizen_id,
        share_span(share.per, day)[0],
        _scope(SHARED, f"{partner_id.hex}/{share.per}/{share.threshold_mg}"),
    )


def budget_key(programme: str, day: date, budget: PointsBudget) -> TallyKey:
    """The points of a programme in a span of its budget: one row for all citizens, if there is one."""
    nobody = UUID(bytes=hashlib.sha256(f"programme/{programme}".encode()).digest()[:16])
    scope = f"budget:{budget.per}" + (f":{budget.scene}" if budget.scene else "")
    return TallyKey(nobody, span_start(budget.per, day), scope)


def limits_of(
    rules: ProgrammeRules, citizen_id: UUID, day: date, activity_type: str
) -> list[tuple[Cap | None, TallyKey]]:
    """The caps over an event of one citizen, from the inside out, each with the sums that it limits.

    Without that of the programme's day, which is known only when the day is over. The activity's day
    comes first, whether or not anything limits it.
    """
    found: dict[str, Cap] = {}
    scene = None
    for cap in rules.caps(day):
        if cap.scope == "scene-day":
            scene = scene or rules.scene(activity_type)
        if cap.activity_type in (None, activity_type) and cap.scene in (None, scene):
            found[cap.scope] = cap
    first = (found.pop("activity-day", None), cap_key(citizen_id, day, activity_type))
    return [
        first,
        *((found[s], _cap_key(found[s], citizen_id, day)) for s in SCOPES[1:-1] if s in found),
    ]


def _cap_key(cap: Cap, citizen_id: UUID, day: date) -> TallyKey:
    if cap.scope == "person-year":
        return TallyKey(citizen_id, span_start("year", day), PERSON_YEAR)
    return TallyKey(citizen_id, day, f"scene:{cap.scene}" if cap.scope == "scene-day" else "person")


def _scope(kind: str, text: str) -> str:
    """The scope's name, by the digest of what is too long to be stored."""
    name = f"{kind}:{text}"
    if len(name) <= _LONGEST:
        return name
    return f"{kind}:{hashlib.sha256(text.encode()).hexdigest()[:32]}"
