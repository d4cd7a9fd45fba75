"""Everything that verdicts depend on, read before the first: a fixed number of statements for any number
of events."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Session

from carbon_credit.catalogue.regions import station_regions
from carbon_credit.catalogue.rules import ProgrammeRules
from carbon_credit.events.incoming import IncomingEvent
from carbon_credit.identity import queries as identity
from carbon_credit.identity.facts import facts_of
from carbon_credit.identity.links import Link
from carbon_credit.identity.occupancy import Occupancy, occupants_of
from carbon_credit.identity.people import people_behind
from carbon_credit.methodology.engine import CompiledMethodology
from carbon_credit.quantification.dividing import span_of
from carbon_credit.quantification.history import History, Wanted, gather
from carbon_credit.quantification.judging import REGION, Facts
from carbon_credit.quantification.periods import refused_before


def facts_for(
    session: Session,
    rules: ProgrammeRules,
    *,
    partner_id: UUID,
    read: Sequence[IncomingEvent],
    now: datetime,
    backfill: bool,
) -> Facts:
    """What is known about the events' citizens and their consents to the partner, as of now.

    Raises PartyNotFound. What no version in this programme reads about an activity is not looked up.
    """
    kinds = {event.type for event in read} & rules.activities.keys()
    named = _links(rules, read)
    occupants = occupants_of(session, programme=rules.code, meters=named)
    ids = {event.citizen.id for event in read if event.citizen.id}
    ids |= {one.citizen_id for spans in occupants.values() for one in spans}
    people = people_behind(
        session,
        programme=rules.code,
        partner_id=partner_id,
        scenes={rules.activities[kind].scene for kind in kinds},
        links=named,
        ids=ids,
    )
    methods = {kind: _methods(rules, kind) for kind in kinds}
    used = [one for those in methods.values() for one in those]
    facts = {name for one in used for name in one.facts}
    return Facts(
        rules=rules,
        partner_active=people.partner_active,
        links=people.links,
        citizens=people.citizens,
        consents=people.consents,
        mandates=people.mandates,
        now=now,
        backfill=backfill,
        occupants=occupants,
        known=facts_of(session, citizen_ids=people.everyone, names=facts) if facts else {},
        history=_history(session, rules, methods, read, people.links, occupants),
        remembered=frozenset(kind for kind, those in methods.items() if any(one.history for one in those)),
        regions=_regions(session, rules, used, read),
        closed_before=refused_before(session, rules),
    )


def _links(rules: ProgrammeRules, read: Sequence[IncomingEvent]) -> dict[Link, set[str]]:
    """The links that events name, each with the scenes of its events ("" of what is no activity)."""
    scenes = {kind: activity.scene for kind, activity in rules.activities.items()}
    named: dict[Link, set[str]] = {}
    for event in read:
        link = event.citizen.link
        if link is not None:
            named.setdefault((link.kind, link.value), set()).add(scenes.get(event.type, ""))
    return named


def _methods(rules: ProgrammeRules, kind: str) -> list[CompiledMethodology]:
    """The versions that may govern an activity, on whatever day."""
    return [one for one in rules.compiled.values() if kind in one.methodology.activity_types]


def _history(
    session: Session,
    rules: ProgrammeRules,
    methods: Mapping[str, list[CompiledMethodology]],
    read: Sequence[IncomingEvent],
    links: Mapping[Link, identity.LinkedCitizen],
    occupants: Mapping[Link, Sequence[Occupancy]],
) -> History:
    back = {
        kind: max((need.days for one in those for need in one.history), default=0)
        for kind, those in methods.items()
    }
    wanted: set[Wanted] = set()
    for event in read if any(back.values()) else ():
        if not back.get(event.type):
            continue
        whole = span_of(event.occurred_at, event.ended_at, rules.time_zone)
        for citizen_id in _people(event, links, occupants):
            for day in (whole.starts_on, whole.ends_before):
                wanted.add(Wanted(citizen_id, event.type, day, back[event.type]))
    return gather(session, programme=rules.code, wanted=wanted)


def _people(
    event: IncomingEvent,
    links: Mapping[Link, identity.LinkedCitizen],
    occupants: Mapping[Link, Sequence[Occupancy]],
) -> Collection[UUID]:
    who = event.citizen
    if who.link is None:
        return {who.id} if who.id else set()
    link = (who.link.kind, who.link.value)
    if link in occupants:
        return {one.citizen_id for one in occupants[link]}
    return {links[link].citizen_id} if link in links else set()


def _regions(
    session: Session,
    rules: ProgrammeRules,
    used: Sequence[CompiledMethodology],
    read: Sequence[IncomingEvent],
) -> Mapping[str, str]:
    asked = any(REGION in one.reads for one in used)
    if not asked or all(REGION in event.data for event in read):
        return {}
    return station_regions(session, programme=rules.code)
