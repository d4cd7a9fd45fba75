"""Any sequence of deliveries, readings, chunks, failures and cancellations, against a model of plain sets."""

import itertools
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from sqlalchemy.exc import DBAPIError

from carbon_credit.imports.jobs import chunks, crediting, opening, staging, states
from carbon_credit.imports.jobs.errors import ImportBroken, ImportStateWrong
from carbon_credit.imports.jobs.states import ENDED, MOVES
from carbon_credit.kernel.db import Database
from carbon_credit.kernel.settings import Settings
from carbon_credit.kernel.unit_of_work import unit_of_work
from tests.imports.driver import Driver, rides, write
from tests.world import World

RIDES = 10


@dataclass
class Known:
    """A job, as the model knows it."""

    id: UUID
    file: int
    state: str = "received"
    staged: bool = False
    done: set[str] = field(default_factory=set)


class Importing(RuleBasedStateMachine):
    """Three files that share rides; every rule does the same to the database and to the model."""

    make: Callable[[], tuple[Driver, Path]]

    @initialize()
    def begin(self) -> None:
        self.driver, folder = self.make()
        self.files = [write(folder / f"{place}.csv", rides(RIDES, first=place * 5)) for place in range(3)]
        self.names = [{f"R-{number}" for number in range(place * 5, place * 5 + RIDES)} for place in range(3)]
        self.jobs: dict[UUID, Known] = {}
        self.credited: set[str] = set()

    def act(self, deed: Callable[[Any, Any], Any]) -> Any:
        return self.driver.hands.act(deed)

    def chosen(self, place: int, *wanted: str) -> Known | None:
        fitting = [one for one in self.jobs.values() if one.state in wanted]
        return fitting[place % len(fitting)] if fitting else None

    @rule(file=st.integers(0, 2))
    def deliver(self, file: int) -> None:
        known = self.driver.open(self.files[file])
        running = [one for one in self.jobs.values() if one.file == file and one.state not in ENDED]
        assert [known.id] == [one.id for one in running] or (not running and known.id not in self.jobs)
        model = self.jobs.setdefault(known.id, Known(known.id, file))
        if model.state == "failed":
            model.state = "crediting" if model.staged else "received"

    @rule(place=st.integers(0, 9), take_over=st.booleans())
    def read(self, place: int, take_over: bool) -> None:
        one = self.chosen(place, "received", "staging", "crediting", "failed", "done")
        if one is None:
            return
        took = self.driver.stage(self.driver.job(one.id), self.files[one.file], take_over=take_over)
        assert took == (one.state == "received" or (one.state == "staging" and take_over))
        if took:
            one.state, one.staged = "crediting", True

    @rule(place=st.integers(0, 9))
    def begin_to_read_and_die(self, place: int) -> None:
        one = self.chosen(place, "received")
        if one is not None:
            assert (
                self.act(lambda s, now: staging.begin(s, job_id=one.id, holder="dead", now=now)) is not None
            )
            one.state = "staging"

    @rule(place=st.integers(0, 9))
    def credit_a_chunk(self, place: int) -> None:
        one = self.chosen(place, "crediting", "failed", "cancelled")
        if one is None:
            return
        before = self.events()
        self.act(lambda s, now: crediting.credit_next(s, job_id=one.id, now=now))
        after = self.events()
        assert after <= before + 3
        assert one.state == "crediting" or after == before

    @rule(place=st.integers(0, 9))
    def finish(self, place: int) -> None:
        one = self.chosen(place, *MOVES)
        if one is None:
            return
        state = self.act(lambda s, now: crediting.finish(s, job_id=one.id, now=now))
        if one.state != "crediting":
            assert state == one.state
        elif state == "done":
            one.state = "done"
            told = self.driver.counts(one.id)
            assert told.rows == told.credited_rows + told.duplicate == RIDES
            self.credited |= self.names[one.file]

    @rule(place=st.integers(0, 9))
    def fail(self, place: int) -> None:
        one = self.chosen(place, *MOVES)
        if one is not None:
            self.moves(
                one,
                "failed",
                lambda s, now: opening.fail(s, job_id=one.id, error=ImportBroken(why="x"), now=now),
            )

    @rule(place=st.integers(0, 9))
    def cancel(self, place: int) -> None:
        one = self.chosen(place, *MOVES)
        if one is not None:
            self.moves(one, "cancelled", lambda s, now: opening.cancel(s, job_id=one.id, now=now))

    def moves(self, one: Known, to: str, deed: Callable[[Any, Any], Any]) -> None:
        if to in MOVES[one.state]:
            self.act(deed)
            one.state = to
            return
        with pytest.raises(ImportStateWrong):
            self.act(deed)

    def events(self) -> int:
        with unit_of_work(self.driver.world.database, read_only=True) as session:
            return int(session.scalar(sa.text("SELECT count(*) FROM event")) or 0)

    @invariant()
    def the_database_says_the_same(self) -> None:
        if not hasattr(self, "jobs"):
            return
        for one in self.jobs.values():
            assert self.driver.job(one.id).state == one.state
        with unit_of_work(self.driver.world.database, read_only=True) as session:
            told = "SELECT coalesce(sum(credited), 0) FROM import_chunk WHERE done_at IS NOT NULL"
            assert session.scalar(sa.text(told)) == session.scalar(sa.text("SELECT count(*) FROM event"))
            kept = (
                "SELECT count(*) FROM import_chunk c JOIN import_job j ON j.id = c.job_id "
                "WHERE c.payload IS NOT NULL AND j.ended_at IS NOT NULL"
            )
            assert session.scalar(sa.text(kept)) == 0, "nothing is kept of an ended job"
        assert self.events() >= len(self.credited)


def test_any_sequence_of_steps(
    base_settings: Settings, sqlite_template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = {"lanes": 2, "chunk_events": 3, "chunk_decided": 3}
    monkeypatch.setattr(chunks.Cutter.__init__, "__kwdefaults__", small)
    numbers = itertools.count()
    opened: list[Database] = []

    def make() -> tuple[Driver, Path]:
        folder = tmp_path / str(next(numbers))
        folder.mkdir()
        shutil.copyfile(sqlite_template, folder / "one.db")
        database = Database(replace(base_settings, database_url=f"sqlite:///{folder}/one.db"))
        opened.append(database)
        return Driver(World(database)), folder

    Importing.make = staticmethod(make)
    run_state_machine_as_test(
        Importing,
        settings=settings(
            max_examples=12, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
    for database in opened:
        database.dispose()


@pytest.mark.parametrize("state", sorted(MOVES))
def test_the_database_refuses_a_state_that_its_columns_belie(
    database: Database, state: str, tmp_path: Path
) -> None:
    driver = Driver(World(database))
    known = driver.open(write(tmp_path / "rides.csv", rides(2)))
    fits = {"received"} if state == "received" else set()
    with unit_of_work(database, read_only=True) as session:
        statement = sa.text("UPDATE import_job SET state = :state, rows = NULL")
        if state in fits | {"receiving"}:
            session.execute(statement, {"state": state})
            return
        with pytest.raises(DBAPIError, match=r"(?i)check|constraint"):
            session.execute(statement, {"state": state})
    assert driver.job(known.id).state == "received"


def test_every_way_ends() -> None:
    for start in MOVES:
        seen, waiting = {start}, [start]
        while waiting:
            for onward in states.MOVES[waiting.pop()] - seen:
                seen.add(onward)
                waiting.append(onward)
        assert seen & ENDED, start
