"""Ranges of serial numbers: lengths, splitting, text. Pure; both ends belong to a range."""

from collections.abc import Sequence
from dataclasses import dataclass

from carbon_credit.verifier.serial import Serial


@dataclass(frozen=True, slots=True, order=True)
class Range:
    """Numbers first..last, both in it. One number is one tonne."""

    first: int
    last: int

    def __post_init__(self) -> None:
        if not 1 <= self.first <= self.last:
            raise ValueError(f"{self.first}..{self.last} is no range of serial numbers")

    def __len__(self) -> int:
        return self.last - self.first + 1


def split(whole: Range, sizes: Sequence[int]) -> list[Range]:
    """`whole` in consecutive parts of `sizes` tonnes, which must add up to it: 1..100 by 40, 60 is

    1..40 and 41..100. No number is lost, none is twice. ValueError otherwise.
    """
    if any(size < 1 for size in sizes) or sum(sizes) != len(whole):
        raise ValueError(f"parts of {list(sizes)} do not make up {len(whole)} tonnes")
    parts = []
    first = whole.first
    for size in sizes:
        parts.append(Range(first, first + size - 1))
        first += size
    return parts


def texts(series: str, vintage: int, numbers: Range) -> tuple[str, str]:
    """The first and the last serial number as they are published."""
    return str(Serial(series, vintage, numbers.first)), str(Serial(series, vintage, numbers.last))
