"""The shapes of the published methods, each with numbers worked by hand."""

from collections.abc import Callable, Sequence
from datetime import date

import pytest

from carbon_credit.methodology.engine import CompiledMethodology, Evaluation, Refusal, compile_package
from carbon_credit.methodology.loader import Package

Build = Callable[..., Package]
DAY = date(2022, 3, 1)
LABEL = "label: {zh: 值, en: Value}"


def whole(name: str, unit: str) -> str:
    return f"  - {{name: {name}, {LABEL}, kind: integer, unit: {unit}, min: 0, max: 100000000}}\n"


def past(name: str, unit: str, take: str) -> str:
    looked_at = f"of: energy_wh, days: 7, take: {take}"
    return f'  - {{name: {name}, {LABEL}, kind: history, unit: "{unit}", {looked_at}}}\n'


def value(name: str, amount: str, unit: str) -> str:
    return (
        f'  - name: {name}\n    {LABEL}\n    unit: "{unit}"\n    values:\n'
        f"      - {{value: {amount}, grade: published, source: paper, effective_from: null,"
        " effective_to: null, still_valid_on: null, review_by: null}\n"
    )


def step(name: str, expression: str, unit: str) -> str:
    return f"  - {{name: {name}, {LABEL}, expression: '{expression}', unit: \"{unit}\"}}\n"


@pytest.fixture
def make(build: Build, format_2: str) -> Callable[..., CompiledMethodology]:
    """make(inputs, values, steps, rest) -> the method, its dimensions checked."""

    def made(
        inputs: Sequence[str], values: Sequence[str], steps: Sequence[str], *rest: str
    ) -> CompiledMethodology:
        head = format_2[: format_2.index("inputs:\n")]
        text = f"{head}inputs:\n{''.join(inputs)}parameters:\n{''.join(values)}steps:\n{''.join(steps)}"
        more = rest or ("negative: refuse\n",)
        text += f"result: reduction\nrounding: {{to: mg, mode: floor}}\n{''.join(more)}"
        return compile_package(build(text=text), check_dimensions=True)

    return made


def mg(answer: Evaluation | Refusal) -> int:
    assert isinstance(answer, Evaluation), answer
    return answer.reduction_mg


def test_distance_energy_and_count_times_a_factor(make: Callable[..., CompiledMethodology]) -> None:
    distance = make(
        [whole("x", "pm")], [value("F", "26.9", "gCO2/pkm")], [step("reduction", "F * x", "gCO2e")]
    )
    assert mg(distance.evaluate({"x": 8_300}, on=DAY)) == 223_270
    energy = make(
        [whole("x", "Wh")], [value("F", "0.42", "kgCO2/kWh")], [step("reduction", "F * x", "kgCO2e")]
    )
    assert mg(energy.evaluate({"x": 1_001}, on=DAY)) == 420_420
    count = make(
        [whole("x", "item")], [value("F", "37", "gCO2e/item")], [step("reduction", "F * x", "gCO2e")]
    )
    assert mg(count.evaluate({"x": 3}, on=DAY)) == 111_000


def test_the_gap_to_a_baseline(make: Callable[..., CompiledMethodology]) -> None:
    gap = make(
        [whole("baseline_wh", "Wh"), whole("energy_wh", "Wh")],
        [value("EF", "0.5", "kgCO2/kWh")],
        [step("reduction", "EF * max(0, baseline_wh - energy_wh)", "gCO2e")],
    )
    assert mg(gap.evaluate({"baseline_wh": 10_000, "energy_wh": 9_999}, on=DAY)) == 500
    assert mg(gap.evaluate({"baseline_wh": 10_000, "energy_wh": 10_001}, on=DAY)) == 0


@pytest.mark.parametrize(
    ("energy_wh", "past_wh", "expected"),
    [
        # Baseline 8 kWh, 0.5 kg/kWh. Below it: the gap to the baseline.
        (7_000, 70_000, 500_000),
        (7_999, 0, 500),
        # At it or above: the gap to the mean of the seven days, 70 / 7 = 10 kWh.
        (8_000, 70_000, 1_000_000),
        (9_000, 70_000, 500_000),
        (10_000, 70_000, 0),
        (12_000, 70_000, 0),
        # 60,001 / 7 = 8,571.571... Wh; less 8,500 Wh that is 71.571... Wh, 35,785.7 mg, floored.
        (8_500, 60_001, 35_785),
    ],
)
def test_own_moving_average_and_two_branches(
    make: Callable[..., CompiledMethodology], energy_wh: int, past_wh: int, expected: int
) -> None:
    method = make(
        [whole("energy_wh", "Wh"), past("past_wh", "Wh", "sum")],
        [value("baseline", "8", "kWh"), value("EF", "0.5", "kgCO2/kWh"), value("window", "7", "1")],
        [
            step("mean", "past_wh / window", "kWh"),
            step(
                "saved",
                "baseline - energy_wh if energy_wh < baseline else max(0, mean - energy_wh)",
                "kWh",
            ),
            step("reduction", "EF * saved", "kgCO2e"),
        ],
    )
    assert mg(method.evaluate({"energy_wh": energy_wh, "past_wh": past_wh}, on=DAY)) == expected
    (need,) = method.history
    assert (need.of, need.days, need.take) == ("energy_wh", 7, "sum")


def test_a_fuel_switch(make: Callable[..., CompiledMethodology]) -> None:
    # 100 km: 7 L/100 km x 2.2 kg/L = 15.4 kg; 15 kWh x 0.5 kg = 7.5 kg; the difference is 7.9 kg.
    method = make(
        [whole("distance_m", "vm"), whole("energy_wh", "Wh")],
        [
            value("consumption", "0.07", "L/vkm"),
            value("EF_fuel", "2.2", "kgCO2/L"),
            value("EF_grid", "0.5", "kgCO2/kWh"),
        ],
        [
            step("base", "distance_m * consumption * EF_fuel", "kgCO2"),
            step("project", "energy_wh * EF_grid", "kgCO2"),
            step("reduction", "base - project", "kgCO2"),
        ],
    )
    assert mg(method.evaluate({"distance_m": 100_000, "energy_wh": 15_000}, on=DAY)) == 7_900_000
    answer = method.evaluate({"distance_m": 1_000, "energy_wh": 15_000}, on=DAY)
    assert isinstance(answer, Refusal)
    assert answer.code == "negative-result"


@pytest.mark.parametrize(
    ("duration_s", "expected"),
    [(0, 0), (86_399, 0), (86_400, 500_000), (172_799, 500_000), (172_800, 1_000_000)],
)
def test_whole_days_that_a_car_stood(
    make: Callable[..., CompiledMethodology], duration_s: int, expected: int
) -> None:
    condition = (
        "eligibility:\n  - {name: stood, label: {zh: 未动, en: Not moved},"
        " test: odometer_end_m - odometer_start_m <= tolerance, grade: published, source: paper}\n"
    )
    method = make(
        [whole("duration_s", "s"), whole("odometer_start_m", "vm"), whole("odometer_end_m", "vm")],
        [value("day", "24", "h"), value("tolerance", "1", "vkm"), value("RF", "0.5", "kgCO2e")],
        [step("days", "floor(duration_s / day)", "1"), step("reduction", "RF * days", "kgCO2e")],
        "negative: refuse\n",
        condition,
    )
    inputs = {"duration_s": duration_s, "odometer_start_m": 50_000, "odometer_end_m": 51_000}
    assert mg(method.evaluate(inputs, on=DAY)) == expected
    moved = method.evaluate({**inputs, "odometer_end_m": 51_001}, on=DAY)
    assert isinstance(moved, Refusal)
    assert (moved.code, moved.field) == ("not-eligible", "stood")


def test_stock_times_a_replacement_rate(make: Callable[..., CompiledMethodology]) -> None:
    word = "  - {name: product, label: {zh: 品, en: Product}, kind: enum, values: [phone, coat]}\n"
    method = make(
        [word, whole("count", "item")],
        [
            value("E_phone", "70.5", "kgCO2e/item"),
            value("E_coat", "9", "kgCO2e/item"),
            value("rate", "0.33", "1"),
        ],
        [step("reduction", '(E_phone if product == "phone" else E_coat) * count * rate', "kgCO2e")],
    )
    assert mg(method.evaluate({"product": "phone", "count": 2}, on=DAY)) == 46_530_000
    assert mg(method.evaluate({"product": "coat", "count": 1}, on=DAY)) == 2_970_000


def test_kept_below_zero_the_parts_add_up_to_no_more_than_the_whole(
    make: Callable[..., CompiledMethodology],
) -> None:
    method = make(
        [whole("baseline_wh", "Wh"), whole("energy_wh", "Wh")],
        [value("EF", "0.33337", "kgCO2/kWh")],
        [step("reduction", "EF * (baseline_wh - energy_wh)", "kgCO2e")],
        "negative: keep\n",
        "netting: month\n",
    )
    days = [(10_000, 9_001), (10_000, 11_003), (10_000, 10_001), (10_000, 9_998)]
    parts = [mg(method.evaluate({"baseline_wh": b, "energy_wh": a}, on=DAY)) for b, a in days]
    together = mg(
        method.evaluate(
            {"baseline_wh": sum(b for b, _ in days), "energy_wh": sum(a for _, a in days)}, on=DAY
        )
    )
    assert parts == [333_036, -334_371, -334, 666]
    assert sum(parts) == -1_003
    assert sum(parts) <= together == -1_001, "flooring never favours who nets"
