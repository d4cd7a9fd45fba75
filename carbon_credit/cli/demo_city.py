"""The demo's first half: two rehearsal cities, their people, a week of events, the month closed."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from carbon_credit.catalogue.queries import programme_rules
from carbon_credit.cli.context import Installation, progress
from carbon_credit.cli.enrolment import enrol_people
from carbon_credit.cli.periods import close_whole_month
from carbon_credit.identity.operations import NewCredential, create_party, issue_credential
from carbon_credit.identity.queries import party_named, resolve_links
from carbon_credit.kernel import clock
from carbon_credit.kernel.unit_of_work import unit_of_work
from carbon_credit.quantification.operations import credit
from carbon_credit.quantification.periods import closed_months
from carbon_credit.simulator.stream import PARTNERS, Simulation

SHENZHEN, GUANGZHOU = "x-gd-sz", "x-gd-gz"
PEOPLE = {SHENZHEN: 1_600, GUANGZHOU: 1_200}
DAYS = 8
SEED = 20_261_121
BATCH = 1_000
# Every twentieth citizen gives no mandate: earns points, and enters no batch.
WITHOUT_MANDATE = 20
_LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass
class City:
    """A programme with its parties and people, and what became of its events."""

    programme: str
    people: list[UUID] = field(default_factory=list)
    parties: dict[str, UUID] = field(default_factory=dict)
    credentials: dict[str, NewCredential] = field(default_factory=dict)
    outcomes: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    co2e_mg: int = 0
    points: int = 0


def month_to_simulate(here: Installation) -> date:
    """The newest month that is over and not closed in either city: a second run takes the one before."""
    with unit_of_work(here.database, read_only=True) as session:
        month = _month_before(clock.business_day(clock.now(), "Asia/Shanghai"))
        while any(closed_months(session, city, {month}) for city in PEOPLE):
            month = _month_before(month)
    return month


def found_city(here: Installation, programme: str, simulation: Simulation) -> City:
    """Parties with credentials, citizens with links, consents and mandates. Finds what is there."""
    city = City(programme)
    roles = [*((name, "partner") for name in PARTNERS), ("绿色咖啡 Green Coffee", "merchant")]
    roles += [("低碳书店 Low-carbon Books", "merchant")]
    roles += [("运营 Operator", "operator"), ("核证 Verifier", "verifier")]
    for name, role in roles:
        city.parties[name], city.credentials[name] = here.act(
            lambda session, now, name=name, role=role: _party(session, programme, role, name, now)  # type: ignore[misc]
        )
    people = list(simulation.people())
    with progress(f"Enrolling {programme}", total=len(people)) as done:
        for start in range(0, len(people), 200):
            links_of = [list(person.links.items()) for person in people[start : start + 200]]
            city.people += here.act(lambda session, now, links=links_of: _enrol(session, city, links, now))  # type: ignore[misc]
            done(len(links_of))
    return city


def live_through(here: Installation, city: City, simulation: Simulation) -> None:
    """Deliver every event in batches, as the partners would."""
    deliveries = ((one.partner, one.event) for one in simulation.events())
    with progress(f"Crediting {city.programme}") as done:
        for partner, payloads in _batches(deliveries):
            outcomes = here.act(
                lambda session, now, partner=partner, payloads=payloads: credit(  # type: ignore[misc]
                    session,
                    programme=city.programme,
                    partner_id=city.parties[partner],
                    payloads=payloads,
                    now=now,
                    backfill=True,
                )
            )
            for outcome in outcomes:
                city.outcomes[outcome.status] += 1
                if outcome.status == "credited":
                    city.co2e_mg += outcome.co2e_mg
                    city.points += outcome.points
                elif outcome.reason:
                    city.reasons[outcome.reason] += 1
            done(len(payloads))


def close_books(here: Installation, city: City, month: date) -> int:
    """Close the month day by day; the milligrams that closing corrected."""
    return sum(one.corrected_mg for one in close_whole_month(here, city.programme, month, "demo"))


def simulation_of(programme: str, month: date) -> Simulation:
    """The city's days: the second week of the month and one day more."""
    return Simulation(
        seed=SEED,
        programme=programme,
        citizens=PEOPLE[programme],
        start_day=month + timedelta(days=7),
        days=DAYS,
    )


def _batches(deliveries: Iterator[tuple[str, Any]]) -> Iterator[tuple[str, list[Any]]]:
    waiting: dict[str, list[Any]] = {}
    while portion := list(islice(deliveries, BATCH)):
        for partner, event in portion:
            waiting.setdefault(partner, []).append(event)
        for partner, events in waiting.items():
            if len(events) >= BATCH:
                yield partner, events[:BATCH]
                del events[:BATCH]
    for partner, events in waiting.items():
        while events:
            yield partner, events[:BATCH]
            del events[:BATCH]


def _party(
    session: Session, programme: str, role: str, name: str, now: datetime
) -> tuple[UUID, NewCredential]:
    found = party_named(session, programme=programme, role=role, name=name) or create_party(
        session, programme=programme, role=role, name=name, now=now
    )
    return found.id, issue_credential(session, party_id=found.id, now=now)


def _enrol(session: Session, city: City, links_of: list[list[tuple[str, str]]], now: datetime) -> list[UUID]:
    wanted = {link for links in links_of for link in links}
    known = resolve_links(session, programme=city.programme, links=wanted)
    new = [links for links in links_of if links[0] not in known]
    scenes = [s.code for s in programme_rules(session, programme=city.programme).profile.scenes]
    people = (
        enrol_people(
            session,
            programme=city.programme,
            partners=[city.parties[name] for name in PARTNERS],
            links_of=new,
            scenes=scenes,
            tier="measured",
            without_mandate=WITHOUT_MANDATE,
            given_at=_LONG_AGO,
            now=now,
        )
        if new
        else []
    )
    return [known[links[0]].citizen_id for links in links_of if links[0] in known] + people


def _month_before(day: date) -> date:
    return (day.replace(day=1) - timedelta(days=1)).replace(day=1)
