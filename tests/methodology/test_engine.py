from collections.abc import Callable
from datetime import date, timedelta
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carbon_credit.methodology.definition import Grade
from carbon_credit.methodology.engine import (
    CompiledMethodology,
    Evaluation,
    Inputs,
    Refusal,
    all_official,
    compile_package,
    not_official,
    weakest_grade,
)
from carbon_credit.methodology.loader import Package, load_package

Build = Callable[..., Package]
Grid = Callable[[str], str]
LIBRARY = Path(__file__).resolve().parents[2] / "methodologies"
DAY = date(2022, 3, 1)


def compiled(name: str) -> CompiledMethodology:
    return compile_package(load_package(LIBRARY / name / "v1"), check_dimensions=False)


TRANSIT, ELECTRICITY, METRO = map(compiled, ("sz-public-transit", "household-electricity", "gz-metro-ride"))


def code(answer: Evaluation | Refusal) -> tuple[str, str | None]:
    assert isinstance(answer, Refusal), answer
    return answer.code, answer.field


def test_the_published_example() -> None:
    answer = TRANSIT.evaluate({"mode": "metro", "distance_m": 8300}, on=DAY)
    assert answer == Evaluation(388_440, Grade.PUBLISHED)


@settings(max_examples=300)
@given(st.sampled_from(["bus", "metro"]), st.integers(1, 200_000))
def test_milligrams_are_the_exact_product_floored(mode: str, distance_m: int) -> None:
    grams_per_km = {"bus": Fraction(269, 10), "metro": Fraction(468, 10)}[mode]
    exact = grams_per_km * Fraction(distance_m, 1_000) * 1_000
    answer = TRANSIT.evaluate({"mode": mode, "distance_m": distance_m}, on=DAY)
    assert isinstance(answer, Evaluation)
    assert answer.reduction_mg == exact.numerator // exact.denominator
    assert 0 <= exact - answer.reduction_mg < 1


@settings(max_examples=300)
@given(st.integers(0, 10**8), st.integers(0, 10**8), st.sampled_from([2021, 2022, 2023, 2025]))
def test_electricity_is_the_gap_times_the_factor_of_the_year(baseline: int, actual: int, year: int) -> None:
    factor = Fraction({2021: "0.4715", 2022: "0.4403"}.get(year, "0.4419"))
    answer = ELECTRICITY.evaluate({"baseline_wh": baseline, "energy_wh": actual}, on=date(year, 7, 31))
    assert isinstance(answer, Evaluation)
    assert answer.reduction_mg == max(0, baseline - actual) * factor * 1_000 // 1
    assert answer.grade is Grade.ASSUMED


@settings(max_examples=200)
@given(st.sampled_from(["bus", "metro"]), st.integers(1, 200_000))
def test_the_trace_computes_the_same_on_its_own(mode: str, distance_m: int) -> None:
    inputs: Inputs = {"mode": mode, "distance_m": distance_m}
    answer, trace = TRANSIT.evaluate(inputs, on=DAY), TRANSIT.explain(inputs, on=DAY)
    assert isinstance(answer, Evaluation)
    assert trace.exact_mg is not None
    assert trace.exact_mg // 1 == answer.reduction_mg == trace.reduction_mg
    assert trace.grade is answer.grade


@pytest.mark.parametrize(
    ("inputs", "expected"),
    [
        ({}, ("input-missing", "mode")),
        ({"mode": "metro"}, ("input-missing", "distance_m")),
        ({"distance_m": 5}, ("input-missing", "mode")),
        ({"mode": "metro", "distance_m": 5, "speed": 1}, ("input-unknown", "speed")),
        ({"mode": "ferry", "distance_m": 5}, ("input-not-listed", "mode")),
        ({"mode": ["metro"], "distance_m": 5}, ("input-not-listed", "mode")),
        ({"mode": None, "distance_m": 5}, ("input-not-listed", "mode")),
        ({"mode": "metro", "distance_m": 5.0}, ("input-not-integer", "distance_m")),
        ({"mode": "metro", "distance_m": True}, ("input-not-integer", "distance_m")),
        ({"mode": "metro", "distance_m": "5"}, ("input-not-integer", "distance_m")),
        ({"mode": "metro", "distance_m": None}, ("input-not-integer", "distance_m")),
        ({"mode": "metro", "distance_m": -1}, ("input-out-of-bounds", "distance_m")),
        ({"mode": "metro", "distance_m": -5}, ("input-out-of-bounds", "distance_m")),
        ({"mode": "metro", "distance_m": 10**30}, ("input-out-of-bounds", "distance_m")),
    ],
)
def test_bad_inputs_are_refused_by_name(inputs: dict[str, int | str], expected: tuple[str, str]) -> None:
    assert code(TRANSIT.evaluate(inputs, on=DAY)) == expected
    assert code(TRANSIT.evaluate(inputs, on=DAY)) == expected, "and again, from what is kept ready"
    trace = TRANSIT.explain(inputs, on=DAY)
    assert trace.refusal is not None
    assert trace.refusal[:2] == expected


def test_the_legal_period_is_half_open_and_only_a_rehearsal_may_begin_earlier(build: Build) -> None:
    method = compile_package(build(), check_dimensions=False)
    inputs = {"distance_m": 1_000}
    first, end = date(2020, 1, 1), date(2030, 1, 1)
    for day in (first, end - timedelta(days=1)):
        assert isinstance(method.evaluate(inputs, on=day), Evaluation)
    for day in (first - timedelta(days=1), end):
        assert code(method.evaluate(inputs, on=day)) == ("not-in-force", None)
    assert method.evaluate(inputs, on=date(2018, 9, 1), earlier=True) == Evaluation(46_800, Grade.PUBLISHED)
    assert code(method.evaluate(inputs, on=end, earlier=True)) == ("not-in-force", None), (
        "earlier is not later"
    )


def test_a_version_on_either_side_of_a_value_s_last_day(build: Build) -> None:
    value = (
        "{value: 46.8, grade: published, source: paper, effective_from: 2020-01-01, effective_to: null,\n"
        "         still_valid_on: null, review_by: null}"
    )
    first = value.replace("effective_to: null", "effective_to: 2022-01-01")
    second = value.replace("2020-01-01", "2022-02-01").replace("46.8", "40").replace("published", "secondary")
    method = compile_package(build((value, f"{first}\n      - {second}")), check_dimensions=True)
    inputs = {"distance_m": 1_000}
    assert method.evaluate(inputs, on=date(2021, 12, 31)) == Evaluation(46_800, Grade.PUBLISHED)
    assert method.evaluate(inputs, on=date(2022, 2, 1)) == Evaluation(40_000, Grade.SECONDARY)
    # Between them nothing holds: the last value is never silently extended.
    assert code(method.evaluate(inputs, on=date(2022, 1, 1))) == ("value-missing", "RF")
    assert code(method.evaluate(inputs, on=date(2022, 1, 31))) == ("value-missing", "RF")


def test_a_null_value_is_never_filled(build: Build) -> None:
    method = compile_package(build(("value: 46.8", "value: null")), check_dimensions=True)
    assert code(method.evaluate({"distance_m": 1}, on=DAY)) == ("value-missing", "RF")


@pytest.mark.parametrize(
    ("rule", "on", "data_year"),
    [
        ("latest_published", date(2024, 3, 31), None),
        ("latest_published", date(2024, 4, 1), 2021),
        ("latest_published", date(2024, 12, 26), 2022),
        ("year_of_activity", date(2021, 12, 31), 2021),
        ("year_of_activity", date(2022, 1, 1), 2022),
        ("year_of_activity", date(2023, 1, 1), None),
        ("year_of_activity_or_before", date(2020, 12, 31), None),
        ("year_of_activity_or_before", date(2021, 12, 31), 2021),
        ("year_of_activity_or_before", date(2026, 1, 1), 2022),
    ],
)
def test_the_factor_of_a_day(build: Build, grid: Grid, rule: str, on: date, data_year: int | None) -> None:
    package = build(text=grid(rule))
    method = compile_package(package, check_dimensions=True)
    answer = method.evaluate({"energy_wh": 10_000}, on=on)
    if data_year is None:
        assert code(answer) == ("value-missing", "EF")
        return
    grade, kg = {2021: (Grade.SECONDARY, "4.715"), 2022: (Grade.PUBLISHED, "4.403")}[data_year]
    assert answer == Evaluation(int(Fraction(kg) * 1_000_000), grade), "the worst of factor, use and formula"
    assert method.explain({"energy_wh": 10_000}, on=on).as_dict()["parameters"][0]["data_year"] == data_year


def test_the_digest_covers_the_factor_set(build: Build, grid: Grid, factors: str) -> None:
    text = grid("latest_published")
    changed = factors.replace("0.4715", "0.4716")
    assert build(text=text).digest != build(text=text, files={"factors/grid-v1.yaml": changed}).digest
    assert "factors/grid-v1.yaml" in build(text=text).files


def test_inputs_are_taken_from_the_activity_and_nothing_else_is_read() -> None:
    data = {"distance_m": 8300, "distance_source": "gates", "duration_s": 900}
    assert TRANSIT.reads == {"distance_m"}
    assert TRANSIT.inputs_of("metro.ride", data) == {"distance_m": 8300, "mode": "metro"}
    assert TRANSIT.inputs_of("bus.ride", {}) == {"mode": "bus"}
    assert METRO.inputs_of("metro.ride", data) == {}
    assert METRO.evaluate({}, on=DAY) == Evaluation(515_500, Grade.SECONDARY)


def test_only_the_value_that_was_read_counts_for_the_grade(build: Build) -> None:
    text = (LIBRARY / "sz-public-transit/v1/methodology.yaml").read_text(encoding="utf-8")
    weaker = text.replace("value: 26.9\n        grade: published", "value: 26.9\n        grade: secondary")
    assert weaker != text
    method = compile_package(build(text=weaker), check_dimensions=True)
    for mode, grade in (("metro", Grade.PUBLISHED), ("bus", Grade.SECONDARY)):
        answer = method.evaluate({"mode": mode, "distance_m": 1}, on=DAY)
        assert isinstance(answer, Evaluation)
        assert answer.grade is grade
    assert weakest_grade(method.package) is Grade.SECONDARY


def test_results_below_zero_are_handled_as_the_methodology_says(build: Build) -> None:
    change = ("RF * distance_m\n", "0 - RF * distance_m\n")
    inputs, answers = {"distance_m": 1}, {}
    for rule in ("refuse", "zero", "keep"):
        method = compile_package(
            build(change, ("negative: refuse", f"negative: {rule}")), check_dimensions=True
        )
        answers[rule] = method.evaluate(inputs, on=DAY)
    assert code(answers["refuse"]) == ("negative-result", None)
    assert answers["zero"] == Evaluation(0, Grade.PUBLISHED)
    assert answers["keep"] == Evaluation(-47, Grade.PUBLISHED), "floored, so never in the citizen's favour"


def test_division_by_an_input_that_is_zero_is_a_refusal(build: Build) -> None:
    method = compile_package(
        build(("RF * distance_m\n", "RF * distance_m * distance_m / distance_m\n")), check_dimensions=True
    )
    assert method.evaluate({"distance_m": 3}, on=DAY) == Evaluation(140, Grade.PUBLISHED)
    assert code(method.evaluate({"distance_m": 0}, on=DAY)) == ("division-by-zero", None)
    assert method.explain({"distance_m": 0}, on=DAY).text("zh").endswith("公式以零作除数")


def test_a_result_that_no_account_can_hold_is_refused(build: Build) -> None:
    method = compile_package(build(("value: 46.8", "value: 99999999999999999999")), check_dimensions=True)
    assert code(method.evaluate({"distance_m": 1_000_000}, on=DAY)) == ("result-out-of-bounds", None)


def test_thirds_come_out_whole(build: Build) -> None:
    # In decimals 46.8 / 3 * 3 * 10 / 46.8 ends in nines and would be floored to 9.
    expression = "RF * distance_m / 3 * 3 / 46.8 * 7 / 7\n"
    method = compile_package(build(("RF * distance_m\n", expression)), check_dimensions=True)
    assert method.evaluate({"distance_m": 10}, on=DAY) == Evaluation(10, Grade.PUBLISHED)


@given(st.dates(date(2020, 1, 1), date(2029, 12, 31)), st.integers(0, 10**6))
def test_both_ways_of_compiling_give_the_same(on: date, distance_m: int) -> None:
    checked, quick = _BOTH
    assert checked.evaluate({"distance_m": distance_m}, on=on) == quick.evaluate(
        {"distance_m": distance_m}, on=on
    )


def _both() -> tuple[CompiledMethodology, CompiledMethodology]:
    package = load_package(LIBRARY / "walking-sandbox" / "v1")
    return compile_package(package, check_dimensions=True), compile_package(package, check_dimensions=False)


_BOTH = _both()


def test_nothing_official_is_claimed_that_is_not(build: Build) -> None:
    assert not all_official(TRANSIT.package, on=DAY)
    assert "rounding: assumed" in not_official(TRANSIT.package, on=DAY)
    official = [
        ("formula: {grade: published, source: paper}", "formula: {grade: official, source: paper}"),
        *[
            (f"{part}: {{grade: assumed, source: null}}", f"{part}: {{grade: official, source: paper}}")
            for part in ("eligibility", "caps", "rounding", "validity")
        ],
        ("grade: published, source: paper, effective", "grade: official, source: paper, effective"),
        ("review_by: null", "review_by: 2022-03-01"),
    ]
    package = build(*official)
    assert all_official(package, on=date(2022, 3, 1))
    assert not_official(package, on=date(2022, 3, 2)) == ("RF: review was due by 2022-03-01",)
    for index in range(len(official) - 1):
        assert not all_official(build(*official[:index], *official[index + 1 :]), on=DAY)
