"""Many rows at once: the same answers as one by one, in the same order."""

from collections.abc import Callable
from datetime import date
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from carbon_credit.methodology.engine import MANY, Evaluation, compile_package
from carbon_credit.methodology.loader import Package

Build = Callable[..., Package]
DAY = date(2022, 3, 1)
GOOD: dict[str, st.SearchStrategy[Any]] = {
    "energy_wh": st.integers(0, 20_000),
    "past_wh": st.integers(0, 10**6),
    "past_days": st.sampled_from([6, 7]),
    "solar": st.sampled_from(["no", "yes"]),
    "tariff": st.sampled_from(["first", "third", "undecided"]),
    "age": st.sampled_from([0, 9_131, 9_132]),
    "proof": st.sampled_from(["reading", "word"]),
}
BAD = st.sampled_from([None, -1, 10**30, True, 1.5, "7", "reading", [], {}, ("first",)])
ROWS = st.lists(
    st.one_of(
        st.fixed_dictionaries(GOOD),
        st.fixed_dictionaries({name: st.one_of(values, BAD) for name, values in GOOD.items()}),
        st.dictionaries(st.sampled_from([*GOOD, "other"]), st.one_of(st.integers(0, 9), BAD), max_size=8),
    ),
    min_size=1,
    max_size=30,
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=ROWS)
def test_rows_of_every_kind(build: Build, format_2: str, rows: list[dict[str, Any]]) -> None:
    method = _compiled(build, format_2)
    many = rows * (MANY // len(rows) + 1)
    assert method.evaluate_many(many, on=DAY) == [method.evaluate(row, on=DAY) for row in many]


_METHODS: dict[str, Any] = {}


def _compiled(build: Build, text: str) -> Any:
    if text not in _METHODS:
        _METHODS[text] = compile_package(build(text=text), check_dimensions=False)
    return _METHODS[text]


_SECOND = [
    "RF * distance_m / (distance_m - 3)",
    "RF * (distance_m - 5)",
    "RF * 1000 * floor(distance_m / RF)",
]


@pytest.mark.parametrize("rule", ["refuse", "zero", "keep"])
@pytest.mark.parametrize("expression", _SECOND)
def test_results_that_need_a_second_thought(build: Build, rule: str, expression: str) -> None:
    method = compile_package(
        build(("RF * distance_m\n", f"{expression}\n"), ("negative: refuse", f"negative: {rule}")),
        check_dimensions=False,
    )
    rows = [{"distance_m": n % 9} for n in range(MANY)]
    answers = method.evaluate_many(rows, on=DAY)
    assert answers == [method.evaluate(row, on=DAY) for row in rows]
    assert any(isinstance(answer, Evaluation) for answer in answers)


def test_days_without_a_version_and_days_declared(build: Build) -> None:
    method = compile_package(build(), check_dimensions=False)
    rows = [{"distance_m": n} for n in range(MANY)]
    for on, earlier in ((date(2019, 1, 1), False), (date(2019, 1, 1), True), (date(2030, 1, 1), False)):
        assert method.evaluate_many(rows, on=on, earlier=earlier) == [
            method.evaluate(row, on=on, earlier=earlier) for row in rows
        ]
    assert method.evaluate_many([], on=DAY) == []


def test_a_few_rows_are_answered_too(build: Build) -> None:
    method = compile_package(build(), check_dimensions=False)
    assert method.evaluate_many([{"distance_m": 1000}], on=DAY) == [
        method.evaluate({"distance_m": 1000}, on=DAY)
    ]


def test_words_that_nobody_listed_do_not_write_code(build: Build, format_2: str) -> None:
    method = _compiled(build, format_2)
    row = {
        "energy_wh": 1, "past_wh": 70_000, "past_days": 7, "solar": "no", "tariff": "first", "age": 1,
        "proof": "reading') or open('x",
    }  # fmt: skip
    answers = method.evaluate_many([row] * MANY, on=DAY)
    assert {answer.code for answer in answers} == {"input-not-listed"}
