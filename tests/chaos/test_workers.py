"""Celery workers in the middle of an import: one is killed, or the broker forgets everything."""

import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest
import redis

from tests.chaos.conftest import Rehearsal
from tests.chaos.rehearsal import PATIENCE_S, City
from tests.chaos.servers import own_redis
from tests.chaos.test_hosts import running
from tests.chaos.test_kills import dies, finished
from tests.chaos.test_servers import until
from tests.tasks.test_worker import BROKER, queue  # noqa: F401

pytestmark = pytest.mark.long

WORKER = ("worker", "--beat", "--concurrency", "1")


def test_a_worker_is_killed_in_the_middle(everyday: Rehearsal, tmp_path: Path, queue: str) -> None:  # noqa: F811
    with everyday.copy(tmp_path) as copy:
        city = replace(copy, environ={"CELERY_BROKER_URL": BROKER, "CELERY_QUEUE": queue})
        # It has read the file and died at its first batch: the rest is for workers to find.
        dies(city, ("claims", 1))
        with running(city, WORKER) as victim:
            until(lambda: city.rows_done() > everyday.rides // 5)
            os.killpg(victim.pid, signal.SIGKILL)
            victim.wait(PATIENCE_S)
        assert city.states() == ["crediting"], "it was over before the worker died"
        with running(city, WORKER):
            until(lambda: city.states() == ["done"])
        finished(city, everyday)


def test_redis_is_emptied_in_the_middle(everyday: Rehearsal, tmp_path: Path) -> None:
    with everyday.copy(tmp_path) as copy, own_redis() as address:
        city = replace(copy, environ={"CELERY_BROKER_URL": address, "REDIS_URL": address})
        dies(city, ("claims", 1))
        with running(city, WORKER):
            until(lambda: city.rows_done() > everyday.rides // 5)
            redis.Redis.from_url(address).flushall()
            done = ended(city, 30)
        if not done:
            # A worker whose queue was forgotten may wait for what nobody sends: started anew it asks.
            with running(city, WORKER):
                until(lambda: city.states() == ["done"])
        finished(city, everyday)


def ended(city: City, seconds: float) -> bool:
    """Whether the import comes to its end in so many seconds."""
    try:
        until(lambda: city.states() == ["done"], seconds)
    except AssertionError:
        return False
    return True
