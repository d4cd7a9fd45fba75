"""Exact quantities. Milligrams, points, fen and units are integers; factors are Decimal."""

from collections.abc import Sequence
from decimal import ROUND_FLOOR, Decimal

MG_PER_KG = 1_000_000
MG_PER_TONNE = 1_000_000_000
MAX_QUANTITY = 2**63 - 1  # what a BIGINT column holds


def floor_to_int(value: Decimal) -> int:
    """The greatest integer not above `value`."""
    return int(value.to_integral_value(rounding=ROUND_FLOOR))


def grams_text(mg: int) -> str:
    """Milligrams as grams for people, exact: 388440 -> "388.44"."""
    sign, mg = ("-" if mg < 0 else ""), abs(mg)
    fraction = f"{mg % 1000:03d}".rstrip("0")
    return f"{sign}{mg // 1000}" + (f".{fraction}" if fraction else "")


def split_by_weights(total: int, weights: Sequence[int]) -> list[int]:
    """`total` in parts proportional to `weights`, adding up exactly (largest remainder)."""
    whole = sum(weights)
    if total < 0 or whole <= 0 or any(weight < 0 for weight in weights):
        raise ValueError("a split needs a total >= 0 and weights >= 0 that are not all zero")
    parts = [total * weight // whole for weight in weights]
    by_remainder = sorted(range(len(weights)), key=lambda i: (-(total * weights[i] % whole), i))
    for index in by_remainder[: total - sum(parts)]:
        parts[index] += 1
    return parts
