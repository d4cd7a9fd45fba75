from collections.abc import Callable
from datetime import date, timedelta

import pytest

from carbon_credit.methodology.engine import BestBefore, best_before
from carbon_credit.methodology.loader import Package

Build = Callable[..., Package]
VALUE = (
    "{value: 46.8, grade: published, source: paper, effective_from: 2020-01-01, effective_to: null,\n"
    "         still_valid_on: null, review_by: null}"
)
DUE = date(2027, 6, 30)


@pytest.mark.parametrize(
    ("on", "named", "past"),
    [
        (DUE - timedelta(days=31), False, False),
        (DUE - timedelta(days=30), True, False),
        (DUE, True, False),
        (DUE + timedelta(days=1), True, True),
    ],
)
def test_a_review_is_named_thirty_days_before(build: Build, on: date, named: bool, past: bool) -> None:
    package = build(("review_by: null", "review_by: 2027-06-30"))
    found = best_before(package, on=on)
    assert found == ((BestBefore("RF", DUE, "review"),) if named else ())
    assert [one.past(on) for one in found] == ([past] if named else [])


@pytest.mark.parametrize(
    ("on", "past"),
    [
        (date(2025, 12, 1), None),
        (date(2025, 12, 2), False),
        (date(2025, 12, 31), False),
        (date(2026, 1, 1), True),
    ],
)
def test_the_end_of_the_last_value_is_named(build: Build, on: date, past: bool | None) -> None:
    package = build((VALUE, VALUE.replace("to: null", "to: 2026-01-01")))
    found = best_before(package, on=on)
    assert [(one.name, one.kind, one.past(on)) for one in found] == (
        [] if past is None else [("RF", "validity", past)]
    )


def test_a_value_that_another_follows_is_history(build: Build) -> None:
    first = VALUE.replace("to: null", "to: 2022-01-01").replace("review_by: null", "review_by: 2021-06-30")
    second = VALUE.replace("2020-01-01", "2022-01-01").replace("46.8", "40")
    package = build((VALUE, f"{first}\n      - {second}"))
    assert best_before(package, on=date(2021, 7, 1)) == (BestBefore("RF", date(2021, 6, 30), "review"),)
    assert best_before(package, on=date(2022, 1, 1)) == ()


def test_the_end_of_the_version_is_named_before_it_comes(build: Build) -> None:
    ends = date(2030, 1, 1)
    assert best_before(build(), on=ends - timedelta(days=31)) == ()
    for day in (ends - timedelta(days=30), ends - timedelta(days=1)):
        (one,) = best_before(build(), on=day)
        assert (one, one.past(day)) == (BestBefore("version", ends, "validity"), False)


def test_nothing_is_due_of_a_version_that_is_over(build: Build) -> None:
    package = build(("review_by: null", "review_by: 2027-06-30"))
    assert best_before(package, on=date(2029, 12, 31))
    assert best_before(package, on=date(2030, 1, 1)) == ()


def test_factors_and_baselines_have_their_dates(
    build: Build, grid: Callable[[str], str], format_2: str, factors: str
) -> None:
    changed = factors.replace(
        "applies_to: null\n    still_valid_on: null\n    review_by: 2026-12-31",
        "applies_to: 2026-12-15\n    still_valid_on: null\n    review_by: 2026-12-31",
    )
    package = build(text=grid("latest_published"), files={"factors/grid-v1.yaml": changed})
    on = date(2026, 12, 14)
    assert [(one.name, one.day, one.kind, one.past(on)) for one in best_before(package, on=on)] == [
        ("EF (grid-v1 2022)", date(2026, 12, 15), "validity", False),
        ("EF (grid-v1 2022)", date(2026, 12, 31), "review", False),
    ]
    assert BestBefore("baseline", date(2026, 6, 30), "review") in best_before(build(text=format_2), on=on)
