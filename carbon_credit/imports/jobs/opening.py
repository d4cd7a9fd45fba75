"""A delivery becomes a job: one for each file that is under way, however often it arrives."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, cast
from uuid import UUID

from sqlalchemy import Table, delete, select, update
from sqlalchemy.orm import Session

from carbon_credit.imports.jobs.control import Control
from carbon_credit.imports.jobs.errors import (
    AlreadyReplaced,
    ImportDiffers,
    ReplacedNotDone,
)
from carbon_credit.imports.jobs.records import JobRecord, job, replaced_by
from carbon_credit.imports.jobs.states import move, state_of
from carbon_credit.imports.models import ImportChunk, ImportEnclosure, ImportJob, ImportReject, ImportUpload
from carbon_credit.kernel.bulk import insert_new
from carbon_credit.kernel.digest import canonical_json
from carbon_credit.kernel.errors import CarbonError
from carbon_credit.kernel.ids import new_id

_JOB = cast(Table, ImportJob.__table__)
_COLUMNS = tuple(column.name for column in _JOB.columns)
LOCAL, UPLOAD = "local", "upload"


@dataclass(frozen=True, slots=True)
class Delivery:
    """A file and how it is to be read. `options`: JSON-able; the same file with others is another matter."""

    programme: str
    partner_id: UUID
    adapter: str
    mapping_digest: str | None
    options: Mapping[str, Any]
    file_name: str
    sha256: str
    size: int
    source: str
    control: Control = field(default_factory=Control)
    replaces_id: UUID | None = None


def open_job(
    session: Session, *, delivery: Delivery, created_by: str, now: datetime
) -> tuple[JobRecord, bool]:
    """The job for this delivery, and whether it is new. While one is under way for the same bytes, that one.

    After it has ended, the same file is a new job, whose rows come back as duplicates. Raises
    ImportDiffers, ReplacedNotDone, AlreadyReplaced, ImportNotFound (of what is to be replaced).
    """
    running = _running(session, delivery)
    if running is not None:
        return _joined(session, running, delivery, now), False
    if delivery.replaces_id is not None:
        _require_replaceable(session, delivery)
    job_id = new_id()
    if insert_new(session, _JOB, _COLUMNS, [_row(job_id, delivery, created_by, now)], "id"):
        return job(session, job_id=job_id), True
    # Somebody was quicker: with this file, or with another that replaces the same.
    running = _running(session, delivery)
    if running is None:
        raise AlreadyReplaced(id=str(delivery.replaces_id))
    return _joined(session, running, delivery, now), False


def run_again(session: Session, *, job_id: UUID, now: datetime) -> None:
    """A job that failed goes on where it was. Raises ImportStateWrong."""
    known = job(session, job_id=job_id)
    move(session, job_id=job_id, to="crediting" if known.staged_at else "received", now=now)


def cancel(session: Session, *, job_id: UUID, now: datetime) -> None:
    """End a job. What is credited stays; what is not credited is forgotten. Raises ImportStateWrong."""
    move(session, job_id=job_id, to="cancelled", now=now)
    forget(session, job_id=job_id)


def refuse(session: Session, *, job_id: UUID, error: CarbonError, now: datetime) -> None:
    """End a job whose file is not acceptable as a whole. Nothing of it was credited."""
    move(session, job_id=job_id, to="refused", now=now, **_told(error))
    forget(session, job_id=job_id)
    erase(session, job_id=job_id)


def fail(session: Session, *, job_id: UUID, error: CarbonError, now: datetime) -> None:
    """Stop a job that a person has to look at. It can be run again."""
    move(session, job_id=job_id, to="failed", now=now, **_told(error))


def forget(session: Session, *, job_id: UUID) -> None:
    """Delete what the file said and was not credited: what was uploaded, and chunks that are not done."""
    forget_upload(session, job_id=job_id)
    session.execute(delete(ImportChunk).where(ImportChunk.job_id == job_id, ImportChunk.done_at.is_(None)))


def forget_upload(session: Session, *, job_id: UUID) -> None:
    """Delete the parts of the file and what came beside it."""
    session.execute(delete(ImportUpload).where(ImportUpload.job_id == job_id))
    session.execute(delete(ImportEnclosure).where(ImportEnclosure.job_id == job_id))


def erase(session: Session, *, job_id: UUID) -> None:
    """Delete everything that staging has made."""
    session.execute(delete(ImportChunk).where(ImportChunk.job_id == job_id))
    session.execute(delete(ImportReject).where(ImportReject.job_id == job_id))


def forget_left(session: Session, *, before: datetime, now: datetime, limit: int) -> int:
    """Cancel up to `limit` jobs that nobody has touched since `before`; how many."""
    statement = select(ImportJob.id).where(ImportJob.ended_at.is_(None), ImportJob.touched_at < before)
    left = list(session.scalars(statement.order_by(ImportJob.id).limit(limit)))
    for job_id in left:
        cancel(session, job_id=job_id, now=now)
    return len(left)


def _running(session: Session, delivery: Delivery) -> JobRecord | None:
    statement = select(ImportJob.id).where(
        ImportJob.partner_id == delivery.partner_id,
        ImportJob.adapter == delivery.adapter,
        ImportJob.sha256 == delivery.sha256,
        ImportJob.ended_at.is_(None),
    )
    found = session.scalar(statement.with_for_update())
    return None if found is None else job(session, job_id=found)


def _joined(session: Session, running: JobRecord, delivery: Delivery, now: datetime) -> JobRecord:
    terms = {
        "mapping_digest": delivery.mapping_digest,
        "options": dict(delivery.options),
        "expected": delivery.control.as_dict(),
        "replaces_id": delivery.replaces_id,
    }
    same = all(getattr(running, name) == value for name, value in terms.items())
    if not same:
        # Before anything is credited the terms may still be mended by whoever delivers the file from here.
        if running.source != LOCAL or running.staged_at is not None or delivery.replaces_id is not None:
            raise ImportDiffers(id=str(running.id))
        stored = terms | {
            "options": canonical_json(terms["options"]).decode(),
            "expected": canonical_json(terms["expected"]).decode(),
        }
        session.execute(update(ImportJob).where(ImportJob.id == running.id).values(**stored))
    if running.state == "failed":
        run_again(session, job_id=running.id, now=now)
    return job(session, job_id=running.id)


def _require_replaceable(session: Session, delivery: Delivery) -> None:
    assert delivery.replaces_id is not None  # noqa: S101  the caller looked
    old = job(
        session, job_id=delivery.replaces_id, programme=delivery.programme, partner_id=delivery.partner_id
    )
    # Locked, so that of two that replace it one waits and is told.
    if state_of(session, job_id=old.id, lock=True) != "done":
        raise ReplacedNotDone(id=str(old.id), state=old.state)
    if replaced_by(session, job_id=old.id) is not None:
        raise AlreadyReplaced(id=str(old.id))


def _row(job_id: UUID, delivery: Delivery, created_by: str, now: datetime) -> tuple[Any, ...]:
    local = delivery.source == LOCAL
    values: dict[str, Any] = {
        "id": job_id,
        "programme": delivery.programme,
        "partner_id": delivery.partner_id,
        "adapter": delivery.adapter,
        "mapping_digest": delivery.mapping_digest,
        "options": canonical_json(dict(delivery.options)).decode(),
        "file_name": delivery.file_name,
        "sha256": delivery.sha256,
        "size": delivery.size,
        "source": delivery.source,
        "state": "received" if local else "receiving",
        "replaces_id": delivery.replaces_id,
        "expected": canonical_json(delivery.control.as_dict()).decode(),
        "received_bytes": delivery.size if local else 0,
        "read_bytes": 0,
        "withdrawn": 0,
        "position": 0,
        "created_by": created_by,
        "created_at": now,
        "touched_at": now,
    }
    return tuple(values.get(name) for name in _COLUMNS)


def _told(error: CarbonError) -> dict[str, str]:
    details = {name: str(value) for name, value in error.details.items()}
    return {"problem": error.code, "problem_details": canonical_json(details).decode()}
