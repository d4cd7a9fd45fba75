"""What does not fit in format 2 is refused while reading, with file, line and key."""

from collections.abc import Callable

import pytest

from carbon_credit.methodology.engine import compile_package
from carbon_credit.methodology.errors import (
    DataError,
    DimensionWrong,
    ExpressionRefused,
    KeyMissing,
    NameRepeated,
    NameUndefined,
    NameUnused,
    SourceMissing,
    UnitUnknown,
    ValueWrong,
    ZeroDivisor,
)
from carbon_credit.methodology.loader import Package

Build = Callable[..., Package]

FIRST = "  - {version: 1, dated: 2020-01-01, text: {zh: 首版, en: The first}}\n"
EF = "value: 0.5, grade: published, source: paper"
SUM = "unit: Wh, of: energy_wh, days: 7, take: sum"
SINCE = "since: true, unit: day"
SEVEN = "test: past_days == 7"
AGE = "test: age <= longest"
YEAR = "decided: year\n    grade: published\n    source: "
TEST = "eligibility[2].test"

# (what stands there, what is written instead, the error, the key that it names, a text in its line)
BAD = [
    ("format: 2", "format: 1", KeyMissing, "prose", "format: 1"),
    ("format: 2", "format: 3", ValueWrong, "format", "format: 3"),
    ("design:\n", "designs:\n", DataError, "designs", "designs:"),
    ("  leakage: null\n", "", KeyMissing, "design.leakage", "design:"),
    ("  - {version: 1, dated", "  - {version: 2, dated", ValueWrong, "changes", "changes:"),
    (f"changes:\n{FIRST}", "", ValueWrong, "changes", "format: 2"),
    ("region: 测试\n", "region: 测试\nsupersedes: 1\n", ValueWrong, "supersedes", "supersedes: 1"),
    ("region: 测试\n", "region: 测试\nprose: null\nmissing: 1\n", ValueWrong, "missing", "missing: 1"),
    ("negative: keep", "negative: zero", ValueWrong, "netting", "netting: month"),
    ("netting: month", "netting: week", ValueWrong, "netting", "netting: week"),
    (EF, "value: null, grade: null, source: null", ValueWrong, "parameters[0]", "value: null"),
    ("    min: 0\n", "", ValueWrong, "inputs[0]", "name: energy_wh"),
    (SUM, SUM.replace("days: 7, ", ""), ValueWrong, "inputs[1]", "past_wh"),
    (SUM, SUM.replace("7", "0"), ValueWrong, "inputs[1].days", "past_wh"),
    (SUM, f"{SUM}, fact: other", ValueWrong, "inputs[1]", "past_wh"),
    ('    unit: "1"\n    of', "    unit: MWh\n    of", ValueWrong, "inputs[2].unit", "unit: MWh"),
    ('values: ["yes", "no"], ', "", ValueWrong, "inputs[3]", "solar"),
    (SINCE, "since: true, unit: month", UnitUnknown, "inputs[5].unit", "name: age"),
    (SINCE, "since: true, unit: kWh", ValueWrong, "inputs[5].unit", "name: age"),
    ("    otherwise: word\n", "", ValueWrong, "inputs[6].by_tier", "by_tier"),
    ("by_tier: {measured", "by_tier: {guessed", ValueWrong, "inputs[6].by_tier", "by_tier"),
    (AGE, "test: age", ExpressionRefused, TEST, "name: young"),
    (AGE, "test: age <= longest <= 9", ExpressionRefused, TEST, "name: young"),
    (AGE, "test: age <= longest or 1 == 1", ExpressionRefused, TEST, "name: young"),
    (AGE, "test: age.real <= longest", ExpressionRefused, TEST, "name: young"),
    (AGE, "test: open(age) <= longest", ExpressionRefused, TEST, "name: young"),
    (AGE, "test: 9 ** 9 ** 9 <= longest", ExpressionRefused, TEST, "name: young"),
    (AGE, "test: ages <= longest", NameUndefined, "ages", "name: young"),
    (AGE, "test: solar <= longest", NameUndefined, "solar", "name: young"),
    ("'solar == \"no\"'", "'solar == \"maybe\"'", NameUndefined, 'solar == "maybe"', "maybe"),
    (AGE, "test: age / 0 <= longest", ZeroDivisor, TEST, "name: young"),
    ("name: no-solar\n", "name: young\n", NameRepeated, "young", "{name: young"),
    (f"{YEAR}paper", f"{YEAR}null", SourceMissing, "eligibility[1]", "name: tier"),
    (f"{YEAR}paper", f"{YEAR}book", NameUndefined, "book", "source: book"),
    ("    absent: undecided\n", "", ValueWrong, "eligibility[1].test", "'tariff != "),
    (SEVEN, "test: EF == 7", NameUnused, "past_days", "past_days"),
    ("result: reduction", "result: reductions", NameUndefined, "reductions", "result:"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "error", "key", "at"), BAD)
def test_what_does_not_fit_is_refused_with_line_and_key(
    build: Build, format_2: str, old: str, new: str, error: type[DataError], key: str, at: str
) -> None:
    with pytest.raises(error) as caught:
        build((old, new), text=format_2)
    rows = format_2.replace(old, new, 1).splitlines()
    details = caught.value.details
    assert (details["file"], details["line"]) == (
        "methodology.yaml",
        next(number for number, row in enumerate(rows, 1) if at in row),
    )
    assert key in str(details["key"])
    assert f"methodology.yaml 第 {details['line']} 行" in caught.value.message("zh")


def test_large_numbers_are_taken_while_they_are_bounded(build: Build, format_2: str) -> None:
    assert build((SEVEN, "test: past_wh * past_wh * past_days >= 7"), text=format_2)
    power = " * ".join(["past_wh"] * 12)
    with pytest.raises(ExpressionRefused, match="without measure") as caught:
        build((SEVEN, f"test: ({power}) * ({power}) * ({power}) >= past_days"), text=format_2)
    assert caught.value.details["key"] == "eligibility[3].test"


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        (AGE, "test: age + longest <= past_wh", "compared by <="),
        (SEVEN, "test: past_days == past_wh", "compared by =="),
        ("past_wh / 7", "past_wh / floor(past_wh)", "floor takes a plain number"),
    ],
)
def test_what_cannot_be_compared_does_not_compile(
    build: Build, format_2: str, old: str, new: str, what: str
) -> None:
    package = build((old, new), text=format_2)
    with pytest.raises(DimensionWrong) as caught:
        compile_package(package, check_dimensions=True)
    assert what in str(caught.value.details["what"])


@pytest.mark.parametrize(
    "added",
    [
        "number: M99",
        "missing: [{what: {zh: 缺, en: A}, where: {zh: 处, en: B}}]",
        "changes: [{version: 1, dated: 2020-01-01, text: {zh: 首, en: A}}]",
        "split: days",
        "exclusive: {within_s: 1}",
        "eligibility: [{name: a, label: {zh: 甲, en: A}, test: RF > 0, grade: assumed, source: null}]",
    ],
)
def test_format_1_has_none_of_it(build: Build, added: str) -> None:
    with pytest.raises(ValueWrong, match="format: 2"):
        build(("result: reduction\n", f"result: reduction\n{added}\n"))


def test_format_1_has_no_lenient_words(build: Build) -> None:
    word = "  - {name: mode, label: {zh: 式, en: Mode}, kind: enum, values: [a, b], otherwise: b}\n"
    used = ("RF * distance_m", '(RF if mode == "a" else 0) * distance_m')
    with pytest.raises(ValueWrong, match="format: 2"):
        build(("inputs:\n", f"inputs:\n{word}"), used)
