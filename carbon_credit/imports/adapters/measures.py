"""Amounts as files write them, to the whole numbers that events hold. Exact; rounded once, as named."""

import re
from collections.abc import Callable
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_UP, Decimal
from typing import Final

from carbon_credit.imports.adapters.refusal import RowRefused

# unit: (what it measures, how many of the event's unit one is)
UNITS: Final = {
    "1": ("number", Decimal(1)),
    "m": ("length", Decimal(1)),
    "cm": ("length", Decimal("0.01")),
    "km": ("length", Decimal(1_000)),
    "li": ("length", Decimal(500)),
    "mi": ("length", Decimal("1609.344")),
    "ft": ("length", Decimal("0.3048")),
    "ms": ("time", Decimal("0.001")),
    "s": ("time", Decimal(1)),
    "min": ("time", Decimal(60)),
    "h": ("time", Decimal(3_600)),
    "day": ("time", Decimal(86_400)),
    "Wh": ("energy", Decimal(1)),
    "kWh": ("energy", Decimal(1_000)),
    "MWh": ("energy", Decimal(1_000_000)),
    "mL": ("volume", Decimal(1)),
    "L": ("volume", Decimal(1_000)),
    "m3": ("volume", Decimal(1_000_000)),
    "g": ("mass", Decimal(1)),
    "kg": ("mass", Decimal(1_000)),
    "t": ("mass", Decimal(1_000_000)),
    "W": ("power", Decimal(1)),
    "kW": ("power", Decimal(1_000)),
    "m2": ("area", Decimal(1)),
    "ha": ("area", Decimal(10_000)),
    "mu": ("area", Decimal(2_000) / Decimal(3)),
}
# What the last part of a field's name says that it measures.
_ENDINGS: Final = {
    "_m": "length",
    "_s": "time",
    "_wh": "energy",
    "_ml": "volume",
    "_g": "mass",
    "_w": "power",
    "_m2": "area",
}
_ROUNDINGS: Final = {"half-up": ROUND_HALF_UP, "down": ROUND_FLOOR, "up": ROUND_CEILING}
MAX_DIGITS = 18
_NUMBER = re.compile(rf"[+-]?[0-9]{{1,{MAX_DIGITS}}}(\.[0-9]{{0,{MAX_DIGITS}}})?", re.ASCII)


def measured_by(field: str) -> str:
    """What the field of an event measures: length, time, energy …, or a plain number."""
    return _ENDINGS.get("_" + field.rpartition("_")[2], "number") if "_" in field else "number"


def is_quantity(field: str) -> bool:
    """Whether the field of an event is a whole number."""
    return measured_by(field) != "number" or field in ("count", "persons")


def amount_reader(unit: str, rounding: str) -> Callable[[str], int]:
    """text -> whole number. Refuses a row with `number-missing` or `number-malformed`."""
    factor = UNITS[unit][1]
    whole = int(factor) if factor == int(factor) else 0
    mode = _ROUNDINGS[rounding]

    def read(text: str) -> int:
        if whole and text.isdigit() and text.isascii() and len(text) <= MAX_DIGITS:
            return int(text) * whole
        return int((exact(text) * factor).to_integral_value(rounding=mode))

    return read


def exact(text: str) -> Decimal:
    """A plain decimal number. Refuses what has an exponent, a separator of thousands or a unit."""
    if not _NUMBER.fullmatch(text):
        raise RowRefused("number-malformed" if text else "number-missing")
    return Decimal(text)
