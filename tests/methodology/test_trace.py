import json
from datetime import date
from pathlib import Path

from carbon_credit.methodology.engine import CompiledMethodology, compile_package
from carbon_credit.methodology.loader import load_library

LIBRARY = Path(__file__).resolve().parents[2] / "methodologies"
PACKAGES = load_library(LIBRARY)


def method(name: str) -> CompiledMethodology:
    return compile_package(PACKAGES[name, 1], check_dimensions=False)


def test_an_auditor_can_follow_the_data() -> None:
    trace = method("sz-public-transit").explain({"mode": "metro", "distance_m": 8300}, on=date(2022, 3, 1))
    data = trace.as_dict()
    assert json.loads(json.dumps(data, ensure_ascii=False)) == data
    assert data["methodology"]["digest"] == PACKAGES["sz-public-transit", 1].digest
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
