"""The terms of a programme: what each says on a day, and what is refused."""

from datetime import date
from pathlib import Path

import pytest

from carbon_credit.catalogue.errors import BindingRefused
from carbon_credit.catalogue.library import load_library
from carbon_credit.catalogue.profile import check_profile
from carbon_credit.catalogue.programme import ProgrammeProfile
from carbon_credit.catalogue.rules import EVERYTHING_MG, ProgrammeRules, Share
from carbon_credit.methodology.engine import compile_package
from carbon_credit.methodology.errors import (
    DataError,
    NameRepeated,
    NameUndefined,
    PeriodsOverlap,
    SourceMissing,
    ValueWrong,
)

LIBRARY = Path(__file__).resolve().parents[2] / "methodologies"
DATA = load_library(LIBRARY)
CITY = (LIBRARY / "programmes" / "x-gd-sz.yaml").read_text(encoding="utf-8")
VALID = next(line for line in CITY.splitlines(keepends=True) if line.startswith("points_validity:"))
PLAIN = "grade: assumed, source: null"
DAY = date(2026, 11, 21)


def city(*changes: tuple[str, str]) -> ProgrammeProfile:
    text = CITY
    for old, new in changes:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    return check_profile(text.encode(), file="c.yaml", activities=DATA.activities, packages=DATA.packages)


def rules(profile: ProgrammeProfile) -> ProgrammeRules:
    keys = {(one.methodology, one.version_name) for one in profile.bindings}
    return ProgrammeRules(
        profile=profile,
        activities=DATA.activities,
        compiled={key: compile_package(DATA.packages[key], check_dimensions=False) for key in keys},
        digest=profile.digest,
        phase=profile.phase,
    )


def capped(*lines: str) -> tuple[str, str]:
    return "caps:\n", "caps:\n" + "".join(f"  - {{{line}, {PLAIN}}}\n" for line in lines)


def after_validity(section: str) -> tuple[str, str]:
    return VALID, VALID + section


def test_caps_of_every_scope_hold_at_once() -> None:
    scopes = (
        "scope: scene-day, scene: bus, max_events: 4, max_mg: null",
        "scope: person-day, max_events: null, max_mg: 5000000",
        "scope: person-year, max_events: null, max_mg: 900000000, effective_from: 2027-01-01",
        "scope: programme-day, max_events: 1000, max_mg: null",
    )
    held = rules(city(capped(*scopes)))
    assert [cap.over for cap in held.caps(DAY)] == [
        ("scene-day", "bus"),
        ("person-day", None),
        ("programme-day", None),
        *(("activity-day", kind) for kind in ("metro.ride", "bus.ride", "bike.ride", "walk")),
    ]
    assert ("person-year", None) in {cap.over for cap in held.caps(date(2027, 1, 1))}
    by_activity = held.cap("bus.ride", DAY)
    assert by_activity is not None
    assert by_activity.max_events == 8


@pytest.mark.parametrize(
    ("cap", "error"),
    [
        ("scope: scene-day, scene: tram, max_events: 4, max_mg: null", NameUndefined),
        ("scope: scene-day, max_events: 4, max_mg: null", ValueWrong),
        ("scope: person-day, scene: bus, max_events: 4, max_mg: null", ValueWrong),
        ("scope: person-week, max_events: 4, max_mg: null", ValueWrong),
        ("max_events: 4, max_mg: null", ValueWrong),
        ("scope: person-day, max_events: null, max_mg: null", ValueWrong),
        ("activity_type: walk, max_events: 4, max_mg: null", PeriodsOverlap),
    ],
)
def test_a_cap_that_says_nothing_clear_is_refused(cap: str, error: type[DataError]) -> None:
    with pytest.raises(error, match=r"c\.yaml, line \d+"):
        city(capped(cap))


def test_a_partner_gets_everything_or_the_first_part() -> None:
    assert rules(city()).overflow("bus.ride", DAY) is None
    partners = rules(city(("claim_rule: citizen", "claim_rule: partner")))
    assert partners.overflow("bus.ride", DAY) == Share(None, EVERYTHING_MG, "citizen-day")
    part = (
        "overflow:\n  - {activity_types: [bus.ride], partner: app, threshold_mg: 7, per: citizen-year, "
        f"effective_from: 2026-01-01, {PLAIN}}}\n"
    )
    shared = rules(city(after_validity(part)))
    assert shared.overflow("bus.ride", DAY) == Share("app", 7, "citizen-year")
    assert shared.overflow("bus.ride", date(2025, 12, 31)) is None
    assert shared.overflow("metro.ride", DAY) is None


def test_the_claim_changes_hands_on_a_day() -> None:
    claims = (
        "claim_rule:\n"
        f"  - {{claimant: citizen, effective_to: 2027-01-01, {PLAIN}}}\n"
        f"  - {{claimant: partner, effective_from: 2027-01-01, {PLAIN}}}\n"
    )
    held = city(("claim_rule: citizen\n", claims))
    assert [held.claimant(date(*day)) for day in ((2026, 12, 31), (2027, 1, 1))] == ["citizen", "partner"]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("effective_to: 2027-01-01", "effective_from: 2027-01-02"),
        ("effective_to: 2027-01-01", "effective_from: 2027-01-01, effective_to: 2028-01-01"),
        ("effective_from: 2020-01-01, effective_to: 2027-01-01", "effective_from: 2027-01-01"),
        ("effective_to: null", "effective_from: null"),
    ],
    ids=["gap", "end", "beginning", "twice"],
)
def test_a_list_of_terms_covers_every_day_once(first: str, second: str) -> None:
    terms = f"years: 3, round_to: none, {PLAIN}"
    section = f"points_validity:\n  - {{{terms}, {first}}}\n  - {{{terms}, {second}}}\n"
    with pytest.raises((ValueWrong, PeriodsOverlap), match="points_validity"):
        city((VALID, section))


def test_a_term_that_stands_alone_has_no_period() -> None:
    with pytest.raises(ValueWrong, match="make it a list"):
        city((VALID, VALID.replace("years: 3", "effective_from: 2026-01-01, years: 3")))


@pytest.mark.parametrize(
    ("section", "error"),
    [
        (
            "points_budget:\n  - {points: 1, per: week, effective_from: 2026-01-01, effective_to: null, P}\n",
            ValueWrong,
        ),
        (
            "points_budget:\n  - {points: 1, per: day, scene: tram, effective_from: 2026-01-01, "
            "effective_to: null, P}\n",
            NameUndefined,
        ),
        (
            "overflow:\n"
            "  - {activity_types: [tram.ride], partner: null, threshold_mg: 1, per: citizen-day, P}\n",
            NameUndefined,
        ),
        (
            "overflow:\n"
            + 2 * "  - {activity_types: [bus.ride], partner: null, threshold_mg: 1, per: citizen-day, P}\n",
            PeriodsOverlap,
        ),
        (
            "notice: {working_days: 7, text: {zh: 公示, en: Notice}, grade: published, source: null}\n",
            SourceMissing,
        ),
        ("markets:\n  - {code: gd-ets, credit: PHCER, grade: published, source: nowhere}\n", NameUndefined),
        ("incentives:\n  - {route: lottery, text: {zh: 抽奖, en: Lottery}, P}\n", ValueWrong),
    ],
)
def test_terms_that_cannot_hold_are_refused(section: str, error: type[DataError]) -> None:
    with pytest.raises(error):
        city(after_validity(section.replace("P}", PLAIN + "}")))


def test_an_approval_wants_renewal_thirty_days_before_its_last_day() -> None:
    bike = next(scene for scene in DATA.profiles["sh"].scenes if scene.code == "bike")
    assert bike.approval is not None
    days = (date(2027, 11, 30), date(2027, 12, 1), date(2027, 12, 31), date(2028, 1, 1))
    assert [bike.approval.wants_renewal(day) for day in days] == [False, True, True, True]
    assert [bike.approval.holds_on(day) for day in days] == [True, True, True, False]


def test_tracks_do_not_meet() -> None:
    bus = '    label: {zh: "公交出行", en: "Bus"}\n'
    with pytest.raises(BindingRefused, match="public track"):
        city((bus, bus + "    track: public\n"))
    with pytest.raises(ValueWrong, match="project track"):
        city((bus, bus + "    track: project\n"))


WINDOW = "events: {late_days: 400, ahead_s: 300, detail_days: 180}"


def windows(more: str) -> tuple[str, str]:
    return WINDOW, WINDOW.replace("}", f", {more}}}")


def test_windows_of_lateness_hold_for_a_scene_or_for_all() -> None:
    found = rules(
        city(windows("backfill_days: 900, scenes: [{scene: bus, late_days: 3, backfill_days: 30}]"))
    )
    assert found.earliest_day("bus.ride", DAY, backfill=False) == date(2026, 11, 18)
    assert found.earliest_day("bus.ride", DAY, backfill=True) == date(2026, 10, 22)
    assert found.earliest_day("metro.ride", DAY, backfill=False) == date(2025, 10, 17)
    assert found.earliest_day("metro.ride", DAY, backfill=True) == date(2024, 6, 4)
    assert rules(city()).earliest_day("metro.ride", DAY, backfill=True) is None
    assert rules(city()).until_closed is None


@pytest.mark.parametrize(
    ("more", "error"),
    [
        ("scenes: [{scene: tram, late_days: 3}]", NameUndefined),
        ("scenes: [{scene: bus, late_days: 3}, {scene: bus, late_days: 4}]", NameRepeated),
        ("scenes: [{scene: bus, late_days: 0}]", ValueWrong),
        ("until_closed: week", ValueWrong),
    ],
)
def test_windows_that_say_nothing_clear_are_refused(more: str, error: type[DataError]) -> None:
    with pytest.raises(error):
        city(windows(more))
