"""The path of an event, from decoded JSON to a committed credit, beside its row and nothing else."""

from collections.abc import Callable, Iterator, Sequence
from datetime import date, datetime, timedelta, timezone
from decimal import ROUND_FLOOR, Decimal
from random import Random
from typing import Any
from uuid import UUID

from bench.databases import SIZES, analyze, as_stored, fresh_database, into_table
from bench.measure import Contender, Deed, Figure, Plan, python_peak_mib, race, single
from carbon_credit.catalogue.operations import seed
from carbon_credit.cli.enrolment import enrol_people
from carbon_credit.identity.operations import create_party
from carbon_credit.kernel.clock import now
from carbon_credit.kernel.db import Base, Database
from carbon_credit.kernel.ids import new_id, random_id
from carbon_credit.kernel.unit_of_work import transact, unit_of_work
from carbon_credit.quantification.operations import credit
from carbon_credit.quantification.outcomes import Outcome

PROGRAMME = "x-gd-sz"
CHINA = timezone(timedelta(hours=8))
FIRST_DAY_AGO = 380  # days; the programme takes events that are up to 400 days old
A_DAY = 3  # events of each citizen; with at most so many metres no cap is reached
MOST_METRES = 20_000
ENROLLED_AT_ONCE = 5000
# A partner reports what its citizens have consented to: activity type, share in ten, mg per passenger-metre.
MIX = (("metro.ride", 6, "46.8"), ("bus.ride", 3, "26.9"), ("bike.ride", 1, "46.8"))
SCENES = ("metro", "bus", "bike")
COLUMNS = [column.name for column in Base.metadata.tables["event"].columns]

Payload = dict[str, Any]


def measure(kind: str, plan: Plan) -> list[Figure]:
    """Events per second in batches of 1, 100 and 1,000, each batch its own transaction."""
    section = f"Event path on {kind}"
    with fresh_database(kind) as database:
        city = City(database, plan.people)
        city.credit(500, times=plan.history // 500)
        analyze(database)
        figures = []
        for size in SIZES:
            contender = Contender(f"credit, {size:,} at once", "events/s", size, city.deed(size))
            floor = into_table(database, "event", COLUMNS, size, city.rows)
            figures += race(section, [contender], floor, plan)
        peak = python_peak_mib(city.deed(SIZES[-1])())
        return [*figures, single(section, f"Python memory of one batch of {SIZES[-1]:,}", "MiB", peak)]


class City:
    """A partner, citizens with consents and mandates, and their events, day after day."""

    def __init__(self, database: Database, people: int, *, programme: str = PROGRAMME) -> None:
        self._database = database
        self.programme = programme
        self._random = Random(13)
        self._links = [f"CARD-{number}" for number in range(people)]
        begin = now() - timedelta(days=500)
        with unit_of_work(database) as session:
            seed(session, root=database.settings.methodologies_dir, now=now())
            # Who reports all of it.
            self.partner = create_party(
                session, programme=programme, role="partner", name="bench", now=now()
            ).id
        for place in range(0, people, ENROLLED_AT_ONCE):
            self._enrol(self._links[place : place + ENROLLED_AT_ONCE], given_at=begin)
        self._stream = self._events()
        self.reported_mg = 0  # what `payloads` has given until now, by hand

    def deed(self, size: int) -> Callable[[], Deed]:
        """Prepares a batch of `size` payloads; the deed credits them and looks at the outcomes."""

        def prepare() -> Deed:
            payloads = self.payloads(size)
            return lambda: _check(payloads, self._credit(payloads))

        return prepare

    def payloads(self, size: int) -> list[Payload]:
        """The next events, as they would be sent."""
        return [next(self._stream) for _ in range(size)]

    def credit(self, size: int, *, times: int) -> None:
        """Credit so many batches: a history."""
        for _ in range(times):
            self.deed(size)()()

    def _enrol(self, links: Sequence[str], *, given_at: datetime) -> None:
        with unit_of_work(self._database) as session:
            enrol_people(
                session,
                programme=self.programme,
                partners=[self.partner],
                links_of=[[("transit-card", link)] for link in links],
                scenes=SCENES,
                tier="measured",
                without_mandate=0,
                given_at=given_at,
                now=now(),
            )

    def rows(self, size: int) -> list[tuple[Any, ...]]:
        """Rows of `event`, as if they had been reported."""
        instant = now()
        return [as_stored(self._database, self._row(instant)) for _ in range(size)]

    def _credit(self, payloads: list[Payload]) -> list[Outcome]:
        return transact(
            self._database,
            lambda session: credit(
                session, programme=self.programme, partner_id=self.partner, payloads=payloads, now=now()
            ),
        )

    def _events(self) -> Iterator[Payload]:
        first = now().astimezone(CHINA).date() - timedelta(days=FIRST_DAY_AGO)
        kinds = [kind for kind, share, _ in MIX for _ in range(share)]
        number = 0
        for day in range(FIRST_DAY_AGO):
            today = first + timedelta(days=day)
            for hour in (8, 12, 18)[:A_DAY]:
                for link in self._random.sample(self._links, len(self._links)):
                    number += 1
                    found = self._event(f"ride-{number}", link, today, hour, self._random.choice(kinds))
                    self.reported_mg += milligrams(found)
                    yield found

    def _event(self, name: str, link: str, today: date, hour: int, kind: str) -> Payload:
        at = datetime(today.year, today.month, today.day, hour, self._random.randrange(60), tzinfo=CHINA)
        return {
            "id": name,
            "type": kind,
            "occurred_at": at.isoformat(),
            "citizen": {"link": {"kind": "transit-card", "value": link}},
            "data": {
                "distance_m": self._random.randint(500, MOST_METRES),
                "duration_s": self._random.randint(120, 3600),
                "distance_source": "meter",
            },
        }

    def _row(self, instant: datetime) -> tuple[Any, ...]:
        quantities = '{"distance_m":8300,"distance_source":"meter","duration_s":1800}'
        ids: tuple[UUID, ...] = (self.partner, random_id())
        who = ("metro.ride", random_id(), instant, None, instant, instant, instant.date())
        return (new_id(), self.programme, *ids, 1, *who, quantities, "measured", None, random_id(), bytes(16))


def milligrams(payload: Payload) -> int:
    """What the ride amounts to, by hand."""
    return int((_PER_METRE[payload["type"]] * payload["data"]["distance_m"]).to_integral_value(ROUND_FLOOR))


_PER_METRE = {kind: Decimal(factor) for kind, _, factor in MIX}


def _check(payloads: list[Payload], outcomes: list[Outcome]) -> None:
    """Every event is credited, with the milligrams that the formula by hand gives."""
    for payload, outcome in zip(payloads, outcomes, strict=True):
        expected = milligrams(payload)
        if outcome.status != "credited" or outcome.co2e_mg != expected:
            raise AssertionError(f"expected {expected} mg for {payload}, got {outcome}")
