"""Servers that go away or fill up in the middle of an import; then it is run again to its end."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.chaos.conftest import Rehearsal
from tests.chaos.rehearsal import PATIENCE_S
from tests.chaos.servers import own_postgresql, small_disk
from tests.chaos.test_kills import finished

DISK_MB = 400


@pytest.mark.long
def test_postgresql_goes_down_in_the_middle(everyday: Rehearsal, tmp_path: Path) -> None:
    with own_postgresql() as server:
        city = everyday.moved(server, tmp_path)
        process = city.start(*city.importing(workers=2))
        until(lambda: city.rows_done() > everyday.rides // 5)
        server.stop("immediate")
        assert not server.is_up()
        server.start()
        process.wait(PATIENCE_S)
        finished(city, everyday)


@pytest.mark.long
def test_the_disk_is_full_in_the_middle(everyday: Rehearsal, tmp_path: Path) -> None:
    with small_disk(DISK_MB) as disk, own_postgresql(folder=disk) as server:
        city = everyday.moved(server, tmp_path)
        log, ballast = disk / "log.txt", disk / "ballast"
        process = city.start(*city.importing(workers=2))
        until(lambda: city.rows_done() > everyday.rides // 5)
        fill(ballast)
        until(lambda: "No space left on device" in log.read_text())
        time.sleep(1)
        ballast.unlink()
        process.kill()
        process.wait(PATIENCE_S)
        if not server.is_up():
            server.start()  # it stops where even its log has no room
        finished(city, everyday)


def fill(ballast: Path) -> None:
    """Leave no room on the file system of this file."""
    with ballast.open("wb", buffering=0) as file:
        for size in (1 << 20, 1 << 12):
            try:
                while True:
                    file.write(b"\0" * size)
            except OSError:
                continue


def until(done: Callable[[], bool], patience_s: float = PATIENCE_S) -> None:
    """Wait until it is so."""
    end = time.monotonic() + patience_s
    while not done():
        assert time.monotonic() < end, "it never came to that"
        time.sleep(0.01)
