"""Of several records of one trip the best counts, and never two."""

from datetime import UTC, date, datetime, timedelta
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbon_credit.kernel.db import Database
from carbon_credit.quantification.exclusive import Record, best, left_beside
from tests.quantification.cities import assert_books, cap, city, riding
from tests.world import World, metro

START = datetime(2026, 11, 20, tzinfo=UTC)
SPANS = st.lists(st.tuples(st.integers(0, 200), st.integers(0, 30)), max_size=10)
THE_19TH, THE_20TH = date(2026, 11, 19), date(2026, 11, 20)


def record(start: int, length: int) -> Record:
    return Record(START + timedelta(minutes=start), START + timedelta(minutes=start + length))


@given(SPANS, st.integers(0, 1_800))
def test_no_two_that_count_are_of_one_trip_and_none_is_refused_without_one(
    spans: list[tuple[int, int]], within_s: int
) -> None:
    records = [record(*one) for one in spans]
    counts = best(records, within_s=within_s)
    kept = [one for one, is_best in zip(records, counts, strict=True) if is_best]
    for place, one in enumerate(kept):
        assert not any(one.same_trip(other, within_s=within_s) for other in kept[:place])
    for place, (one, is_best) in enumerate(zip(records, counts, strict=True)):
        better = [other for other, good in zip(records[:place], counts[:place], strict=True) if good]
        assert is_best == (not any(one.same_trip(other, within_s=within_s) for other in better))


@given(st.lists(st.integers(0, 1_000), min_size=1, max_size=8))
def test_records_of_one_trip_never_count_more_than_the_largest(amounts: list[int]) -> None:
    counted: list[int] = []
    for own in amounts:
        counted.append(left_beside(own, counted))
    assert sum(counted) == max(amounts)


def ride(name: str, at: str, distance_m: int, source: str, **more: Any) -> dict[str, Any]:
    told = metro(name, at=at, distance_m=distance_m, **more)
    return told | {"data": {"distance_m": distance_m, "distance_source": source}}


# One trip three times over (a check-in, the gates, a second check-in), and another one later.
TRIP = [
    ride("A", "2026-11-20T08:00:00+08:00", 9_000, "declared"),
    ride("B", "2026-11-20T08:02:00+08:00", 5_000, "gates", ended_at="2026-11-20T08:20:00+08:00"),
    ride("C", "2026-11-20T08:21:00+08:00", 7_000, "declared"),
    ride("D", "2026-11-20T18:00:00+08:00", 1_000, "declared"),
]


@pytest.mark.parametrize("order", list(permutations(range(4)))[::5])
def test_the_operators_record_counts_whatever_came_first(
    sqlite_database: Database, tmp_path: Path, order: tuple[int, ...]
) -> None:
    with city(sqlite_database, tmp_path, methods=[riding("riding", within_s=1_500)]) as world:
        for place in order:
            world.credit(TRIP[place])
            # Until it is known which is best, the records of one trip never count more than one of them.
            assert world.grams() <= (9_000 + 1_000) * 10
        world.close(THE_20TH)
        assert world.grams() == (5_000 + 1_000) * 10
        assert world.points() == 0
        again = {one.id: one.cap_code for one in world.credit(*TRIP)}
        assert again == {"A": "overlap", "B": None, "C": "overlap", "D": None}
        assert_books(world)


def test_on_both_databases_and_beside_a_cap(database: Database, tmp_path: Path) -> None:
    caps = [cap("activity-day", events=2, activity_type="metro.ride")]
    with city(database, tmp_path, methods=[riding("riding", within_s=180)], caps=caps) as world:
        world.credit(*TRIP)
        world.credit(ride("E", "2026-11-20T19:00:00+08:00", 2_000, "gates"))
        world.close(THE_20TH)
        assert world.grams() == (5_000 + 1_000) * 10, "losers use up no cap, and the third trip is beyond it"
        assert_books(world)


def across_midnight(world: World, first: int) -> int:
    """Grams after closing where the check-in of the next day was posted first, or last."""
    pair = [
        ride("Y", "2026-11-19T23:58:00+08:00", 4_000, "declared", ended_at="2026-11-20T00:10:00+08:00"),
        ride("Z", "2026-11-20T00:05:00+08:00", 6_000, "gates"),
    ]
    world.credit(pair[first])
    world.credit(pair[1 - first])
    assert world.grams() <= 60_000
    world.close(THE_19TH, THE_20TH)
    return world.grams()


@pytest.mark.parametrize("first", [0, 1])
def test_over_midnight_the_day_that_is_closed_first_keeps_its_record(
    database: Database, tmp_path: Path, first: int
) -> None:
    with city(database, tmp_path, methods=[riding("riding", within_s=60)]) as world:
        assert across_midnight(world, first) == 40_000
        assert_books(world)


def test_where_the_best_record_is_withdrawn_the_next_one_counts(database: Database, tmp_path: Path) -> None:
    with city(database, tmp_path, methods=[riding("riding", within_s=180)]) as world:
        world.credit(*TRIP)
        world.withdraw("B")
        world.close(THE_20TH)
        # Without the gates' record the two check-ins are 21 minutes apart: two trips.
        assert world.grams() == (9_000 + 7_000 + 1_000) * 10
        assert_books(world)


def test_other_peoples_trips_do_not_matter(database: Database, tmp_path: Path) -> None:
    with city(database, tmp_path, methods=[riding("riding", within_s=180)], people=2) as world:
        at = "2026-11-20T08:00:00+08:00"
        world.credit(ride("A", at, 1_000, "gates"), ride("B", at, 1_000, "gates", person=1))
        world.close(THE_20TH)
        assert [world.grams(0), world.grams(1)] == [10_000, 10_000]
