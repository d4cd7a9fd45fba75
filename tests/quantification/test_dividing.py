"""Dividing by days: exact sums for every quantity, cuts where days differ, midnight as the clocks have it."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbon_credit.catalogue.activities import load_activities
from carbon_credit.kernel.quantity import MAX_QUANTITY
from carbon_credit.quantification.dividing import Span, divide, shares, span_of, spans_alike

ACTIVITIES = load_activities(Path(__file__).resolve().parents[2] / "methodologies")
SHANGHAI = "Asia/Shanghai"
weights = st.lists(st.integers(1, 366), min_size=1, max_size=12)


@given(st.integers(0, MAX_QUANTITY), weights)
def test_shares_add_up_and_none_is_a_whole_unit_off(amount: int, days: list[int]) -> None:
    given_out = shares(amount, days)
    assert sum(given_out) == amount
    for share, weight in zip(given_out, days, strict=True):
        assert abs(share * sum(days) - amount * weight) < sum(days)


@given(st.integers(0, 10**12), weights)
def test_more_days_are_never_less(amount: int, days: list[int]) -> None:
    by_days = sorted(zip(days, shares(amount, days), strict=True))
    for (fewer, less), (more, share) in pairwise(by_days):
        assert less <= share or fewer == more


@pytest.mark.parametrize(
    ("amount", "days", "expected"),
    [
        (31_000, [16, 15], [16_000, 15_000]),
        (10, [1, 1, 1], [4, 3, 3]),
        (100, [30, 1], [97, 3]),  # 96.77 and 3.22: the larger remainder gets the unit
        (1, [1, 30], [0, 1]),
        (0, [3, 4], [0, 0]),
    ],
)
def test_the_largest_remainder_gets_what_is_left(amount: int, days: list[int], expected: list[int]) -> None:
    assert shares(amount, days) == expected


@given(st.data(), weights)
def test_every_quantity_of_every_period_adds_up(data: st.DataObject, days: list[int]) -> None:
    kind = data.draw(st.sampled_from([one for one in ACTIVITIES.values() if one.code.endswith(".period")]))
    start, spans = date(2026, 1, 1), []
    for length in days:
        spans.append(Span(start, start + timedelta(days=length)))
        start = spans[-1].ends_before
    quantities = {
        name: data.draw(st.integers(spec.min or 0, spec.max or 0))
        for name, spec in kind.fields.items()
        if spec.kind == "integer"
    }
    parts = divide(kind, {**quantities, "reading_source": "meter"}, spans)
    for name, value in quantities.items():
        told = [part[name] for part in parts]
        if kind.fields[name].unit in ("person", "W", "m2"):  # as many on each day
            assert told == [value] * len(parts)
        else:
            assert sum(one for one in told if isinstance(one, int)) == value
    assert {part["reading_source"] for part in parts} == {"meter"}


def test_midnight_in_shanghai_ends_the_day_before() -> None:
    start = datetime(2026, 6, 30, 16, 0, tzinfo=UTC)  # 1 July in Shanghai
    just = timedelta(milliseconds=1)
    month = span_of(start, datetime(2026, 7, 31, 16, 0, tzinfo=UTC), SHANGHAI)
    assert month == Span(date(2026, 7, 1), date(2026, 8, 1))
    assert span_of(start - just, start, SHANGHAI) == Span(date(2026, 6, 30), date(2026, 7, 1))
    assert span_of(start - just, start + just, SHANGHAI) == Span(date(2026, 6, 30), date(2026, 7, 2))
    assert span_of(start, start, SHANGHAI).days == span_of(start, None, SHANGHAI).days == 1


@given(st.lists(st.booleans(), min_size=1, max_size=60))
def test_runs_of_days_cover_the_whole_and_differ_from_their_neighbours(kinds: list[bool]) -> None:
    first = date(2026, 1, 1)
    whole = Span(first, first + timedelta(days=len(kinds)))
    spans = spans_alike(whole, lambda day: kinds[(day - first).days])
    assert (spans[0].starts_on, spans[-1].ends_before) == (whole.starts_on, whole.ends_before)
    assert sum(span.days for span in spans) == whole.days
    for one, other in pairwise(spans):
        assert one.ends_before == other.starts_on
        assert kinds[(one.starts_on - first).days] != kinds[(other.starts_on - first).days]
