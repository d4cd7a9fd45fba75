import json
import re
from collections.abc import Callable
from datetime import date
from pathlib import Path

from carbon_credit.methodology import answers
from carbon_credit.methodology.cases import read_cases
from carbon_credit.methodology.engine import CompiledMethodology, compile_package
from carbon_credit.methodology.loader import Package, load_library
from carbon_credit.methodology.wording import REFUSALS

LIBRARY = Path(__file__).resolve().parents[2] / "methodologies"
PACKAGES = load_library(LIBRARY)


def method(name: str) -> CompiledMethodology:
    return compile_package(PACKAGES[name, "v1"], check_dimensions=False)


def test_an_auditor_can_follow_the_data() -> None:
    trace = method("sz-public-transit").explain({"mode": "metro", "distance_m": 8300}, on=date(2022, 3, 1))
    data = trace.as_dict()
    assert json.loads(json.dumps(data, ensure_ascii=False)) == data
    assert data["methodology"]["digest"] == PACKAGES["sz-public-transit", "v1"].digest
    assert data["inputs"][1] == {
        "name": "distance_m",
        "label": {"zh": "乘车距离", "en": "Distance of the ride"},
        "value": "8300",
        "unit": "pm",
    }
    assert [one["name"] for one in data["parameters"]] == ["RF_metro"], "only what was read"
    assert data["parameters"][0]["value"] == "46.8"
    assert data["parameters"][0]["grade"] == "published"
    assert data["parameters"][0]["source"]["address"] == "cnfanrong.com/c/121S43c92021.html"
    assert data["steps"][0]["expression"] == "RF_metro * distance_m"
    assert (data["steps"][0]["value"], data["steps"][0]["unit"]) == ("388.44", "gCO2e")
    assert data["rounding"] == {"to": "mg", "mode": "floor", "exact_mg": "388440"}
    assert (data["reduction_mg"], data["grade"], data["refusal"]) == (388440, "published", None)


def test_a_citizen_can_read_it_in_both_languages() -> None:
    trace = method("household-electricity").explain(
        {"baseline_wh": 250_000, "energy_wh": 199_999}, on=date(2026, 7, 31)
    )
    chinese, english = trace.text("zh"), trace.text("en")
    for line in (
        "方法学: 居民节约用电（同比基线，沙盒） (household-electricity v1)",
        "  上年同月用电量 baseline_wh = 250000 Wh",
        "  节电量 saved = max(0, baseline_wh - energy_wh) = 50.001 kWh",
        "取整：向下取整到整毫克: 22095441.9 -> 22095441 mg",
        "减排量: 22095.441 gCO2e (证据等级: 假定（沙盒）)",
    ):
        assert line in chinese.splitlines()
    for line in (
        "Methodology: Household electricity against the same month of the year before (sandbox)"
        " (household-electricity v1)",
        "  Electricity saved saved = max(0, baseline_wh - energy_wh) = 50.001 kWh",
        "Rounding: down to whole milligrams: 22095441.9 -> 22095441 mg",
        "Reduction: 22095.441 gCO2e (grade: assumed (sandbox))",
    ):
        assert line in english.splitlines()
    assert "数据年份 2023" in chinese
    assert "data year 2023" in english


def test_a_borrowed_value_says_so() -> None:
    trace = method("walking-sandbox").explain({"distance_m": 1250}, on=date(2026, 3, 1))
    assert "借用自 sz-public-transit/v1/RF_metro" in trace.text("zh")
    assert trace.as_dict()["parameters"][0]["borrowed_from"] == "sz-public-transit/v1/RF_metro"


def test_an_earlier_period_is_said_to_be_declared() -> None:
    trace = method("sz-public-transit").explain(
        {"mode": "metro", "distance_m": 8300}, on=date(2018, 9, 1), earlier=True
    )
    assert trace.as_dict()["declared_day"] == "2021-12-17"
    assert "演练声明：按该版本首日计算 2021-12-17" in trace.text("zh")
    assert trace.reduction_mg == 388_440


def test_a_refusal_is_explained() -> None:
    trace = method("sz-public-transit").explain({"mode": "bus"}, on=date(2022, 3, 1))
    assert trace.as_dict()["refusal"]["code"] == "input-missing"
    assert trace.text("zh").endswith("不予核算 (input-missing): 缺少方法学所需的输入：distance_m")
    assert trace.text("en").endswith("No result (input-missing): The methodology needs distance_m.")
    assert trace.as_dict()["reduction_mg"] is None


Build = Callable[..., Package]
FINE: dict[str, int | str] = {
    "energy_wh": 9_000, "past_wh": 70_000, "past_days": 7, "solar": "no", "tariff": "undecided", "age": 100,
    "proof": "reading",
}  # fmt: skip


def test_conditions_are_shown_with_values_verdict_grade_and_source(build: Build, format_2: str) -> None:
    trace = compile_package(build(text=format_2), check_dimensions=False).explain(FINE, on=date(2022, 3, 1))
    data = trace.as_dict()
    assert json.loads(json.dumps(data, ensure_ascii=False)) == data
    assert [(one["name"], one["verdict"]) for one in data["eligibility"]] == [
        ("no-solar", "holds"),
        ("tier", "pending"),
        ("young", "holds"),
        ("week", "holds"),
    ]
    assert data["eligibility"][0]["values"] == [{"name": "solar", "value": "no", "unit": None}]
    assert (data["eligibility"][0]["source"], data["eligibility"][0]["clause"]) == ("paper", "4.1")
    young = data["eligibility"][2]
    assert young["values"] == [
        {"name": "age", "value": "100", "unit": "day"},
        {"name": "longest", "value": "25", "unit": "year"},
    ]
    assert young["test"] == "age <= longest"
    assert [one["name"] for one in young["parameters"]] == ["longest"]
    assert (data["netting"], data["split"], data["exclusive_within_s"]) == ("month", "days", 600)
    assert (data["pending"], data["negative"], data["reduction_mg"]) == (True, "keep", 500_000)
    assert [one["name"] for one in data["parameters"]] == ["EF"], "what the formula itself has read"


def test_a_person_reads_what_was_asked_and_what_is_still_open(build: Build, format_2: str) -> None:
    trace = compile_package(build(text=format_2), check_dimensions=False).explain(FINE, on=date(2022, 3, 1))
    chinese, english = trace.text("zh").splitlines(), trace.text("en").splitlines()
    for line in (
        '  无光伏 solar == "no" (solar = no): 符合',
        "    证据等级: 已公布; 来源: A paper, 4.1, example.org",
        '  未达第三档 tariff != "third" (tariff = undecided): 年终判定，暂计',
        "  年限内 age <= longest (age = 100 日, longest = 25 年): 符合",
        "负值保留，并与同一月的其他结果相抵",
        "跨期的记录在版本、入住和年度的分界日按天拆分",
        "同一行程的多条记录只计证据最好的一条（相隔不超过 600 秒）",
        "年终判定，暂计",
    ):
        assert line in chinese, line
    for line in (
        '  No own solar solar == "no" (solar = no): holds',
        "Below zero is kept and set off within the month",
        "A record of a period is divided by days where version, occupancy or year changes",
        "Of records of one trip, up to 600 seconds apart, only the best evidence counts",
        "decided at the end of the year; counts provisionally",
    ):
        assert line in english, line


def test_why_it_was_refused_is_said_with_the_condition(build: Build, format_2: str) -> None:
    method = compile_package(build(text=format_2), check_dimensions=False)
    trace = method.explain({**FINE, "past_days": 3}, on=date(2022, 3, 1))
    assert trace.text("zh").endswith("不予核算 (not-eligible): 不符合适用条件：七日")
    assert trace.text("en").endswith("No result (not-eligible): The condition does not hold: A week")
    assert "  七日 past_days == 7 (past_days = 3): 不符合" in trace.text("zh").splitlines()
    assert trace.as_dict()["steps"] == []
    assert trace.as_dict()["refusal"] == {
        "code": "not-eligible",
        "field": "week",
        "detail": "The condition does not hold: A week",
        "detail_zh": "不符合适用条件：七日",
    }


def test_every_refusal_has_words_in_chinese() -> None:
    codes = re.findall(r"[a-z]+(?:-[a-z]+)+", (answers.__doc__ or "").split("list.")[1])
    assert set(codes) == set(REFUSALS)


def test_the_version_says_why_it_governs(build: Build, format_2: str) -> None:
    method = compile_package(build(text=format_2), check_dimensions=False)
    why = method.explain(FINE, on=date(2022, 3, 1)).as_dict()["methodology"]["why"]
    assert why["zh"] == "2022-03-01 在 v1 有效期（2020-01-01 至 2030-01-01）内"
    assert why["en"] == "2022-03-01 lies in the period of v1 (from 2020-01-01 to 2030-01-01)"
    outside = method.explain(FINE, on=date(2031, 3, 1))
    assert outside.why.en.startswith("2031-03-01 is outside the period of v1")
    declared = method.explain(FINE, on=date(2018, 9, 1), earlier=True)
    assert "takes 2020-01-01" in declared.why.en


def test_an_overlay_is_told_as_what_it_is(build: Build, format_2: str) -> None:
    value = "value: 0.5, grade: published, source: paper"
    missing = "missing:\n  - {what: {zh: 因子, en: The factor}, where: {zh: 局, en: The bureau}}\nchanges:\n"
    overlay = (
        "note: {zh: 仅供演练, en: For rehearsal}\nvalues:\n"
        "  - {parameter: EF, value: 0.4, borrowed_from: other/v1/EF, note: {zh: 借, en: Borrowed}}\n"
    )
    package = build(
        (value, "value: null, grade: null, source: null"), ("changes:\n", missing), text=format_2,
        files={"overlay.yaml": overlay},
    )  # fmt: skip
    trace = compile_package(package, check_dimensions=True).explain(FINE, on=date(2022, 3, 1))
    data = trace.as_dict()
    assert data["methodology"]["version_name"] == "v1+sandbox"
    assert data["overlay"] == {"note": {"zh": "仅供演练", "en": "For rehearsal"}, "parameters": ["EF"]}
    assert (data["grade"], data["reduction_mg"]) == ("assumed", 400_000)
    assert "演练叠加值（仅供演练，不可售）: EF; 仅供演练" in trace.text("zh").splitlines()
    assert "borrowed from other/v1/EF" in trace.text("en")


def test_no_sentence_of_a_chinese_explanation_is_english() -> None:
    told = set()
    for package in PACKAGES.values():
        compiled = compile_package(package, check_dimensions=False)
        for case in read_cases(package):
            inputs = {name: int(text) if text.isdigit() else text for name, text in case.inputs.items()}
            trace = compiled.explain(inputs, on=case.on, earlier=case.earlier)
            told.update(trace.text("zh").splitlines())
            for line in trace.text("en").splitlines():
                assert "演练" not in line, line
    names = re.compile(r"https?://\S+|[A-Za-z]+_[A-Za-z_]+")
    for line in told:
        # An overlay lists its parameters by name; else no three words of English follow one another.
        plain = names.sub("", line).partition("演练叠加值（仅供演练，不可售）: ")[0]
        assert not re.search(r"(?:[A-Za-z]{2,}[,.]? ){2}[A-Za-z]{2,}", plain), line


def test_a_choice_and_the_units_are_told_in_the_language() -> None:
    trace = method("sz-public-transit").explain({"mode": "metro", "distance_m": 8300}, on=date(2022, 3, 1))
    assert "  乘车距离 distance_m = 8300 人·米" in trace.text("zh").splitlines()
    assert "  Distance of the ride distance_m = 8300 passenger-m" in trace.text("en").splitlines()
    assert "46.8 gCO2/人·公里" in trace.text("zh")
    stood_in = PACKAGES["sz-household-electricity", "v1+sandbox"]
    inputs = {"energy_wh": 10_400, "persons": 3, "previous_wh": 0, "previous_days": 0}
    trace = compile_package(stood_in, check_dimensions=False).explain(inputs, on=date(2022, 7, 1))
    assert "(若 actual < baseline 则 baseline - actual，否则 from_average)" in trace.text("zh")
    assert "(baseline - actual if actual < baseline else from_average)" in trace.text("en")
    assert "来源: 演练叠加值（仅供演练，不可售）" in trace.text("zh")
    assert trace.as_dict()["steps"][-1]["expression_zh"].startswith("(若 ")
