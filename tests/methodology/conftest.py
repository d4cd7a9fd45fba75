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

# Everything that format 2 adds, in one household's day: electricity against its own seven days before.
FORMAT_2 = """\
format: 2
id: test-day
number: M99
version: 1
title: {zh: 测试, en: Test}
issuer: {zh: 测试, en: Test}
region: 测试
published_at: null
effective_from: 2020-01-01
effective_to: 2030-01-01
activity_types: [electricity.period]
grades:
  formula: {grade: published, source: paper}
  eligibility: {grade: assumed, source: null}
  caps: {grade: assumed, source: null}
  rounding: {grade: assumed, source: null}
  validity: {grade: assumed, source: null}
design:
  applicability: {zh: 住户, en: Households}
  additionality: null
  boundary: null
  baseline: {text: {zh: 前七日, en: The seven days before}, reference_year: 2019, next_update: 2026-06-30}
  leakage: null
  uncertainty: null
  conservativeness: null
  monitoring: {data: null, instrument: null, frequency: null, quality: null, retention: null}
  crediting_period: null
  other_markets:
    {project_emissions_in_ets: outside, grid_savings_in_ets: inside, ccer: unknown, text: {zh: 无, en: None}}
  double_claim: null
changes:
  - {version: 1, dated: 2020-01-01, text: {zh: 首版, en: The first}}
sources:
  - {name: paper, document: A paper, address: example.org}
inputs:
  - name: energy_wh
    label: {zh: 用电量, en: Electricity}
    kind: integer
    unit: Wh
    min: 0
    max: 1000000
  - {name: past_wh, label: {zh: 前, en: Before}, kind: history, unit: Wh, of: energy_wh, days: 7, take: sum}
  - name: past_days
    label: {zh: 有读数的天数, en: Days read}
    kind: history
    unit: "1"
    of: energy_wh
    days: 7
    take: days
  - {name: solar, label: {zh: 光伏, en: PV}, kind: fact, fact: pv-owner, values: ["yes", "no"], absent: "no"}
  - name: tariff
    label: {zh: 阶梯, en: Tariff tier}
    kind: fact
    fact: tariff-tier
    values: [first, second, third]
    otherwise: third
    absent: undecided
  - {name: age, label: {zh: 天数, en: Days}, kind: fact, fact: connected-on, since: true, unit: day}
  - name: proof
    label: {zh: 证据, en: Evidence}
    kind: evidence
    by_tier: {measured: reading, derived: reading}
    otherwise: word
parameters:
  - name: EF
    label: {zh: 因子, en: Factor}
    unit: kgCO2/kWh
    values:
      - {value: 0.5, grade: published, source: paper, effective_from: 2020-01-01, effective_to: null,
         still_valid_on: null, review_by: null}
  - name: share
    label: {zh: 自报折扣, en: Share of what is only stated}
    unit: "1"
    values:
      - {value: 0.5, grade: published, source: paper, effective_from: 2020-01-01, effective_to: null,
         still_valid_on: null, review_by: null}
  - name: longest
    label: {zh: 最长年限, en: Longest time}
    unit: year
    values:
      - {value: 25, grade: secondary, source: paper, effective_from: 2020-01-01, effective_to: null,
         still_valid_on: null, review_by: null}
eligibility:
  - name: no-solar
    label: {zh: 无光伏, en: No own solar}
    test: 'solar == "no"'
    grade: published
    source: paper
    clause: "4.1"
  - name: tier
    label: {zh: 未达第三档, en: Not in the third tier}
    test: 'tariff != "third"'
    decided: year
    grade: published
    source: paper
  - {name: young, label: {zh: 年限内, en: In time}, test: age <= longest, grade: published, source: paper}
  - {name: week, label: {zh: 七日, en: A week}, test: past_days == 7, grade: published, source: paper}
split: days
exclusive: {within_s: 600}
steps:
  - {name: mean, label: {zh: 均值, en: Mean}, expression: past_wh / 7, unit: Wh}
  - name: reduction
    label: {zh: 减排量, en: Reduction}
    expression: EF * (mean - energy_wh) * (1 if proof == "reading" else share)
    unit: gCO2e
result: reduction
rounding: {to: mg, mode: floor}
negative: keep
netting: month
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


@pytest.fixture
def format_2() -> str:
    """The text of a methodology with everything that format 2 adds."""
    return FORMAT_2
