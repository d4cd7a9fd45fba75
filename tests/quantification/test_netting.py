"""Netting: over a span nobody is credited more than the sum of all results, whatever came first."""

import random
from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbon_credit.kernel.db import Database
from carbon_credit.quantification.netting import hand_out, span_end, span_start, trim
from tests.quantification.cities import assert_books, city, net_by_person, reading, saving

RESULTS = st.lists(st.integers(-1_000, 1_000), max_size=20)
OCTOBER = date(2026, 10, 1)


@given(RESULTS)
def test_a_span_is_credited_its_sum_floored_once(gross: list[int]) -> None:
    counted = hand_out(gross)
    assert sum(counted) == max(sum(gross), 0)
    assert all(0 <= mg <= max(one, 0) for mg, one in zip(counted, gross, strict=True))


@given(st.lists(RESULTS, max_size=8))
def test_day_by_day_nothing_is_above_the_sum_so_far_and_the_end_is_exact(days: list[list[int]]) -> None:
    total, counted = 0, []
    for gross in days:
        amounts = hand_out(gross, sum_before=total, counted_before=sum(counted))
        before = sum(counted)
        total += sum(gross)
        counted += amounts
        assert sum(counted) <= max(total, before)
    kept = trim(counted, total_mg=total)
    assert sum(kept) == max(total, 0)
    assert all(0 <= new <= old for new, old in zip(kept, counted, strict=True))


@given(st.dates(date(2000, 1, 1), date(2099, 12, 31)))
def test_spans_follow_each_other(day: date) -> None:
    for span in ("day", "month", "year"):
        assert span_start(span, day) <= day <= span_end(span, day)
        assert span_start(span, span_end(span, day) + timedelta(days=1)) == span_end(span, day) + timedelta(
            days=1
        )


@pytest.mark.parametrize("span", ["day", "month"])
def test_after_closing_every_order_comes_to_the_sum_of_the_span(
    database: Database, tmp_path: Path, span: str
) -> None:
    draw = random.Random(7)
    people = 12
    used = {
        (person, day, hour): draw.choice([2_000, 7_000, 12_000, 21_000])
        for person in range(people)
        for day in (1, 2, 3, 31)
        for hour in (8, 20)
    }
    events = [
        reading(f"E-{p}-{d}-{h}", wh, person=p, at=f"2026-10-{d:02d}T{h:02d}:00:00+08:00")
        for (p, d, h), wh in used.items()
    ]
    with city(database, tmp_path, methods=[saving("saving", netting=span)], people=people) as world:
        draw.shuffle(events)
        while events:
            size = draw.randint(1, 9)
            assert {one.status for one in world.credit(*events[:size])} == {"credited"}
            events = events[size:]
        world.close_month(OCTOBER)
        expected = []
        for person in range(people):
            days = {d: sum(10_000 - used[person, d, h] for h in (8, 20)) for d in (1, 2, 3, 31)}
            expected.append(
                max(sum(days.values()), 0) if span == "month" else sum(max(one, 0) for one in days.values())
            )
        assert net_by_person(world) == expected
        assert [world.grams(person) for person in range(people)] == expected
        assert len(set(expected)) > 3, "all alike would show little"
        assert_books(world)


def test_on_arrival_the_span_is_never_lifted_above_what_is_known(database: Database, tmp_path: Path) -> None:
    with city(database, tmp_path, methods=[saving("saving", netting="month")]) as world:
        told = world.credit(
            reading("E-1", 15_000, at="2026-10-01T08:00:00+08:00"),
            reading("E-2", 7_000, at="2026-10-02T08:00:00+08:00"),
            reading("E-3", 4_000, at="2026-10-03T08:00:00+08:00"),
        )
        assert [(one.gross_mg, one.co2e_mg, one.cap_code) for one in told] == [
            (-5_000, 0, None),
            (3_000, 0, "netting"),
            (6_000, 4_000, "netting"),
        ]
        # More use afterwards: the excess goes back when the month is closed.
        world.credit(reading("E-4", 13_000, at="2026-10-04T08:00:00+08:00"))
        assert world.grams() == 4_000
        world.close_month(OCTOBER)
        assert world.grams() == 1_000
        assert world.points() == 0
        assert_books(world)


def test_a_withdrawal_is_netted_as_if_it_had_never_been(database: Database, tmp_path: Path) -> None:
    with city(database, tmp_path, methods=[saving("saving", netting="month")]) as world:
        world.credit(
            reading("E-1", 40_000, at="2026-10-01T08:00:00+08:00"),
            reading("E-2", 4_000, at="2026-10-02T08:00:00+08:00"),
        )
        assert world.grams() == 0
        world.withdraw("E-1")
        world.close_month(OCTOBER)
        assert world.grams() == 6_000
        assert_books(world)
