"""A month as a state machine: reports, corrections, withdrawals and closings against a plain model."""

import shutil
from collections.abc import Iterator
from copy import copy
from dataclasses import dataclass, replace
from datetime import date
from itertools import count
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

from carbon_credit.kernel.db import Database
from tests.quantification.cities import assert_books, cap, city, partner_mg
from tests.quantification.test_overflow import overflow
from tests.world import World, metro

MONTH = date(2026, 10, 1)
DAYS = range(28, 32)
RIDES_A_DAY, DAY_MG, YEAR_MG, THRESHOLD_MG = 2, 600_000, 1_500_000, 700_000
CAPS = [
    cap("activity-day", events=RIDES_A_DAY, activity_type="metro.ride"),
    cap("person-day", mg=DAY_MG),
    cap("person-year", mg=YEAR_MG),
]
SHARES = [overflow("citizen-month", THRESHOLD_MG)]
METRES, MINUTES = st.integers(1, 16_000), st.integers(0, 23 * 60 + 59)


@dataclass
class Ride:
    """A ride of the model: what it counts, and the part of it that is the platform's."""

    day: int
    minute: int
    distance_m: int
    revision: int = 1
    mg: int = 0
    partner_mg: int = 0
    late: bool = False  # it came for a closed day

    @property
    def gross_mg(self) -> int:
        return self.distance_m * 468 // 10


class Month(RuleBasedStateMachine):
    """One citizen. The model knows the rules as sentences: it keeps no sums."""

    world: World  # set for each run

    def __init__(self) -> None:
        super().__init__()
        self.rides: dict[str, Ride] = {}
        self.closed: set[int] = set()
        self.names = count()

    @rule(day=st.sampled_from(DAYS), minute=MINUTES, distance_m=METRES)
    def report(self, day: int, minute: int, distance_m: int) -> None:
        if all((one.day, one.minute) != (day, minute) for one in self.rides.values()):
            self.arrives(f"M-{next(self.names)}", Ride(day, minute, distance_m))

    @precondition(lambda self: self.rides)
    @rule(data=st.data(), day=st.sampled_from(DAYS), minute=MINUTES, distance_m=METRES)
    def correct(self, data: st.DataObject, day: int, minute: int, distance_m: int) -> None:
        name = data.draw(st.sampled_from(sorted(self.rides)))
        others = [one for other, one in self.rides.items() if other != name]
        if all((one.day, one.minute) != (day, minute) for one in others):
            before = self.rides.pop(name)
            self.arrives(name, Ride(day, minute, distance_m, before.revision + 1))

    @precondition(lambda self: self.rides)
    @rule(data=st.data())
    def withdraw(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(self.rides)))
        del self.rides[name]
        self.world.withdraw(name)
        self.compare()

    @precondition(lambda self: len(self.closed) < len(DAYS))
    @rule()
    def close(self) -> None:
        day = next(day for day in DAYS if day not in self.closed)
        self.settle(day)
        self.world.close(MONTH.replace(day=day))
        self.compare()

    def teardown(self) -> None:
        while len(self.closed) < len(DAYS):
            self.close()
        self.world.close_month(MONTH)
        self.compare()
        assert_books(self.world)

    def arrives(self, name: str, ride: Ride) -> None:
        """On arrival an event counts what everything that stands leaves, whether settled or not."""
        ride.mg = self.left(ride, list(self.rides.values()))
        ride.late = ride.day in self.closed
        ride.partner_mg = min(ride.mg, max(THRESHOLD_MG - sum(r.partner_mg for r in self.rides.values()), 0))
        self.rides[name] = ride
        at = f"2026-10-{ride.day}T{ride.minute // 60:02d}:{ride.minute % 60:02d}:00+08:00"
        [told] = self.world.credit(
            metro(name, at=at, distance_m=ride.distance_m, revision=ride.revision), backfill=True
        )
        assert (told.status, told.co2e_mg) == ("credited", ride.mg)
        self.compare()

    def settle(self, day: int) -> None:
        """At closing the day's rides count one after the other, beside the days that are closed. Before
        them those that came late, all on one day and so in the same order, beside what is final."""
        before = [one for one in self.rides.values() if one.day in self.closed and not one.late]
        for ride in sorted((r for r in self.rides.values() if r.late), key=lambda r: (r.day, r.minute)):
            ride.mg = self.left(ride, before)
            ride.partner_mg = min(ride.mg, max(THRESHOLD_MG - sum(r.partner_mg for r in before), 0))
            before.append(ride)
        for ride in sorted((r for r in self.rides.values() if r.day == day), key=lambda r: r.minute):
            ride.mg = self.left(ride, before)
            ride.partner_mg = min(ride.mg, max(THRESHOLD_MG - sum(r.partner_mg for r in before), 0))
            before.append(ride)
        self.closed.add(day)

    def left(self, ride: Ride, others: list[Ride]) -> int:
        todays = [one for one in others if one.day == ride.day]
        if sum(one.mg > 0 for one in todays) >= RIDES_A_DAY:
            return 0
        room = [DAY_MG - sum(one.mg for one in todays), YEAR_MG - sum(one.mg for one in others)]
        return min([ride.gross_mg, *(max(one, 0) for one in room)])

    def compare(self) -> None:
        rides = self.rides.values()
        assert self.world.grams() == sum(one.mg - one.partner_mg for one in rides)
        assert partner_mg(self.world) == sum(one.partner_mg for one in rides)
        points = {day: sum(one.mg for one in rides if one.day == day) // 100_000 for day in DAYS}
        assert self.world.points() == sum(points.values())


def worlds(world: World, folder: Path) -> Iterator[World]:
    """Copies of the world, each with a database of its own."""
    source = folder / "source.db"
    with world.database.engine.connect() as connection:
        connection.connection.driver_connection.execute(f"VACUUM INTO '{source}'")
    for number in count():
        path = folder / f"{number}.db"
        shutil.copyfile(source, path)
        found = copy(world)
        found.database = Database(replace(world.database.settings, database_url=f"sqlite:///{path}"))
        yield found
        found.database.dispose()
        path.unlink()


def test_a_month_is_as_the_model_says(sqlite_database: Database, tmp_path: Path) -> None:
    with city(sqlite_database, tmp_path, caps=CAPS, overflow=SHARES) as world:
        fresh = worlds(world, tmp_path)

        class Run(Month):
            def __init__(self) -> None:
                super().__init__()
                self.world = next(fresh)

        run_state_machine_as_test(
            Run,
            settings=settings(
                max_examples=12,
                stateful_step_count=25,
                deadline=None,
                suppress_health_check=list(HealthCheck),
            ),
        )
        fresh.close()
