"""Amounts: exact, and rounded once, as the mapping names it."""

from decimal import Decimal
from fractions import Fraction
from math import ceil, floor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbon_credit.imports.adapters.measures import UNITS, amount_reader, measured_by
from carbon_credit.imports.adapters.refusal import RowRefused


@pytest.mark.parametrize(
    ("text", "unit", "rounding", "whole"),
    [
        ("1234", "m", "down", 1234),
        ("1.5", "km", "half-up", 1500),
        ("0.9999", "km", "down", 999),
        ("1", "mi", "half-up", 1609),
        ("1", "mi", "up", 1610),
        ("12.5", "min", "half-up", 750),
        ("1500", "ms", "half-up", 2),
        ("2.5", "1", "half-up", 3),
        ("0123.4567", "kWh", "up", 123_457),
        ("12.", "m3", "down", 12_000_000),
        ("-1", "km", "down", -1000),
        ("3", "mu", "half-up", 2000),
    ],
)
def test_amounts(text: str, unit: str, rounding: str, whole: int) -> None:
    assert amount_reader(unit, rounding)(text) == whole


@pytest.mark.parametrize(
    "text", ["1e3", "1,000", "1 km", "NaN", "Infinity", "--1", "１２", ".5", "9" * 19, "²"]
)
def test_what_is_no_number(text: str) -> None:
    with pytest.raises(RowRefused, match="number-malformed"):
        amount_reader("km", "down")(text)


def test_nothing_is_a_number_that_is_missing() -> None:
    with pytest.raises(RowRefused, match="number-missing"):
        amount_reader("km", "down")("")


@given(st.decimals(min_value=0, max_value=10**9, places=4), st.sampled_from(sorted(set(UNITS) - {"mu"})))
def test_rounding_is_that_of_exact_fractions(amount: Decimal, unit: str) -> None:
    exact = Fraction(amount) * Fraction(UNITS[unit][1])
    text = format(amount, "f")
    assert amount_reader(unit, "down")(text) == floor(exact)
    assert amount_reader(unit, "up")(text) == ceil(exact)
    assert amount_reader(unit, "half-up")(text) == floor(exact + Fraction(1, 2))


def test_fields_say_by_their_names_what_they_measure() -> None:
    fields = ("distance_m", "area_m2", "energy_wh", "count", "baseline_ml_per_km", "duration_s", "grid")
    kinds = ["length", "area", "energy", "number", "number", "time", "number"]
    assert [measured_by(field) for field in fields] == kinds
