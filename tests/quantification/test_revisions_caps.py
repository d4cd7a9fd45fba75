"""Whatever a newer version makes of results: no cap and no threshold is passed, and all adds up."""

import random
from collections import defaultdict
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from carbon_credit.kernel.db import Database
from carbon_credit.kernel.unit_of_work import unit_of_work
from tests.catalogue.conftest import XAVER, YING
from tests.quantification.cities import assert_books, cap, city, net_by_person, partner_mg
from tests.quantification.newer import apply, planned, publish, reported
from tests.quantification.test_overflow import overflow
from tests.world import World, metro

REHEARSERS = (XAVER, YING)
DAYS = (date(2026, 11, 17), date(2026, 11, 18), date(2026, 11, 19))
EVENTS, SCENE_MG, PERSON_MG, YEAR_MG, CITY_MG, THRESHOLD_MG = (
    3,
    900_000,
    800_000,
    1_900_000,
    2_400_000,
    300_000,
)
CAPS = [
    cap("activity-day", events=EVENTS, activity_type="metro.ride"),
    cap("scene-day", mg=SCENE_MG, scene="metro"),
    cap("person-day", mg=PERSON_MG),
    cap("person-year", mg=YEAR_MG),
    cap("programme-day", mg=CITY_MG),
]


def rides(draw: random.Random, people: int) -> list[dict[str, Any]]:
    """Five a day of each, in whatever order."""
    found = [
        metro(
            f"R-{person}-{day.day}-{number}",
            person=person,
            at=f"{day}T{number + 6:02d}:{draw.randrange(60):02d}:00+08:00",
            distance_m=draw.randrange(500, 14_000),
        )
        for person in range(people)
        for day in DAYS
        for number in range(5)
    ]
    draw.shuffle(found)
    return found


def net_mg(world: World) -> list[Any]:
    """(citizen, business day, what counts, the present result) of each standing reduction, in order."""
    statement = text(
        "SELECT r.citizen_id AS who, r.business_day AS day, r.occurred_at AS at, COALESCE((SELECT v.gross_mg "
        "FROM reduction_revision v WHERE v.reduction_id = r.id), r.gross_mg) AS gross, r.credited_mg + "
        "COALESCE((SELECT SUM(a.delta_mg) FROM reduction_adjustment a WHERE a.reduction_id = r.id), 0) AS mg "
        "FROM reduction r ORDER BY r.occurred_at"
    )
    with unit_of_work(world.database, read_only=True) as session:
        return list(session.execute(statement).all())


@pytest.mark.parametrize(("value", "seed"), [("40", 1), ("55", 2), ("468", 3)])
def test_no_cap_of_any_scope_is_passed(database: Database, tmp_path: Path, value: str, seed: int) -> None:
    draw = random.Random(seed)
    with city(
        database, tmp_path, people=4, caps=CAPS, overflow=[overflow("citizen-month", THRESHOLD_MG)]
    ) as world:
        for ride in rides(draw, 4):
            world.credit(ride)
        world.close(*DAYS[: draw.choice((2, 3))])
        before = sum(net_by_person(world))
        points = [world.points(person) for person in range(4)]
        publish(world, value, by=REHEARSERS)
        plan = planned(world)
        done = apply(world)
        assert sorted(plan, key=lambda row: row.reduction_id) == sorted(
            done, key=lambda row: row.reduction_id
        )
        assert len(done) == 60
        report = reported(done)
        assert sum(net_by_person(world)) - before == report.delta_mg
        assert sum(world.grams(person) for person in range(4)) + partner_mg(world) == before + report.delta_mg
        assert partner_mg(world) <= 4 * THRESHOLD_MG
        assert [world.points(person) for person in range(4)] == points
        by_day: dict[Any, int] = defaultdict(int)
        by_year: dict[Any, int] = defaultdict(int)
        in_city: dict[Any, int] = defaultdict(int)
        events: dict[Any, int] = defaultdict(int)
        for row in net_mg(world):
            by_day[row.who, row.day] += row.mg
            by_year[row.who] += row.mg
            in_city[str(row.day)] += row.mg
            events[row.who, row.day] += row.mg > 0
        assert max(by_day.values()) <= min(PERSON_MG, SCENE_MG)
        assert max(by_year.values()) <= YEAR_MG
        assert max(events.values()) <= EVENTS
        assert in_city[str(DAYS[0])] <= CITY_MG
        assert planned(world) == []
        world.close(*[day for day in DAYS if day not in closed_days(world)])
        assert_books(world)


def closed_days(world: World) -> set[date]:
    with unit_of_work(world.database, read_only=True) as session:
        found = session.execute(text("SELECT starts_on FROM period WHERE kind = 'day'"))
        return {date.fromisoformat(str(one)) for one in found.scalars()}


@pytest.mark.parametrize("seed", [4, 5])
def test_inside_a_day_it_is_as_if_the_version_had_governed_from_the_start(
    database: Database, tmp_path: Path, seed: int
) -> None:
    """The caps of the day over the new results in canonical order, worked out here in plain sums."""
    draw = random.Random(seed)
    with city(database, tmp_path, people=3, caps=CAPS[:3]) as world:
        world.credit(*rides(draw, 3))
        world.close(*DAYS)
        publish(world, draw.choice(["40", "60"]), by=REHEARSERS)
        apply(world)
        counted: dict[Any, tuple[int, int]] = defaultdict(lambda: (0, 0))
        for row in net_mg(world):
            events, total = counted[row.who, row.day]
            expected = min(row.gross, PERSON_MG - total) if events < EVENTS else 0
            assert row.mg == expected
            counted[row.who, row.day] = (events + (expected > 0), total + expected)
        assert_books(world)
