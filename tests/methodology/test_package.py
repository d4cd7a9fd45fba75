"""Every kind of bad package, each refused with its own error, file, line and key."""

from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from carbon_credit.methodology.engine import compile_package
from carbon_credit.methodology.errors import (
    DataError,
    DimensionWrong,
    ExpressionRefused,
    FileMissing,
    NameRepeated,
    NameUndefined,
    NameUnused,
    PeriodEmpty,
    PeriodsOverlap,
    SourceMissing,
    StepCycle,
    UnitUnknown,
    ValueWrong,
    ZeroDivisor,
)
from carbon_credit.methodology.loader import Package, load_library, load_package, package_from_files

Build = Callable[..., Package]
EXPRESSION = "expression: RF * distance_m"
VALUE = (
    "{value: 46.8, grade: published, source: paper, effective_from: 2020-01-01, effective_to: null,\n"
    "         still_valid_on: null, review_by: null}"
)
UNKNOWN = (
    "{value: null, grade: null, source: null, effective_from: null, effective_to: null,\n"
    "         still_valid_on: null, review_by: null}"
)
SECOND_STEP = "steps:\n  - {name: extra, label: {zh: 中, en: Middle}, expression: %s, unit: %s}\n"


def step(expression: str, unit: str = "gCO2e") -> tuple[str, str]:
    return "steps:\n", SECOND_STEP % (expression, unit)


@pytest.mark.parametrize(
    ("pairs", "error", "key"),
    [
        ([("    unit: pm\n", "")], UnitUnknown, "inputs[0].unit"),
        ([("unit: pm", "unit: furlong")], UnitUnknown, "inputs[0].unit"),
        ([("unit: gCO2e/pkm", "unit: gCO2e per pkm")], UnitUnknown, "parameters[0].unit"),
        ([("    max: 1000000\n", "")], ValueWrong, "inputs[0]"),
        ([("    min: 0\n", "    min: 2000000\n")], ValueWrong, "inputs[0]"),
        ([("max: 1000000", "max: 99999999999999999999")], ValueWrong, "inputs[0]"),
        ([("kind: integer", "kind: enum")], ValueWrong, "inputs[0]"),
        ([("kind: integer", "kind: integer\n    values: [a]")], ValueWrong, "inputs[0]"),
        ([("source: paper, effective", "source: null, effective")], SourceMissing, "parameters[0].values[0]"),
        (
            [("grade: published, source: paper, eff", "grade: null, source: paper, eff")],
            SourceMissing,
            "parameters[0].values[0]",
        ),
        ([("source: paper, effective", "source: book, effective")], NameUndefined, "book"),
        (
            [("formula: {grade: published, source: paper}", "formula: {grade: official, source: null}")],
            SourceMissing,
            "grades.formula",
        ),
        (
            [("caps: {grade: assumed, source: null}", "caps: {grade: assumed, source: book}")],
            NameUndefined,
            "book",
        ),
        ([(EXPRESSION, "expression: RF * distance_km")], NameUndefined, "distance_km"),
        (
            [(EXPRESSION, 'expression: (RF if mode == "metro" else RF) * distance_m')],
            NameUndefined,
            'mode == "metro"',
        ),
        ([("result: reduction", "result: reductions")], NameUndefined, "reductions"),
        ([("name: RF", "name: distance_m")], NameRepeated, "distance_m"),
        ([("name: RF", "name: max"), (EXPRESSION, "expression: distance_m")], NameRepeated, "max"),
        ([(EXPRESSION, "expression: 46.8 * distance_m")], NameUnused, "RF"),
        ([step("RF * distance_m")], NameUnused, "extra"),
        ([step("reduction * 1"), (EXPRESSION, "expression: RF * distance_m + extra")], StepCycle, "extra"),
        ([(EXPRESSION, "expression: RF * distance_m + reduction")], StepCycle, "reduction"),
        ([(EXPRESSION, "expression: RF.real * distance_m")], ExpressionRefused, "steps[0].expression"),
        ([(EXPRESSION, "expression: __import__('os')")], ExpressionRefused, "steps[0].expression"),
        ([(EXPRESSION, "expression: RF ** distance_m")], ExpressionRefused, "steps[0].expression"),
        ([(EXPRESSION, "expression: 9**9**9**9")], ExpressionRefused, "steps[0].expression"),
        ([(EXPRESSION, "expression: RF * distance_m / 0")], ZeroDivisor, "steps[0].expression"),
        (
            [(EXPRESSION, "expression: distance_m / RF"), ("value: 46.8", "value: 0")],
            ZeroDivisor,
            "steps[0].expression",
        ),
        # A draft without values is read as closely as one with them.
        (
            [(VALUE, UNKNOWN), (EXPRESSION, "expression: RF * distance_m / (2 - min(2, 3))")],
            ZeroDivisor,
            "steps[0].expression",
        ),
        # The step that divides is named, not the result that needs it.
        (
            [
                step("distance_m / RF"),
                (EXPRESSION, "expression: RF * distance_m + extra"),
                ("value: 46.8", "value: 0"),
            ],
            ZeroDivisor,
            "steps[0].expression",
        ),
        ([("effective_to: 2030-01-01", "effective_to: 2020-01-01")], PeriodEmpty, "effective_to"),
        (
            [("effective_to: null", "effective_to: 2019-01-01")],
            PeriodEmpty,
            "parameters[0].values[0].effective_to",
        ),
        ([(VALUE, f"{VALUE}\n      - {VALUE}")], PeriodsOverlap, "parameters[0].values[1]"),
        (
            [("review_by: null}", "review_by: null, borrowed_from: other/v1/RF}")],
            ValueWrong,
            "parameters[0].values[0].grade",
        ),
        ([("sources:\n", "sources:\n  - {name: paper, document: Another}\n")], NameRepeated, "paper"),
    ],
)
def test_a_bad_package_is_refused(
    build: Build, pairs: list[tuple[str, str]], error: type[DataError], key: str
) -> None:
    with pytest.raises(error) as caught:
        build(*pairs)
    details = caught.value.details
    assert key in str(details["key"])
    assert str(details["file"]).endswith("methodology.yaml")
    assert isinstance(details["line"], int)
    assert details["line"] > 1
    assert str(details["line"]) in caught.value.message("zh")


@pytest.mark.parametrize(
    ("pairs", "what"),
    [
        ([("unit: gCO2e/pkm", "unit: gCO2e/vkm")], "[counted_vehicle]"),
        ([("unit: gCO2e/pkm", "unit: g/pkm")], "[mass]"),
        ([(EXPRESSION, "expression: RF + distance_m")], "joined by +"),
        ([(EXPRESSION, "expression: max(RF, distance_m)")], "compared by max"),
        ([(EXPRESSION, "expression: RF * distance_m if RF < distance_m else 0")], "compared by <"),
        ([(EXPRESSION, "expression: RF * distance_m if RF < 0 else RF")], "offered as one result"),
        ([(EXPRESSION, "expression: RF * distance_m + 1")], "joined by +"),
        ([(EXPRESSION, "expression: RF * distance_m * distance_m")], "[counted_passenger] * [length]"),
        ([(EXPRESSION + "\n    unit: gCO2e", EXPRESSION + "\n    unit: kWh")], "kWh"),
        (
            [
                ("unit: gCO2e/pkm", "unit: kg/pkm"),
                ("RF * distance_m\n    unit: gCO2e", "RF * distance_m\n    unit: kg"),
            ],
            "not a mass of CO2e",
        ),
        ([("unit: pm", "unit: m")], "[counted_passenger]"),
    ],
)
def test_a_formula_that_is_no_mass_of_co2e_does_not_compile(
    build: Build, pairs: list[tuple[str, str]], what: str
) -> None:
    package = build(*pairs)
    with pytest.raises(DimensionWrong) as caught:
        compile_package(package, check_dimensions=True)
    assert what in str(caught.value.details["what"])
    assert caught.value.details["key"] in ("steps[0].expression", "steps[0].unit")


def test_a_package_cannot_keep_the_checker_busy(build: Build) -> None:
    # Twelve enum inputs of six words are two billion combinations; they are counted, never listed.
    enum = "  - {name: e%d, label: {zh: 中, en: Word}, kind: enum, values: [a, b, c, d, e, f]}\n"
    chosen = " + ".join(f'(RF if e{n} == "a" else 0) * distance_m' for n in range(12))
    with pytest.raises(ValueWrong, match="2000 combinations"):
        build(
            ("inputs:\n", "inputs:\n" + "".join(enum % n for n in range(12))),
            (EXPRESSION, f"expression: {chosen}"),
        )


def test_units_are_converted_without_being_asked(build: Build) -> None:
    # km instead of m in the input, and kg instead of g in the result: the same milligrams.
    package = build(
        ("unit: pm", "unit: pkm"), ("RF * distance_m\n    unit: gCO2e", "RF * distance_m\n    unit: kgCO2e")
    )
    answer = compile_package(package, check_dimensions=True).evaluate({"distance_m": 8}, on=date(2022, 1, 1))
    assert answer.reduction_mg == 374_400  # type: ignore[union-attr]


def test_dated_values_may_follow_one_another(build: Build) -> None:
    first = VALUE.replace("effective_to: null", "effective_to: 2022-01-01")
    second = VALUE.replace("2020-01-01", "2022-01-01").replace("46.8", "40")
    assert len(build((VALUE, f"{first}\n      - {second}")).methodology.parameters[0].values) == 2


def test_the_digest_is_of_method_and_factors_and_not_of_cases(build: Build) -> None:
    plain = build()
    assert build(files={"cases.yaml": "cases: []"}).digest == plain.digest
    assert build(("value: 46.8", "value: 46.80")).digest != plain.digest
    assert len(plain.digest) == 64
    assert set(plain.files) == {"methodology.yaml"}, "factor sets that are not named stay out"


def test_missing_files_are_named() -> None:
    with pytest.raises(FileMissing, match=r"x/methodology\.yaml"):
        package_from_files({}, where="x/")


def test_the_folder_must_say_what_the_file_says(tmp_path: Path, library: Path) -> None:
    folder = tmp_path / "sz-public-transit" / "v2"
    folder.mkdir(parents=True)
    (folder / "methodology.yaml").write_bytes(
        (library / "sz-public-transit/v1/methodology.yaml").read_bytes()
    )
    with pytest.raises(ValueWrong, match="sz-public-transit/v2"):
        load_package(folder)


def test_a_package_can_be_built_again_from_its_own_files(library: Path) -> None:
    for package in load_library(library).values():
        again = package_from_files(package.files)
        assert again.digest == package.digest
        assert again.methodology == package.methodology
        assert again.files == package.files
