"""Pairing of millions of swipes: flat memory, nothing left on disk, full disks said."""

import errno
import os
import subprocess
import sys
import tracemalloc
from datetime import UTC, datetime
from pathlib import Path

import pytest

from carbon_credit.imports import spill
from carbon_credit.imports.adapters import make_adapter
from carbon_credit.imports.formats import open_rows
from carbon_credit.imports.rows import Ride
from carbon_credit.imports.spill import SwipeSpill
from carbon_credit.methodology.network import Network

NETWORK = Network.from_csv("from_station,to_station,metres\n甲,乙,1000\n".encode())
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def swipes(path: Path, rides: int, *, cards: int) -> Path:
    """Rides of two minutes, one after the other on each card; entries first, then exits."""
    with path.open("w", encoding="utf-8") as out:
        out.write("card_no,deal_date,deal_type,station\n")
        for kind, station, second in (("地铁入站", "甲", 0), ("地铁出站", "乙", 30)):
            for ride in range(rides):
                minute = ride // cards % 1_440
                day = 1 + ride // cards // 1_440
                at = f"2018-09-{day:02d} {minute // 60:02d}:{minute % 60:02d}:{second:02d}"
                out.write(f"C{ride % cards:06d},{at},{kind},{station}\n")
    return path


def peak(path: Path, rides: int) -> int:
    adapter = make_adapter("shenzhen-card", network=NETWORK)
    tracemalloc.start()
    try:
        found = sum(1 for item in adapter.items(open_rows(path), now=NOW) if isinstance(item, Ride))
        assert found == rides
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_ten_times_the_swipes_take_no_more_memory(tmp_path: Path) -> None:
    # What is remembered besides swipes (minutes and their offsets, a portion on its way to disk) is a few
    # megabytes whatever the file; the swipes themselves would be five more.
    few = peak(swipes(tmp_path / "few", 600, cards=500), 600)
    assert peak(swipes(tmp_path / "many", 6_000, cards=5_000), 6_000) < few + 5_000_000
    # One card with everything: what a test terminal or a broken export sends.
    assert peak(swipes(tmp_path / "hot", 6_000, cards=1), 6_000) < few + 5_000_000


def test_swipes_have_no_name_on_disk(tmp_path: Path) -> None:
    # Another process, because SQLite reads the folder from the environment of its process once.
    program = (
        "import os, sys\n"
        "from carbon_credit.imports.spill import SwipeSpill\n"
        "spill = SwipeSpill()\n"
        "for n in range(60):\n"
        "    spill.put([(f'CARD-{n}-{m}', m, 1, 'x' * 20, 'x' * 20, m) for m in range(5000)])\n"
        "links = [f'/proc/self/fd/{fd}' for fd in os.listdir('/proc/self/fd')]\n"
        "here = [os.readlink(link) for link in links if os.path.islink(link)]\n"
        "print(os.listdir(sys.argv[1]), sum(sys.argv[1] in one and '(deleted)' in one for one in here))\n"
    )
    environment = os.environ | {"SQLITE_TMPDIR": str(tmp_path)}
    told = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)],
        env=environment,
        capture_output=True,
        check=True,
        text=True,
    )
    # Larger than its memory, so there is a file; and the folder is empty.
    assert told.stdout.split() == ["[]", "1"]


def test_a_full_disk_is_an_error_of_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = spill.nameless

    def small() -> object:
        base = whole()
        base.execute("PRAGMA max_page_count = 20")
        return base

    monkeypatch.setattr(spill, "nameless", small)
    room = SwipeSpill()
    with pytest.raises(OSError, match="SQLITE_TMPDIR") as caught:
        room.put((f"C{n}", n, 1, "place", "place", n) for n in range(100_000))
    assert caught.value.errno == errno.ENOSPC
    room.close()
