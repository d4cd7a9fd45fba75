"""Taking milligrams into a batch up to the last whole tonne, in exact integers.

The reduction that completes the last tonne is cut in two; its second part stays free.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from carbon_credit.kernel.quantity import MG_PER_TONNE
from carbon_credit.offsets.selection import Free


@dataclass(frozen=True, slots=True)
class Taken:
    """A range that enters the batch. `rest_to_mg`: where a part cut off behind it ends, else None."""

    free: Free
    rest_to_mg: int | None = None


def whole_tonnes(ranges: Iterable[Free], *, most_tonnes: int | None = None) -> Iterator[Taken]:
    """Of `ranges`, in order, those that make up whole tonnes, at most `most_tonnes`.

    Holds back what came since the last full tonne, and nothing else: one tonne's worth of memory.
    """
    held: list[Free] = []
    sum_mg = 0
    whole_mg = 0  # the greatest number of whole tonnes that the sum has passed
    most_mg = None if most_tonnes is None else most_tonnes * MG_PER_TONNE
    for free in ranges:
        if most_mg is not None and sum_mg >= most_mg:
            break
        sum_mg += free.mg
        held.append(free)
        passed = sum_mg // MG_PER_TONNE * MG_PER_TONNE
        if most_mg is not None:
            passed = min(passed, most_mg)
        if passed > whole_mg:
            # All before this one is in. This one stays: the end of the input may cut it.
            yield from map(Taken, held[:-1])
            held = [free]
            whole_mg = passed
    if whole_mg:
        yield _cut(held[0], sum_mg - sum(free.mg for free in held[1:]) - whole_mg)


def _cut(last: Free, surplus_mg: int) -> Taken:
    """`last` without the `surplus_mg` at its end."""
    if surplus_mg == 0:
        return Taken(last)
    return Taken(replace(last, to_mg=last.to_mg - surplus_mg), rest_to_mg=last.to_mg)
