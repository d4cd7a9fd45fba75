"""The guide is true: its example loads, and its cases pass."""

import re
from pathlib import Path

import pytest
from msgspec import Struct
from msgspec.json import schema_components

from carbon_credit.methodology import answers, units
from carbon_credit.methodology.cases import Cases, run_cases
from carbon_credit.methodology.definition import FactorRule, FactorSet, Grade, Methodology, Overlay
from carbon_credit.methodology.engine import compile_package
from carbon_credit.methodology.loader import package_from_files

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs" / "methodologies.md").read_text(encoding="utf-8")
METHODOLOGY, CASES, FACTORS = re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)


def test_the_example_loads_and_its_cases_pass() -> None:
    package = package_from_files({"methodology.yaml": METHODOLOGY.encode(), "cases.yaml": CASES.encode()})
    compile_package(package, check_dimensions=True)
    assert [result.passed for result in run_cases(package)] == [True, True]


def test_the_factor_example_fits_in() -> None:
    text = METHODOLOGY.replace("steps:\n", FACTORS + "steps:\n").replace(
        "RF * distance_m", "RF * distance_m + 0 * EF_grid"
    )
    grid = ROOT / "methodologies/factors/cn-grid-average-v1.yaml"
    files = {"methodology.yaml": text.encode(), "factors/cn-grid-average-v1.yaml": grid.read_bytes()}
    assert "factors/cn-grid-average-v1.yaml" in package_from_files(files).files


def test_every_unit_and_every_rule_is_told() -> None:
    assert [
        unit for unit in units.KNOWN_UNITS if not re.search(rf"(?<![\w]){re.escape(unit)}(?![\w])", TEXT)
    ] == []
    assert all(f"`{rule}`" in TEXT for rule in FactorRule)


@pytest.mark.parametrize("kind", [Methodology, Overlay, Cases, FactorSet])
def test_every_key_is_told(kind: type[Struct]) -> None:
    names = set()
    for part in schema_components([kind])[1].values():
        names |= set(part.get("properties", {}))
    # The keys of format 1 are read, and no longer written.
    assert (
        sorted(name for name in names - {"prose", "other_mechanisms"} if not re.search(rf"\b{name}\b", TEXT))
        == []
    )


def test_every_refusal_and_every_grade_is_told() -> None:
    refusals = re.findall(r"[a-z]+(?:-[a-z]+)+", (answers.__doc__ or "").split("list.")[1])
    assert len(refusals) == 12
    assert [code for code in refusals if f"`{code}`" not in TEXT] == []
    assert [str(grade) for grade in Grade if str(grade) not in TEXT] == []
