"""What is known of a job: where it stands, what became of its rows, which rows were refused and why."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from carbon_credit.imports.jobs.errors import ImportNotFound
from carbon_credit.imports.models import ImportChunk, ImportJob, ImportReject
from carbon_credit.imports.rows import RowOutcome

COUNTS = (
    "rows",
    "credited_rows",
    "credited",
    "held",
    "rejected",
    "duplicate",
    "dropped",
    "revised",
    "co2e_mg",
)


@dataclass(frozen=True, slots=True)
class JobRecord:
    """A job as it stands. `rows_total` is None until the file was read to its end."""

    id: UUID
    programme: str
    partner_id: UUID
    adapter: str
    mapping_digest: str | None
    options: Mapping[str, Any]
    file_name: str
    sha256: str
    size: int
    source: str
    state: str
    replaces_id: UUID | None
    expected: Mapping[str, Any]
    received_bytes: int
    read_bytes: int
    rows_total: int | None
    withdrawn: int
    holder: str | None
    leased_until: datetime | None
    problem: str | None
    problem_details: Mapping[str, Any]
    created_by: str
    created_at: datetime
    touched_at: datetime
    staged_at: datetime | None
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class Counts:
    """What became of the rows that are done: `rows = credited_rows + held + rejected + duplicate + dropped`.

    `credited` counts events, `revised` those among them that replace what was credited before.
    """

    rows: int = 0
    credited_rows: int = 0
    credited: int = 0
    held: int = 0
    rejected: int = 0
    duplicate: int = 0
    dropped: int = 0
    revised: int = 0
    co2e_mg: int = 0

    @property
    def outcomes(self) -> int:
        """How many rows have an outcome."""
        return self.credited_rows + self.held + self.rejected + self.duplicate + self.dropped

    @property
    def refused(self) -> int:
        """How many rows the rejects name."""
        return self.held + self.rejected + self.duplicate

    def as_dict(self) -> dict[str, int]:
        """JSON-able."""
        return {one.name: getattr(self, one.name) for one in fields(self)}


def record_of(row: ImportJob) -> JobRecord:
    """The stored row as others see it."""
    options, expected = orjson.loads(row.options), orjson.loads(row.expected or "{}")
    return JobRecord(
        id=row.id,
        programme=row.programme,
        partner_id=row.partner_id,
        adapter=row.adapter,
        mapping_digest=row.mapping_digest,
        options=options,
        file_name=row.file_name,
        sha256=row.sha256,
        size=row.size,
        source=row.source,
        state=row.state,
        replaces_id=row.replaces_id,
        expected=expected,
        received_bytes=row.received_bytes,
        read_bytes=row.read_bytes,
        rows_total=row.rows,
        withdrawn=row.withdrawn,
        holder=row.holder,
        leased_until=row.leased_until,
        problem=row.problem,
        problem_details=orjson.loads(row.problem_details or "{}"),
        created_by=row.created_by,
        created_at=row.created_at,
        touched_at=row.touched_at,
        staged_at=row.staged_at,
        ended_at=row.ended_at,
    )


def job(
    session: Session, *, job_id: UUID, programme: str | None = None, partner_id: UUID | None = None
) -> JobRecord:
    """One job; of this programme and partner, where they are given. Raises ImportNotFound."""
    statement = select(ImportJob).where(ImportJob.id == job_id)
    if programme is not None:
        statement = statement.where(ImportJob.programme == programme)
    if partner_id is not None:
        statement = statement.where(ImportJob.partner_id == partner_id)
    found = session.scalar(statement.execution_options(populate_existing=True))
    if found is None:
        raise ImportNotFound
    return record_of(found)


def jobs(
    session: Session,
    *,
    programme: str,
    partner_id: UUID | None = None,
    before: UUID | None = None,
    limit: int,
) -> list[JobRecord]:
    """The newest first; `before`: the last of the page before."""
    statement = select(ImportJob).where(ImportJob.programme == programme)
    if partner_id is not None:
        statement = statement.where(ImportJob.partner_id == partner_id)
    if before is not None:
        statement = statement.where(ImportJob.id < before)
    found = session.scalars(statement.order_by(ImportJob.id.desc()).limit(limit))
    return [record_of(row) for row in found]


def jobs_in(session: Session, *states: str, source: str | None = None, limit: int = 100) -> list[JobRecord]:
    """Jobs in one of these states, the oldest first."""
    statement = select(ImportJob).where(ImportJob.ended_at.is_(None), ImportJob.state.in_(states))
    if source is not None:
        statement = statement.where(ImportJob.source == source)
    return [record_of(row) for row in session.scalars(statement.order_by(ImportJob.id).limit(limit))]


def ended_of(
    session: Session, *, partner_id: UUID, file_name: str, sha256: str, created_by: str
) -> UUID | None:
    """The newest job that is done with a file of this name and these bytes, of those made by `created_by`."""
    statement = select(ImportJob.id).where(
        ImportJob.partner_id == partner_id,
        ImportJob.file_name == file_name,
        ImportJob.sha256 == sha256,
        ImportJob.created_by == created_by,
        ImportJob.state == "done",
    )
    return session.scalar(statement.order_by(ImportJob.id.desc()).limit(1))


def replaced_by(session: Session, *, job_id: UUID) -> UUID | None:
    """The job that replaces this one, if there is one that was not refused or cancelled."""
    statement = select(ImportJob.id).where(
        ImportJob.replaces_id == job_id, ImportJob.state.not_in(("refused", "cancelled"))
    )
    return session.scalar(statement)


def counts(session: Session, *, job_id: UUID) -> Counts:
    """What became of the rows whose chunk is done."""
    columns = [func.coalesce(func.sum(getattr(ImportChunk, name)), 0) for name in COUNTS]
    statement = select(*columns).where(ImportChunk.job_id == job_id, ImportChunk.done_at.is_not(None))
    return Counts(
        **{name: int(value) for name, value in zip(COUNTS, session.execute(statement).one(), strict=True)}
    )


def undone(session: Session, *, job_id: UUID) -> int:
    """How many chunks are still to be credited."""
    statement = select(func.count()).where(ImportChunk.job_id == job_id, ImportChunk.done_at.is_(None))
    return int(session.scalar(statement) or 0)


def rejects(session: Session, *, job_id: UUID, after: int, limit: int) -> list[RowOutcome]:
    """Rows that were not credited, in the order of the file, those after the line `after`."""
    statement = (
        select(ImportReject.line, ImportReject.status, ImportReject.reason)
        .where(ImportReject.job_id == job_id, ImportReject.line > after)
        .order_by(ImportReject.line)
        .limit(limit)
    )
    return [RowOutcome(line, status, reason) for line, status, reason in session.execute(statement)]  # type: ignore[arg-type]


def all_rejects(session: Session, *, job_id: UUID, portion: int = 5_000) -> Iterator[RowOutcome]:
    """All of them, read in portions."""
    after = 0
    while found := rejects(session, job_id=job_id, after=after, limit=portion):
        yield from found
        after = found[-1].line


def payloads(session: Session, *, job_id: UUID, after: int, limit: int) -> list[tuple[int, bytes]]:
    """(number, payload) of chunks that are not credited yet, in order, those behind the number `after`."""
    statement = (
        select(ImportChunk.number, ImportChunk.payload)
        .where(ImportChunk.job_id == job_id, ImportChunk.done_at.is_(None), ImportChunk.number > after)
        .order_by(ImportChunk.number)
        .limit(limit)
    )
    return [(number, payload) for number, payload in session.execute(statement) if payload is not None]
