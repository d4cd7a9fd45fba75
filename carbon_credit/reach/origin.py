"""Where a fund's money came from: the first fen that came in is the first that is used. Pure, exact.

What came in, in order of time, is a line of fen; what was used, in order of months, is a line beside it. A
month uses the stretch that lies beside its own, so each fen has one origin for ever: what comes in later
moves nothing, and nothing is rounded.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from carbon_credit.kernel.quantity import split_by_weights

SALES, OTHERS = "sales", "others"


@dataclass(frozen=True, slots=True)
class Origin:
    """Fen (or points) by where they come from. `uncovered`: used before anything came in; no guarded fund
    lets that happen."""

    sales: int = 0
    others: int = 0
    uncovered: int = 0

    @property
    def total(self) -> int:
        """All of it."""
        return self.sales + self.others + self.uncovered


def origin_of(came_in: Iterable[tuple[str, int]], *, used_before: int, used: int) -> Origin:
    """Of the `used` fen that follow `used_before`, how many came from where. `came_in`: origin and amount,
    in order of time."""
    sums = {SALES: 0, OTHERS: 0}
    low, high, place = used_before, used_before + used, 0
    for origin, amount in came_in:
        overlap = min(high, place + amount) - max(low, place)
        if overlap > 0:
            sums[origin] += overlap
        place += amount
        if place >= high:
            break
    return Origin(sums[SALES], sums[OTHERS], used - sums[SALES] - sums[OTHERS])


def shared_out(whole: Origin, weights: Sequence[int]) -> list[Origin]:
    """`whole` over several uses that add up to it: each gets exactly its own weight, of what the ones before
    have left in the proportion of the origins (largest remainder)."""
    if sum(weights) != whole.total or any(weight < 0 for weight in weights):
        raise ValueError("the weights must add up to what is shared out")
    parts = []
    left = whole
    for weight in weights:
        if weight == 0 or left.total == 0:
            parts.append(Origin())
            continue
        found = split_by_weights(weight, [left.sales, left.others, left.uncovered])
        part = Origin(*found)
        parts.append(part)
        left = Origin(left.sales - part.sales, left.others - part.others, left.uncovered - part.uncovered)
    return parts


def in_proportion(points: int, fen: Origin) -> Origin:
    """`points` split as the fen that they were worth (largest remainder); all `others` where they were worth
    nothing. More refunded than spent is below zero, and split alike."""
    if fen.total == 0:
        return Origin(others=points)
    if points < 0:
        back = in_proportion(-points, fen)
        return Origin(-back.sales, -back.others, -back.uncovered)
    return Origin(*split_by_weights(points, [fen.sales, fen.others, fen.uncovered]))
