"""A real worker with beat, on RabbitMQ and PostgreSQL: what is due is found, whatever becomes of messages."""

import os
import shutil
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from celery import Celery
from kombu import Connection
from kombu.exceptions import OperationalError
from sqlalchemy import text

from carbon_credit.kernel.db import Database
from carbon_credit.kernel.settings import Settings
from carbon_credit.kernel.unit_of_work import unit_of_work
from carbon_credit.sweeps import SWEEPS
from carbon_credit.tasks import create_celery
from tests.conftest import missing
from tests.flows.conftest import findings, hold_a_voucher
from tests.tasks.test_tasks import world_with_points

BROKER = os.environ.get("TEST_BROKER_URL", "amqp://guest:guest@127.0.0.1:5672//")
REDIS = os.environ.get("TEST_REDIS_URL", "redis://127.0.0.1:6379/13")
# What Celery makes for itself beside our queue.
CELERY_EXCHANGES = ("celeryev", "celery.pidbox", "reply.celery.pidbox")


@pytest.fixture
def queue() -> Iterator[str]:
    """The name of a queue of this test's own; the broker is left as it was found."""
    name = f"carbon-credit-test-{uuid.uuid4().hex[:8]}"
    try:
        with Connection(BROKER, connect_timeout=3) as broker:
            broker.ensure_connection(max_retries=1)
            there = [one for one in CELERY_EXCHANGES if _exists(broker, one)]
    except (OperationalError, OSError):
        missing("no RabbitMQ at TEST_BROKER_URL")
    yield name
    with Connection(BROKER) as broker:
        channel = broker.channel()
        channel.queue_delete(name)
        for exchange in (name, *CELERY_EXCHANGES):
            if exchange not in there:
                channel.exchange_delete(exchange)


def _exists(broker: Connection, exchange: str) -> bool:
    channel = broker.channel()
    try:
        channel.exchange_declare(exchange, type="direct", passive=True)
    except channel.connection.channel_errors:
        return False
    channel.close()
    return True


@pytest.fixture
def start_worker(
    base_settings: Settings, postgresql_database: Database, queue: str, tmp_path: Path
) -> Iterator[Callable[[], subprocess.Popen[bytes]]]:
    """Starts `carbon-credit worker` as an operator does; ends it at the end."""
    shutil.copytree(base_settings.var_dir / "keys", tmp_path / "keys")
    environ = {
        **os.environ,
        "CARBON_CREDIT_VAR": str(tmp_path),
        "DATABASE_URL": postgresql_database.settings.database_url,
        "CELERY_BROKER_URL": BROKER,
        "CELERY_QUEUE": queue,
        "REDIS_URL": REDIS,
    }
    started: list[subprocess.Popen[bytes]] = []

    def start() -> subprocess.Popen[bytes]:
        code = "from carbon_credit.cli.main import main; main()"
        command = [sys.executable, "-c", code, "worker", "--concurrency", "1"]
        with (tmp_path / "worker.log").open("ab") as log:
            started.append(subprocess.Popen(command, env=environ, stdout=log, stderr=log))
        return started[-1]

    yield start
    for worker in started:
        if worker.poll() is None:
            worker.terminate()
            worker.wait(30)


def wait_until(holds: Callable[[], bool], seconds: int) -> bool:
    for _ in range(seconds * 5):
        if holds():
            return True
        time.sleep(0.2)
    return False


def states(database: Database) -> list[str]:
    with unit_of_work(database, read_only=True) as session:
        return sorted(session.scalars(text("SELECT state FROM redemption")))


@pytest.mark.long
def test_an_expired_voucher_is_swept_though_its_message_was_lost(
    postgresql_database: Database,
    queue: str,
    start_worker: Callable[[], subprocess.Popen[bytes]],
    tmp_path: Path,
) -> None:
    database = postgresql_database
    world = world_with_points(database)
    points = world.points()
    hold_a_voucher(world, points=5, ttl_s=3600)
    celery: Celery = create_celery(
        replace(database.settings, celery_broker_url=BROKER, celery_queue=queue, redis_url=REDIS)
    )
    sweep = celery.tasks["carbon_credit.sweep"]
    # The message is sent, and lost before any worker sees it.
    sweep.delay(name="redemptions")
    with celery.connection_or_acquire() as broker:
        assert broker.default_channel.queue_purge(queue) == 1
    worker = start_worker()
    log = tmp_path / "worker.log"
    assert wait_until(lambda: b"ready" in log.read_bytes(), 60), log.read_text()
    assert states(database) == ["held"]
    # Beat sends the next one.
    assert wait_until(lambda: states(database) == ["expired"], SWEEPS["redemptions"].every_s + 30), (
        log.read_text()
    )
    assert world.points() == points
    # The same message three times does no harm either.
    for name in ("redemptions", "redemptions", "redemptions", *SWEEPS):
        sweep.delay(name=name)
    done = 3 + len(SWEEPS) + 1
    assert wait_until(lambda: log.read_text().count("succeeded in") >= done, 30), log.read_text()
    assert states(database) == ["expired"]
    assert world.points() == points
    assert findings(database) == []
    assert "Traceback" not in log.read_text()
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(30) == 0, log.read_text()
    celery.close()
