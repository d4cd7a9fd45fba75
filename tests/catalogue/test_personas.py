"""A dozen invented people: their file, and what a version makes of their month."""

import shutil
from datetime import date
from pathlib import Path

import pytest

from carbon_credit.catalogue.library import library_problems, load_library
from carbon_credit.catalogue.personas import Persona, load_personas, month_of
from carbon_credit.kernel.errors import CarbonError
from carbon_credit.methodology.engine import CompiledMethodology, compile_package

LIBRARY = Path(__file__).resolve().parents[2] / "methodologies"
OCTOBER = date(2026, 10, 1)
ACTIVITIES = load_library(LIBRARY).activities


def people() -> dict[str, Persona]:
    return {one.code: one for one in load_personas(LIBRARY, ACTIVITIES)}


def compiled(methodology_id: str, version: str = "v1") -> CompiledMethodology:
    package = load_library(LIBRARY).packages[methodology_id, version]
    return compile_package(package, check_dimensions=False)


def test_there_are_a_dozen_and_each_has_both_names() -> None:
    found = people()
    assert len(found) == 12
    assert all(one.label.zh and one.label.en for one in found.values())


@pytest.mark.parametrize(
    ("old", "new", "code", "named"),
    [
        ("activity_type: walk,", "activity_type: fly,", "name-undefined", "fly"),
        ("distance_m: 14200", "distance_m: far", "value-wrong", "distance_m"),
        ("distance_source: gates", "distance_source: dreams", "value-wrong", "distance_source"),
        ("code: giver", "code: student", "name-repeated", "student"),
        ("times: 44", "times: 0", "value-wrong", "times"),
        ("times: 44", "often: 44", "key-unknown", "often"),
        ("history: {sum: 39900", "history: {mean: 39900", "value-wrong", "history"),
    ],
)
def test_what_is_wrong_in_the_file_is_found(
    tmp_path: Path, old: str, new: str, code: str, named: str
) -> None:
    root = Path(shutil.copytree(LIBRARY, tmp_path / "methodologies"))
    path = root / "personas.yaml"
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(CarbonError) as caught:
        load_personas(root, ACTIVITIES)
    assert caught.value.code == code
    assert "personas.yaml" in caught.value.message("en")
    assert named in caught.value.message("zh")
    assert [one.code for one in library_problems(root)] == [code]


def test_a_month_is_the_sum_of_its_acts() -> None:
    found = month_of(people()["metro-commuter"], compiled("sz-public-transit"), ACTIVITIES, OCTOBER)
    assert found is not None
    assert (found.reduction_mg, found.events, found.refused) == (44 * 14_200 * 468 // 10, 44, {})


def test_who_does_nothing_that_is_read_has_no_month() -> None:
    assert month_of(people()["cyclist"], compiled("sz-public-transit"), ACTIVITIES, OCTOBER) is None


def test_refusals_are_counted_by_code() -> None:
    found = month_of(people()["student"], compiled("gz-metro"), ACTIVITIES, OCTOBER)
    assert found is not None
    assert (found.reduction_mg, found.refused) == (0, {"value-missing": 6})


@pytest.mark.parametrize("month", [date(2026, 2, 1), date(2028, 2, 1), date(2026, 12, 1)])
def test_acts_stay_inside_the_month(month: date) -> None:
    """Also where there are more of them than days."""
    for version in (compiled("sz-public-transit"), compiled("shared-bike-sandbox")):
        for one in people().values():
            found = month_of(one, version, ACTIVITIES, month)
            assert found is None or sum(found.refused.values()) <= found.events
            assert found is None or "not-in-force" not in found.refused


def test_whatever_the_library_reads_is_in_somebody_s_month() -> None:
    """Whoever changes a methodology sees what it does to at least one of them."""
    read = {
        kind for one in load_library(LIBRARY).packages.values() for kind in one.methodology.activity_types
    }
    done = {act.activity_type for one in people().values() for act in one.month}
    assert read - done == set()


def test_nothing_that_is_asked_for_is_missing_in_the_months() -> None:
    """A version refuses for want of its own values, never for want of a field, a fact or a history."""
    everybody = people().values()
    for key in load_library(LIBRARY).packages:
        version = compiled(*key)
        for one in everybody:
            found = month_of(one, version, ACTIVITIES, OCTOBER)
            assert found is None or "input-missing" not in found.refused, (key, one.code)
