"""Metro entries and exits of one card, paired to rides.

A ride is an entry and the next exit of the same card within the pairing window. Lines are changed inside
the gates, so whatever lies between is one ride. The result depends on what the rows say and not on
their order in the file.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeAlias

from carbon_credit.imports.rows import RowOutcome


@dataclass(frozen=True, slots=True)
class Swipe:
    """One pass through a gate. `place` is the station as it is compared, `station` as it was written."""

    at: datetime
    entry: bool
    place: str
    station: str
    line: int


Pair: TypeAlias = tuple[Swipe, Swipe]


def pair(swipes: Iterable[Swipe], *, window: timedelta, latest: datetime) -> Iterator[Pair | RowOutcome]:
    """Each swipe of one card once: in a pair (entry, exit), or with the reason why it is in none.

    `latest` is the last moment that the file knows of: an entry whose window is still open then is held,
    because the exit may come with the next file.
    """
    return pair_in_order(_in_order(swipes), window=window, latest=latest)


def pair_in_order(
    swipes: Iterable[Swipe | RowOutcome], *, window: timedelta, latest: datetime
) -> Iterator[Pair | RowOutcome]:
    """The same for swipes that come in order; rows whose outcome is known pass through. Holds one swipe."""
    opened: Swipe | None = None
    for swipe in swipes:
        if isinstance(swipe, RowOutcome):
            yield swipe
        elif opened is not None and not swipe.entry and swipe.at - opened.at <= window:
            yield opened, swipe
            opened = None
        elif swipe.entry:
            if opened is not None:
                yield _without_exit(opened, window=window, latest=latest)
            opened = swipe
        else:
            yield RowOutcome(swipe.line, "rejected", "no-entry")
    if opened is not None:
        yield _without_exit(opened, window=window, latest=latest)


def _in_order(swipes: Iterable[Swipe]) -> list[Swipe]:
    # In one and the same second the exit goes first: a card leaves before it enters again.
    return sorted(swipes, key=lambda swipe: (swipe.at, swipe.entry, swipe.place, swipe.line))


def _without_exit(entry: Swipe, *, window: timedelta, latest: datetime) -> RowOutcome:
    if latest <= entry.at + window:
        return RowOutcome(entry.line, "held", "awaiting-exit")
    return RowOutcome(entry.line, "rejected", "no-exit")
