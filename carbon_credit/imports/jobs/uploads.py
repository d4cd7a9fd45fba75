"""The bytes of a file on their way in, part by part, so that no server has to remember anything."""

import hashlib
from datetime import datetime
from typing import BinaryIO
from uuid import UUID

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from carbon_credit.imports.jobs.errors import (
    FileDigestDiffers,
    ImportStateWrong,
    PartBeyondEnd,
    PartDiffers,
    PartEmpty,
    PartMisplaced,
)
from carbon_credit.imports.jobs.records import JobRecord, job
from carbon_credit.imports.jobs.states import move, state_of
from carbon_credit.imports.models import ImportJob, ImportUpload
from carbon_credit.kernel.digest import same

MAX_UPLOAD_BYTES = 4 * 1024**3


def add_part(session: Session, *, job_id: UUID, first_byte: int, body: bytes, now: datetime) -> JobRecord:
    """Keep the part that begins at `first_byte`. The last one makes the job `received`.

    A part that is there already, with the same bytes, is nothing new, so whoever lost an answer sends it
    again. Raises PartMisplaced, PartDiffers, PartBeyondEnd, PartEmpty, ImportStateWrong.
    """
    if not body:
        raise PartEmpty
    state = state_of(session, job_id=job_id, lock=True)
    known = job(session, job_id=job_id)
    if first_byte < known.received_bytes:
        _require_known(session, known, first_byte, body)
        return known
    if state != "receiving":
        raise ImportStateWrong(state=state, wanted="receiving")
    if first_byte != known.received_bytes:
        raise PartMisplaced(first_byte=first_byte, received_bytes=known.received_bytes)
    received = first_byte + len(body)
    if received > known.size:
        raise PartBeyondEnd(size=known.size)
    session.add(ImportUpload(job_id=job_id, first_byte=first_byte, body=body))
    session.flush()
    session.execute(
        update(ImportJob).where(ImportJob.id == job_id).values(received_bytes=received, touched_at=now)
    )
    if received == known.size:
        move(session, job_id=job_id, to="received", now=now)
    return job(session, job_id=job_id)


def write_parts(session: Session, *, known: JobRecord, file: BinaryIO) -> None:
    """Write the file as it was delivered. Raises FileDigestDiffers where it is another."""
    digest = hashlib.sha256()
    done = 0
    while done < known.size:
        body = session.scalar(
            select(ImportUpload.body).where(ImportUpload.job_id == known.id, ImportUpload.first_byte == done)
        )
        if not body:
            break
        digest.update(body)
        file.write(body)
        done += len(body)
    if not same(digest.hexdigest(), known.sha256):
        raise FileDigestDiffers(file=known.file_name, found=digest.hexdigest(), expected=known.sha256)


def _require_known(session: Session, known: JobRecord, first_byte: int, body: bytes) -> None:
    held = session.scalar(
        select(ImportUpload.body).where(
            ImportUpload.job_id == known.id, ImportUpload.first_byte == first_byte
        )
    )
    if held is None:
        # Parts are gone once the file is staged; what is asked for then cannot be compared any more.
        parts = session.scalar(select(func.count()).where(ImportUpload.job_id == known.id))
        if not parts:
            return
        raise PartMisplaced(first_byte=first_byte, received_bytes=known.received_bytes)
    if held != body:
        raise PartDiffers(first_byte=first_byte)
