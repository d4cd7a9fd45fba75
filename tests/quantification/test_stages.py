"""A day's closing in portions: killed anywhere it goes on, and what comes meanwhile is late, no more."""

import os
import random
import signal
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import event, text

from carbon_credit.kernel.db import Database
from carbon_credit.kernel.unit_of_work import transact, unit_of_work
from carbon_credit.quantification import stages
from carbon_credit.quantification.closing import Closing, close_portion
from carbon_credit.quantification.errors import PeriodClosed
from tests.quantification.cities import assert_books, cap, city, net_by_person
from tests.world import World, metro

DAY = date(2026, 11, 20)
PEOPLE, AT_ONCE = 12, 3
CAPS = [
    cap("activity-day", events=3, activity_type="metro.ride"),
    cap("person-day", mg=900_000),
    cap("programme-day", mg=8_000_000),
]


@pytest.fixture(autouse=True)
def _small_portions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stages, "CITIZENS_AT_ONCE", AT_ONCE)


def rides(draw: random.Random, each: int = 6) -> list[dict[str, Any]]:
    """In an order of arrival that has nothing to do with that of the day."""
    found = [
        metro(
            f"M-{person}-{number}",
            person=person,
            at=f"2026-11-20T{7 + number:02d}:{person:02d}:00+08:00",
            distance_m=draw.randint(500, 12_000),
        )
        for person in range(PEOPLE)
        for number in range(each)
    ]
    draw.shuffle(found)
    return found


def portion(world: World) -> Closing | None:
    """One portion in its own transaction; the closing when it is done."""
    return transact(
        world.database,
        lambda session: close_portion(
            session, programme=world.programme, day=DAY, now=world.now, closed_by="test"
        ),
    )[1]


def finish(world: World) -> Closing:
    while (closing := portion(world)) is None:
        pass
    return closing


def in_portions(world: World) -> int:
    """How many portions the closing takes."""
    number = 1
    while portion(world) is None:
        number += 1
    return number


def state(world: World) -> list[tuple[int, int]]:
    return [(world.grams(person), world.points(person)) for person in range(PEOPLE)]


def dies_after(world: World, statements: int) -> bool:
    """Go on with the closing in a process that is killed before its n-th statement; whether it was."""
    child = os.fork()
    if child == 0:
        database = Database(world.database.settings)
        left = statements

        @event.listens_for(database.engine, "before_cursor_execute")
        def count(*_: object) -> None:
            nonlocal left
            left -= 1
            if left < 0:
                os.kill(os.getpid(), signal.SIGKILL)

        world.database = database
        finish(world)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status)


def test_a_closing_that_is_killed_anywhere_goes_on(database: Database, tmp_path: Path) -> None:
    events = rides(random.Random(5))
    with city(database, tmp_path, people=2 * PEOPLE, caps=CAPS[:2]) as world:
        others = [
            one | {"id": f"U{one['id']}", "citizen": _citizen(int(one["id"].split("-")[1]) + PEOPLE)}
            for one in events
        ]
        world.credit(*[one for pair in zip(events, others, strict=True) for one in pair])
        killed = 0
        world.database.dispose()  # what the children must not share
        while dies_after(world, 1 + 3 * killed):  # in the first portion, in the second, ever later
            killed += 1
        assert killed > 8
        with pytest.raises(PeriodClosed):
            portion(world)
        net = net_by_person(world)
        assert net[:PEOPLE] == net[PEOPLE:]  # every citizen was settled, and once
        assert [world.grams(person) for person in range(2 * PEOPLE)] == net
        assert_books(world)
        with unit_of_work(world.database, read_only=True) as session:
            assert session.scalar(text("SELECT count(*) FROM period_closing")) == 0
            [row] = session.execute(text("SELECT credited_mg, corrected_mg FROM period")).all()
            moved = session.scalar(text("SELECT sum(delta_mg) FROM reduction_adjustment"))
        assert (row.credited_mg, row.corrected_mg) == (sum(net), int(moved or 0))


def _citizen(person: int) -> dict[str, Any]:
    return {"link": {"kind": "transit-card", "value": f"CARD-{person}"}}


def test_portions_end_as_one_transaction_does(database: Database, tmp_path: Path) -> None:
    draw = random.Random(7)
    events = rides(draw)
    with city(database, tmp_path, people=PEOPLE, caps=CAPS) as world:
        world.credit(*events)
        before = state(world)
        assert in_portions(world) > PEOPLE // AT_ONCE
        assert sum(mg for mg, _ in state(world)) == 8_000_000
        assert state(world) != before
        assert_books(world)


@settings(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 10**6), at=st.integers(0, 6))
def test_what_comes_during_the_closing_has_what_is_left_after_it(
    sqlite_database: Database, tmp_path_factory: pytest.TempPathFactory, seed: int, at: int
) -> None:
    """It does not matter whether the closing had reached the citizen, or was over."""
    draw = random.Random(seed)
    events = rides(draw, each=draw.randint(1, 6))
    late = [
        metro(f"L-{person}", person=person, at="2026-11-20T00:30:00+08:00", distance_m=draw.randint(1, 9_000))
        for person in range(PEOPLE)
    ]
    ends = []
    for moment in (at, 1_000):
        folder = tmp_path_factory.mktemp("late")
        fresh = Database(sqlite_database.settings)
        copy = folder / "copy.db"
        with fresh.engine.connect() as connection:
            connection.connection.driver_connection.execute(f"VACUUM INTO '{copy}'")
        fresh.dispose()
        of_copy = Database(replace(sqlite_database.settings, database_url=f"sqlite:///{copy}"))
        with city(of_copy, folder, people=PEOPLE, caps=CAPS[:2]) as world:
            world.credit(*events)
            closing = portion(world)
            for _ in range(moment):
                if closing is not None:
                    break
                closing = portion(world)
            told = world.credit(*late)
            assert {one.status for one in told} == {"credited"}
            if closing is None:
                finish(world)
            ends.append(state(world))
            assert_books(world)
            with unit_of_work(world.database, read_only=True) as session:
                days = session.execute(
                    text("SELECT accounting_day, count(*) FROM reduction GROUP BY accounting_day ORDER BY 1")
                ).all()
            assert [(str(day), count) for day, count in days] == [
                ("2026-11-20", len(events)),
                ("2026-11-21", PEOPLE),
            ]
        of_copy.dispose()
    assert ends[0] == ends[1]
