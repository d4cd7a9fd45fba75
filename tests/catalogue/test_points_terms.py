"""How long points live, and that a change of their rules is told in time."""

import shutil
from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbon_credit.catalogue.errors import NoticeTooShort
from carbon_credit.catalogue.past import PastChange, past_changes, unannounced_changes
from carbon_credit.catalogue.programme import ProgrammeProfile
from carbon_credit.catalogue.terms import PointsValidity
from carbon_credit.kernel.db import Database
from carbon_credit.methodology.definition import Grade
from carbon_credit.methodology.errors import DataError, PeriodsOverlap, ValueWrong

from .test_profile_past import LIBRARY, TODAY, VALID, edited, plant, profile

PLAIN = "grade: assumed, source: null"
DAYS = st.dates(date(2015, 1, 1), date(2100, 1, 1))
NOTICE = (VALID, VALID + f"points_notice: {{days: 30, {PLAIN}}}\n")
IN_TIME, TOO_SOON = TODAY + timedelta(days=30), TODAY + timedelta(days=29)


def validity(**terms: object) -> PointsValidity:
    given = {"years": 3, "round_to": "none", "grade": Grade.ASSUMED, "source": None, **terms}
    return PointsValidity(**given)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("terms", "expires_on"),
    [
        ({"years": 1}, date(2027, 11, 21)),
        ({"years": 0, "months": 3}, date(2027, 2, 21)),
        ({"years": 1, "months": 6, "round_to": "month_end"}, date(2028, 6, 1)),
        ({"years": 1, "round_to": "quarter_end"}, date(2028, 1, 1)),
        ({"years": 0, "months": 2, "round_to": "quarter_end"}, date(2027, 4, 1)),
        ({"years": 3, "round_to": "year_end"}, date(2030, 1, 1)),
        ({"years": 10, "round_to": "year_end"}, date(2037, 1, 1)),
        ({"years": 10, "round_to": "year_end", "at_most_years": 10}, date(2036, 1, 1)),
        ({"years": 10, "round_to": "month_end", "at_most_years": 10}, date(2036, 11, 1)),
        ({"years": 10, "at_most_years": 10}, date(2036, 11, 21)),
        ({"years": 5, "round_to": "year_end", "at_most_years": 10}, date(2032, 1, 1)),
    ],
)
def test_points_end_with_their_period(terms: dict[str, object], expires_on: date) -> None:
    assert validity(**terms).expires_on(date(2026, 11, 21)) == expires_on


def test_short_months_end_where_the_next_begins() -> None:
    assert validity(years=0, months=1).expires_on(date(2027, 1, 31)) == date(2027, 3, 1)
    assert validity(years=1).expires_on(date(2028, 2, 29)) == date(2029, 3, 1)


@given(DAYS, st.integers(0, 9), st.integers(1, 11), st.sampled_from(["month_end", "quarter_end", "year_end"]))
def test_rounding_gives_a_whole_period_and_never_takes(
    earned: date, years: int, months: int, to: str
) -> None:
    plain = validity(years=years, months=months).expires_on(earned)
    rounded = validity(years=years, months=months, round_to=to).expires_on(earned)
    length = {"month_end": 1, "quarter_end": 3, "year_end": 12}[to]
    assert rounded.day == 1
    assert (rounded.month - 1) % length == 0
    assert plain < rounded <= plain + timedelta(days=31 * length)
    limited = validity(years=years, months=months, round_to=to, at_most_years=10).expires_on(earned)
    last = validity(years=10).expires_on(earned)
    assert earned < limited <= last
    assert limited == rounded or rounded > last


@pytest.mark.parametrize("terms", ["years: 0", "years: 10, months: 1", "years: 11", "years: 1, months: 12"])
def test_points_live_a_month_at_least_and_ten_years_at_most(terms: str) -> None:
    with pytest.raises(ValueWrong, match=r"line \d+"):
        profile((VALID, f"points_validity: {{{terms}, round_to: none, {PLAIN}}}\n"))


def budgets(*lines: str) -> tuple[str, str]:
    entries = "".join(
        f"  - {{{line}, effective_from: 2026-01-01, effective_to: null, {PLAIN}}}\n" for line in lines
    )
    return VALID, VALID + "points_budget:\n" + entries


def test_budgets_of_the_programme_its_scenes_and_spans_hold_beside_each_other() -> None:
    lines = ("points: 9, per: month", "points: 90, per: year", "points: 5, per: month, scene: walking")
    found = profile(budgets(*lines)).budgets_on(TODAY)
    assert [(one.points, one.per, one.scene) for one in found] == [
        (9, "month", None), (90, "year", None), (5, "month", "walking"),
    ]  # fmt: skip
    with pytest.raises(PeriodsOverlap):
        profile(budgets("points: 9, per: month", "points: 8, per: month"))


def rate(day: date) -> tuple[str, str]:
    return "    effective_to: null\n    grade: s", f"    effective_to: {day}\n    grade: s"


def lives(day: date, first: str = "years: 3") -> tuple[str, str]:
    terms = f"round_to: year_end, {PLAIN}"
    return VALID, (
        "points_validity:\n"
        f"  - {{{first}, {terms}, effective_from: null, effective_to: {day}}}\n"
        f"  - {{years: 1, {terms}, effective_from: {day}, effective_to: null}}\n"
        f"points_notice: {{days: 30, {PLAIN}}}\n"
    )


@pytest.mark.parametrize(
    ("rule", "in_time", "too_soon"),
    [
        ("points_rules", profile(NOTICE, rate(IN_TIME)), profile(NOTICE, rate(TOO_SOON))),
        ("points_validity", profile(lives(IN_TIME)), profile(lives(TOO_SOON))),
    ],
)
def test_a_change_is_published_with_the_notice_that_was_promised(
    rule: str, in_time: ProgrammeProfile, too_soon: ProgrammeProfile
) -> None:
    old = profile(NOTICE)
    assert unannounced_changes(old, in_time, TODAY) == []
    assert unannounced_changes(old, too_soon, TODAY) == [PastChange(rule, TOO_SOON)]
    assert unannounced_changes(profile(), too_soon, TODAY) == []  # nothing was promised
    assert past_changes(old, too_soon, TODAY) == []


def test_the_notice_itself_is_given_up_with_notice() -> None:
    def notice(day: date) -> ProgrammeProfile:
        return profile((VALID, VALID + (
            "points_notice:\n"
            f"  - {{days: 30, {PLAIN}, effective_from: null, effective_to: {day}}}\n"
            f"  - {{days: 1, {PLAIN}, effective_from: {day}, effective_to: null}}\n"
        )))  # fmt: skip

    old = profile(NOTICE)
    assert unannounced_changes(old, profile(), TODAY) == [PastChange("points_notice", date.min)]
    assert unannounced_changes(old, notice(TOO_SOON), TODAY) == [PastChange("points_notice", TOO_SOON)]
    assert unannounced_changes(old, notice(IN_TIME), TODAY) == []
    assert notice(IN_TIME).notice_days(IN_TIME) == 1


def test_a_seed_without_its_notice_is_refused_and_leaves_everything(
    database: Database, tmp_path: Path
) -> None:
    root = Path(shutil.copytree(LIBRARY, tmp_path / "methodologies"))
    path = root / "programmes" / "gd-gz.yaml"
    path.write_text(edited(NOTICE), encoding="utf-8")
    plant(database, root)
    path.write_text(edited(NOTICE, rate(TOO_SOON)), encoding="utf-8")
    with pytest.raises(NoticeTooShort, match="gd-gz") as caught:
        plant(database, root)
    assert caught.value.details["first"] == IN_TIME
    assert "30 天" in caught.value.message("zh")
    path.write_text(edited(NOTICE, rate(IN_TIME)), encoding="utf-8")
    plant(database, root)


def test_a_reminder_is_a_number_of_days() -> None:
    kept = profile((VALID, VALID + f"points_reminder: {{days_before: 30, {PLAIN}}}\n"))
    assert kept.points_reminder is not None
    assert kept.points_reminder.days_before == 30
    assert profile().points_reminder is None
    with pytest.raises(DataError):
        profile((VALID, VALID + f"points_reminder: {{days_before: 0, {PLAIN}}}\n"))
