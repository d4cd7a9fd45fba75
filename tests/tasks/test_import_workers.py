"""An uploaded file, three real workers and RabbitMQ: shared, one of them killed, nothing twice or lost."""

import signal
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa

from carbon_credit.imports.jobs.opening import UPLOAD, open_job
from carbon_credit.imports.jobs.uploads import add_part
from carbon_credit.kernel import clock
from carbon_credit.kernel.db import Database
from carbon_credit.kernel.unit_of_work import transact, unit_of_work
from tests.flows.conftest import findings
from tests.imports.driver import Driver, rides, write
from tests.tasks.test_worker import queue, start_worker, wait_until
from tests.world import World

__all__ = ["queue", "start_worker"]  # fixtures


def chunks_done(database: Database) -> int:
    with unit_of_work(database, read_only=True) as session:
        return int(
            session.scalar(sa.text("SELECT count(*) FROM import_chunk WHERE done_at IS NOT NULL")) or 0
        )


@pytest.mark.long
def test_three_workers_share_an_upload_and_one_is_killed(
    postgresql_database: Database, start_worker: Callable[[], subprocess.Popen[bytes]], tmp_path: Path
) -> None:
    database = postgresql_database
    driver = Driver(World(database, people=12))
    path = write(tmp_path / "rides.csv", rides(12_000, people=12))
    delivery = replace(driver.delivery(path), source=UPLOAD)
    known, _new = transact(
        database,
        lambda session: open_job(session, delivery=delivery, created_by="partner:test", now=clock.now()),
    )
    transact(
        database,
        lambda session: add_part(
            session, job_id=known.id, first_byte=0, body=path.read_bytes(), now=clock.now()
        ),
    )
    workers = [start_worker() for _ in range(3)]
    log = tmp_path / "worker.log"
    assert wait_until(lambda: chunks_done(database) > 0, 120), log.read_text()
    workers[0].send_signal(signal.SIGKILL)
    workers[0].wait(30)
    assert wait_until(lambda: driver.job(known.id).state == "done", 240), log.read_text()
    told = driver.counts(known.id)
    assert (told.rows, told.credited) == (12_000, 12_000)
    assert findings(database) == []
