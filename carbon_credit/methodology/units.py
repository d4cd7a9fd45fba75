"""Units: an exact scale for each, and the dimension check.

`scale(unit)` is an exact Fraction relative to a coherent base (milligram of CO2e, metre, second,
kilogram, so joule and cubic metre; one passenger, one trip ...), so a formula converts km to m or Wh
to kWh without rounding and without pint. pint is imported only by `dimension`, that is when a methodology is
checked: its registry alone costs half a second. A test holds both tables against each other.

CO2e mass is a dimension of its own: a gram of CO2e is no gram of clothes. `CO2` and `CO2e` are the
same here (one gram of CO2 is one gram of CO2e); other gases need a stated warming potential.
A passenger, a vehicle, a trip, a step, an item, a household and a person are counted things, each a
dimension, so that passenger-kilometres and vehicle-kilometres cannot be mixed up. A year is 365.25 days.
"""

from collections.abc import Mapping
from fractions import Fraction
from functools import lru_cache
from typing import Any

# symbol: (exact scale to the base, the same as an expression for pint)
_UNITS: Mapping[str, tuple[Fraction, str]] = {
    "1": (Fraction(1), "dimensionless"),
    "mgCO2e": (Fraction(1), "milligram_co2e"),
    "gCO2e": (Fraction(1_000), "1000 milligram_co2e"),
    "kgCO2e": (Fraction(1_000_000), "1000000 milligram_co2e"),
    "tCO2e": (Fraction(1_000_000_000), "1000000000 milligram_co2e"),
    "gCO2": (Fraction(1_000), "1000 milligram_co2e"),
    "kgCO2": (Fraction(1_000_000), "1000000 milligram_co2e"),
    "tCO2": (Fraction(1_000_000_000), "1000000000 milligram_co2e"),
    "m": (Fraction(1), "meter"),
    "km": (Fraction(1_000), "kilometer"),
    "s": (Fraction(1), "second"),
    "h": (Fraction(3_600), "hour"),
    "day": (Fraction(86_400), "day"),
    "year": (Fraction(31_557_600), "julian_year"),
    "Wh": (Fraction(3_600), "watt_hour"),
    "kWh": (Fraction(3_600_000), "kilowatt_hour"),
    "MWh": (Fraction(3_600_000_000), "megawatt_hour"),
    "MJ": (Fraction(1_000_000), "megajoule"),
    "GJ": (Fraction(1_000_000_000), "gigajoule"),
    "W": (Fraction(1), "watt"),
    "MW": (Fraction(1_000_000), "megawatt"),
    "g": (Fraction(1, 1_000), "gram"),
    "kg": (Fraction(1), "kilogram"),
    "t": (Fraction(1_000), "metric_ton"),
    "mL": (Fraction(1, 1_000_000), "milliliter"),
    "L": (Fraction(1, 1_000), "liter"),
    "m3": (Fraction(1), "meter ** 3"),
    "m2": (Fraction(1), "meter ** 2"),
    "passenger": (Fraction(1), "counted_passenger"),
    "pm": (Fraction(1), "counted_passenger * meter"),
    "pkm": (Fraction(1_000), "counted_passenger * kilometer"),
    "vehicle": (Fraction(1), "counted_vehicle"),
    "vm": (Fraction(1), "counted_vehicle * meter"),
    "vkm": (Fraction(1_000), "counted_vehicle * kilometer"),
    "trip": (Fraction(1), "counted_trip"),
    "step": (Fraction(1), "counted_step"),
    "item": (Fraction(1), "counted_item"),
    "household": (Fraction(1), "counted_household"),
    "person": (Fraction(1), "counted_person"),
}
# Names of our own, long enough to meet none of pint's (to which "pm" is a picometre).
_COUNTED = ("passenger", "vehicle", "trip", "step", "item", "household", "person")
_OWN_DIMENSIONS = ("milligram_co2e", *(f"counted_{what}" for what in _COUNTED))

KNOWN_UNITS = tuple(_UNITS)
MASS_OF_CO2E = "mgCO2e"
MAX_UNIT_TEXT = 60


class UnknownUnit(ValueError):
    """`args[0]` is the unit text that could not be read."""


@lru_cache(maxsize=1024)
def scale(unit: str) -> Fraction:
    """How many base units one `unit` is: "kgCO2/kWh" -> 5/18. Products and quotients, left to right."""
    result = Fraction(1)
    for symbol, below in _symbols(unit):
        own = _UNITS[symbol][0]
        result = result / own if below else result * own
    return result


@lru_cache(maxsize=1024)
def dimension(unit: str) -> Any:
    """pint's dimensionality of `unit` (a mapping of dimension -> exponent; products are allowed)."""
    result = dimensionless()
    for symbol, below in _symbols(unit):
        own = in_pint(symbol).dimensionality
        result = result / own if below else result * own
    return result


def dimensionless() -> Any:
    """The dimensionality of a plain number."""
    return _registry().dimensionless.dimensionality


def in_pint(symbol: str) -> Any:
    """One `symbol` as a pint quantity."""
    return _registry().Quantity(Fraction(1)) * _registry().parse_expression(_UNITS[symbol][1])


def _symbols(unit: str) -> list[tuple[str, bool]]:
    """ "kgCO2/kWh" -> [("kgCO2", False), ("kWh", True)]."""
    if len(unit) > MAX_UNIT_TEXT:
        raise UnknownUnit(unit)
    parts = unit.replace("/", "*/").split("*")
    symbols = [(part.removeprefix("/"), part.startswith("/")) for part in parts]
    if any(symbol not in _UNITS for symbol, _ in symbols):
        raise UnknownUnit(unit)
    return symbols


@lru_cache(maxsize=1)
def _registry() -> Any:
    import pint  # lazy: half a second, so only when a methodology is checked

    registry: Any = pint.UnitRegistry(non_int_type=Fraction, cache_folder=None)
    for name in _OWN_DIMENSIONS:
        registry.define(f"{name} = [{name}]")
    return registry
