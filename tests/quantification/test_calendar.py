"""Spans of days as people write them."""

from datetime import date

import pytest

from carbon_credit.quantification.calendar import days_of
from carbon_credit.quantification.errors import PeriodUnclear


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("2026-10-05", date(2026, 10, 5), date(2026, 10, 5)),
        ("2026-10", date(2026, 10, 1), date(2026, 10, 31)),
        ("2028-02", date(2028, 2, 1), date(2028, 2, 29)),
        ("2026-12", date(2026, 12, 1), date(2026, 12, 31)),
        ("2026-Q1", date(2026, 1, 1), date(2026, 3, 31)),
        ("2026-Q4", date(2026, 10, 1), date(2026, 12, 31)),
        ("2026", date(2026, 1, 1), date(2026, 12, 31)),
        ("2026-10-01..2026-10-15", date(2026, 10, 1), date(2026, 10, 15)),
    ],
)
def test_a_period(text: str, first: date, last: date) -> None:
    assert days_of(text) == (first, last)


@pytest.mark.parametrize(
    "text",
    ["2026-13", "2026-10-32", "october", "2026-10-02..2026-10-01", "2026-Q5", "", "2026-10-01..2046-10-01"],
)
def test_what_is_none(text: str) -> None:
    with pytest.raises(PeriodUnclear, match="2026-Q4"):
        days_of(text)
