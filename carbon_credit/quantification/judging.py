"""From what a partner reported to a verdict, in memory: no database, no clock.

Everything needed is gathered before in `Facts`, so that one event and ten thousand are judged by
the same function and a verdict can be repeated.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from uuid import UUID

from msgspec import Struct

from carbon_credit.catalogue.activities import ActivityType, split, tier_of, validate
from carbon_credit.catalogue.rules import Binding, ProgrammeRules
from carbon_credit.events.errors import EventInvalid
from carbon_credit.events.incoming import IncomingEvent, require_past
from carbon_credit.events.reasons import REASONS
from carbon_credit.identity.queries import CitizenRecord, ConsentSpan, LinkedCitizen, MandateSpan
from carbon_credit.kernel.clock import business_day
from carbon_credit.kernel.digest import canonical_json
from carbon_credit.methodology.definition import Grade, Tier, grade_of
from carbon_credit.methodology.engine import Refusal


@dataclass(frozen=True, slots=True)
class Facts:
    """All that a verdict depends on, besides the event."""

    rules: ProgrammeRules
    partner_active: bool
    links: Mapping[tuple[str, str], LinkedCitizen]
    citizens: Mapping[UUID, CitizenRecord]
    consents: Mapping[UUID, Sequence[ConsentSpan]]
    mandates: Mapping[UUID, Sequence[MandateSpan]]
    now: datetime
    backfill: bool


class Quantified(Struct, frozen=True):
    """A credited event: who, under which consent and mandate, how much before caps."""

    citizen_id: UUID
    consent_id: UUID
    mandate_id: UUID | None
    binding: Binding
    activity: ActivityType
    business_day: date
    tier: str
    grade: Grade
    gross_mg: int
    inputs: str
    quantities: Mapping[str, int | str]
    details: Mapping[str, str]


class Verdict(Struct, frozen=True):
    """`quantified` where the event is credited, otherwise the refusal's `reason` code."""

    quantified: Quantified | None
    reason: str | None

    @property
    def retryable(self) -> bool:
        """True where the same id may come again."""
        return self.reason is not None and REASONS[self.reason].retryable


def refused(reason: str) -> Verdict:
    """A verdict that credits nothing."""
    return Verdict(None, REASONS[reason].code)


def judge(event: IncomingEvent, facts: Facts) -> Verdict:
    """The verdict on one event.

    Raises EventInvalid where the event itself is wrong: unknown type, field, unit or bound, or a
    time in the future. Then nothing is claimed.
    """
    rules = facts.rules
    require_past(event, now=facts.now)
    activity = rules.activities.get(event.type)
    if activity is None:
        raise EventInvalid(why=f"unknown type {event.type!r} - at `$.type`")
    problems = validate(activity, event.data)
    if problems:
        raise EventInvalid(why="; ".join(str(problem) for problem in problems[:5]))

    if not facts.partner_active:
        return refused("partner-suspended")
    if not rules.accepts_events:
        return refused("programme-closed")
    day = business_day(event.occurred_at, rules.time_zone)
    if not facts.backfill and day < business_day(facts.now, rules.time_zone) - timedelta(
        days=rules.window_days
    ):
        return refused("outside-window")
    citizen = _citizen(event, facts)
    if citizen is None:
        return refused("unlinked")
    citizen_id, active = citizen
    if not active:
        return refused("citizen-closed")
    consents = facts.consents.get(citizen_id, ())
    consent = next((c for c in consents if c.scene == activity.scene and c.covers(event.occurred_at)), None)
    if consent is None:
        return refused("no-consent")
    binding = rules.governing(event.type, day)
    if binding is None:
        return refused("no-methodology")
    return _quantify(event, facts, activity, day, citizen_id, consent, binding)


def _quantify(
    event: IncomingEvent,
    facts: Facts,
    activity: ActivityType,
    day: date,
    citizen_id: UUID,
    consent: ConsentSpan,
    binding: Binding,
) -> Verdict:
    quantities, details = split(activity, event.data)
    inputs = binding.inputs(event.type, quantities)
    result = binding.evaluate(inputs, on=day)
    if isinstance(result, Refusal):
        return refused(result.code if result.code in REASONS else "not-quantifiable")
    # A test citizen makes everything assumed, however well the ride itself was measured.
    tier = Tier.ASSUMED if consent.tier == Tier.ASSUMED else tier_of(activity, event.data)
    mandates = facts.mandates.get(citizen_id, ())
    mandate = next((span for span in mandates if span.covers(event.occurred_at)), None)
    return Verdict(
        Quantified(
            citizen_id=citizen_id,
            consent_id=consent.id,
            mandate_id=mandate.id if mandate else None,
            binding=binding,
            activity=activity,
            business_day=day,
            tier=tier.value,
            grade=grade_of(result.grade, tier),
            gross_mg=result.reduction_mg,
            inputs=canonical_json(inputs).decode(),
            quantities=quantities,
            details=details,
        ),
        None,
    )


def _citizen(event: IncomingEvent, facts: Facts) -> tuple[UUID, bool] | None:
    who = event.citizen
    if who.link is not None:
        linked = facts.links.get((who.link.kind, who.link.value))
        # A link that only a partner claims leads nowhere until it is confirmed.
        return (linked.citizen_id, linked.active) if linked and linked.state == "confirmed" else None
    known = facts.citizens.get(who.id) if who.id else None
    return (known.id, known.active) if known else None
