"""Travel: what each package must say, and what none of them may.

The tables were written from the sources, not from the files, so that a slip in one of the two shows.
"""

from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path

import pytest

from carbon_credit.methodology.cases import read_cases
from carbon_credit.methodology.definition import Grade
from carbon_credit.methodology.engine import weakest_grade
from carbon_credit.methodology.loader import (
    OVERLAY,
    Package,
    load_library,
    load_package,
    read_factor_set,
)

LIBRARY = Path(__file__).resolve().parents[2] / "methodologies"

PKM, GPKM, VKM = "kgCO2/pkm", "gCO2/pkm", "kgCO2/vkm"
PUBLISHED, SECONDARY, ASSUMED = Grade.PUBLISHED, Grade.SECONDARY, Grade.ASSUMED
Stated = tuple[str | None, Grade | None, str | None]  # value, grade, first day

# (number, grade of the formula, weakest grade, first day, {parameter: (unit, values)})
NONE: list[Stated] = [(None, None, None)]


def known(grade: Grade, *values: tuple[str, str | None]) -> list[Stated]:
    return [(value, grade, day) for value, day in values]


JJJ_DAY, SZ_DAY, WH_DAY, WH_NEW, HB_DAY = "2024-10-01", "2021-12-17", "2023-06-05", "2025-08-10", "2021-08-25"
EXPECTED: Mapping[str, tuple[str, Grade, Grade, str | None, Mapping[str, tuple[str, list[Stated]]]]] = {
    "jjj-low-carbon-travel/v1": (
        "M1", SECONDARY, SECONDARY, JJJ_DAY,
        {
            "EF_baseline": (PKM, known(SECONDARY, ("0.104", JJJ_DAY))),
            "EF_bus_trolley": (PKM, known(SECONDARY, ("0.052", JJJ_DAY))),
            "EF_urban_rail": (PKM, known(SECONDARY, ("0.032", JJJ_DAY))),
            "EF_bicycle": (PKM, known(SECONDARY, ("0.0087", JJJ_DAY))),
            "EF_walk": (PKM, known(SECONDARY, ("0", JJJ_DAY))),
        },
    ),
    "sz-public-transit/v2": (
        "M2", PUBLISHED, PUBLISHED, SZ_DAY,
        {
            "RF_bus": (GPKM, known(PUBLISHED, ("26.9", SZ_DAY))),
            "RF_metro": (GPKM, known(PUBLISHED, ("46.8", SZ_DAY))),
        },
    ),
    "sh-ground-bus/v1": ("M6", ASSUMED, ASSUMED, None, {"EF_base": (PKM, NONE), "EF_bus": (PKM, NONE)}),
    "sh-rail/v1": ("M6", ASSUMED, ASSUMED, None, {"EF_base": (PKM, NONE), "EF_rail": (PKM, NONE)}),
    "sh-shared-bike/v1": ("M6", ASSUMED, ASSUMED, None, {"EF_base": (PKM, NONE), "EF_bike": (PKM, NONE)}),
    "sh-battery-electric-car/v1": (
        "M6", ASSUMED, ASSUMED, None, {"EF_base": (VKM, NONE), "EF_bev": (VKM, NONE)},
    ),
    "bj-car-not-driven/v1": (
        "M7", PUBLISHED, PUBLISHED, None,
        {
            "stop_day": ("h", known(PUBLISHED, ("24", None))),
            "small_up_to": ("L", known(PUBLISHED, ("1.6", None))),
            "medium_up_to": ("L", known(PUBLISHED, ("2.5", None))),
            "odometer_tolerance": ("vkm", NONE),
            "RD_small": ("kgCO2", NONE),
            "RD_medium": ("kgCO2", NONE),
            "RD_large": ("kgCO2", NONE),
            "RD_electric": ("kgCO2", NONE),
        },
    ),
    "bj-petrol-to-electric/v1": (
        "M8", SECONDARY, SECONDARY, None,
        {
            "EF_fuel_car": (VKM, known(SECONDARY, ("0.250", None))),
            "EF_bev": (VKM, known(SECONDARY, ("0.097", None))),
        },
    ),
    "bj-hydrogen-vehicle/v1": (
        "M8", ASSUMED, ASSUMED, None, {"RF_hydrogen": ("tCO2/t", known(SECONDARY, ("6.661", None)))},
    ),
    "tcsae-235-ev-travel/v1": ("M9", PUBLISHED, ASSUMED, None, {}),
    "tccaa-38-carpool/v1": (
        "M10", ASSUMED, ASSUMED, "2021-12-21",
        {
            "EF_base": (GPKM, NONE),
            "EF_shared": (GPKM, NONE),
            "detour": ("1", NONE),
            "PE_sys": ("gCO2/trip", NONE),
        },
    ),
    "wh-low-carbon-travel/v1": (
        "M11", ASSUMED, ASSUMED, "2024-09-02",
        {"RF_bus": (GPKM, NONE), "RF_metro": (GPKM, NONE), "RF_bike": (GPKM, NONE)},
    ),
    "wh-carpool/v1": ("M11", ASSUMED, ASSUMED, "2024-09-02", {"RF_shared": (GPKM, NONE)}),
    "wh-new-energy-car/v1": ("M11", ASSUMED, ASSUMED, "2024-09-02", {"RF_car": ("gCO2/vkm", NONE)}),
    "wh-display-trips/v1": (
        "M11", SECONDARY, SECONDARY, WH_DAY,
        {
            "RT_bus": ("gCO2/trip", known(SECONDARY, ("150", WH_DAY), ("212.5", "2025-08-26"))),
            "RT_metro": ("gCO2/trip", known(SECONDARY, ("170", WH_DAY))),
        },
    ),
    "wh-display-trips/v2": (
        "M11", SECONDARY, SECONDARY, WH_DAY,
        {
            "RF_metro": (GPKM, known(SECONDARY, ("78.4", WH_NEW))),
            "RF_bike": (GPKM, known(SECONDARY, ("40", WH_DAY), ("93.3", WH_NEW))),
        },
    ),
    "wh-display-new-energy-car/v1": (
        "M11", SECONDARY, SECONDARY, WH_DAY, {"RF_car": ("gCO2/vkm", known(SECONDARY, ("7", WH_DAY)))},
    ),
    "wh-display-own-bag/v1": (
        "M11", SECONDARY, SECONDARY, WH_DAY, {"R_bag": ("gCO2/item", known(SECONDARY, ("5", WH_DAY)))},
    ),
    "hb-carbon-planet-rides/v1": (
        "M11", SECONDARY, SECONDARY, HB_DAY,
        {
            "R_bus": ("gCO2/trip", known(SECONDARY, ("105", HB_DAY))),
            "R_bus_check_in": ("gCO2/trip", known(SECONDARY, ("52", HB_DAY))),
            "R_metro": ("gCO2/trip", known(SECONDARY, ("274", HB_DAY))),
            "R_metro_check_in": ("gCO2/trip", known(SECONDARY, ("137", HB_DAY))),
        },
    ),
    "hb-carbon-planet-steps/v1": (
        "M11", SECONDARY, SECONDARY, HB_DAY, {"R_step": ("gCO2/step", known(SECONDARY, ("0.02", HB_DAY)))},
    ),
    "gz-metro/v1": ("M14", ASSUMED, ASSUMED, None, {"RF_metro": (GPKM, NONE)}),
    "gz-bus/v1": ("M14", ASSUMED, ASSUMED, None, {"RF_bus": (GPKM, NONE)}),
    "gz-shared-bike/v1": ("M14", ASSUMED, ASSUMED, "2023-11-08", {"RF_bike": (GPKM, NONE)}),
    "gz-walking/v1": (
        "M14", ASSUMED, ASSUMED, None, {"step_length": ("pm/step", NONE), "EF_base": (PKM, NONE)},
    ),
    "gz-less-driving/v1": (
        "M14", ASSUMED, ASSUMED, None,
        {"stop_day": ("h", NONE), "odometer_tolerance": ("vkm", NONE), "RD_car": ("kgCO2", NONE)},
    ),
    "zs-bus/v1": ("M15", ASSUMED, ASSUMED, None, {"RF_bus": (GPKM, NONE)}),
    "gd-cycling/v1": ("M16", ASSUMED, ASSUMED, None, {"RF_bike": (GPKM, NONE)}),
    "zj-resident-travel/v1": (
        "M17", ASSUMED, ASSUMED, None,
        dict.fromkeys(("EF_base", "EF_bus", "EF_rail", "EF_bike", "EF_walk"), (PKM, NONE)),
    ),
    "tacef-106-bus/v1": (
        "M18", ASSUMED, ASSUMED, "2023-12-01", {"EF_base": (PKM, NONE), "EF_bus": (PKM, NONE)},
    ),
    "tacef-107-metro/v1": (
        "M18", ASSUMED, ASSUMED, "2023-12-01", {"EF_base": (PKM, NONE), "EF_metro": (PKM, NONE)},
    ),
    "tacef-108-etc/v1": (
        "M18", ASSUMED, ASSUMED, "2023-12-01",
        {"EF_manual": ("kgCO2/item", NONE), "EF_etc": ("kgCO2/item", NONE)},
    ),
    "tciia-058-shared-bike/v1": (
        "M18", ASSUMED, ASSUMED, "2025-08-07",
        {"EF_replaced": (PKM, NONE), "EF_bike": (PKM, NONE), "EF_ebike": (GPKM, NONE)},
    ),
}  # fmt: skip
PACKAGES: dict[str, Package] = {name: load_package(LIBRARY / name) for name in EXPECTED}
ALL = load_library(LIBRARY)
WITH_OVERLAY = [name for name in EXPECTED if (LIBRARY / name / OVERLAY).is_file()]


def drafts() -> list[str]:
    def has_null(name: str) -> bool:
        return any(v.value is None for p in PACKAGES[name].methodology.parameters for v in p.values)

    return [name for name in EXPECTED if has_null(name)]


@pytest.mark.parametrize("name", EXPECTED)
def test_a_package_says_what_the_sources_say(name: str) -> None:
    number, formula, weakest, first_day, parameters = EXPECTED[name]
    methodology = PACKAGES[name].methodology
    assert (methodology.format, methodology.number) == (2, number)
    assert methodology.grades.formula.grade is formula
    assert weakest_grade(PACKAGES[name]) is weakest
    assert str(methodology.effective_from or "") == (first_day or "")
    found = {
        p.name: (p.unit, [(v.value, v.grade, v.effective_from and str(v.effective_from)) for v in p.values])
        for p in methodology.parameters
    }
    assert found == {key: (unit, values) for key, (unit, values) in parameters.items()}


@pytest.mark.parametrize("name", EXPECTED)
def test_every_value_has_a_source_that_says_how_it_was_read_and_a_day_of_review(name: str) -> None:
    methodology = PACKAGES[name].methodology
    for parameter in methodology.parameters:
        for value in parameter.values:
            source = methodology.source(value.source)
            if value.value is None:
                assert source is None
                assert value.review_by is None
            else:
                assert source is not None
                assert source.read_as, f"{parameter.name} does not say what was read"
                assert value.review_by is not None


@pytest.mark.parametrize("name", drafts())
def test_a_draft_says_what_is_missing_and_where_to_get_it_and_answers_nothing(name: str) -> None:
    methodology = PACKAGES[name].methodology
    assert len(methodology.missing) >= 1
    assert all(gap.where.zh and gap.where.en for gap in methodology.missing)
    assert any(case.expect_refusal == "value-missing" for case in read_cases(PACKAGES[name]))
    assert name in WITH_OVERLAY, "a draft can be rehearsed"


def test_only_drafts_have_stand_ins() -> None:
    assert drafts() == WITH_OVERLAY


@pytest.mark.parametrize("name", drafts())
def test_a_stand_in_is_a_named_value_or_evidently_none(name: str) -> None:
    overlay = load_package(LIBRARY / name, overlay=True).overlay
    assert overlay is not None
    units = {p.name: p.unit for p in PACKAGES[name].methodology.parameters}
    nulls = {p.name for p in PACKAGES[name].methodology.parameters if p.values[0].value is None}
    assert {value.parameter for value in overlay.values} == nulls
    for value in overlay.values:
        if value.borrowed_from is None:
            assert value.value in ("1", "2", "3", "4"), "a placeholder does not look like a measurement"
            continue
        lender, version, parameter = value.borrowed_from.split("/")
        lent = next(p for p in ALL[lender, version].methodology.parameters if p.name == parameter)
        assert value.value in [one.value for one in lent.values]
        assert units[value.parameter] == lent.unit
        assert all(one.value is not None and one.borrowed_from is None for one in lent.values)


# Looked official and are not, or contradict each other (Shanghai), in kg per passenger- or vehicle-kilometre.
NEVER = (
    "0.232", "0.070", "0.218", "0.066", "0.049", "0.205", "0.063", "0.046", "0.215", "0.068", "0.051",
    "0.030", "0.015", "0.130", "0.064", "0.033", "0.106", "0.054", "0.035", "0.009", "0.210", "0.085",
)  # fmt: skip


def test_no_package_holds_a_number_that_was_made_up_or_is_in_conflict() -> None:
    held: set[tuple[Decimal, str]] = set()
    for package in ALL.values():
        for parameter in package.methodology.parameters:
            if "km" in parameter.unit:
                grams = 1000 if parameter.unit.startswith("kg") else 1
                held |= {(Decimal(v.value) * grams, package.name) for v in parameter.values if v.value}
    found = [(value, name) for value, name in held if value in {Decimal(text) * 1000 for text in NEVER}]
    assert found == []
    # One number of a made-up table is also Beijing's value for the bus: there, and nowhere else as its own.
    own = {name for value, name in held if value == 52 and not name.endswith("+sandbox")}
    assert own == {"jjj-low-carbon-travel v1"}


def test_fuel_factors_are_secondary_and_of_their_standard() -> None:
    for name, unit, values in (
        ("cn-fuel-combustion-v1", "kgCO2/L", {"汽油": "2.179", "柴油": "2.718"}),
        ("cn-gas-combustion-v1", "kgCO2/m3", {"天然气": "2.184"}),
    ):
        factors = read_factor_set((LIBRARY / f"factors/{name}.yaml").read_bytes(), name)
        assert factors.unit == unit
        assert [(e.data_year, e.number, e.grade, e.values) for e in factors.editions] == [
            (2026, "JS/T 303-2026", SECONDARY, values)
        ]
