"""From what a partner reported to a verdict, in memory: no database, no clock.

Everything needed is gathered before in `Facts`, so that one event and ten thousand are judged by
the same function and a verdict can be repeated.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import cached_property
from uuid import UUID

from msgspec import Struct

from carbon_credit.catalogue.activities import ActivityType, split, tier_of, validate
from carbon_credit.catalogue.rules import Binding, ProgrammeRules
from carbon_credit.events.errors import EventInvalid
from carbon_credit.events.incoming import IncomingEvent, require_past
from carbon_credit.events.reasons import REASONS
from carbon_credit.identity.facts import FactRecord, facts_on
from carbon_credit.identity.occupancy import Occupancy
from carbon_credit.identity.queries import CitizenRecord, ConsentSpan, LinkedCitizen, MandateSpan
from carbon_credit.kernel.clock import business_day, day_bounds
from carbon_credit.kernel.digest import typed_json
from carbon_credit.methodology.definition import Tier, grade_of, worst_tier
from carbon_credit.methodology.engine import Refusal
from carbon_credit.methodology.network import station_key
from carbon_credit.quantification.dividing import (
    LONGEST_DAYS,
    PERIOD,
    Span,
    divide,
    span_of,
    spans_alike,
    values_on,
)
from carbon_credit.quantification.history import History
from carbon_credit.quantification.verdicts import Accepted, Quantified, Refused, Verdict, refused

REGION = "entry_region"


@dataclass(frozen=True)
class Facts:
    """All that a verdict depends on, besides the event.

    `occupants`: of meters that have any. `known`: what was stated about citizens. `remembered`: activity
    types whose `history` is read. `regions`: where the stations of the programme's network are, by
    `station_key`. `closed_before`: what happened earlier is refused, for its period is closed.
    """

    rules: ProgrammeRules
    partner_active: bool
    links: Mapping[tuple[str, str], LinkedCitizen]
    citizens: Mapping[UUID, CitizenRecord]
    consents: Mapping[UUID, Sequence[ConsentSpan]]
    mandates: Mapping[UUID, Sequence[MandateSpan]]
    now: datetime
    backfill: bool
    occupants: Mapping[tuple[str, str], Sequence[Occupancy]] = field(default_factory=dict)
    known: Mapping[UUID, Sequence[FactRecord]] = field(default_factory=dict)
    history: History = field(default_factory=History)
    remembered: frozenset[str] = frozenset()
    regions: Mapping[str, str] = field(default_factory=dict)
    closed_before: date | None = None
    # What is the same for all events of an activity's day, once it was asked for.
    turned_away: dict[tuple[str, date], str | None] = field(default_factory=dict, repr=False)
    approved: dict[tuple[str, date], bool] = field(default_factory=dict, repr=False)
    dues: dict[tuple[str, date], datetime | None] = field(default_factory=dict, repr=False)

    @cached_property
    def today(self) -> date:
        """The programme's business day on which the events come."""
        return business_day(self.now, self.rules.time_zone)


class _Person(Struct, frozen=True, gc=False):
    id: UUID
    active: bool


class _Part(Struct, frozen=True, gc=False):
    """The days that are judged as one, their share of the event's quantities, and how good those are."""

    event: IncomingEvent
    activity: ActivityType
    span: Span
    starts_at: datetime
    quantities: Mapping[str, int | str]
    tier: Tier
    divided: bool


def judge(event: IncomingEvent, facts: Facts) -> Verdict:
    """The verdict on one event.

    Raises EventInvalid where the event itself is wrong: unknown type, field, unit or bound, a time in
    the future, or a period of years. Then nothing is claimed.
    """
    rules = facts.rules
    require_past(event, now=facts.now)
    activity = rules.activities.get(event.type)
    if activity is None:
        raise EventInvalid(why=f"unknown type {event.type!r} - at `$.type`")
    problems = validate(activity, event.data)
    if problems:
        raise EventInvalid(why="; ".join(str(problem) for problem in problems[:5]))
    whole = span_of(event.occurred_at, event.ended_at, rules.time_zone)
    if activity.code.endswith(PERIOD) and whole.days > LONGEST_DAYS:
        raise EventInvalid(why=f"a period has at most {LONGEST_DAYS} days - at `$.ended_at`")

    place = (event.type, whole.starts_on)
    if place not in facts.turned_away:
        facts.turned_away[place] = _turned_away(event.type, whole.starts_on, facts)
    reason = facts.turned_away[place]
    return refused(reason) if reason else _judge_parts(event, activity, whole, facts)


def _turned_away(activity_type: str, day: date, facts: Facts) -> str | None:
    """Why nothing of this activity on that day is credited, whosever it is; None where that is no reason."""
    rules = facts.rules
    if not facts.partner_active:
        return "partner-suspended"
    if not rules.accepts_events:
        return "programme-closed"
    earliest = rules.earliest_day(activity_type, facts.today, backfill=facts.backfill)
    if earliest is not None and day < earliest:
        return "outside-window"
    if facts.closed_before is not None and day < facts.closed_before:
        return "closed-period"
    return None


def _judge_parts(event: IncomingEvent, activity: ActivityType, whole: Span, facts: Facts) -> Verdict:
    quantities, details = split(activity, event.data)
    tier = tier_of(activity, event.data)
    region = _region(event, activity, whole.starts_on, details, facts)
    if region is not None:
        quantities[REGION], tier = region, worst_tier(tier, Tier.DERIVED)
    spans = _spans(event, activity, whole, facts)
    if len(spans) == 1:
        answer = _judge_part(_Part(event, activity, whole, event.occurred_at, quantities, tier, False), facts)
        if not isinstance(answer, Quantified):
            return Verdict(refused=(answer,))
        accepted = Accepted(answer.citizen_id, whole.starts_on, answer.tier, quantities, details)
        return Verdict((answer,), (), accepted)
    credited: list[Quantified] = []
    not_credited: list[Refused] = []
    for span, share in zip(spans, divide(activity, quantities, spans), strict=True):
        starts_at = event.occurred_at
        if span.starts_on != whole.starts_on:
            starts_at, _ = day_bounds(span.starts_on, facts.rules.time_zone)
        part = _Part(event, activity, span, starts_at, share, tier, True)
        answer = _judge_part(part, facts)
        if isinstance(answer, Quantified):
            credited.append(answer)
        else:
            not_credited.append(answer)
    if not credited:
        return Verdict(refused=tuple(not_credited))
    first = credited[0]
    accepted = Accepted(first.citizen_id, whole.starts_on, first.tier, quantities, details)
    return Verdict(tuple(credited), tuple(not_credited), accepted)


def _spans(event: IncomingEvent, activity: ActivityType, whole: Span, facts: Facts) -> list[Span]:
    """One span for each run of days on which the same version with the same values governs, in one year,
    for one citizen, of whom the same is known. Versions that do not ask for it are not divided."""
    if whole.days == 1 or not activity.code.endswith(PERIOD):
        return [whole]
    rules = facts.rules
    days = [whole.starts_on + timedelta(days=place) for place in range(whole.days)]
    governing = {day: rules.governing(activity.code, day) for day in days}
    if not all(binding.compiled.splits for binding in governing.values() if binding is not None):
        return [whole]
    approval = rules.approval(activity.code)

    def kind_of(day: date) -> tuple[object, ...]:
        binding, who = governing[day], _citizen(event, day, facts)
        words, values = None, None
        if binding is not None:
            values = values_on(binding.compiled, day, earlier=binding.earlier)
        if binding is not None and not isinstance(who, str):
            known = _known(binding, who.id, day, facts)
            words = tuple(sorted((name, one.value, one.tier) for name, one in known.items()))
        approved = approval is None or approval.holds_on(day)
        return binding, values, day.year, who, words, approved

    return spans_alike(whole, kind_of)


def _judge_part(part: _Part, facts: Facts) -> Quantified | Refused:
    rules, day, kind = facts.rules, part.span.starts_on, part.activity.code
    who = _citizen(part.event, day, facts)
    if isinstance(who, str):
        return _refused(part, who)
    if not who.active:
        return _refused(part, "citizen-closed")
    consents = facts.consents.get(who.id, ())
    scene = part.activity.scene
    for consent in consents:
        if consent.scene == scene and consent.covers(part.starts_at):
            break
    else:
        return _refused(part, "no-consent")
    approved = facts.approved.get((kind, day))
    if approved is None:
        approval = rules.approval(kind)
        approved = facts.approved[kind, day] = approval is None or approval.holds_on(day)
    if not approved:
        return _refused(part, "scene-approval-ended")
    binding = rules.governing(kind, day)
    if binding is None:
        return _refused(part, "no-methodology")
    known = _known(binding, who.id, day, facts)
    inputs = binding.compiled.inputs_of(
        kind,
        part.quantities,
        history=facts.history.inputs_of(
            binding.compiled.history, citizen_id=who.id, activity_type=kind, day=day
        )
        if binding.compiled.history
        else {},
        facts={name: one.value for name, one in known.items() if one.value is not None},
        tier=part.tier,
        on=day,
    )
    result = binding.evaluate(inputs, on=day)
    if isinstance(result, Refusal):
        return _not_quantified(part, binding, result)
    tier = worst_tier(part.tier, *(Tier(one.tier) for one in known.values())) if known else part.tier
    # A test citizen makes everything assumed, however well the ride itself was measured.
    tier = Tier.ASSUMED if consent.tier == Tier.ASSUMED else tier
    mandates = facts.mandates.get(who.id, ())
    mandate = None
    for span in mandates:
        if span.covers(part.starts_at):
            mandate = span
            break
    return Quantified(
        citizen_id=who.id,
        consent_id=consent.id,
        mandate_id=mandate.id if mandate else None,
        binding=binding,
        activity=part.activity,
        occurred_at=part.starts_at,
        business_day=day,
        ends_before=part.span.ends_before,
        tier=tier._value_,
        grade=grade_of(result.grade, tier),
        gross_mg=result.reduction_mg,
        inputs=typed_json(inputs).decode(),
        quantities=part.quantities,
        pending=result.pending,
        divided=part.divided,
    )


def _refused(part: _Part, reason: str) -> Refused:
    return Refused(REASONS[reason].code, starts_on=part.span.starts_on, ends_before=part.span.ends_before)


def _not_quantified(part: _Part, binding: Binding, refusal: Refusal) -> Refused:
    """In the words of an event's reasons; of a condition that does not hold, which one it is."""
    method = binding.compiled.methodology
    asked = next((one for one in method.inputs if one.name == refusal.field and one.kind == "fact"), None)
    if refusal.code == "input-missing" and asked is not None:
        known = REASONS["fact-missing"]
        return Refused(
            known.code,
            detail_en=f"{known.en} The fact: {asked.fact} ({asked.label.en}).",
            detail_zh=f"{known.zh}信息项：{asked.fact}（{asked.label.zh}）。",
            starts_on=part.span.starts_on,
            ends_before=part.span.ends_before,
        )
    label = next((one.label for one in method.eligibility if one.name == refusal.field), None)
    if refusal.code != "not-eligible" or label is None:
        return _refused(part, refusal.code if refusal.code in REASONS else "not-quantifiable")
    known = REASONS[refusal.code]
    return Refused(
        refusal.code,
        predicate=refusal.field,
        detail_en=f"{known.en} The condition: {label.en}.",
        detail_zh=f"{known.zh}条件：{label.zh}。",
        starts_on=part.span.starts_on,
        ends_before=part.span.ends_before,
    )


def _known(binding: Binding, citizen_id: UUID, day: date, facts: Facts) -> dict[str, FactRecord]:
    """What is known of the citizen on that day, as far as the version reads it."""
    wanted = binding.compiled.facts
    if not wanted:
        return {}
    holding = facts_on(facts.known.get(citizen_id, ()), day)
    return {name: one for name, one in holding.items() if name in wanted}


def _citizen(event: IncomingEvent, day: date, facts: Facts) -> _Person | str:
    """Whose the event is on that day, or the reason why nobody's."""
    who = event.citizen
    if who.link is None:
        known = facts.citizens.get(who.id) if who.id else None
        return _Person(known.id, known.active) if known else "unlinked"
    link = (who.link.kind, who.link.value)
    if link in facts.occupants:
        living = next((one for one in facts.occupants[link] if one.covers(day)), None)
        if living is None:
            return "occupant-unknown"
        return _Person(living.citizen_id, facts.citizens[living.citizen_id].active)
    linked = facts.links.get(link)
    # A link that only a partner claims leads nowhere until it is confirmed.
    if linked is None or linked.state != "confirmed":
        return "unlinked"
    return _Person(linked.citizen_id, linked.active)


def _region(
    event: IncomingEvent, activity: ActivityType, day: date, details: Mapping[str, str], facts: Facts
) -> str | None:
    """Where a ride between gates began, by the programme's network, where the formula asks and the
    partner does not say."""
    spec = activity.fields.get(REGION)
    if spec is None or REGION in event.data or event.data.get("distance_source") != "gates":
        return None
    binding = facts.rules.governing(activity.code, day)
    if binding is None or REGION not in binding.compiled.reads:
        return None
    region = facts.regions.get(station_key(details.get("origin", "")))
    return region if region in spec.values else None
