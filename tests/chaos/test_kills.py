"""`import`, killed with -9: at each named point of a transaction, and at random; then run to its end.

Whatever was killed, each row of the file has one outcome, and every count, balance and tally is what an
undisturbed import makes it.
"""

import os
import random
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import pytest

from tests.chaos.conftest import Rehearsal
from tests.chaos.dying import POINTS
from tests.chaos.rehearsal import PATIENCE_S, City

KILLS = int(os.environ.get("CHAOS_KILLS", 50))
WARMING_S = 3.0  # a moment at random begins when the process is about to work


def test_killed_at_each_point_of_a_transaction(everyday: Rehearsal, tmp_path: Path) -> None:
    with everyday.copy(tmp_path) as city:
        # The first or the second time that it comes past, so that something is done between the deaths.
        dies(city, *((point, 1 + place % 2) for place, point in enumerate(POINTS)))
        finished(city, everyday)


@pytest.mark.long
def test_killed_at_random(long: Rehearsal, tmp_path: Path) -> None:
    chance = random.Random(20_231_118)
    killed = copies = 0
    # A fast machine is at the end of the file before so many have died: then another city begins.
    while killed < KILLS and copies < KILLS:
        copies += 1
        folder = tmp_path / str(copies)
        folder.mkdir()
        with long.copy(folder) as city:
            while killed < KILLS and city.states() != ["done"]:
                if killed < len(POINTS):
                    dies(city, (POINTS[killed], chance.randint(1, 3)))
                    killed += 1
                else:
                    after = city.rows_done() + chance.randrange(2 * long.rides // KILLS)
                    killed += is_killed(city, after, chance)
            finished(city, long)
    assert killed == KILLS, f"only {killed} of {KILLS} came while it ran"


def dies(city: City, *points: tuple[str, int]) -> None:
    """One process imports, and dies where it comes past a point for so many times; then the next."""
    doom = [f"{point}:{turn}" for point, turn in points]
    process = city.start(*city.importing(workers=1), doom=doom)
    assert process.wait(PATIENCE_S) == 0, (city.folder / "stderr.txt").read_text()


def is_killed(city: City, after: int, chance: random.Random) -> bool:
    """Two processes import; one of them, or both, are killed some moment after so many rows are done."""
    process = city.start(*city.importing(workers=2))
    begin = time.monotonic()
    while process.poll() is None and city.rows_done() < after and time.monotonic() - begin < PATIENCE_S:
        time.sleep(0.02)
    warm = max(0.0, WARMING_S - (time.monotonic() - begin))
    time.sleep(warm + chance.uniform(0, 0.5))
    victims = [process.pid, *children(process.pid)]
    alive = process.poll() is None
    if chance.random() < 0.5:
        # A helper alone: the others go on, until the next death.
        victims = [chance.choice(victims)]
    for victim in victims:
        kill(victim)
    if process.pid not in victims:
        time.sleep(chance.uniform(0, 0.3))
        kill(process.pid)
    process.wait(PATIENCE_S)
    return alive


def children(parent: int) -> list[int]:
    """The processes that a process has started."""
    found = subprocess.run(["ps", "-o", "pid=", "--ppid", str(parent)], capture_output=True, text=True)
    return [int(one) for one in found.stdout.split()]


def kill(process: int) -> None:
    """With -9; one that has ended is no fault."""
    with suppress(ProcessLookupError):
        os.kill(process, signal.SIGKILL)


def finished(city: City, rehearsal: Rehearsal) -> None:
    """Run to the end, if it is not there yet, and nothing shows that anything ever died."""
    if city.states() != ["done"]:
        told = city.run(*city.importing(workers=2))
        assert told["rows"] == rehearsal.rides
    assert city.totals() == rehearsal.undisturbed
    city.audit()
