"""Changed only forward: what was promised for a day that is over stays."""

import shutil
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbon_credit.catalogue.errors import PastRulesChanged
from carbon_credit.catalogue.operations import seed
from carbon_credit.catalogue.past import PastChange, past_changes
from carbon_credit.catalogue.profile import parse_profile
from carbon_credit.catalogue.programme import ProgrammeProfile
from carbon_credit.catalogue.queries import programme_rules
from carbon_credit.kernel.db import Database
from carbon_credit.kernel.unit_of_work import transact, unit_of_work
from tests.world import NOW

LIBRARY = Path(__file__).resolve().parents[2] / "methodologies"
GUANGZHOU = (LIBRARY / "programmes" / "gd-gz.yaml").read_text(encoding="utf-8")
TODAY = date(2026, 11, 21)

NO_CAP = "caps: null\n"
RULES = "points_rules:\n"
VALID = (
    "points_validity: {years: 3, round_to: year_end, grade: assumed, source: null, note: "
    '{zh: "未见规定；占位值，不超过十年。", en: "No rule was found; a placeholder, within ten years."}}\n'
)
CITIZEN = "claim_rule: citizen\n"
NO_SHARE = "  share_percent: null\n"


def profile(*changes: tuple[str, str]) -> ProgrammeProfile:
    return parse_profile(edited(*changes).encode(), file="gd-gz.yaml")


def edited(*changes: tuple[str, str]) -> str:
    text = GUANGZHOU
    for old, new in changes:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    return text


def cap(start: str, end: str, most: int) -> str:
    return (
        f"  - {{activity_type: walk, max_events: {most}, max_mg: null, effective_from: {start}, "
        f"effective_to: {end}, grade: assumed, source: null}}\n"
    )


def budget(start: date) -> tuple[str, str]:
    entry = (
        f"points_budget:\n  - {{points: 10000, per: month, effective_from: {start}, effective_to: null, "
        "grade: assumed, source: null}\n"
    )
    return VALID, entry + VALID


TOMORROW = TODAY + timedelta(days=1)
YESTERDAY = TODAY - timedelta(days=1)


def validity(day: date) -> tuple[str, str]:
    terms = "round_to: year_end, grade: assumed, source: null"
    return VALID, (
        "points_validity:\n"
        f"  - {{years: 3, {terms}, effective_from: null, effective_to: {day}}}\n"
        f"  - {{years: 5, {terms}, effective_from: {day}, effective_to: null}}\n"
    )


def claim(day: date) -> tuple[str, str]:
    terms = "grade: assumed, source: null"
    return CITIZEN, (
        "claim_rule:\n"
        f"  - {{claimant: citizen, {terms}, effective_from: null, effective_to: {day}}}\n"
        f"  - {{claimant: partner, {terms}, effective_from: {day}, effective_to: null}}\n"
    )


def overflow(day: date) -> tuple[str, str]:
    return CITIZEN, CITIZEN + (
        "overflow:\n  - {activity_types: [bus.ride], partner: null, threshold_mg: 5, per: citizen-month, "
        f"effective_from: {day}, effective_to: null, grade: assumed, source: null}}\n"
    )


@pytest.mark.parametrize(
    ("rule", "changed"),
    [
        ("points_budget", budget),
        ("points_validity", validity),
        ("claim_rule", claim),
        ("overflow", overflow),
        ("caps", lambda day: (NO_CAP, "caps:\n" + cap(str(day), "null", 9))),
        (
            "points_rules",
            lambda day: ("    effective_to: null\n    grade: s", f"    effective_to: {day}\n    grade: s"),
        ),
    ],
)
def test_a_rule_changes_from_today_on_and_not_before(rule: str, changed: object) -> None:
    assert callable(changed)
    assert past_changes(profile(), profile(changed(TODAY)), TODAY) == []
    assert past_changes(profile(), profile(changed(TOMORROW)), TODAY) == []
    assert past_changes(profile(), profile(changed(YESTERDAY)), TODAY) == [PastChange(rule, YESTERDAY)]


def test_a_share_of_the_past_stays() -> None:
    promised = profile((NO_SHARE, "  share_percent: 60\n"))
    assert past_changes(profile(), promised, TODAY) == [PastChange("share_percent", date.min)]


def test_what_is_known_about_a_rule_may_change() -> None:
    better = profile(
        ("    grade: secondary\n    source: steps-2022", "    grade: published\n    source: steps-2022"),
        ("3,000 steps = 1 point", "3,000 steps for a point"),
    )
    assert past_changes(profile(), better, TODAY) == []


def test_a_period_may_be_split_in_two() -> None:
    whole = profile((NO_CAP, "caps:\n" + cap("null", "null", 3)))
    split = profile((NO_CAP, "caps:\n" + cap("null", "2025-01-01", 3) + cap("2025-01-01", "null", 3)))
    assert past_changes(whole, split, TODAY) == []
    assert past_changes(split, whole, TODAY) == []


FIRST = date(2026, 11, 1)
SPANS = st.lists(st.tuples(st.integers(0, 39), st.integers(1, 4)), max_size=4, unique_by=lambda one: one[0])


def stepped(spans: Sequence[tuple[int, int]]) -> ProgrammeProfile:
    """Caps that follow each other, each from its day on; `spans` are (day, most events)."""
    ordered = sorted(spans)
    ends = [*(str(FIRST + timedelta(days=day)) for day, _ in ordered[1:]), "null"]
    lines = [
        cap(str(FIRST + timedelta(days=day)), end, most)
        for (day, most), end in zip(ordered, ends, strict=False)
    ]
    return profile((NO_CAP, "caps:\n" + "".join(lines) if lines else "caps: []\n"))


@given(SPANS, SPANS, st.integers(0, 45))
def test_the_first_changed_day_is_the_one_that_looking_at_each_day_finds(
    before: list[tuple[int, int]], after: list[tuple[int, int]], at: int
) -> None:
    old, new, today = stepped(before), stepped(after), FIRST + timedelta(days=at)

    def most(of: ProgrammeProfile, day: date) -> list[int | None]:
        return [one.max_events for one in of.caps_on(day)]

    days = (FIRST + timedelta(days=offset) for offset in range(at))
    first = next((day for day in days if most(old, day) != most(new, day)), None)
    assert past_changes(old, new, today) == ([PastChange("caps", first)] if first else [])


def plant(database: Database, root: Path, now: datetime = NOW) -> None:
    transact(database, lambda session: seed(session, root=root, now=now))


def test_a_seed_that_changes_the_past_is_refused_and_leaves_everything(
    database: Database, tmp_path: Path
) -> None:
    root = Path(shutil.copytree(LIBRARY, tmp_path / "methodologies"))
    plant(database, root)
    path = root / "programmes" / "gd-gz.yaml"
    path.write_text(edited(("    per: 3000\n", "    per: 2000\n")), encoding="utf-8")
    with pytest.raises(PastRulesChanged, match="gd-gz") as caught:
        plant(database, root)
    assert caught.value.details["rules"] == "points_rules"
    assert "points_rules" in caught.value.message("zh")
    path.write_text(edited(budget(date(2099, 1, 1))), encoding="utf-8")
    plant(database, root)
    with unit_of_work(database, read_only=True) as session:
        rules = programme_rules(session, programme="gd-gz")
    assert [one.points for one in rules.points_budgets(date(2099, 1, 1))] == [10000]


def test_a_rehearsal_may_rehearse_another_past(database: Database, tmp_path: Path) -> None:
    root = Path(shutil.copytree(LIBRARY, tmp_path / "methodologies"))
    plant(database, root)
    path = root / "programmes" / "x-gd-gz.yaml"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("    per: 3000\n", "    per: 2000\n"), encoding="utf-8")
    plant(database, root, datetime(2026, 11, 22, tzinfo=UTC))
