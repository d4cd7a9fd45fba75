"""Running import jobs, for the command line and tasks alike: stage a file, credit chunks, end the job.

Each step is a unit of work that the caller lends (`Hands`), so any number of processes on any number of
hosts may run the same job: what one does is found in the database by all others.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol, TypeVar
from uuid import UUID

from sqlalchemy.orm import Session

from carbon_credit.imports.adapters import Adapter
from carbon_credit.imports.adapters.side_by_side import cuts
from carbon_credit.imports.formats import open_rows
from carbon_credit.imports.jobs import crediting, opening, replacing, staging
from carbon_credit.imports.jobs.chunks import Cutter, NewChunk, unpacked
from carbon_credit.imports.jobs.errors import ImportBroken, ImportStagingLost
from carbon_credit.imports.jobs.records import JobRecord, job, payloads
from carbon_credit.kernel.errors import Broken, Busy, CarbonError, Invalid

T = TypeVar("T")
STORED_AT_ONCE = 8  # chunks
_log = logging.getLogger(__name__)


class Act(Protocol):
    """Runs a deed in one unit of work, with the clock read once."""

    def __call__(self, deed: Callable[[Session, datetime], T], /) -> T: ...


@dataclass(frozen=True, slots=True)
class Hands:
    """What an edge lends: `act` writes, `look` reads, `clock` says what time it is.

    `holder`: who that is, for other runs to see.
    """

    act: Act
    look: Act
    clock: Callable[[], datetime]
    holder: str


Enrol = Callable[[Session, datetime, list[tuple[str, str]]], None]
"""Sees to it that each of these links leads to a citizen. Rehearsals only."""

Reading = Callable[[int, int], None]
"""Told (bytes done, bytes in all) while a file is read."""


def stage(
    hands: Hands,
    *,
    known: JobRecord,
    path: Path,
    adapter: Adapter | Callable[[], Adapter],
    take_over: bool = False,
    progress: Reading | None = None,
    enrol: Enrol | None = None,
    readers: int = 1,
) -> bool:
    """Read the file into chunks and check it as a whole; False where another run does.

    `adapter` may be a function that puts the file at `path` and then gives the adapter. `readers`: how many
    processes may make events of a long file's lines. Raises what is wrong with the file, after the job was
    refused for it, and ImportStagingLost.
    """
    lease = hands.act(
        lambda session, now: staging.begin(
            session, job_id=known.id, holder=hands.holder, now=now, take_over=take_over
        )
    )
    if lease is None:
        return False
    with stopping(hands, known.id):
        reader = adapter() if callable(adapter) else adapter
        _read(hands, known, lease, path, reader, progress, enrol, readers)
    return True


def credit_all(
    hands: Hands,
    *,
    job_id: UUID,
    done: Callable[[int], None] | None = None,
    go_on: Callable[[], bool] = lambda: True,
) -> str:
    """Credit chunk after chunk while there are some that nobody holds; the state of the job then.

    `crediting`: others are still at their chunks, or `go_on` said no. `done` is told the rows of each.
    """
    with stopping(hands, job_id):
        while go_on():
            rows = hands.act(lambda session, now: crediting.credit_next(session, job_id=job_id, now=now))
            if rows:
                if done is not None:
                    done(rows)
                continue
            state = hands.act(lambda session, now: crediting.finish(session, job_id=job_id, now=now))
            return _withdraw(hands, job_id) if state == "withdrawing" else state
    return "crediting"


@contextmanager
def stopping(hands: Hands, job_id: UUID) -> Iterator[None]:
    """Writes down what stops a job: its file refused, or the job failed. What may pass by is not written."""
    try:
        yield
    except (Busy, ImportStagingLost):
        raise
    except Invalid as error:
        _record(hands, job_id, error, refused=True)
        raise
    except Broken as error:
        _record(hands, job_id, error, refused=False)
        raise
    except CarbonError:
        raise
    except Exception as error:
        # Only the kind: the text of a foreign error may name a card.
        _record(hands, job_id, ImportBroken(why=type(error).__name__), refused=False)
        raise


def _record(hands: Hands, job_id: UUID, error: CarbonError, *, refused: bool) -> None:
    end = opening.refuse if refused else opening.fail
    try:
        hands.act(lambda session, now: end(session, job_id=job_id, error=error, now=now))
    except Exception as second:  # the first error is the one to be told
        _log.warning("import %s: %s could not be recorded (%s)", job_id, error.code, type(second).__name__)


def _read(
    hands: Hands,
    known: JobRecord,
    lease: UUID,
    path: Path,
    adapter: Adapter,
    progress: Reading | None,
    enrol: Enrol | None,
    readers: int,
) -> None:
    reading = _Reader(hands, known, lease, progress)
    source = open_rows(path, progress=reading.told)
    cutter = Cutter()
    for item in cuts(adapter, source, now=hands.clock(), readers=readers):
        chunk = cutter.add_cut(item)
        if chunk is not None:
            reading.keep(chunk)
    for chunk in cutter.rest():
        reading.keep(chunk)
    reading.store()
    if enrol is not None:
        _enrol(hands, known, enrol)
    # Control totals may call a column as the file does.
    totals = {name: adapter.totals[key] for name, key in adapter.spelt.items() if key in adapter.totals}
    totals |= {**adapter.totals, "rows": source.rows}
    hands.act(
        lambda session, now: staging.finish(
            session, job_id=known.id, lease=lease, file_name=known.file_name, totals=totals, now=now
        )
    )


class _Reader:
    """Collects chunks, stores them a few at a time, and keeps the lease while nothing comes."""

    def __init__(self, hands: Hands, known: JobRecord, lease: UUID, progress: Reading | None) -> None:
        self._hands = hands
        self._known = known
        self._lease = lease
        self._progress = progress
        self._waiting: list[NewChunk] = []
        self._number = 0
        self._bytes = 0
        self._kept_at: datetime | None = None

    def told(self, done: int, total: int) -> None:
        """How far the file is read. Called often; the lease is kept now and then."""
        self._bytes = done
        if self._progress is not None:
            self._progress(done, total)
        now = self._hands.clock()
        if self._kept_at is None or now - self._kept_at > staging.LEASE / 4:
            self._hands.act(
                lambda session, now: staging.keep(
                    session, job_id=self._known.id, lease=self._lease, read_bytes=done, now=now
                )
            )
            self._kept_at = now

    def keep(self, chunk: NewChunk) -> None:
        """Take a chunk."""
        self._waiting.append(chunk)
        if len(self._waiting) >= STORED_AT_ONCE:
            self.store()

    def store(self) -> None:
        """Store what has come together."""
        chunks, self._waiting = self._waiting, []
        first = self._number
        self._number += len(chunks)

        def deed(session: Session, now: datetime) -> datetime:
            staging.store(
                session,
                job_id=self._known.id,
                lease=self._lease,
                first_number=first,
                chunks=chunks,
                read_bytes=self._bytes,
                now=now,
            )
            return now

        self._kept_at = self._hands.act(deed)


def _enrol(hands: Hands, known: JobRecord, enrol: Enrol) -> None:
    number = -1
    while found := hands.look(
        lambda session, _now, after=number: payloads(session, job_id=known.id, after=after, limit=1)  # type: ignore[misc]
    ):
        number, payload = found[0]
        events, _lines = unpacked(payload)
        named = {(link["kind"], link["value"]) for event in events if (link := event["citizen"].get("link"))}
        links = sorted(named)
        hands.act(lambda session, now, links=links: enrol(session, now, links))  # type: ignore[misc]


def _withdraw(hands: Hands, job_id: UUID) -> str:
    """Take back what the replaced job named and this one does not, pass after pass."""
    known = hands.look(lambda session, _now: job(session, job_id=job_id))
    of = hands.look(lambda session, _now: replacing.passes(session, known=known))
    place = hands.look(lambda session, _now: replacing.position(session, job_id=job_id))
    state = "withdrawing"
    while state == "withdrawing":
        keys = hands.look(
            lambda session, _now, place=place: replacing.missing(session, known=known, number=place, of=of)  # type: ignore[misc]
        )
        for start in range(0, len(keys), replacing.WITHDRAWN_AT_ONCE):
            portion = keys[start : start + replacing.WITHDRAWN_AT_ONCE]
            hands.act(
                lambda session, now, portion=portion: replacing.withdraw(  # type: ignore[misc]
                    session, job_id=job_id, keys=portion, now=now
                )
            )
        place += 1
        state = hands.act(
            lambda session, now, place=place: replacing.advance(  # type: ignore[misc]
                session, job_id=job_id, to=place, of=of, now=now
            )
        )
    return state
