"""T+n: accepted at once, credited when it is due, by the same verb and with the facts of then."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import text

from carbon_credit.events import audit as event_audit
from carbon_credit.events.incoming import claim_key
from carbon_credit.events.queries import ClaimRecord, claim_of
from carbon_credit.identity.consents import withdraw_consent
from carbon_credit.kernel.db import Database, keys_of
from carbon_credit.kernel.unit_of_work import transact, unit_of_work
from carbon_credit.quantification.due import close_due
from carbon_credit.quantification.errors import EventsWaiting
from carbon_credit.quantification.maturing import credit_due
from carbon_credit.quantification.operations import withdraw_known
from carbon_credit.quantification.queries import periods_of
from tests.quantification.cities import NOTE, assert_books, city
from tests.quantification.test_concurrency import at_once
from tests.world import World, metro, statuses

TERMS = [{"activity_types": ["metro.ride"], "after_days": 2, **NOTE}]
RODE = date(2026, 11, 20)
# A ride on the 20th is credited from midnight in Shenzhen on, with which the 22nd begins.
NEXT_DAY = datetime(2026, 11, 21, 4, 0, tzinfo=UTC)
DUE = datetime(2026, 11, 21, 16, 0, tzinfo=UTC)
RIDE_MG = 388_440


@contextmanager
def patient(database: Database, folder: Path, **changes: Any) -> Iterator[World]:
    """A city that credits metro rides two days after."""
    with city(database, folder, people=2, crediting=TERMS, **changes) as world:
        world.now = NEXT_DAY
        yield world


def sweep(world: World, *, limit: int = 100) -> int:
    return transact(world.database, lambda session: credit_due(session, now=world.now, limit=limit))


def claim(world: World, event_id: str) -> ClaimRecord:
    with unit_of_work(world.database, read_only=True) as session:
        return claim_of(session, partner_id=world.partner, external_id=event_id)


def kept(world: World) -> int:
    with unit_of_work(world.database, read_only=True) as session:
        return int(session.scalar(text("SELECT count(*) FROM event_waiting")) or 0)


def sound(world: World) -> None:
    assert_books(world)
    with unit_of_work(world.database, read_only=True) as session:
        assert event_audit.audit(session, progress=lambda _: None) == []


def test_a_ride_waits_until_its_time_has_come(database: Database, tmp_path: Path) -> None:
    with patient(database, tmp_path) as world:
        [told] = world.credit(metro("M-1"))
        assert (told.status, told.due_at, told.co2e_mg) == ("accepted", DUE, 0)
        assert (claim(world, "M-1").outcome, claim(world, "M-1").due_at) == ("waiting", DUE)
        world.now = DUE - timedelta(seconds=1)
        assert (sweep(world), world.grams()) == (0, 0)
        world.now = DUE
        assert (sweep(world), world.grams(), kept(world)) == (1, RIDE_MG, 0)
        assert (claim(world, "M-1").outcome, claim(world, "M-1").due_at) == ("credited", None)
        assert sweep(world) == 0
        [again] = world.credit(metro("M-1"))
        assert (again.status, again.first, again.co2e_mg) == ("duplicate", "credited", RIDE_MG)
        with unit_of_work(database, read_only=True) as session:
            rows = session.execute(text("SELECT received_at, recorded_at FROM event")).one()
        assert [str(instant)[:16] for instant in rows] == ["2026-11-21 04:00", "2026-11-21 16:00"]
        sound(world)


def test_what_waits_names_no_card(database: Database, tmp_path: Path) -> None:
    with patient(database, tmp_path) as world:
        world.credit(metro("M-1"))
        with unit_of_work(database, read_only=True) as session:
            [sealed] = session.execute(text("SELECT sealed FROM event_waiting")).scalars()
        assert b"CARD-0" not in bytes(sealed)
        assert b"M-1" not in bytes(sealed)


def test_what_is_wrong_or_refused_is_told_at_once(database: Database, tmp_path: Path) -> None:
    with patient(database, tmp_path) as world:
        world.credit(metro("M-1"))
        unlinked = metro("M-2") | {"citizen": {"link": {"kind": "transit-card", "value": "CARD-99"}}}
        told = world.credit(metro("M-1", distance_m=9000), metro("M-3", distance_m=-1), unlinked)
        assert [(one.status, one.reason) for one in told] == [
            ("invalid", "event-conflict"),
            ("invalid", "event-invalid"),
            ("rejected", "unlinked"),
        ]
        assert kept(world) == 1


def test_what_comes_again_while_it_waits_is_accepted_again(database: Database, tmp_path: Path) -> None:
    with patient(database, tmp_path) as world:
        world.credit(metro("M-1"))
        world.now += timedelta(hours=1)
        assert statuses(world.credit(metro("M-1"), metro("M-1"))) == ["accepted", "accepted"]
        assert kept(world) == 1
        world.now = DUE
        # Before the sweep: who sends it again when it is due has it credited.
        [told] = world.credit(metro("M-1"))
        assert (told.status, kept(world), sweep(world)) == ("credited", 0, 0)
        assert world.grams() == RIDE_MG
        sound(world)


def test_a_correction_takes_the_place_of_what_waits(database: Database, tmp_path: Path) -> None:
    with patient(database, tmp_path) as world:
        world.credit(metro("M-1"))
        assert statuses(world.credit(metro("M-1", distance_m=10_000, revision=2))) == ["accepted"]
        [stale] = world.credit(metro("M-1"))
        assert (stale.status, stale.first, stale.revision) == ("stale", "waiting", 2)
        world.now = DUE
        assert (sweep(world), world.grams()) == (1, 468_000)
        sound(world)


def test_what_waits_can_be_withdrawn(database: Database, tmp_path: Path) -> None:
    with patient(database, tmp_path) as world:
        world.credit(*(metro(f"M-{number}") for number in range(4)))
        assert world.withdraw("M-0").status == "withdrawn"

        def take_back(session: Any) -> int:
            key = keys_of(session).mac
            keys = [claim_key(key, partner_id=world.partner, event_id=f"M-{n}") for n in (0, 1, 2)]
            return withdraw_known(
                session, programme=world.programme, partner_id=world.partner, claim_keys=keys, now=world.now
            )

        assert transact(database, take_back) == 2
        assert kept(world) == 1
        world.now = DUE
        assert (sweep(world), world.grams()) == (1, RIDE_MG)
        [again] = world.credit(metro("M-1"))
        assert (again.status, again.first) == ("duplicate", "withdrawn")
        sound(world)


def test_consent_is_that_of_the_moment_when_it_happened(database: Database, tmp_path: Path) -> None:
    with patient(database, tmp_path) as world:
        world.credit(metro("M-1"), metro("M-2", person=1))
        transact(
            database,
            lambda session: withdraw_consent(
                session,
                partner_id=world.partner,
                citizen_id=world.citizens[0],
                scene="metro",
                now=world.now,
            ),
        )
        with unit_of_work(database) as session:
            session.execute(
                text("UPDATE citizen SET status = 'closed' WHERE id = :id"),
                {"id": world.citizens[1] if database.engine.name == "postgresql" else world.citizens[1].hex},
            )
        world.now = DUE
        assert sweep(world) == 2
        assert world.grams() == RIDE_MG
        assert (claim(world, "M-2").outcome, claim(world, "M-2").reason) == ("rejected", "citizen-closed")
        assert kept(world) == 0


def test_a_day_on_which_events_wait_stays_open(database: Database, tmp_path: Path) -> None:
    with patient(database, tmp_path) as world:
        world.credit(metro("M-1"))
        world.now = DUE - timedelta(hours=1)
        with pytest.raises(EventsWaiting) as told:
            world.close(RODE)
        assert told.value.details["count"] == 1
        world.close(date(2026, 11, 19))
        world.now = DUE
        sweep(world)
        world.close(RODE)
        sound(world)


def test_the_calendar_leaves_a_day_open_on_which_events_wait(database: Database, tmp_path: Path) -> None:
    calendar = {"day_after": 1, "month_after": None, "year_after": None}
    with patient(database, tmp_path, closing=calendar) as world:

        def close() -> int:
            return transact(database, lambda session: close_due(session, now=world.now))

        world.credit(metro("M-0", at="2026-11-19T08:00:00+08:00"), backfill=True)
        world.credit(metro("M-1"))
        while close():
            pass
        assert (last_closed(world), kept(world)) == (date(2026, 11, 19), 1)
        world.now = DUE
        sweep(world)
        while close():
            pass
        assert last_closed(world) == date(2026, 11, 21)
        sound(world)


def last_closed(world: World) -> date | None:
    with unit_of_work(world.database, read_only=True) as session:
        return max(
            one.starts_on for one in periods_of(session, programme=world.programme, after=None, limit=99)
        )


def test_files_do_not_wait_and_neither_does_what_comes_late(database: Database, tmp_path: Path) -> None:
    with patient(database, tmp_path) as world:
        world.credit(metro("M-1"))
        assert statuses(world.credit(metro("M-1"), metro("M-2"), backfill=True)) == ["credited"] * 2
        assert kept(world) == 0
        late = metro("M-3", at="2026-11-18T08:00:00+08:00")
        assert statuses(world.credit(late)) == ["credited"]
        other = {"type": "bus.ride", "data": {"distance_m": 5000, "distance_source": "meter"}}
        assert statuses(world.credit(metro("B-1") | other)) == ["credited"]
        sound(world)


def test_a_sweep_has_a_size_and_two_at_once_do_each_once(
    postgresql_database: Database, tmp_path: Path
) -> None:
    with patient(postgresql_database, tmp_path) as world:
        rides = [metro(f"M-{n}", at=f"2026-11-20T{10 + n}:00:00+08:00", distance_m=1000) for n in range(6)]
        assert set(statuses(world.credit(*rides))) == {"accepted"}
        world.now = DUE
        assert sweep(world, limit=2) == 2
        done = at_once(3, lambda _: sweep(world))
        assert sum(done) == 4
        assert world.grams() == 6 * 46_800
        sound(world)


def test_of_sweep_withdrawal_and_repetition_at_once_one_wins(
    postgresql_database: Database, tmp_path: Path
) -> None:
    with patient(postgresql_database, tmp_path) as world:
        world.credit(*(metro(f"M-{n}", person=n % 2, distance_m=100) for n in range(8)))
        world.now = DUE

        def act(number: int) -> None:
            if number == 0:
                sweep(world)
            elif number % 2:
                world.withdraw(f"M-{number - 1}")
            else:
                world.credit(metro(f"M-{number - 1}", person=(number - 1) % 2, distance_m=100))

        at_once(9, act)
        assert (sweep(world), kept(world)) == (0, 0)
        outcomes = [claim(world, f"M-{n}").outcome for n in range(8)]
        assert outcomes == ["withdrawn", "credited"] * 4
        sound(world)


def test_what_is_kept_and_what_the_claim_says_are_compared(database: Database, tmp_path: Path) -> None:
    with patient(database, tmp_path) as world:
        world.credit(metro("M-1"))
        with unit_of_work(database) as session:
            session.execute(text("DELETE FROM event_waiting"))
        with unit_of_work(database, read_only=True) as session:
            [found] = event_audit.audit(session, progress=lambda _: None)
        assert found.rule == "waiting-kept"


@dataclass
class Known:
    """What the model knows of an event: waiting, credited or withdrawn, and its metres."""

    state: str
    distance_m: int
    due: datetime
    person: int
    revision: int = 1


class Days(RuleBasedStateMachine):
    """Two citizens' rides over days: waiting -> credited or withdrawn, each counted once or not at all."""

    world: World  # set for each run

    def __init__(self) -> None:
        super().__init__()
        self.known: dict[str, Known] = {}
        self.names = count()

    @rule(hours_ago=st.integers(1, 90), person=st.integers(0, 1), distance_m=st.integers(1, 900))
    def report(self, hours_ago: int, person: int, distance_m: int) -> None:
        self.send(f"M-{next(self.names)}", self.world.now - timedelta(hours=hours_ago), person, distance_m)

    @precondition(lambda self: self.known)
    @rule(data=st.data(), distance_m=st.integers(1, 900))
    def correct(self, data: st.DataObject, distance_m: int) -> None:
        name = data.draw(st.sampled_from(sorted(self.known)))
        one = self.known[name]
        occurred = self.occurred[name]
        self.send(name, occurred, one.person, distance_m, revision=one.revision + 1)

    @precondition(lambda self: self.known)
    @rule(data=st.data())
    def repeat(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(self.known)))
        one = self.known[name]
        [told] = self.world.credit(
            self.event(name, self.occurred[name], one.person, one.distance_m, one.revision)
        )
        if one.state != "waiting":
            assert (told.status, told.first) == ("duplicate", one.state)
        elif self.world.now < one.due:
            assert told.status == "accepted"
        else:
            assert told.status == "credited"
            one.state = "credited"

    @precondition(lambda self: any(one.state != "withdrawn" for one in self.known.values()))
    @rule(data=st.data())
    def withdraw(self, data: st.DataObject) -> None:
        standing = sorted(name for name, one in self.known.items() if one.state != "withdrawn")
        name = data.draw(st.sampled_from(standing))
        self.world.withdraw(name)
        self.known[name].state = "withdrawn"

    @rule(hours=st.integers(1, 30))
    def time_goes_by(self, hours: int) -> None:
        self.world.now += timedelta(hours=hours)

    @rule()
    def sweep(self) -> None:
        due = [one for one in self.known.values() if one.state == "waiting" and one.due <= self.world.now]
        assert sweep(self.world) == len(due)
        for one in due:
            one.state = "credited"

    @invariant()
    def everything_is_as_the_model_says(self) -> None:
        rides = self.known.values()
        for person in (0, 1):
            mine = [one for one in rides if one.state == "credited" and one.person == person]
            assert self.world.grams(person) == sum(one.distance_m * 468 // 10 for one in mine)
        assert kept(self.world) == sum(one.state == "waiting" for one in rides)
        for name, one in self.known.items():
            assert claim(self.world, name).outcome == one.state

    def teardown(self) -> None:
        sound(self.world)

    @property
    def occurred(self) -> dict[str, datetime]:
        return self.__dict__.setdefault("_occurred", {})

    def send(self, name: str, occurred: datetime, person: int, distance_m: int, *, revision: int = 1) -> None:
        [told] = self.world.credit(self.event(name, occurred, person, distance_m, revision))
        day = occurred.astimezone(UTC) + timedelta(hours=8)
        due = datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(days=2, hours=-8)
        waits = self.world.now < due
        assert told.status == ("accepted" if waits else "credited")
        assert told.due_at == (due if waits else None)
        state = "waiting" if waits else "credited"
        self.known[name] = Known(state, distance_m, due, person, revision)
        self.occurred[name] = occurred

    @staticmethod
    def event(name: str, occurred: datetime, person: int, distance_m: int, revision: int) -> dict[str, Any]:
        at = occurred.isoformat()
        return metro(name, at=at, person=person, distance_m=distance_m, revision=revision)


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


def test_days_of_waiting_are_as_the_model_says(sqlite_database: Database, tmp_path: Path) -> None:
    with patient(sqlite_database, tmp_path, caps=None) as world:
        fresh = worlds(world, tmp_path)

        class Run(Days):
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
