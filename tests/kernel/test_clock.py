"""Business days: the calendar of where the programme lives, to the microsecond."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbon_credit.kernel import clock
from carbon_credit.kernel.clock import business_day, day_bounds, microseconds

SHANGHAI = "Asia/Shanghai"
ZONES = st.sampled_from([SHANGHAI, "UTC", "Europe/Berlin", "America/Sao_Paulo", "Asia/Kathmandu"])


@pytest.mark.parametrize(
    ("instant", "day"),
    [
        ("2026-11-20T23:59:59.999+08:00", "2026-11-20"),
        ("2026-11-20T23:59:59.999999+08:00", "2026-11-20"),
        ("2026-11-21T00:00:00+08:00", "2026-11-21"),
        ("2026-11-20T16:00:00+00:00", "2026-11-21"),
        ("2026-11-20T15:59:59.999999+00:00", "2026-11-20"),
        ("2024-02-29T12:00:00+08:00", "2024-02-29"),
        ("2024-02-28T16:00:00+00:00", "2024-02-29"),
        ("2024-02-29T16:00:00+00:00", "2024-03-01"),
        ("2023-02-28T16:00:00+00:00", "2023-03-01"),
        ("2026-12-31T15:59:59.999999+00:00", "2026-12-31"),
        ("2026-12-31T16:00:00+00:00", "2027-01-01"),
        ("2026-11-21T00:30:00+14:00", "2026-11-20"),
    ],
)
def test_the_day_changes_at_midnight_in_shanghai(instant: str, day: str) -> None:
    assert business_day(datetime.fromisoformat(instant), SHANGHAI) == date.fromisoformat(day)


def test_the_bounds_of_a_day_in_shanghai() -> None:
    assert day_bounds(date(2024, 2, 29), SHANGHAI) == (
        datetime(2024, 2, 28, 16, tzinfo=UTC),
        datetime(2024, 2, 29, 16, tzinfo=UTC),
    )


@pytest.mark.parametrize(
    ("day", "hours"),
    [(date(2026, 3, 29), 23), (date(2026, 10, 25), 25), (date(2026, 7, 1), 24)],
)
def test_where_summer_time_is_kept_a_day_has_23_or_25_hours(day: date, hours: int) -> None:
    start, end = day_bounds(day, "Europe/Berlin")
    assert end - start == timedelta(hours=hours)


@given(st.dates(date(1990, 1, 1), date(2060, 1, 1)), ZONES)
def test_days_lie_side_by_side_and_hold_their_instants(day: date, zone: str) -> None:
    start, end = day_bounds(day, zone)
    assert day_bounds(day + timedelta(days=1), zone)[0] == end
    assert business_day(start, zone) == day
    assert business_day(end - timedelta(microseconds=1), zone) == day
    assert business_day(end, zone) == day + timedelta(days=1)


@given(st.datetimes(timezones=st.just(UTC)))
def test_microseconds_are_exact_and_keep_the_order(instant: datetime) -> None:
    count = microseconds(instant)
    assert datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=count) == instant


def test_now_is_an_instant_in_utc() -> None:
    found = clock.now()
    assert found.tzinfo is UTC
    assert found <= clock.now()
