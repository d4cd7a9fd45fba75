"""Cutting a file into chunks: flat memory, every row once, the same cut each time the file is read.

Events of one card always lie in one lane, in the order of the file. Lanes are credited side by side, the
chunks of a lane one after the other: so it does not matter how many workers there are.
"""

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
import orjson

from carbon_credit.events.errors import EventInvalid
from carbon_credit.events.incoming import IncomingEvent, decode_event
from carbon_credit.imports.errors import ImportUnreconciled
from carbon_credit.imports.rows import Cut, Item, Ride, RowOutcome, cut

LANES = 16
CHUNK_EVENTS = 2_000  # of 5,000 an event costs a quarter less, and a worker that dies loses more
CHUNK_DECIDED = 5_000
_LEVEL = 1  # most of the gain for a third of the time

Lines = Sequence[int]
Payload = dict[str, Any]


@dataclass(frozen=True, slots=True)
class NewChunk:
    """A chunk to be stored. Without events: rows that are decided already, as `decided` says."""

    lane: int
    rows: int
    events: int
    payload: bytes | None = field(default=None, repr=False)
    decided: tuple[RowOutcome, ...] = ()


@dataclass(slots=True)
class _Lane:
    texts: list[bytes] = field(default_factory=list)
    lines: list[tuple[int, ...]] = field(default_factory=list)
    turns: list[int] = field(default_factory=list)
    rows: int = 0


class _Packed(msgspec.Struct):
    lines: list[list[int]]
    events: list[msgspec.Raw]


_PACKED = msgspec.json.Decoder(_Packed)


class Cutter:
    """Takes the items of a file one after the other, and gives chunks as they are full."""

    def __init__(
        self, *, lanes: int = LANES, chunk_events: int = CHUNK_EVENTS, chunk_decided: int = CHUNK_DECIDED
    ) -> None:
        self.rows = 0
        self._lanes = [_Lane() for _ in range(lanes)]
        self._chunk_events = chunk_events
        self._chunk_decided = chunk_decided
        self._decided: list[RowOutcome] = []
        self._seen = bytearray()  # one bit a line
        self._cut = False
        self._turn = 0

    def add(self, item: Item) -> NewChunk | None:
        """A chunk where one is full with this item. Raises ImportUnreconciled where a row comes twice."""
        return self.add_cut(cut(item) if isinstance(item, Ride) else item)

    def add_cut(self, item: Cut | RowOutcome) -> NewChunk | None:
        """The same of a ride that is cut already."""
        if isinstance(item, RowOutcome):
            self._mark((item.line,))
            self._decided.append(item)
            return self._decided_chunk() if len(self._decided) >= self._chunk_decided else None
        self._mark(item.lines)
        number = item.lane % len(self._lanes)
        lane = self._lanes[number]
        lane.texts.append(item.text)
        lane.lines.append(item.lines)
        lane.turns.append(self._turn)
        lane.rows += len(item.lines)
        self._turn += 1
        return self._lane_chunk(number) if len(lane.texts) >= self._chunk_events else None

    def rest(self) -> Iterator[NewChunk]:
        """What is left over at the end of the file; a small file is one chunk."""
        if self._decided:
            yield self._decided_chunk()
        if not self._cut and sum(len(lane.texts) for lane in self._lanes) <= self._chunk_events:
            self._join()
        for number, lane in enumerate(self._lanes):
            if lane.texts:
                yield self._lane_chunk(number)

    def _mark(self, lines: Lines) -> None:
        for line in lines:
            place, bit = line >> 3, 1 << (line & 7)
            if place >= len(self._seen):
                self._seen.extend(bytes(max(8_192, place + 1 - len(self._seen))))
            if self._seen[place] & bit:
                raise ImportUnreconciled(why=f"line {line} has two outcomes")
            self._seen[place] |= bit
        self.rows += len(lines)

    def _decided_chunk(self) -> NewChunk:
        decided, self._decided = tuple(self._decided), []
        return NewChunk(lane=0, rows=len(decided), events=0, decided=decided)

    def _lane_chunk(self, number: int) -> NewChunk:
        lane, self._lanes[number] = self._lanes[number], _Lane()
        self._cut = True
        return NewChunk(
            lane=number, rows=lane.rows, events=len(lane.texts), payload=packed(lane.texts, lane.lines)
        )

    def _join(self) -> None:
        """All lanes as one, in the order of the file."""
        everything = sorted(
            (turn, text, lines)
            for lane in self._lanes
            for turn, text, lines in zip(lane.turns, lane.texts, lane.lines, strict=True)
        )
        rows = sum(lane.rows for lane in self._lanes)
        self._lanes = [_Lane() for _ in self._lanes]
        self._lanes[0] = _Lane(
            texts=[text for _, text, _ in everything],
            lines=[lines for _, _, lines in everything],
            turns=[turn for turn, _, _ in everything],
            rows=rows,
        )


def packed(texts: Sequence[bytes], lines: Sequence[Lines]) -> bytes:
    """Events, each as its JSON, and their lines, as a payload is stored."""
    body = b'{"lines":' + orjson.dumps(lines) + b',"events":[' + b",".join(texts) + b"]}"
    return zlib.compress(body, _LEVEL)


def read_events(payload: bytes) -> tuple[list[IncomingEvent | Payload], list[list[int]]]:
    """The events of a payload, read from their bytes at once, and the lines of each. What is no event is
    handed on as it was delivered: crediting it says why."""
    told = _PACKED.decode(zlib.decompress(payload))
    return [_event(text) for text in told.events], told.lines


def _event(text: msgspec.Raw) -> IncomingEvent | Payload:
    try:
        return decode_event(bytes(text))
    except EventInvalid:
        found: Payload = orjson.loads(bytes(text))
        return found


def unpacked(payload: bytes) -> tuple[list[dict[str, Any]], list[list[int]]]:
    """The events of a payload, and the lines of each."""
    told = orjson.loads(zlib.decompress(payload))
    return told["events"], told["lines"]
