"""Celery: the sweeps on a schedule. Queues and beat on one screen.

A task says only which sweep; the work itself is found in the database. Tasks may run twice or be
lost without harm.
"""

import logging
import os
import socket
from collections.abc import Callable
from datetime import datetime
from typing import TypeVar

from celery import Celery
from sqlalchemy.orm import Session

from carbon_credit.kernel import clock
from carbon_credit.kernel.db import Database
from carbon_credit.kernel.errors import Busy
from carbon_credit.kernel.settings import Settings
from carbon_credit.kernel.unit_of_work import transact, unit_of_work
from carbon_credit.sweeps import SWEEPS, Sweep
from carbon_credit.sweeps.importing import Hands

T = TypeVar("T")
_log = logging.getLogger(__name__)

MAX_BATCHES = 200  # then the next beat goes on: a task stays short


def create_celery(settings: Settings, *, database: Database | None = None) -> Celery:
    """The Celery application of this installation; without a broker, tasks run in process.

    `database`: what tasks work on that run in this process. A worker opens its own when it first needs it.
    """
    app = Celery("carbon_credit", broker=settings.celery_broker_url or "memory://")
    app.conf.update(
        task_always_eager=settings.celery_broker_url is None,
        task_acks_late=True,
        task_ignore_result=True,
        task_default_queue=settings.celery_queue,
        worker_prefetch_multiplier=1,
        worker_hijack_root_logger=False,
        broker_connection_retry_on_startup=True,
        timezone="UTC",
        beat_schedule={
            f"sweep-{sweep.name}": {
                "task": "carbon_credit.sweep",
                "schedule": sweep.every_s,
                "kwargs": {"name": sweep.name},
                "options": {"expires": sweep.every_s},
            }
            for sweep in SWEEPS.values()
        },
    )

    # Not shared: two applications in one process must not sweep each other's database.
    @app.task(name="carbon_credit.sweep", shared=False)
    def sweep_task(*, name: str) -> int:
        nonlocal database
        # Opened in the worker process that runs the task: connections do not survive a fork.
        database = database or Database(settings)
        try:
            return run_sweep(database, SWEEPS[name])
        except Busy as error:
            # What is due stays due: the next beat finds it.
            _log.warning("sweep %s is put off: %s", name, error.code)
            return 0

    return app


def run_sweep(database: Database, sweep: Sweep) -> int:
    """Batches of the sweep until there is nothing left (or enough for now); how much was done."""
    total = 0 if sweep.work is None else sweep.work(hands_of(database))
    for _ in range(MAX_BATCHES):
        now = clock.now()
        done = transact(database, lambda session: sweep.batch(session, now, sweep.limit))  # noqa: B023
        total += done
        if done < sweep.limit:
            break
    return total


def hands_of(database: Database) -> Hands:
    """This process, as one that does work of many steps: each step in a unit of work of its own."""

    def act(deed: Callable[[Session, datetime], T], /) -> T:
        now = clock.now()
        return transact(database, lambda session: deed(session, now))

    def look(deed: Callable[[Session, datetime], T], /) -> T:
        with unit_of_work(database, read_only=True) as session:
            return deed(session, clock.now())

    return Hands(act, look, clock.now, f"{socket.gethostname()}:{os.getpid()}")
