"""What travel methods answer: electric cars, stopped days, Wuhan per trip and per kilometre, check-ins."""

from datetime import date
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbon_credit.methodology.definition import Grade, Tier
from carbon_credit.methodology.engine import CompiledMethodology, Evaluation, Refusal, compile_package
from carbon_credit.methodology.loader import load_package

LIBRARY = Path(__file__).resolve().parents[2] / "methodologies"


def compiled(name: str, *, overlay: bool = False) -> CompiledMethodology:
    return compile_package(load_package(LIBRARY / name, overlay=overlay), check_dimensions=False)


SZ_V1, SZ_V2 = compiled("sz-public-transit/v1"), compiled("sz-public-transit/v2")


@pytest.mark.parametrize("mode", ["bus", "metro"])
@given(metres=st.integers(0, 200_000))
def test_shenzhen_v2_answers_as_v1_does(mode: str, metres: int) -> None:
    inputs: dict[str, int | str] = {"mode": mode, "distance_m": metres}
    day = date(2026, 12, 1)
    assert SZ_V2.evaluate(inputs, on=day) == SZ_V1.evaluate(inputs, on=day)


EV = compiled("tcsae-235-ev-travel/v1")
# kg per kWh of the regional grids, data year 2023.
GRID_2023 = {
    "north": "0.6361", "northeast": "0.5122", "east": "0.5500", "central": "0.5271",
    "northwest": "0.5543", "south": "0.4042", "southwest": "0.2472",
}  # fmt: skip


@given(
    metres=st.integers(1, 2_000_000),
    rate=st.integers(1, 1000),
    energy=st.integers(0, 1_000_000),
    fuel=st.integers(0, 1_000_000),
    leakage=st.integers(0, 1_000_000_000),
    kind=st.sampled_from(["petrol", "diesel"]),
    grid=st.sampled_from(sorted(GRID_2023)),
)
def test_electric_travel_is_baseline_less_project_less_leakage(
    metres: int, rate: int, energy: int, fuel: int, leakage: int, kind: str, grid: str
) -> None:
    inputs: dict[str, int | str] = {
        "distance_m": metres, "fuel": kind, "baseline_ml_per_km": rate, "energy_wh": energy,
        "fuel_ml": fuel, "grid": grid, "leakage_mg": leakage,
    }  # fmt: skip
    mg_per_ml = Fraction({"petrol": "2.179", "diesel": "2.718"}[kind]) * 1000
    mg_per_wh = Fraction(GRID_2023[grid]) * 1000
    baseline = Fraction(metres, 1000) * rate * mg_per_ml
    exact = baseline - energy * mg_per_wh - fuel * mg_per_ml - leakage
    answer = EV.evaluate(inputs, on=date(2026, 6, 1))
    assert isinstance(answer, Evaluation)
    assert answer.reduction_mg == exact.__floor__(), "floored toward minus infinity, below zero too"


def test_electric_travel_says_nothing_that_nobody_measured() -> None:
    whole: dict[str, int | str] = {
        "distance_m": 20_000, "fuel": "petrol", "baseline_ml_per_km": 72, "energy_wh": 3_000,
        "fuel_ml": 0, "grid": "south", "leakage_mg": 0,
    }  # fmt: skip
    for name in whole:
        without = {key: value for key, value in whole.items() if key != name}
        answer = EV.evaluate(without, on=date(2026, 6, 1))
        assert isinstance(answer, Refusal)
        assert (answer.code, answer.field) == ("input-missing", name)


STOPPED = compiled("bj-car-not-driven/v1", overlay=True)


@given(seconds=st.integers(1, 31_622_400))
def test_stopped_days_are_whole_days(seconds: int) -> None:
    inputs: dict[str, int | str] = {
        "duration_s": seconds, "odometer_start_m": 7, "odometer_end_m": 7, "displacement_ml": 1_600,
        "fuel": "petrol", "plate": "beijing",
    }  # fmt: skip
    answer = STOPPED.evaluate(inputs, on=date(2018, 6, 20))
    assert isinstance(answer, Evaluation)
    assert answer.reduction_mg == seconds // 86_400 * 1_000_000


@pytest.mark.parametrize(
    ("driven_m", "eligible"), [(0, True), (1_000, True), (1_001, False), (-1, False)], ids=str
)
def test_a_car_whose_odometer_moved_was_driven(driven_m: int, eligible: bool) -> None:
    inputs: dict[str, int | str] = {
        "duration_s": 86_400, "odometer_start_m": 50_000, "odometer_end_m": 50_000 + driven_m,
        "displacement_ml": 2_000, "fuel": "petrol", "plate": "beijing",
    }  # fmt: skip
    answer = STOPPED.evaluate(inputs, on=date(2018, 6, 20))
    assert isinstance(answer, Evaluation if eligible else Refusal)


def test_wuhan_s_metro_is_displayed_per_trip_and_then_per_kilometre() -> None:
    """Both versions read the same event; the programme binds v2 from the day on which it has a value."""
    event: dict[str, int | str] = {"distance_m": 10_574, "duration_s": 2_400}
    answers = []
    for name in ("wh-display-trips/v1", "wh-display-trips/v2"):
        one = compiled(name)
        inputs = one.inputs_of("metro.ride", event)
        answers.append([one.evaluate(inputs, on=date(2025, 8, day)) for day in (9, 10)])
    (per_trip, no_longer), (not_yet, per_km) = answers
    assert isinstance(per_trip, Evaluation)
    assert isinstance(per_km, Evaluation)
    assert (per_trip.reduction_mg, per_km.reduction_mg) == (170_000, 829_001)
    assert isinstance(no_longer, Refusal)
    assert (no_longer.code, no_longer.field) == ("value-expired", "RT_metro")
    assert isinstance(not_yet, Refusal)
    assert (not_yet.code, not_yet.field) == ("value-missing", "RF_metro")


def test_a_check_in_counts_about_half_of_a_record() -> None:
    planet = compiled("hb-carbon-planet-rides/v1")
    grams = {}
    for tier in (Tier.MEASURED, Tier.DERIVED, Tier.DECLARED):
        inputs = planet.inputs_of("metro.ride", {}, tier=tier)
        answer = planet.evaluate(inputs, on=date(2022, 2, 17))
        assert isinstance(answer, Evaluation)
        grams[tier] = answer.reduction_mg
    assert grams == {Tier.MEASURED: 274_000, Tier.DERIVED: 274_000, Tier.DECLARED: 137_000}
    assert planet.exclusive_s == 0, "a check-in excludes every other credit of that ride"


@pytest.mark.parametrize(
    ("data", "counts"),
    [({"entry_region": "guangzhou"}, True), ({"entry_region": "foshan"}, False), ({}, True)],
    ids=["begun in the city", "begun elsewhere", "not said"],
)
def test_a_ride_belongs_to_the_city_where_it_begins(data: dict[str, int | str], counts: bool) -> None:
    metro = compiled("gz-metro/v1", overlay=True)
    inputs = metro.inputs_of("metro.ride", {"distance_m": 8_300, **data})
    answer = metro.evaluate(inputs, on=date(2026, 3, 1))
    if counts:
        assert isinstance(answer, Evaluation)
        assert (answer.reduction_mg, answer.grade) == (388_440, Grade.ASSUMED)
    else:
        assert isinstance(answer, Refusal)
        assert answer.code == "not-eligible"
