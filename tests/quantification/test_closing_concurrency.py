"""Many connections at once: a year's cap and a platform's share lose nothing and give nothing twice."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path
from typing import Any

from carbon_credit.kernel.db import Database
from tests.quantification.cities import assert_books, cap, city, partner_mg, riding
from tests.quantification.test_overflow import overflow
from tests.world import World, metro

DAYS = [date(2026, 11, day) for day in (17, 18, 19, 20)]


def all_at_once(world: World, *portions: list[dict[str, Any]]) -> None:
    """Post each portion over a connection of its own, together."""
    start = threading.Barrier(len(portions))

    def post(portion: list[dict[str, Any]]) -> None:
        start.wait()
        for event in portion:
            assert world.credit(event)[0].status == "credited"

    with ThreadPoolExecutor(len(portions)) as pool:
        list(pool.map(post, portions))


def rides(worker: int) -> list[dict[str, Any]]:
    return [
        metro(f"M-{worker}-{n}", at=f"{day}T{8 + n:02d}:0{worker}:00+08:00", distance_m=3_000 + worker)
        for n, day in enumerate(DAYS)
    ]


def test_parallel_rides_share_the_year(database: Database, tmp_path: Path) -> None:
    with city(database, tmp_path, caps=[cap("person-year", mg=1_000_000)]) as world:
        all_at_once(world, *[rides(worker) for worker in range(4)])
        assert world.grams() == 1_000_000
        world.close(*DAYS)
        assert world.grams() == 1_000_000
        assert_books(world)


def test_parallel_rides_fill_the_threshold_once(database: Database, tmp_path: Path) -> None:
    with city(database, tmp_path, overflow=[overflow("citizen-month", 800_000)]) as world:
        all_at_once(world, *[rides(worker) for worker in range(4)])
        whole = sum((3_000 + worker) * 468 // 10 for worker in range(4)) * len(DAYS)
        assert (partner_mg(world), world.grams()) == (800_000, whole - 800_000)
        world.close(*DAYS)
        assert (partner_mg(world), world.grams()) == (800_000, whole - 800_000)
        assert_books(world)


def test_parallel_records_of_one_trip_count_once(database: Database, tmp_path: Path) -> None:
    with city(database, tmp_path, methods=[riding("riding", within_s=120)]) as world:
        same = [
            [metro(f"M-{worker}", at=f"2026-11-20T00:00:0{worker}+08:00", distance_m=1_000)]
            for worker in range(4)
        ]
        all_at_once(world, *same)
        assert world.grams() == 10_000
        world.close(*DAYS)
        assert world.grams() == 10_000
        assert_books(world)


def test_parallel_grants_stay_within_the_budget(database: Database, tmp_path: Path) -> None:
    budget = {
        "points": 5,
        "per": "month",
        "effective_from": date(2015, 1, 1),
        "effective_to": None,
        "grade": "assumed",
        "source": None,
    }
    with city(database, tmp_path, people=4, points_budget=[budget]) as world:
        portions = [
            [metro(f"M-{worker}-{n}", person=worker, distance_m=5_000) for n in range(3)]
            for worker in range(4)
        ]
        all_at_once(world, *portions)
        assert sum(world.points(person) for person in range(4)) == 5
        assert_books(world)


def test_days_closed_while_events_come_in_end_as_the_cap_says(database: Database, tmp_path: Path) -> None:
    with city(database, tmp_path, people=2, caps=[cap("person-year", mg=700_000)]) as world:
        start = threading.Barrier(3)

        def close(_: int) -> None:
            start.wait()
            world.close(*DAYS[:2])

        def post(worker: int) -> None:
            start.wait()
            for event in rides(worker)[2:] + rides(worker + 5)[2:]:
                world.credit(event)

        with ThreadPoolExecutor(3) as pool:
            list(pool.map(lambda n: close(n) if n == 2 else post(n), range(3)))
        world.close(*DAYS[2:])
        whole = 2 * sum((3_000 + worker) * 468 // 10 for worker in (0, 1, 5, 6))
        assert world.grams() == min(700_000, whole)
        assert_books(world)
