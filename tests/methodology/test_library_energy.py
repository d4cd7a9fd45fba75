"""Electricity, photovoltaics, water, waste, forests and platform values: what each package must say.

The tables here were written from the sources, not from the files, so that a slip in one of the two shows.
"""

from datetime import date, timedelta
from pathlib import Path

import pytest

from carbon_credit.methodology.cases import read_cases
from carbon_credit.methodology.definition import Grade, Methodology
from carbon_credit.methodology.engine import (
    CompiledMethodology,
    Evaluation,
    Refusal,
    compile_package,
    weakest_grade,
)
from carbon_credit.methodology.loader import Package, load_package, read_factor_set

LIBRARY = Path(__file__).resolve().parents[2] / "methodologies"

# package: (number, grade of the formula, {parameter: (value, unit, grade)}); None is a value not found.
STATED: dict[str, tuple[str, str, dict[str, tuple[str | None, str, str | None]]]] = {
    "sz-household-electricity": (
        "M3",
        "published",
        {
            "mean_emission": (None, "kgCO2/person/day", None),
            "EF_grid": (None, "kgCO2/kWh", None),
            "window": ("7", "day", "published"),
        },
    ),
    "sz-shared-bike": ("M3b", "assumed", {"RF_bike": (None, "gCO2/pkm", None)}),
    "sz-distributed-pv": (
        "M3b",
        "assumed",
        {"EF_grid": (None, "kgCO2/kWh", None), "capacity_max": ("1", "MW", "published")},
    ),
    "sz-efficient-chiller": ("M3b", "assumed", {"EF_grid": (None, "kgCO2/kWh", None)}),
    "sz-paperless-finance": ("M3b", "assumed", {"RF_item": (None, "gCO2e/item", None)}),
    "sz-milk-carton": ("M3b", "assumed", {"RF_item": (None, "gCO2e/item", None)}),
    "sh-distributed-pv": (
        "M4",
        "published",
        {
            "EF_grid": ("0.42", "kgCO2/kWh", "published"),
            "capacity_max": ("1", "MW", "published"),
            "life_max": ("25", "year", "published"),
        },
    ),
    "sh-household-electricity": ("M5", "assumed", {"EF_grid": (None, "kgCO2/kWh", None)}),
    "wh-pv": (
        "M11",
        "assumed",
        {"EF_grid": (None, "kgCO2/kWh", None), "capacity_below": ("6", "MW", "published")},
    ),
    "wh-household-electricity-demand-response": (
        "M11",
        "assumed",
        {"EF_grid": (None, "kgCO2/kWh", None)},
    ),
    "wh-takeaway-without-tableware": ("M11", "assumed", {"RF_item": (None, "gCO2e/item", None)}),
    "wh-second-hand-phone": ("M11", "assumed", {"RF_item": (None, "kgCO2e/item", None)}),
    "cace-second-hand": (
        "M12",
        "published",
        {
            "E_production": (None, "kgCO2e/item", None),
            "replacement_rate": (None, "1", None),
            "ER_iphone_14_pro_max": ("51.903", "kgCO2e/item", "secondary"),
        },
    ),
    "gz-water": ("M14", "assumed", {"EF_water": (None, "kgCO2e/m3", None)}),
    "gz-electricity": ("M14", "assumed", {"EF_grid": (None, "kgCO2/kWh", None)}),
    "gz-clothes": ("M14", "assumed", {"RF_mass": (None, "kgCO2e/kg", None)}),
    "zs-led-lamp": (
        "M15",
        "assumed",
        {"hours": (None, "h/item", None), "EF_grid": (None, "kgCO2/kWh", None)},
    ),
    "zs-efficient-air-conditioner": (
        "M15",
        "assumed",
        {"saved_each": (None, "kWh/item", None), "EF_grid": (None, "kgCO2/kWh", None)},
    ),
    "zs-household-electricity": ("M15", "assumed", {"EF_grid": (None, "kgCO2/kWh", None)}),
    "gd-forest-carbon": ("M16", "assumed", {"RF_area": (None, "kgCO2e/m2/year", None)}),
    "gd-mangrove": ("M16", "assumed", {"RF_area": (None, "kgCO2e/m2/year", None)}),
    "gd-pv": ("M16", "assumed", {"EF_grid": (None, "kgCO2/kWh", None)}),
    "gd-heat-pump-water-heater": (
        "M16",
        "assumed",
        {"baseline_use": (None, "kWh/m3", None), "EF_grid": (None, "kgCO2/kWh", None)},
    ),
    "gd-efficient-air-conditioner": (
        "M16",
        "assumed",
        {"saved_each": (None, "kWh/item", None), "EF_grid": (None, "kgCO2/kWh", None)},
    ),
    "gd-clothes-reuse": ("M16", "assumed", {"RF_mass": (None, "kgCO2e/kg", None)}),
    "sx-household-energy": ("M17", "assumed", {"EF_grid": (None, "kgCO2/kWh", None)}),
    "tacef-031": ("M18", "assumed", {"RF_item": (None, "gCO2e/item", None)}),
    "tacef-161-waste-sorting": ("M18", "assumed", {"RF_mass": (None, "kgCO2e/kg", None)}),
    "platform-parcel-box": ("M19", "secondary", {"RF_item": ("37", "gCO2e/item", "secondary")}),
    "platform-hotel-disposables": ("M19", "secondary", {"RF_item": ("203.2", "gCO2e/item", "secondary")}),
    "platform-textile-reuse": ("M19", "secondary", {"RF_mass": ("3.6", "kgCO2e/kg", "secondary")}),
    "platform-clothes-donation": ("M19", "secondary", {"RF_item": ("790", "gCO2e/item", "secondary")}),
    "platform-tree": ("M19", "secondary", {"RF_item": ("17.9", "kgCO2e/item", "secondary")}),
    "platform-shared-bike": ("M19", "assumed", {"RF_bike": (None, "gCO2/pkm", None)}),
    "platform-ant-forest": (
        "M19",
        "assumed",
        {"RF_metro": (None, "gCO2e/trip", None), "RF_bus": (None, "gCO2e/trip", None)},
    ),
}
# Stand-ins: package -> {parameter: (value, borrowed from)}; None is a placeholder or an inference.
GRID = ("0.42", "sh-distributed-pv/v1/EF_grid")
TEXTILE = ("3.6", "platform-textile-reuse/v1/RF_mass")
STAND_INS: dict[str, dict[str, tuple[str, str | None]]] = {
    "sz-household-electricity": {"mean_emission": ("1", None), "EF_grid": ("0.3125", None)},
    "sz-shared-bike": {"RF_bike": ("46.8", "sz-public-transit/v1/RF_metro")},
    "sz-distributed-pv": {"EF_grid": GRID},
    "sz-efficient-chiller": {"EF_grid": GRID},
    "sz-paperless-finance": {"RF_item": ("1", None)},
    "sz-milk-carton": {"RF_item": ("1", None)},
    "sh-household-electricity": {"EF_grid": GRID},
    "wh-pv": {"EF_grid": GRID},
    "wh-household-electricity-demand-response": {"EF_grid": GRID},
    "wh-takeaway-without-tableware": {"RF_item": ("1", None)},
    "wh-second-hand-phone": {"RF_item": ("51.903", "cace-second-hand/v1/ER_iphone_14_pro_max")},
    "cace-second-hand": {"E_production": ("10", None), "replacement_rate": ("0.5", None)},
    "gz-water": {"EF_water": ("0.168", None)},
    "gz-electricity": {"EF_grid": GRID},
    "gz-clothes": {"RF_mass": TEXTILE},
    "zs-led-lamp": {"hours": ("1000", None), "EF_grid": GRID},
    "zs-efficient-air-conditioner": {"saved_each": ("100", None), "EF_grid": GRID},
    "zs-household-electricity": {"EF_grid": GRID},
    "gd-forest-carbon": {"RF_area": ("1", None)},
    "gd-mangrove": {"RF_area": ("1", None)},
    "gd-pv": {"EF_grid": GRID},
    "gd-heat-pump-water-heater": {"baseline_use": ("50", None), "EF_grid": GRID},
    "gd-efficient-air-conditioner": {"saved_each": ("100", None), "EF_grid": GRID},
    "gd-clothes-reuse": {"RF_mass": TEXTILE},
    "sx-household-energy": {"EF_grid": GRID},
    "tacef-031": {"RF_item": ("1", None)},
    "tacef-161-waste-sorting": {"RF_mass": ("0.1", None)},
    "platform-shared-bike": {"RF_bike": ("28", None)},
    "platform-ant-forest": {"RF_metro": ("52", None), "RF_bus": ("80", None)},
}


def package(name: str, *, overlay: bool = False) -> Package:
    return load_package(LIBRARY / name / "v1", overlay=overlay)


def values(methodology: Methodology) -> dict[str, tuple[str | None, str, str | None]]:
    return {
        p.name: (p.values[0].value, p.unit, p.values[0].grade and str(p.values[0].grade))
        for p in methodology.parameters
    }


@pytest.mark.parametrize("name", STATED)
def test_a_package_states_what_its_source_states(name: str) -> None:
    number, formula, stated = STATED[name]
    methodology = package(name).methodology
    assert methodology.number == number
    assert str(methodology.grades.formula.grade) == formula
    assert values(methodology) == stated
    assert all(len(p.values) == 1 for p in methodology.parameters)
    assert methodology.factors == (), "no method of these names a published average factor"


@pytest.mark.parametrize("name", STATED)
def test_what_is_null_is_told_as_missing_and_where_to_get_it(name: str) -> None:
    methodology = package(name).methodology
    nulls = [p.name for p in methodology.parameters if p.values[0].value is None]
    assert methodology.missing or not nulls
    assert len(methodology.missing) >= len(nulls)


@pytest.mark.parametrize("name", STATED)
def test_periods_are_divided_by_days_save_where_one_event_is_one_day(name: str) -> None:
    methodology = package(name).methodology
    periods = any(code.endswith(".period") for code in methodology.activity_types)
    divided = periods and name != "sz-household-electricity"
    assert methodology.split == ("days" if divided else "none")


@pytest.mark.parametrize("name", STATED)
def test_an_overlay_fills_exactly_the_nulls_and_is_assumed(name: str) -> None:
    methodology = package(name).methodology
    nulls = {p.name for p in methodology.parameters if p.values[0].value is None}
    assert nulls == STAND_INS.get(name, {}).keys()
    if not nulls:
        assert not (LIBRARY / name / "v1/overlay.yaml").exists()
        return
    filled = package(name, overlay=True)
    found = {
        p.name: (p.values[0].value, p.values[0].borrowed_from)
        for p in filled.methodology.parameters
        if p.name in nulls
    }
    assert found == STAND_INS[name]
    assert weakest_grade(filled) is Grade.ASSUMED
    compile_package(filled, check_dimensions=True)


@pytest.mark.parametrize(
    ("name", "borrowed"),
    [(name, one) for name, stand_ins in STAND_INS.items() for one in stand_ins.values() if one[1]],
)
def test_a_borrowed_value_is_that_of_its_owner(name: str, borrowed: tuple[str, str]) -> None:
    value, path = borrowed
    owner, version, parameter = path.split("/")
    methodology = load_package(LIBRARY / owner / version).methodology
    found = next(p for p in methodology.parameters if p.name == parameter)
    assert found.values[0].value == value, name


def test_shanghai_s_default_factors_are_sets_of_their_own() -> None:
    for name, unit, key, value in (
        ("sh-ets-electricity-v1", "kgCO2/kWh", "电力", "0.42"),
        ("sh-ets-heat-v1", "tCO2/GJ", "热力", "0.06"),
    ):
        found = read_factor_set((LIBRARY / f"factors/{name}.yaml").read_bytes(), name)
        edition = found.editions[0]
        assert (found.unit, edition.values) == (unit, {key: value})
        assert (edition.number, edition.published_at) == ("沪环气〔2022〕34号", date(2022, 2, 11))
        assert edition.grade is Grade.SECONDARY


def test_shanghai_s_photovoltaics_are_usable_and_ask_four_things() -> None:
    held = package("sh-distributed-pv")
    assert weakest_grade(held) is Grade.PUBLISHED
    assert [(one.name, one.test, one.decided) for one in held.methodology.eligibility] == [
        ("host-outside-ets", 'host == "neither"', "event"),
        ("no-other-mechanism", 'other_mechanism == "no"', "event"),
        ("capacity", "capacity_w <= capacity_max", "event"),
        ("life", "connected_for <= life_max", "event"),
    ]


def test_the_facts_of_a_roof_become_days_since_its_connection() -> None:
    compiled = CompiledMethodology(package("sh-distributed-pv"))
    assert compiled.facts == {"host-ets-status", "other-mechanism", "grid-connection"}
    facts = {"host-ets-status": "neither", "other-mechanism": "no", "grid-connection": "2020-01-01"}
    data = {"energy_wh": 300_000, "capacity_w": 5_000}

    def on(day: date) -> Evaluation | Refusal:
        inputs = compiled.inputs_of("pv.period", data, facts=facts, on=day)
        return compiled.evaluate(inputs, on=day)

    assert on(date(2026, 7, 31)) == Evaluation(126_000_000, Grade.PUBLISHED)
    # 25 years of 365.25 days end within the 9,131st day.
    last = date(2020, 1, 1) + timedelta(days=9_131)
    assert on(last) == Evaluation(126_000_000, Grade.PUBLISHED)
    refused = on(last + timedelta(days=1))
    assert isinstance(refused, Refusal)
    assert (refused.code, refused.field) == ("not-eligible", "life")


def test_shanghai_s_households_wait_for_the_tier_of_the_year() -> None:
    held = package("sh-household-electricity", overlay=True)
    compiled = CompiledMethodology(held)
    assert compiled.annual
    assert compiled.netting == "year"
    assert [(one.name, one.decided, str(one.grade)) for one in held.methodology.eligibility] == [
        ("below-third-tier", "year", "published"),
        ("no-pv", "event", "published"),
    ]
    day, data = date(2026, 7, 31), {"baseline_wh": 250_000, "energy_wh": 200_000}

    def answer(**facts: str) -> Evaluation | Refusal:
        known = {name.replace("_", "-"): word for name, word in facts.items()}
        return compiled.evaluate(compiled.inputs_of("electricity.period", data, facts=known, on=day), on=day)

    assert answer(pv_owner="no") == Evaluation(21_000_000, Grade.ASSUMED, pending=True)
    assert answer(pv_owner="no", tariff_tier="second") == Evaluation(21_000_000, Grade.ASSUMED)
    third = answer(pv_owner="no", tariff_tier="third")
    assert isinstance(third, Refusal)
    assert (third.code, third.field) == ("not-eligible", "below-third-tier")
    unsaid = answer(tariff_tier="first")
    assert isinstance(unsaid, Refusal)
    assert (unsaid.code, unsaid.field) == ("input-missing", "pv_owner")


def test_the_hand_worked_month_adds_up_its_own_week_before() -> None:
    """History is stated in each case; here it is held against the other days of the same month."""
    held = package("sz-household-electricity", overlay=True)
    compiled = CompiledMethodology(held)
    month = {
        case.on: case for case in read_cases(held) if case.name == case.on.isoformat()
    }  # a day of the month is named by its date
    assert len(month) == 30
    assert date(2022, 7, 16) not in month
    total = 0
    for day, case in month.items():
        week = [day - timedelta(days=back) for back in range(1, 8)]
        uses = [int(month[one].inputs["energy_wh"]) for one in week if one in month]
        history = {"previous_wh": sum(uses), "previous_days": len(uses)}
        data = {"energy_wh": int(case.inputs["energy_wh"]), "persons": 3}
        inputs = compiled.inputs_of("electricity.period", data, history=history, on=day)
        assert inputs == {name: int(text) for name, text in case.inputs.items()}
        answer = compiled.evaluate(inputs, on=day)
        assert answer == Evaluation(case.expect_mg or 0, Grade.ASSUMED)
        total += case.expect_mg or 0
    assert total == 3_131_694


@pytest.mark.parametrize(
    ("energy_wh", "previous_days", "expected_mg"),
    [
        # B is 3 kg = 9.6 kWh; the week before has 70 kWh, 10 kWh a day = 3.125 kg.
        (9_600, 7, 125_000),  # at B, and not below: 0.4 kWh under the own mean
        (9_599, 7, 312),  # 0.3125 g below B, the first branch
        (10_000, 7, 0),  # at the own mean
        (9_800, 6, 0),  # one day is missing
        (9_000, 6, 187_500),  # the first branch needs no week
        (0, 0, 3_000_000),
    ],
)
def test_the_two_branches_of_shenzhen(energy_wh: int, previous_days: int, expected_mg: int) -> None:
    compiled = CompiledMethodology(package("sz-household-electricity", overlay=True))
    inputs = {"energy_wh": energy_wh, "persons": 3, "previous_wh": 70_000, "previous_days": previous_days}
    assert compiled.evaluate(inputs, on=date(2022, 7, 8)) == Evaluation(expected_mg, Grade.ASSUMED)


def test_shenzhen_reads_the_seven_days_before() -> None:
    needs = CompiledMethodology(package("sz-household-electricity")).history
    assert {(one.name, one.of, one.days, one.take) for one in needs} == {
        ("previous_wh", "energy_wh", 7, "sum"),
        ("previous_days", "energy_wh", 7, "days"),
    }


def test_unverified_values_are_in_no_package() -> None:
    for name in STATED:
        held = {one.value for p in package(name).methodology.parameters for one in p.values}
        assert held.isdisjoint({"0.3125", "28", "47", "52", "80", "262", "136", "159", "296", "0.168"}), name


@pytest.mark.parametrize(
    ("name", "product", "mg"),
    [("cace-second-hand", "iphone-14-pro-max", 51_903_000), ("platform-clothes-donation", None, 790_000)],
)
def test_what_a_draft_knows_it_answers(name: str, product: str | None, mg: int) -> None:
    inputs: dict[str, int | str] = {} if product is None else {"product": product, "count": 1}
    assert CompiledMethodology(package(name)).evaluate(inputs, on=date(2026, 3, 1)) == Evaluation(
        mg, Grade.SECONDARY
    )
