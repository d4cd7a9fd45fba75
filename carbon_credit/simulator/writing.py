"""Simulated deliveries as files: NDJSON of events, or rows as operators export them.

A file is written under another name and put in place whole; then its control file; the `.ok` marker last,
as operators do it over SFTP.
"""

import csv
import gzip
import hashlib
import io
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, BinaryIO, cast

import orjson

from carbon_credit.simulator.crowd import METER, RIDES, Delivery

_FLUSH_AT = 1_000  # rows that are written at once
Rows = Callable[[Delivery], Iterator[tuple[object, ...]]]


@dataclass(slots=True)
class Written:
    """What stands in a file: data rows, sums by column, SHA-256 of its bytes."""

    path: Path
    rows: int = 0
    sums: dict[str, int | str] = field(default_factory=dict)
    sha256: str = ""

    def control(self) -> dict[str, object]:
        """As the control file says it."""
        return {"rows": self.rows, "sums": self.sums, "sha256": self.sha256}


@dataclass(frozen=True, slots=True)
class Layout:
    """How rows look. `types`: what it can say. `summed`: place of the column whose sum is told, and what the
    mapping that reads such files calls it."""

    columns: tuple[str, ...]
    rows: Rows
    types: tuple[str, ...]
    summed: tuple[int, str] | None = None


def write_file(
    path: Path,
    deliveries: Iterable[Delivery],
    *,
    layout: str,
    control: bool = False,
    wrote: Callable[[int], None] = lambda _rows: None,
) -> Written:
    """Write deliveries that the layout can say. `.gz` and `.zst` are packed. .zst needs the extra `files`.

    `control`: also write `PATH.ctl` (JSON: rows, sums, sha256) and, last, the empty `PATH.ok`.
    """
    told = Written(path)
    part = path.with_name(path.name + ".part")
    with _packed(part, path.suffix) as (out, digest):
        portions = (
            _ndjson(deliveries, told) if layout == "events" else _csv(deliveries, told, LAYOUTS[layout])
        )
        for portion, rows in portions:
            out.write(portion)
            wrote(rows)
    told.sha256 = digest.hexdigest()
    os.replace(part, path)
    if control:
        path.with_name(path.name + ".ctl").write_bytes(orjson.dumps(told.control()) + b"\n")
        path.with_name(path.name + ".ok").touch()
    return told


def sayable(deliveries: Iterable[Delivery], *, layout: str) -> Iterator[Delivery]:
    """Those that the layout can say. A gate writes no ids and no distances: of what can be wrong it can say
    only a card that nobody knows, and two contents of one id are two rides there."""
    if layout != "swipes":
        yield from deliveries
        return
    for one in deliveries:
        if one.kind in ("good", "late", "duplicate") or one.fault == "unlinked":
            yield one


def _ndjson(deliveries: Iterable[Delivery], told: Written) -> Iterator[tuple[bytes, int]]:
    lines: list[bytes] = []
    for one in deliveries:
        lines.append(orjson.dumps(one.event))
        if len(lines) == _FLUSH_AT:
            told.rows += len(lines)
            yield b"\n".join([*lines, b""]), len(lines)
            lines.clear()
    told.rows += len(lines)
    yield b"\n".join([*lines, b""]) if lines else b"", len(lines)


def _csv(deliveries: Iterable[Delivery], told: Written, layout: Layout) -> Iterator[tuple[bytes, int]]:
    page = io.StringIO(newline="")
    writer = csv.writer(page, lineterminator="\n")
    writer.writerow(layout.columns)
    total: int | Decimal = 0
    waiting = 0
    for one in deliveries:
        for row in layout.rows(one):
            writer.writerow(row)
            waiting += 1
            if layout.summed is not None:
                total += _number(row[layout.summed[0]])
        if waiting >= _FLUSH_AT:
            told.rows += waiting
            yield page.getvalue().encode(), waiting
            page.seek(0)
            page.truncate()
            waiting = 0
    told.rows += waiting
    if layout.summed is not None:
        told.sums[layout.summed[1]] = total if isinstance(total, int) else format(total, "f")
    yield page.getvalue().encode(), waiting


def _number(value: object) -> int | Decimal:
    # What is spoilt on purpose counts as nothing, as it does for whoever adds the column up.
    if isinstance(value, int):
        return value
    try:
        return Decimal(str(value))
    except InvalidOperation:
        return 0


def _ride(one: Delivery) -> Iterator[tuple[object, ...]]:
    event: Mapping[str, Any] = one.event
    data = event["data"]
    mode, link = event["type"].removesuffix(".ride"), event["citizen"]["link"]
    span = _local(event["occurred_at"]), _local(event["ended_at"])
    places = data.get("origin", ""), data.get("destination", "")
    metres = data["distance_m"], data["distance_source"]
    yield event["id"], mode, link["kind"], link["value"], *span, *places, *metres


def _swipes(one: Delivery) -> Iterator[tuple[object, ...]]:
    event: Mapping[str, Any] = one.event
    data, card = event["data"], event["citizen"]["link"]["value"]
    day = event["occurred_at"][:10]
    for at, kind, gate, station in (
        (event["occurred_at"], "地铁入站", "IGT", data["origin"]),
        (event["ended_at"], "地铁出站", "OGT", data["destination"]),
    ):
        closed = f"{day} 00:00:00"
        yield card, _local(at), kind, 0, 0, "263000000", "地铁", station, f"{gate}-101", 0, closed


def _reading(one: Delivery) -> Iterator[tuple[object, ...]]:
    event: Mapping[str, Any] = one.event
    data, meter = event["data"], event["citizen"]["link"]["value"]
    span = event["occurred_at"][:10], event["ended_at"][:10]
    yield event["id"], meter, *span, _kwh(data["energy_wh"]), _kwh(data["baseline_wh"])


def _kwh(value: object) -> object:
    return f"{value // 1000}.{value % 1000:03d}" if isinstance(value, int) and value >= 0 else value


def _local(instant: str) -> str:
    return f"{instant[:10]} {instant[11:19]}"


LAYOUTS = {
    "rides": Layout(
        (
            *("ride_id", "mode", "link_kind", "card", "started_at", "ended_at", "origin", "destination"),
            *("distance_m", "distance_source"),
        ),
        _ride,
        RIDES,
        (8, "metres"),
    ),
    "swipes": Layout(
        (
            *("card_no", "deal_date", "deal_type", "deal_money", "deal_value", "equ_no"),
            *("company_name", "station", "car_no", "conn_mark", "close_date"),
        ),
        _swipes,
        ("metro.ride",),
    ),
    "electricity": Layout(
        ("reading_id", "meter_no", "period_start", "period_end", "energy_kwh", "baseline_kwh"),
        _reading,
        (METER,),
        (4, "used"),
    ),
}


class _Hashed(io.RawIOBase):
    """A file that knows the digest of what was written to it."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("wb")
        self.digest = hashlib.sha256()

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self.digest.update(data)
        return self._file.write(data)

    def close(self) -> None:
        self._file.close()
        super().close()


@contextmanager
def _packed(path: Path, suffix: str) -> Iterator[tuple[BinaryIO, Any]]:
    """Where to write, and the digest of the bytes as they stand in the file."""
    with ExitStack() as stack:
        hashed = stack.enter_context(_Hashed(path))
        raw = cast("BinaryIO", hashed)
        if suffix == ".gz":
            # No name and no time in the header: the same deliveries are the same bytes.
            raw = cast("BinaryIO", stack.enter_context(gzip.GzipFile("", "wb", 1, raw, mtime=0)))
        elif suffix == ".zst":
            import zstandard  # lazy: an extra, only for this suffix

            packer = zstandard.ZstdCompressor(3).stream_writer(raw, closefd=False)
            raw = cast("BinaryIO", stack.enter_context(packer))
        yield raw, hashed.digest
