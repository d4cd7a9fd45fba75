"""Several workers at one job, on PostgreSQL: nothing twice, nothing lost, killed or not."""

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import sqlalchemy as sa

from carbon_credit.imports.jobs import chunks
from carbon_credit.imports.jobs.opening import open_job
from carbon_credit.kernel.db import Database
from carbon_credit.kernel.settings import Settings
from carbon_credit.kernel.unit_of_work import unit_of_work
from carbon_credit.sweeps.importing import credit_all
from tests.flows.conftest import findings
from tests.imports.driver import Driver, rides, write
from tests.world import World

PEOPLE = 12


@pytest.fixture
def driver(postgresql_database: Database, monkeypatch: pytest.MonkeyPatch) -> Driver:
    small = {"lanes": 5, "chunk_events": 6, "chunk_decided": 4}
    monkeypatch.setattr(chunks.Cutter.__init__, "__kwdefaults__", small)
    return Driver(World(postgresql_database, people=PEOPLE))


def grams(driver: Driver) -> list[int]:
    return [driver.world.grams(person) for person in range(PEOPLE)]


def test_four_workers_share_a_job(driver: Driver, tmp_path: Path) -> None:
    path = write(tmp_path / "rides.csv", rides(200, people=PEOPLE))
    known = driver.open(path)
    driver.stage(known, path)
    shares: list[int] = []

    def work(_number: int) -> str:
        mine: list[int] = []
        state = credit_all(driver.hands, job_id=known.id, done=mine.append)
        shares.append(len(mine))
        return state

    with ThreadPoolExecutor(4) as pool:
        states = list(pool.map(work, range(4)))
    assert "done" in states, "the last one sees that it is the last"
    assert driver.job(known.id).state == "done"
    told = driver.counts(known.id)
    assert (told.rows, told.credited) == (200, 200)
    assert sum(grams(driver)) == told.co2e_mg
    assert sum(share > 0 for share in shares) > 1, "more than one had a share"
    assert findings(driver.world.database) == []


def test_the_result_is_that_of_one_worker(driver: Driver, tmp_path: Path) -> None:
    # One id with two contents: the first in the file stands, whoever works at it.
    rows = rides(120, people=PEOPLE)
    rows += [(*row[:3], row[3] + 700) for row in rows[::3]]
    known = driver.open(write(tmp_path / "rides.csv", rows))
    driver.stage(known, tmp_path / "rides.csv")
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda _: credit_all(driver.hands, job_id=known.id), range(3)))
    told = driver.counts(known.id)
    assert (told.credited, told.rejected) == (120, 40)
    assert {reason for _, _, reason in driver.rejects(known.id)} == {"event-conflict"}
    assert [line for line, _, _ in driver.rejects(known.id)] == list(range(122, 162))


def test_the_same_file_delivered_many_times_at_once_is_one_job(driver: Driver, tmp_path: Path) -> None:
    path = write(tmp_path / "rides.csv", rides(20, people=PEOPLE))
    delivery = driver.delivery(path)
    ready = threading.Barrier(8)

    def deliver(_number: int) -> tuple[object, bool]:
        ready.wait()
        known, new = driver.hands.act(
            lambda session, now: open_job(session, delivery=delivery, created_by="test", now=now)
        )
        return known.id, new

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(deliver, range(8)))
    assert len({job_id for job_id, _ in found}) == 1
    assert [new for _, new in found].count(True) == 1


def test_the_same_file_sent_again_while_it_is_credited(driver: Driver, tmp_path: Path) -> None:
    path = write(tmp_path / "rides.csv", rides(150, people=PEOPLE))
    with ThreadPoolExecutor(3) as pool:
        ended = list(pool.map(lambda _: driver.run(path), range(3)))
    assert driver.job(ended[0].id).state == "done"
    told = [driver.counts(job_id) for job_id in {one.id for one in ended}]
    assert sum(one.credited for one in told) == 150, "once, in however many jobs"
    assert sum(grams(driver)) == sum(one.co2e_mg for one in told)
    assert findings(driver.world.database) == []


def test_a_file_whose_reader_is_quicker_than_the_first(driver: Driver, tmp_path: Path) -> None:
    path = write(tmp_path / "rides.csv", rides(60, people=PEOPLE))
    known = driver.open(path)
    ready = threading.Barrier(4)

    def read(_number: int) -> bool:
        ready.wait()
        return driver.stage(known, path)

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(read, range(4)))
    assert found.count(True) == 1
    assert driver.job(known.id).rows_total == 60


@pytest.fixture
def environ(postgresql_database: Database, base_settings: Settings, tmp_path: Path) -> dict[str, str]:
    shutil.copytree(base_settings.var_dir / "keys", tmp_path / "var" / "keys")
    return {
        **os.environ,
        "CARBON_CREDIT_VAR": str(tmp_path / "var"),
        "DATABASE_URL": postgresql_database.settings.database_url,
    }


def command(environ: dict[str, str], *arguments: str) -> subprocess.Popen[bytes]:
    code = "from carbon_credit.cli.main import main; main()"
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )


def progress(database: Database) -> tuple[str, int]:
    """The state of the only job, and how many chunks are done."""
    with unit_of_work(database, read_only=True) as session:
        state = session.scalar(sa.text("SELECT state FROM import_job")) or ""
        done = session.scalar(sa.text("SELECT count(*) FROM import_chunk WHERE done_at IS NOT NULL"))
    return str(state), int(done or 0)


def kill_when(process: subprocess.Popen[bytes], database: Database, reached: object) -> None:
    for _ in range(3_000):
        state, done = progress(database)
        if reached == state or (state == "crediting" and isinstance(reached, int) and done >= reached):
            break
        if state == "done" or process.poll() is not None:
            break
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)  # its helpers, too
    process.communicate()


def test_killed_again_and_again_an_import_ends_with_the_totals_of_an_undisturbed_one(
    driver: Driver, environ: dict[str, str], tmp_path: Path
) -> None:
    database = driver.world.database
    rows = [*rides(9_000, people=PEOPLE), ("R-X", "NOBODY", rides(1)[0][2], 8300)]
    path = write(tmp_path / "rides.csv", rows)
    arguments = ["import", "--programme", "x-gd-sz", "--partner", "metro", "--adapter", "generic-ride"]
    arguments += ["--expect-rows", "9001", "--workers", "2", "--json", str(path)]
    for reached in ("staging", "crediting", 1, 3):
        kill_when(command(environ, *arguments), database, reached)
    ended = command(environ, *arguments)
    out, err = ended.communicate(timeout=300)
    assert ended.returncode == 0, err.decode()
    assert b"Going on" in err, "the same job"
    with unit_of_work(database, read_only=True) as session:
        assert session.scalar(sa.text("SELECT count(*) FROM import_job")) == 1
        (row,) = session.execute(sa.text("SELECT line, reason FROM import_reject"))
        events = session.scalar(sa.text("SELECT count(*) FROM event"))
    assert (row.line, row.reason, events) == (9_002, "unlinked", 9_000)
    assert b'"credited":9000' in out
    assert b'"rejected":1' in out
    assert findings(database) == []
