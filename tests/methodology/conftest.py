"""A small, whole methodology that tests change in one place to see what happens."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from carbon_credit.methodology.loader import Package, package_from_files

LIBRARY = Path(__file__).resolve().parents[2] / "methodologies"

METHODOLOGY = """\
id: test-ride
version: 1
title: {zh: 测试, en: Test}
issuer: {zh: 测试, en: Test}
region: 测试
published_at: null
effective_from: 2020-01-01
effective_to: 2030-01-01
activity_types: [metro.ride]
grades:
  formula: {grade: published, source: paper}
  eligibility: {grade: assumed, source: null}
  caps: {grade: assumed, source: null}
  rounding: {grade: assumed, source: null}
  validity: {grade: assumed, source: null}
prose:
  applicability: null
  additionality: null
  boundary: null
  baseline: null
  leakage: null
  uncertainty: null
  monitoring: null
  crediting_period: null
  other_mechanisms: null
sources:
  - {name: paper, document: A paper, address: example.org}
inputs:
  - name: distance_m
    label: {zh: 距离, en: Distance}
    kind: integer
    unit: pm
    min: 0
    max: 1000000
parameters:
  - name: RF
    label: {zh: 因子, en: Factor}
    unit: gCO2e/pkm
    values:
      - {value: 46.8, grade: published, source: paper, effective_from: 2020-01-01, effective_to: null,
         still_valid_on: null, review_by: null}
steps:
  - name: reduction
    label: {zh: 减排量, en: Reduction}
    expression: RF * distance_m
    unit: gCO2e
result: reduction
rounding: {to: mg, mode: floor}
negative: refuse
"""

FACTORS = """\
name: grid-v1
version: 1
title: {zh: 因子, en: Factors}
issuer: {zh: 测试, en: Test}
unit: kgCO2/kWh
editions:
  - data_year: 2021
    document: Notice of 2021
    number: null
    address: null
    published_at: 2024-04-01
    applies_from: null
    applies_to: null
    still_valid_on: null
    review_by: null
    grade: secondary
    values: {广东: 0.4715}
  - data_year: 2022
    document: Notice of 2022
    number: null
    address: null
    published_at: 2024-12-26
    applies_from: null
    applies_to: null
    still_valid_on: null
    review_by: 2026-12-31
    grade: official
    values: {广东: 0.4403, 上海: 0.5849}
"""

GRID_USE = """\
factors:
  - name: EF
    label: {zh: 因子, en: Factor}
    set: grid-v1
    key: 广东
    choose: RULE
    use_grade: published
    use_source: paper
"""


def change(text: str, *pairs: tuple[str, str]) -> str:
    """`text` with each pair replaced; what is to be replaced must be there."""
    for old, new in pairs:
        assert old in text, old
        text = text.replace(old, new, 1)
    return text


def electricity(rule: str) -> str:
    """The small methodology as energy times a grid factor chosen by `rule`."""
    start, end = METHODOLOGY.index("parameters:"), METHODOLOGY.index("steps:")
    text = METHODOLOGY[:start] + GRID_USE.replace("RULE", rule) + METHODOLOGY[end:]
    return change(
        text,
        ("distance_m", "energy_wh"),
        ("unit: pm", "unit: Wh"),
        ("RF * distance_m", "EF * energy_wh"),
        ("effective_from: 2020-01-01\neffective_to: 2030-01-01", "effective_from: null\neffective_to: null"),
    )


Build = Callable[..., Package]


@pytest.fixture
def build() -> Build:
    """build(*pairs, text=..., files=...) -> Package of the changed methodology."""

    def make(
        *pairs: tuple[str, str], text: str = METHODOLOGY, files: Mapping[str, str] | None = None
    ) -> Package:
        texts = {"methodology.yaml": change(text, *pairs), "factors/grid-v1.yaml": FACTORS, **(files or {})}
        return package_from_files({name: body.encode() for name, body in texts.items()})

    return make


@pytest.fixture
def grid() -> Callable[[str], str]:
    """grid(rule) -> the text of a methodology that takes its factor from `factors/grid-v1.yaml`."""
    return electricity


@pytest.fixture
def factors() -> str:
    """The text of `factors/grid-v1.yaml`."""
    return FACTORS


@pytest.fixture(scope="session")
def library() -> Path:
    """The data that ships with the code."""
    return LIBRARY
