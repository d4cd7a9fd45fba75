from collections.abc import Mapping
from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbon_credit.catalogue.errors import BindingRefused, RehearsalOnly
from carbon_credit.catalogue.library import load_library
from carbon_credit.catalogue.profile import check_profile, load_profile, parse_profile
from carbon_credit.kernel.digest import sha256_hex
from carbon_credit.methodology.errors import (
    DataError,
    KeyMissing,
    KeyUnknown,
    NameRepeated,
    NameUndefined,
    PeriodEmpty,
    PeriodsOverlap,
    SourceMissing,
    ValueWrong,
)

LIBRARY = Path(__file__).resolve().parents[2] / "methodologies"
DATA = load_library(LIBRARY)
TEXTS = {
    path.stem: path.read_text(encoding="utf-8") for path in sorted((LIBRARY / "programmes").glob("*.yaml"))
}
SWIPES = date(2018, 9, 1)


def test_a_rehearsal_is_told_by_its_code() -> None:
    for code, profile in DATA.profiles.items():
        assert profile.rehearsal is code.startswith("x-")
        assert profile.time_zone == "Asia/Shanghai"
        assert profile.digest == sha256_hex(TEXTS[code].encode())
        assert parse_profile(TEXTS[code].encode(), file=code) == profile


def test_shenzhen_credits_public_transport_only() -> None:
    shenzhen = DATA.profiles["gd-sz"]
    binding = shenzhen.binding("metro.ride", date(2022, 3, 1))
    assert binding is not None
    assert (binding.methodology, binding.version, binding.use) == ("sz-public-transit", 1, "credit")
    versions = [shenzhen.binding("metro.ride", date(2026, *day)) for day in ((11, 30), (12, 1))]
    assert [one.version for one in versions if one] == [1, 2]
    assert shenzhen.binding("metro.ride", SWIPES) is None
    assert shenzhen.binding("bike.ride", date(2022, 3, 1)) is None
    assert (shenzhen.caps, shenzhen.points_rules) == (None, ()), "no cap and no rate was found"


def test_guangzhou_shows_metro_and_gives_points_for_steps() -> None:
    guangzhou = DATA.profiles["gd-gz"]
    day = date(2026, 3, 1)
    uses = {kind: guangzhou.binding(kind, day) for kind in ("metro.ride", "walk", "bike.ride")}
    assert {kind: one.use if one else None for kind, one in uses.items()} == {
        "metro.ride": "display",
        "walk": "points",
        "bike.ride": None,
    }
    (rule,) = guangzhou.points_rules_for("walk", day)
    assert (rule.due(2_999), rule.due(3_000), rule.due(8_999), rule.due(-1)) == (0, 1, 2, 0)
    assert guangzhou.points_rules_for("walk", date(2022, 1, 19)) == ()


def test_the_real_swipes_of_2018_are_governed_in_the_rehearsal() -> None:
    rehearsal = DATA.profiles["x-gd-sz"]
    binding = rehearsal.binding("metro.ride", SWIPES)
    assert binding is not None
    assert (binding.methodology, binding.use, binding.earlier_period) == ("sz-public-transit", "credit", True)
    cap = rehearsal.cap("metro.ride", SWIPES)
    assert cap is not None
    assert (cap.max_events, cap.max_mg, cap.grade.value) == (6, None, "assumed")


def test_outside_rehearsal_nothing_is_placed_by_hand() -> None:
    for profile in DATA.profiles.values():
        if not profile.rehearsal:
            assert profile.rehearsal_rules is None
            assert not any(binding.earlier_period for binding in profile.bindings)


@given(st.dates(date(2015, 1, 1), date(2100, 1, 1)))
def test_points_live_for_whole_years_and_at_most_ten(earned: date) -> None:
    validity = DATA.profiles["gd-gz"].points_validity
    until = validity.expires_on(earned)
    assert (until.month, until.day) == (1, 1)
    assert timedelta(days=365 * validity.years) < until - earned <= timedelta(days=366 * 11)


def test_points_that_are_not_rounded_to_the_year_end() -> None:
    text = TEXTS["gd-gz"].replace("round_to: year_end", "round_to: none")
    validity = parse_profile(text.encode(), file="f").points_validity
    assert validity.expires_on(date(2024, 2, 29)) == date(2027, 3, 1)
    assert validity.expires_on(date(2024, 5, 1)) == date(2027, 5, 1)


BUS = (
    "  - {activity_type: bus.ride, methodology: sz-public-transit, version: 1, "
    "effective_from: 2021-12-17, effective_to: 2026-12-01, use: credit}\n"
)


def bound(**change: str) -> tuple[str, str, str]:
    """gd-sz with its bus binding changed."""
    fields: Mapping[str, str] = {
        "activity_type": "bus.ride",
        "methodology": "sz-public-transit",
        "version": "1",
        "effective_from": "2021-12-17",
        "effective_to": "2026-12-01",
        "use": "credit",
    } | change
    return "gd-sz", BUS, f"  - {{{', '.join(f'{key}: {value}' for key, value in fields.items())}}}\n"


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (("gd-sz", "rehearsal: false", "rehearsal: true"), RehearsalOnly),
        (("gd-sz", "code: gd-sz", "code: x-gd-sz"), RehearsalOnly),
        (("x-gd-sz", "code: x-gd-sz", "code: gd-sz"), RehearsalOnly),
        (
            (
                "gd-sz",
                "rehearsal_rules: null",
                "rehearsal_rules: {earlier_periods: false, enrol_unlinked: true}",
            ),
            RehearsalOnly,
        ),
        (bound(effective_from="2018-09-01", earlier_period="true"), RehearsalOnly),
        (bound(effective_from="2018-09-01"), BindingRefused),
        (("x-gd-sz", ", earlier_period: true", ""), BindingRefused),
        (("x-gd-sz", "earlier_periods: true", "earlier_periods: false"), RehearsalOnly),
        (bound(activity_type="bike.ride", methodology="shared-bike-sandbox"), BindingRefused),
        (bound(methodology="shared-bike-sandbox"), BindingRefused),
        (bound(version="9"), NameUndefined),
        (bound(methodology="sz-bus"), NameUndefined),
        (bound(activity_type="metro.ride"), PeriodsOverlap),
        (bound(effective_to="2021-12-17"), PeriodEmpty),
        (bound(use="sell"), ValueWrong),
        (bound(colour="red"), KeyUnknown),
        (("gd-sz", BUS, BUS + BUS), PeriodsOverlap),
        (("gd-sz", "phase: pilot", "phase: soon"), ValueWrong),
        (("gd-sz", "phase: pilot\n", ""), KeyMissing),
        (("gd-sz", "phase: pilot", "phase: pilot\ncolour: red"), KeyUnknown),
        (("gd-sz", "time_zone: Asia/Shanghai", "time_zone: Asia/Shenzhen"), ValueWrong),
        (("gd-sz", "time_zone: Asia/Shanghai", "time_zone: ../../etc/passwd"), ValueWrong),
        (("gd-sz", "[bus.ride]", "[bus.ride, tram.ride]"), NameUndefined),
        (("gd-sz", "[bus.ride]", "[bus.ride, walk]"), ValueWrong),
        (("gd-sz", "[bus.ride]", "[bus.ride, metro.ride]"), NameRepeated),
        (("gd-sz", "years: 3", "years: 11"), ValueWrong),
        (("gd-sz", "registry: internal", "registry: none"), ValueWrong),
        (("gd-gz", "basis: count", "basis: speed"), ValueWrong),
        (("gd-gz", "basis: count", "basis: distance_source"), ValueWrong),
        (("gd-gz", "per: 3000", "per: 0"), ValueWrong),
        (("gd-gz", "points: 1\n", "points: 0.5\n"), ValueWrong),
        (("gd-gz", "source: steps-2022", "source: null"), SourceMissing),
        (("gd-gz", "source: steps-2022", "source: hearsay"), NameUndefined),
        (("x-gd-gz", "code: steps", "code: grams"), NameRepeated),
        (("x-gd-gz", "max_events: 6", "max_events: 0"), ValueWrong),
        (
            ("x-gd-gz", "  - {activity_type: bus.ride, max", "  - {activity_type: metro.ride, max"),
            PeriodsOverlap,
        ),
        (("x-gd-gz", "share_percent: 70", "share_percent: 101"), ValueWrong),
    ],
)
def test_a_programme_that_may_not_be_is_refused(change: tuple[str, str, str], error: type[DataError]) -> None:
    code, old, new = change
    assert old in TEXTS[code]
    text = TEXTS[code].replace(old, new, 1)
    with pytest.raises(error) as caught:
        check_profile(
            text.encode(), file="programmes/p.yaml", activities=DATA.activities, packages=DATA.packages
        )
    assert caught.value.details["file"] == "programmes/p.yaml"
    assert caught.value.message("zh") != caught.value.message("en")


def test_the_file_is_named_by_the_code(tmp_path: Path) -> None:
    path = tmp_path / "gd-zs.yaml"
    path.write_text(TEXTS["gd-sz"], encoding="utf-8")
    with pytest.raises(ValueWrong, match="gd-zs"):
        load_profile(path, activities=DATA.activities, packages=DATA.packages)
