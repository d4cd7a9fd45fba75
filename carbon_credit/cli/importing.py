"""What the import commands share: this process as a runner of jobs, helpers beside it, the summary."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from carbon_credit.cli.context import Installation, stderr
from carbon_credit.imports.jobs.errors import ImportCancelled, ImportStagingLost
from carbon_credit.imports.jobs.problems import problem_of
from carbon_credit.imports.jobs.records import JobRecord, counts, job, replaced_by
from carbon_credit.imports.jobs.states import ENDED
from carbon_credit.kernel.errors import Busy
from carbon_credit.kernel.quantity import grams_text
from carbon_credit.sweeps.importing import Hands, credit_all
from carbon_credit.tasks import hands_of as process_hands

POLL_S = 0.2  # float ok: seconds to wait
PATIENCE = 30  # times that a busy database is asked again, a second apart
DOOR = "from carbon_credit.cli.main import main; main()"


def hands_of(here: Installation) -> Hands:
    """This process, as a runner of import jobs."""
    return process_hands(here.database)


def is_gone(holder: str | None) -> bool:
    """Whether a run that held a file is known to be dead: a process of this host that is no more."""
    host, _, pid = (holder or "").rpartition(":")
    if host != socket.gethostname() or not pid.isdigit():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False


def load(here: Installation, job_id: UUID) -> JobRecord:
    """The job as it is now."""
    return here.look(lambda session, _now: job(session, job_id=job_id))


@contextmanager
def helpers(here: Installation, job_id: UUID, number: int) -> Iterator[list[subprocess.Popen[bytes]]]:
    """`number` more processes that credit the job's chunks; they start now, to be warm by then."""
    command = [sys.executable, "-c", DOOR, "imports", "work", str(job_id), "--parent", str(os.getpid())]
    started = [subprocess.Popen(command, stdout=subprocess.DEVNULL) for _ in range(number)]  # noqa: S603  ourselves
    try:
        yield started
    finally:
        for one in started:
            if load(here, job_id).state not in ENDED:
                one.terminate()
            one.wait()


def credit_until_ended(
    here: Installation,
    job_id: UUID,
    *,
    progress: Callable[[int], None] | None = None,
    go_on: Callable[[], bool] = lambda: True,
) -> JobRecord:
    """Credit what this process can have, and wait for what others hold, until the job has ended.

    Raises what refused or stopped the job, and ImportCancelled. A database that is away is waited for.
    """
    hands, busy, told = hands_of(here), 0, 0

    def rows_done(_rows: int = 0) -> None:
        nonlocal told
        if progress is not None:
            now = here.look(lambda session, _now: counts(session, job_id=job_id)).rows
            progress(now - told)
            told = now

    while go_on():
        try:
            known = load(here, job_id)
            if known.state == "crediting":
                rows_done()
            if known.state in ("crediting", "withdrawing"):
                credit_all(hands, job_id=job_id, done=rows_done, go_on=go_on)
                known = load(here, job_id)
            if known.state in ENDED or known.state == "failed":
                rows_done()
                return _ended(known)
            busy = 0
        except Busy as error:
            busy += 1
            if busy > PATIENCE:
                raise
            stderr.print(f"[yellow]{error.code}: waiting for the database …[/]")
            time.sleep(1)
            continue
        time.sleep(POLL_S)
    return load(here, job_id)


def wait_to_read(here: Installation, known: JobRecord, read: Callable[[JobRecord, bool], bool]) -> None:
    """Have the file read, by `read(job, take over)` or by another run that is at it."""
    waiting = False
    while known.state in ("received", "staging"):
        try:
            if read(known, is_gone(known.holder)):
                return
        except ImportStagingLost:
            pass  # another run is at it now
        if not waiting:
            stderr.print(
                f"Another run ({known.holder}) is reading this file: waiting for it.", highlight=False
            )
            waiting = True
        time.sleep(POLL_S)
        known = load(here, known.id)
    _ended(known)


def summary(here: Installation, job_id: UUID) -> dict[str, Any]:
    """What became of a job, JSON-able: its counts, and which job it is."""

    def told(session: Session, _now: datetime) -> dict[str, Any]:
        known, found = job(session, job_id=job_id), counts(session, job_id=job_id)
        return {
            **found.as_dict(),
            "withdrawn": known.withdrawn,
            "import": str(known.id),
            "state": known.state,
            "replaces": str(known.replaces_id) if known.replaces_id else None,
            "replaced_by": _text(replaced_by(session, job_id=job_id)),
        }

    return here.look(told)


def say(told: dict[str, Any]) -> None:
    """The summary for people."""
    names = [name for name, value in told.items() if isinstance(value, int) and name != "co2e_mg"]
    always = ("rows", "credited_rows", "credited", "held", "rejected", "duplicate")
    shown = [name for name in names if name in always or told[name]]
    stderr.print("  ".join(f"{name} {told[name]:,}" for name in shown))
    stderr.print(f"{grams_text(told['co2e_mg'])} g credited.")


def _ended(known: JobRecord) -> JobRecord:
    problem = problem_of(known)
    if problem is not None:
        raise problem
    if known.state == "cancelled":
        raise ImportCancelled(id=str(known.id))
    return known


def _text(value: UUID | None) -> str | None:
    return str(value) if value else None
