"""What format 2 adds: facts, history, evidence, conditions, netting; each checked while reading."""

from collections.abc import Callable, Mapping
from datetime import date, timedelta

import pytest

from carbon_credit.methodology.definition import Grade, Tier
from carbon_credit.methodology.engine import (
    CompiledMethodology,
    Evaluation,
    Refusal,
    compile_package,
    not_official,
    weakest_grade,
)
from carbon_credit.methodology.inputs import HistoryNeed
from carbon_credit.methodology.loader import Package

Build = Callable[..., Package]
DAY = date(2022, 3, 1)
FINE: Mapping[str, int | str] = {
    "energy_wh": 9_000, "past_wh": 70_000, "past_days": 7, "solar": "no", "tariff": "first", "age": 100,
    "proof": "reading",
}  # fmt: skip


@pytest.fixture
def method(build: Build, format_2: str) -> CompiledMethodology:
    return compile_package(build(text=format_2), check_dimensions=True)


def given(**changes: int | str) -> dict[str, int | str]:
    return {**FINE, **changes}


def refused(answer: Evaluation | Refusal) -> tuple[str, str | None]:
    assert isinstance(answer, Refusal), answer
    return answer.code, answer.field


def test_what_it_declares_to_those_who_credit(method: CompiledMethodology) -> None:
    assert (method.id, method.version, method.version_name) == ("test-day", 1, "v1")
    assert method.reads == {"energy_wh"}
    assert method.history == (
        HistoryNeed("past_wh", "energy_wh", 7, "sum"),
        HistoryNeed("past_days", "energy_wh", 7, "days"),
    )
    assert method.facts == {"pv-owner", "tariff-tier", "connected-on"}
    assert (method.annual, method.netting, method.splits, method.exclusive_s) == (True, "month", True, 600)


def test_what_a_plain_method_declares(build: Build) -> None:
    plain = compile_package(build(), check_dimensions=False)
    assert (plain.history, plain.facts, plain.annual, plain.netting) == ((), frozenset(), False, "event")
    assert (plain.splits, plain.exclusive_s) == (False, None)


def test_inputs_are_brought_into_the_form_that_is_stored(method: CompiledMethodology) -> None:
    inputs = method.inputs_of(
        "electricity.period",
        {"energy_wh": 9_000, "reading_source": "meter"},
        history={"past_wh": 70_000, "past_days": 7},
        facts={"pv-owner": "no", "tariff-tier": "first", "connected-on": "2021-11-21", "else": "x"},
        tier=Tier.MEASURED,
        on=DAY,
    )
    assert inputs == FINE
    assert method.evaluate(inputs, on=DAY) == Evaluation(500_000, Grade.SECONDARY)


def test_what_is_not_known_is_absent_and_what_is_not_listed_is_otherwise(method: CompiledMethodology) -> None:
    def words(facts: Mapping[str, str], tier: Tier | None) -> dict[str, int | str]:
        found = method.inputs_of("electricity.period", {}, facts=facts, tier=tier, on=DAY)
        return {name: found[name] for name in ("solar", "tariff", "proof") if name in found}

    assert words({}, Tier.DECLARED) == {"solar": "no", "tariff": "undecided", "proof": "word"}
    assert words({"tariff-tier": "ninth"}, Tier.DERIVED)["tariff"] == "third"
    # The word for evidence has no `absent`, and solar has no `otherwise`: both are left for the refusal.
    assert words({"pv-owner": "perhaps"}, None) == {"solar": "perhaps", "tariff": "undecided"}
    assert refused(method.evaluate(given(solar="perhaps"), on=DAY)) == ("input-not-listed", "solar")


@pytest.mark.parametrize(
    ("stated", "on", "days"),
    [("2022-02-28", DAY, 1), ("2022-03-01", DAY, 0), ("2022-03-02", DAY, -1), ("2012-03-01", DAY, 3_652)],
)
def test_days_since_a_date(method: CompiledMethodology, stated: str, on: date, days: int) -> None:
    assert method.inputs_of("electricity.period", {}, facts={"connected-on": stated}, on=on)["age"] == days


def test_a_date_that_is_none_is_refused_by_name(method: CompiledMethodology) -> None:
    inputs = method.inputs_of("electricity.period", {}, facts={"connected-on": "soon"}, on=DAY)
    assert refused(method.evaluate(given(age=inputs["age"]), on=DAY)) == ("input-not-integer", "age")
    without = {name: value for name, value in FINE.items() if name != "age"}
    assert refused(method.evaluate(without, on=DAY)) == ("input-missing", "age")


@pytest.mark.parametrize(
    ("changes", "condition"),
    [
        ({"solar": "yes"}, "no-solar"),
        ({"tariff": "third"}, "tier"),
        ({"age": 9_132}, "young"),  # 25 years are 9,131.25 days
        ({"past_days": 6}, "week"),
        ({"past_days": 6, "age": 9_132, "tariff": "third", "solar": "yes"}, "no-solar"),
        ({"past_days": 6, "age": 9_132}, "young"),
    ],
)
def test_the_first_condition_that_does_not_hold_is_named(
    method: CompiledMethodology, changes: dict[str, int | str], condition: str
) -> None:
    assert refused(method.evaluate(given(**changes), on=DAY)) == ("not-eligible", condition)
    assert method.explain(given(**changes), on=DAY).as_dict()["refusal"]["field"] == condition


def test_on_the_edge_a_condition_holds(method: CompiledMethodology) -> None:
    assert isinstance(method.evaluate(given(age=9_131), on=DAY), Evaluation)


def test_a_result_that_the_year_decides_is_provisional(method: CompiledMethodology) -> None:
    assert method.evaluate(given(tariff="undecided"), on=DAY) == Evaluation(500_000, Grade.SECONDARY, True)
    assert method.evaluate(given(tariff="second"), on=DAY) == Evaluation(500_000, Grade.SECONDARY, False)
    assert refused(method.evaluate(given(tariff="undecided", past_days=1), on=DAY)) == (
        "not-eligible",
        "week",
    )


def test_below_zero_is_kept_and_floored_away_from_the_citizen(method: CompiledMethodology) -> None:
    # (70,001 / 7 - 10,001) x 0.5 g = -0.2142857... g, and a milligram is never given.
    answer = method.evaluate(given(past_wh=70_001, energy_wh=10_001), on=DAY)
    assert answer == Evaluation(-429, Grade.SECONDARY)
    assert method.evaluate(given(past_wh=70_001, energy_wh=10_001, proof="word"), on=DAY) == Evaluation(
        -215, Grade.SECONDARY
    )


def test_the_grade_is_that_of_the_weakest_condition_and_value(build: Build, format_2: str) -> None:
    def grade(*pairs: tuple[str, str]) -> Grade:
        package = build(*pairs, text=format_2)
        answer = compile_package(package, check_dimensions=False).evaluate(FINE, on=DAY)
        assert isinstance(answer, Evaluation)
        assert weakest_grade(package) is answer.grade
        return answer.grade

    official = ("value: 25, grade: secondary", "value: 25, grade: published")
    assert grade() is Grade.SECONDARY, "the longest time is read by a condition alone"
    assert grade(official) is Grade.PUBLISHED
    seven = "test: past_days == 7, grade: "
    weak = (f"{seven}published, source: paper", f"{seven}assumed, source: null")
    assert grade(official, weak) is Grade.ASSUMED
    found = not_official(build(official, weak, text=format_2), on=DAY)
    assert "eligibility week: assumed" in found


def test_a_value_that_ended_is_expired_and_never_extended(build: Build, format_2: str) -> None:
    value = "value: 0.5, grade: published, source: paper, effective_from: 2020-01-01, effective_to: null"
    end = value.replace("to: null", "to: 2022-03-01")
    method = compile_package(build((value, end), text=format_2), check_dimensions=False)
    assert isinstance(method.evaluate(FINE, on=DAY - timedelta(days=1)), Evaluation)
    assert refused(method.evaluate(FINE, on=DAY)) == ("value-expired", "EF")
    assert refused(method.evaluate(given(solar="yes"), on=DAY)) == ("not-eligible", "no-solar")
    trace = method.explain(FINE, on=DAY)
    assert "已过有效期" in trace.text("zh")
    assert "not extended" in trace.text("en")


def test_a_condition_without_its_value_is_told_before_the_formula(build: Build, format_2: str) -> None:
    missing = "missing:\n  - {what: {zh: 限值, en: The limit}, where: {zh: 局, en: The bureau}}\n"
    pairs = [("value: 25, grade: secondary, source: paper", "value: null, grade: null, source: null")]
    package = build(*pairs, ("changes:\n", missing + "changes:\n"), text=format_2)
    method = compile_package(package, check_dimensions=True)
    assert refused(method.evaluate(FINE, on=DAY)) == ("value-missing", "longest")
    assert refused(method.evaluate(given(tariff="third"), on=DAY)) == ("not-eligible", "tier")
    told = {one["name"]: one["verdict"] for one in method.explain(FINE, on=DAY).as_dict()["eligibility"]}
    assert told == {"no-solar": "holds", "tier": "holds", "young": "unknown-value", "week": "holds"}
