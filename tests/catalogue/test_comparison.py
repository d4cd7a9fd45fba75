"""Two versions side by side: text, values, steps, and what they give to whom."""

from datetime import date
from pathlib import Path

from carbon_credit.catalogue.comparison import Comparison, compare
from carbon_credit.catalogue.library import load_library
from carbon_credit.catalogue.personas import load_personas
from carbon_credit.methodology.loader import Package, package_from_files
from tests.catalogue.conftest import package

LIBRARY = Path(__file__).resolve().parents[2] / "methodologies"


def compared(old: Package, new: Package) -> Comparison:
    library = load_library(LIBRARY)
    return compare(
        old,
        new,
        personas=load_personas(LIBRARY, library.activities),
        activities=library.activities,
        month=date(2026, 10, 1),
    )


def held(methodology_id: str, version: str) -> Package:
    return load_library(LIBRARY).packages[methodology_id, version]


def test_a_version_is_as_itself() -> None:
    found = compared(held("sz-public-transit", "v1"), held("sz-public-transit", "v1"))
    assert (found.text, found.values) == ((), ())
    assert len(found.personas) == 5
    assert {one.delta_mg for one in found.personas} == {0}


def test_another_value_shows_in_text_values_and_months() -> None:
    old = package_from_files(package())
    new = package_from_files(package(version=2, value="46.7", grade="secondary"))
    found = compared(old, new)
    assert (found.old, found.new) == ("metro-test v1", "metro-test v2")
    assert "-version: 1" in found.text
    assert "+version: 2" in found.text
    assert [(one.name, one.old, one.new) for one in found.values] == [
        ("RF from ever", "46.8 gCO2/pkm (published)", "46.7 gCO2/pkm (secondary)")
    ]
    by_code = {one.persona.code: one.delta_mg for one in found.personas}
    assert by_code["metro-commuter"] == -44 * 14_200 // 10
    assert by_code["last-mile"] == -40 * 9_800 // 10


def test_worked_cases_are_evidence_and_not_compared() -> None:
    files = package()
    files["cases.yaml"] += b"# another remark\n"
    assert compared(package_from_files(package()), package_from_files(files)).text == ()


def test_an_overlay_is_a_version_like_others() -> None:
    found = compared(held("gz-metro", "v1"), held("gz-metro", "v1+sandbox"))
    assert any(line.startswith("+++ gz-metro v1+sandbox/overlay.yaml") for line in found.text)
    (change,) = found.values
    assert (change.old, change.new) == ("null gCO2/pkm (no grade)", "46.8 gCO2/pkm (assumed)")
    commuter = next(one for one in found.personas if one.persona.code == "metro-commuter")
    assert commuter.old is not None
    assert commuter.old.refused == {"value-missing": 44}
    assert commuter.delta_mg > 0


def test_versions_that_read_other_activities_are_told_apart() -> None:
    """Whoever has a result under one of them alone gains or loses all of it."""
    found = compared(held("sz-public-transit", "v1"), held("shared-bike-sandbox", "v1"))
    by_code = {one.persona.code: one for one in found.personas}
    assert by_code["bus-commuter"].new is None
    assert by_code["cyclist"].old is None
    assert by_code["bus-commuter"].delta_mg < 0 < by_code["cyclist"].delta_mg
    assert "retired-walker" in by_code
    assert "roof-owner" not in by_code


def test_every_two_versions_of_the_library_can_be_compared() -> None:
    packages = load_library(LIBRARY).packages
    for (methodology_id, version), new in packages.items():
        old = packages[methodology_id, "v1"]
        found = compared(old, new)
        assert (not found.text) == (version == "v1")
