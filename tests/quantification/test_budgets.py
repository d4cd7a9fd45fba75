"""What a programme may give of points: by month and year, as a whole and by scene, and what is told of it."""

from datetime import date
from pathlib import Path
from typing import Any

from carbon_credit.kernel.db import Database
from carbon_credit.kernel.unit_of_work import unit_of_work
from carbon_credit.quantification.explaining import Explanation, explain
from carbon_credit.quantification.outcomes import Outcome
from tests.quantification.cities import assert_books, city
from tests.world import World, metro


def budget(points: int, per: str, scene: str | None = None) -> dict[str, Any]:
    return {
        "points": points,
        "per": per,
        "scene": scene,
        "effective_from": date(2015, 1, 1),
        "effective_to": None,
        "grade": "assumed",
        "source": None,
    }


def ride(world: World, name: str, day: int, person: int = 0) -> Outcome:
    at = f"2026-11-{day:02}T08:00:00+08:00"
    [told] = world.credit(metro(name, person=person, at=at, distance_m=10_000))
    return told


def explained(world: World, told: Outcome) -> Explanation:
    assert told.reduction_id is not None
    with unit_of_work(world.database, read_only=True) as session:
        return explain(session, reduction_id=told.reduction_id, programme=world.programme)


def test_the_narrowest_of_all_budgets_holds_and_each_counts_what_was_granted(
    database: Database, tmp_path: Path
) -> None:
    budgets = [budget(6, "month"), budget(10, "year"), budget(5, "month", "metro")]
    with city(database, tmp_path, people=1, points_budget=budgets) as world:
        told = [ride(world, "M-1", 16), ride(world, "M-2", 17)]
        assert [(one.points, one.points_withheld) for one in told] == [(4, 0), (1, 3)]  # the scene's month
        [bus] = world.credit(
            metro("B-1", at="2026-11-18T08:00:00+08:00", distance_m=10_000) | {"type": "bus.ride"}
        )
        assert (bus.points, bus.points_withheld) == (1, 1)  # the programme's month
        october = metro("M-3", at="2026-10-30T08:00:00+08:00", distance_m=10_000)
        [earlier] = world.credit(october, backfill=True)
        assert (earlier.points, earlier.points_withheld) == (4, 0)  # the year has as many left
        [later] = world.credit(october | {"id": "M-4"}, backfill=True)
        assert (later.points, later.points_withheld) == (0, 5)  # two rides of a day give nine
        assert world.points() == 10
        assert_books(world)


def test_the_explanation_says_what_the_budget_did_not_cover(database: Database, tmp_path: Path) -> None:
    with city(database, tmp_path, people=2, points_budget=[budget(6, "month", "metro")]) as world:
        covered, cut = ride(world, "M-1", 16), ride(world, "M-2", 16, person=1)
        assert (cut.points, cut.points_withheld) == (2, 2)
        assert explained(world, covered).limits == ()
        (said,) = explained(world, cut).limits
        assert "is due 4 points. 2 of them are not covered" in said.en
        assert "(6 points a month for the scene metro)" in said.en
        assert "metro 场景每月 6 分" in said.zh
        assert said.zh in explained(world, cut).text("zh")
        world.close(*[date(2026, 11, 16)])
        assert explained(world, cut).limits == (said,)


def test_without_a_budget_nothing_is_said_of_one(database: Database, tmp_path: Path) -> None:
    with city(database, tmp_path, people=1) as world:
        assert explained(world, ride(world, "M-1", 16)).limits == ()
