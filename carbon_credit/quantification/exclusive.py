"""Exclusive evidence: of several records of one trip only the best counts.

An operator's record and a citizen's own check-in may tell of the same trip. Two records are of one trip
where the time between them is at most `within_s` (none where they overlap). Pure.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

OVERLAP = "overlap"


@dataclass(frozen=True, slots=True)
class Record:
    """When a record says that the trip was. `ends_at` is `starts_at` where only an instant is known."""

    starts_at: datetime
    ends_at: datetime

    def same_trip(self, other: "Record", *, within_s: int) -> bool:
        """Whether both can be of one trip."""
        reach = timedelta(seconds=within_s)
        return self.starts_at - reach <= other.ends_at and other.starts_at - reach <= self.ends_at


def best(records: Sequence[Record], *, within_s: int, settled: Iterable[Record] = ()) -> list[bool]:
    """Which of `records`, the best evidence first, count beside those that are `settled` already.

    A record counts unless one that counts is of the same trip.
    """
    kept = list(settled)
    result = []
    for record in records:
        counts = not any(record.same_trip(other, within_s=within_s) for other in kept)
        if counts:
            kept.append(record)
        result.append(counts)
    return result


def left_beside(own_mg: int, others_mg: Iterable[int]) -> int:
    """What a record may count while nobody knows which is best: never more than the largest alone."""
    return max(own_mg - sum(others_mg), 0) if own_mg > 0 else own_mg
