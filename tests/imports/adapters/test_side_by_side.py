"""A long file read by several processes is the file that one process reads."""

import gzip
import os
import signal
from collections.abc import Iterator
from concurrent.futures.process import BrokenProcessPool
from datetime import UTC, datetime
from multiprocessing import active_children
from pathlib import Path

import pytest

from carbon_credit.imports.adapters import make_adapter
from carbon_credit.imports.adapters.side_by_side import cuts
from carbon_credit.imports.errors import FileTruncated, LineTooLong
from carbon_credit.imports.formats import open_rows, packing
from carbon_credit.imports.jobs.chunks import Cutter, NewChunk
from carbon_credit.imports.rows import Cut, RowOutcome

NOW = datetime(2026, 11, 22, tzinfo=UTC)
HEADER = "ride_id,type,card,started_at,distance_m\n"


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    # Of a few kilobytes, so that a small file has many portions; a megabyte of it would take seconds.
    monkeypatch.setattr(packing, "BLOCK_BYTES", 2_000)


def lines(number: int) -> Iterator[str]:
    for place in range(number):
        metres = "9.5km" if place % 50 == 7 else str(place)  # no number: refused, and in no total
        card = "" if place % 70 == 3 else f"CARD-{place % 90}"
        yield f"R-{place},metro,{card},2026-11-21T{place % 24:02}:{place % 60:02}:11+08:00,{metres}\n"
        if place % 400 == 9:
            yield "\n"
            yield "too,few\n"


def written(folder: Path, text: str) -> Path:
    path = folder / "rides.csv"
    path.write_text(text, encoding="utf-8")
    return path


def read(path: Path, readers: int) -> tuple[list[Cut | RowOutcome], dict[str, int | str], int]:
    adapter, source = make_adapter("generic-ride"), open_rows(path)
    items = list(cuts(adapter, source, now=NOW, readers=readers))
    return items, adapter.totals, source.rows


def chunks(items: list[Cut | RowOutcome]) -> list[NewChunk]:
    cutter = Cutter(chunk_events=100, chunk_decided=10)
    full = [cutter.add_cut(item) for item in items]
    return [*filter(None, full), *cutter.rest()]


@pytest.mark.parametrize("number", [0, 1, 40, 3000])
def test_it_makes_no_difference_how_many_read(tmp_path: Path, number: int) -> None:
    path = written(tmp_path, HEADER + "".join(lines(number)))
    alone = read(path, 1)
    assert len(alone[0]) == alone[2] == alone[1]["rows"] >= number
    together = read(path, 3)
    assert together == alone
    assert chunks(together[0]) == chunks(alone[0])


def test_what_spoils_a_file_spoils_it_for_several_too(tmp_path: Path) -> None:
    too_long = written(tmp_path, HEADER + "".join(lines(3000)) + "x" * 70_000)
    with pytest.raises(LineTooLong) as alone:
        read(too_long, 1)
    with pytest.raises(LineTooLong) as together:
        read(too_long, 2)
    assert together.value.details == alone.value.details


def test_a_packed_file_that_breaks_off_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "rides.csv.gz"
    path.write_bytes(gzip.compress((HEADER + "".join(lines(3000))).encode())[:-20])
    with pytest.raises(FileTruncated):
        read(path, 2)


def test_a_reader_that_is_killed_does_not_go_unnoticed(tmp_path: Path) -> None:
    path = written(tmp_path, HEADER + "".join(lines(3000)))
    reading = cuts(make_adapter("generic-ride"), open_rows(path), now=NOW, readers=2)
    next(reading)
    for one in children():
        os.kill(one, signal.SIGKILL)
    with pytest.raises(BrokenProcessPool):
        list(reading)


def children() -> list[int]:
    """The processes that read for this one."""
    return [one.pid for one in active_children() if one.pid is not None]
