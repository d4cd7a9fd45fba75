"""A change is applied while others work: a second run, events, withdrawals. Real connections."""

import itertools
from datetime import date
from typing import Any

import pytest

from carbon_credit.kernel.db import Database
from carbon_credit.quantification import portions
from carbon_credit.quantification.errors import ReportDiffers
from tests.flows.changes import applied, applied_whole, draft, publish, tried
from tests.flows.conftest import findings
from tests.quantification.test_concurrency import at_once
from tests.world import World, metro

OLD, NEW = 388_440, 332_000  # 8,300 m at 46.8 and at 40 g/pkm
DAYS = range(16, 21)
PEOPLE = 4


def november(day: int, hour: int) -> str:
    return f"2026-11-{day}T{hour:02}:00:00+08:00"


@pytest.fixture
def world(database: Database, monkeypatch: pytest.MonkeyPatch) -> World:
    """Four people, a ride each on five open days; portions of two people; v3 published, nothing applied."""
    world = World(database, people=PEOPLE)
    world.credit(
        *(metro(f"{day}-{n}", person=n, at=november(day, 8)) for day in DAYS for n in range(PEOPLE)),
        backfill=True,
    )
    publish(world, draft(world, "40"))
    real = portions.portions
    name = "carbon_credit.quantification.revising.portions"
    monkeypatch.setattr(name, lambda session, *, span: real(session, span=span, limit=2))
    return world


def test_two_runs_at_once_post_it_once(world: World) -> None:
    found = tried(world, "v3", "2026-11")
    assert len(found.parts) == 2 * len(DAYS)
    both = at_once(2, lambda _: applied_whole(world, found))
    assert sum(row.delta_mg for rows in both for row in rows) == found.report.delta_mg
    assert sum(len(rows) for rows in both) == len(DAYS) * PEOPLE
    assert [world.grams(n) for n in range(PEOPLE)] == [len(DAYS) * NEW] * PEOPLE
    assert findings(world.database) == []


def test_events_that_arrive_meanwhile_are_credited_by_the_new_version(world: World) -> None:
    found = tried(world, "v3", "2026-11")

    def deed(number: int) -> Any:
        if number == 0:
            return applied_whole(world, found)
        return [
            world.credit(metro(f"late-{day}-{number}", person=number, at=november(day, 18)), backfill=True)
            for day in DAYS
        ]

    rows, *outcomes = at_once(PEOPLE, deed)
    assert {one.co2e_mg for made in outcomes for call in made for one in call} == {NEW}
    assert sum(row.delta_mg for row in rows) == found.report.delta_mg
    assert [world.grams(n) for n in range(PEOPLE)] == [5 * NEW] + [10 * NEW] * 3
    assert tried(world, "v3", "2026-11").report.digest == found.report.digest
    assert findings(world.database) == []


def test_withdrawals_meanwhile_stop_it_where_the_report_is_no_longer_true(world: World) -> None:
    """Whatever is first: each ride counts by the new version, or not at all; nothing in between."""
    found = tried(world, "v3", "2026-11")

    def deed(number: int) -> int:
        if number == 0:
            return len([world.withdraw(f"{day}-0") for day in (17, 19)])
        refused = 0
        for part in found.parts:
            try:
                applied(world, found, part)
            except ReportDiffers:
                refused += 1
        return refused

    _, refused = at_once(2, deed)
    assert refused in (0, 1, 2)
    rest = tried(world, "v3", "2026-11")
    applied_whole(world, rest)
    assert world.grams(0) == 3 * NEW
    assert [world.grams(n) for n in range(1, PEOPLE)] == [5 * NEW] * 3
    assert findings(world.database) == []


def test_a_day_that_is_closed_meanwhile_gets_its_differences_either_way(world: World) -> None:
    found = tried(world, "v3", "2026-11")
    days = itertools.islice((date(2026, 11, day) for day in DAYS), 3)

    def deed(number: int) -> None:
        if number == 0:
            for day in days:
                world.close(day)
        else:
            applied_whole(world, found)

    at_once(2, deed)
    assert tried(world, "v3", "2026-11").parts == []
    assert [world.grams(n) for n in range(PEOPLE)] == [5 * NEW] * PEOPLE
    assert findings(world.database) == []
