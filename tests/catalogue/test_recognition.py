"""Medals, boards and equivalents in a profile: what is refused; figures are those of their sources."""

from datetime import date
from decimal import Decimal

import pytest
import yaml

from carbon_credit.catalogue.past import past_changes
from carbon_credit.methodology.errors import (
    DataError,
    NameRepeated,
    NameUndefined,
    SourceMissing,
    ValueWrong,
)
from tests.catalogue.test_profile_terms import DATA, DAY, LIBRARY, city

METRO_100 = (
    'title: {zh: "百次地铁", en: "A hundred metro rides"}, rule: events, target: 100, scene: metro, '
    "effective_from: 2015-01-01, effective_to: null"
)
GRID = "data_year: 2023, grade: secondary, source: grid-factor"


@pytest.mark.parametrize(
    ("old", "new", "error"),
    [
        ("scene: metro, effective_from", "scene: flying, effective_from", NameUndefined),
        ("rule: first, activity_type: metro.ride", "rule: first", ValueWrong),
        ("rule: first, activity_type: metro.ride", "rule: first, activity_type: car.stopped", ValueWrong),
        (
            "rule: first, activity_type: metro.ride",
            "rule: first, target: 2, activity_type: metro.ride",
            ValueWrong,
        ),
        ("target: 100, scene: metro", "target: 100, scene: metro, activity_type: bus.ride", ValueWrong),
        ("code: metro-100", "code: first-metro", NameRepeated),
        (GRID, "data_year: 2023, grade: assumed, source: null", SourceMissing),
        (GRID, "data_year: 2023, grade: secondary, source: hearsay", NameUndefined),
        ("相当于少用 {amount} 千瓦时电", "相当于少用很多电", ValueWrong),
    ],
)
def test_what_cannot_be_kept_is_refused(old: str, new: str, error: type[DataError]) -> None:
    with pytest.raises(error):
        city((old, new))


def test_a_rule_of_a_medal_changes_only_forward() -> None:
    changed = city((METRO_100, METRO_100.replace("target: 100", "target: 10")))
    assert [one.rule for one in past_changes(city(), changed, DAY)] == ["medals"]
    later = METRO_100.replace("effective_from: 2015-01-01", "effective_from: 2030-01-01")
    renamed = city((METRO_100, METRO_100.replace("百次", "一百次")))
    assert past_changes(city(), renamed, DAY) == []
    assert [one.day for one in past_changes(city(), city((METRO_100, later)), DAY)] == [date(2015, 1, 1)]


def test_without_a_word_a_board_needs_ten() -> None:
    line = next(
        text
        for text in (LIBRARY / "programmes" / "x-gd-sz.yaml").read_text().splitlines()
        if "board:" in text
    )
    assert city().board_minimum == 10
    assert city((line, "")).board_minimum == 10
    assert city(("min_participants: 10", "min_participants: 25")).board_minimum == 25


def test_every_equivalent_has_a_source_and_the_grid_is_the_factor_sets() -> None:
    factors = yaml.safe_load((LIBRARY / "factors" / "cn-grid-average-v1.yaml").read_text(encoding="utf-8"))
    national = {one["data_year"]: Decimal(str(one["values"]["全国"])) for one in factors["editions"]}
    seen = 0
    for profile in DATA.profiles.values():
        sources = {one.name for one in profile.sources}
        for one in profile.equivalents:
            assert one.source in sources, profile.code
            seen += 1
            if one.code == "grid-electricity":
                assert one.mg_per_unit == national[one.data_year] * 1_000_000
                assert one.data_year == max(national)
    assert seen >= 8


def test_an_equivalent_never_says_more() -> None:
    grid = city().equivalents[0]
    assert [grid.tenths(mg) for mg in (0, 53_059, 53_060, 530_600)] == [0, 0, 1, 10]
