"""What an adapter yields: rides to be credited, and rows whose outcome is already known."""

from dataclasses import dataclass, field
from typing import Literal, NamedTuple, TypeAlias
from zlib import crc32

import orjson

Event: TypeAlias = dict[str, object]
RowStatus: TypeAlias = Literal["credited", "held", "rejected", "duplicate", "dropped"]


@dataclass(slots=True)
class Ride:
    """One event, the card or account that it belongs to, and the lines of the file that it was made of.

    Card and event stay out of `repr`, so that no log or traceback shows them.
    """

    event: Event = field(repr=False)
    card: str = field(repr=False)
    lines: tuple[int, ...]


class RowOutcome(NamedTuple):
    """A row that becomes no event. `line` counts from 1, the header included."""

    line: int
    status: RowStatus
    reason: str


class Cut(NamedTuple):
    """A ride as it is stored: `lane` is a number that all rides of a card share, `text` the event's JSON."""

    lane: int
    text: bytes
    lines: tuple[int, ...]


def cut(ride: Ride) -> Cut:
    """The ride as it is stored."""
    return Cut(crc32(ride.card.encode("utf-8", "surrogatepass")), orjson.dumps(ride.event), ride.lines)


Item: TypeAlias = Ride | RowOutcome
