"""Staging: the whole file is read, cut and checked before anything of it is credited.

One run reads a file, and says so with a lease that it renews as it goes. What a run left when it died is
erased by the next one, which begins anew: nothing was credited yet. A run that lost its lease can write
nothing more.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import cast
from uuid import UUID

from sqlalchemy import Table, func, select, update
from sqlalchemy.orm import Session

from carbon_credit.imports.errors import ImportUnreconciled
from carbon_credit.imports.jobs.chunks import NewChunk
from carbon_credit.imports.jobs.control import control_of
from carbon_credit.imports.jobs.errors import ControlTotalsDiffer, ImportStagingLost
from carbon_credit.imports.jobs.opening import erase, forget_upload
from carbon_credit.imports.jobs.records import job
from carbon_credit.imports.jobs.states import move, state_of
from carbon_credit.imports.models import ImportChunk, ImportJob, ImportReject
from carbon_credit.kernel.bulk import Row, append_rows
from carbon_credit.kernel.ids import new_id

LEASE = timedelta(seconds=60)
_CHUNK = cast(Table, ImportChunk.__table__)
_REJECT = cast(Table, ImportReject.__table__)
_CHUNK_COLUMNS = tuple(column.name for column in _CHUNK.columns)
_REJECT_COLUMNS = tuple(column.name for column in _REJECT.columns)
_COUNTS = ("credited_rows", "held", "rejected", "duplicate", "dropped", "credited", "revised", "co2e_mg")


def begin(
    session: Session, *, job_id: UUID, holder: str, now: datetime, take_over: bool = False
) -> UUID | None:
    """Take the reading of the file: the lease, or None where there is nothing to read or another run has it.

    `take_over`: the other run is known to be dead, so its lease need not lapse first.
    """
    state = state_of(session, job_id=job_id, lock=True)
    known = job(session, job_id=job_id)
    lapsed = known.leased_until is None or known.leased_until <= now
    if state not in ("received", "staging") or (state == "staging" and not (lapsed or take_over)):
        return None
    lease = new_id()
    erase(session, job_id=job_id)
    values = {"lease": lease, "leased_until": now + LEASE, "holder": holder[:120], "read_bytes": 0}
    move(session, job_id=job_id, to="staging", now=now, **values)
    return lease


def keep(session: Session, *, job_id: UUID, lease: UUID, read_bytes: int, now: datetime) -> None:
    """Renew the lease and say how far the reading is. Raises ImportStagingLost."""
    statement = update(ImportJob).where(ImportJob.id == job_id, ImportJob.lease == lease)
    values = {"leased_until": now + LEASE, "read_bytes": read_bytes, "touched_at": now}
    if not session.execute(statement.values(**values)).rowcount:  # type: ignore[attr-defined]
        raise ImportStagingLost


def store(
    session: Session,
    *,
    job_id: UUID,
    lease: UUID,
    first_number: int,
    chunks: Sequence[NewChunk],
    read_bytes: int,
    now: datetime,
) -> None:
    """Store chunks, numbered from `first_number` on. Raises ImportStagingLost."""
    keep(session, job_id=job_id, lease=lease, read_bytes=read_bytes, now=now)
    rows = [_row(job_id, number, chunk, now) for number, chunk in enumerate(chunks, start=first_number)]
    append_rows(session, _CHUNK, _CHUNK_COLUMNS, rows)
    refused = [
        (job_id, one.line, one.status, one.reason)
        for chunk in chunks
        for one in chunk.decided
        if one.status in ("held", "rejected", "duplicate")
    ]
    append_rows(session, _REJECT, _REJECT_COLUMNS, refused)


def finish(
    session: Session,
    *,
    job_id: UUID,
    lease: UUID,
    file_name: str,
    totals: Mapping[str, int | str],
    now: datetime,
) -> None:
    """The file was read to its end: it can be credited, if its totals are those that are expected.

    Raises ControlTotalsDiffer, ImportUnreconciled, ImportStagingLost.
    """
    keep(session, job_id=job_id, lease=lease, read_bytes=0, now=now)
    known = job(session, job_id=job_id)
    difference = control_of(dict(known.expected)).difference(totals)
    if difference is not None:
        raise ControlTotalsDiffer(file=file_name, why=difference)
    rows = session.scalar(
        select(func.coalesce(func.sum(ImportChunk.rows), 0)).where(ImportChunk.job_id == job_id)
    )
    if rows != totals["rows"]:
        raise ImportUnreconciled(why=f"{totals['rows']} rows were read, {rows} have an outcome or an event")
    forget_upload(session, job_id=job_id)
    move(
        session,
        job_id=job_id,
        to="crediting",
        now=now,
        rows=int(rows or 0),
        staged_at=now,
        read_bytes=known.size,
    )


def _row(job_id: UUID, number: int, chunk: NewChunk, now: datetime) -> Row:
    values: dict[str, object] = dict.fromkeys(_COUNTS, 0)
    for one in chunk.decided:
        name = one.status if one.status != "credited" else "credited_rows"
        values[name] = int(cast(int, values[name])) + 1
    values |= {
        "job_id": job_id,
        "number": number,
        "lane": chunk.lane,
        "rows": chunk.rows,
        "events": chunk.events,
        "payload": chunk.payload,
        "claim_keys": b"",
        "done_at": now if chunk.payload is None else None,
    }
    return tuple(values[name] for name in _CHUNK_COLUMNS)
