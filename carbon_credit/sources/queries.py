"""Reads of sources and of how far they have been read."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from carbon_credit.sources.errors import SourceNotFound
from carbon_credit.sources.models import Source, SourcePosition, SourceRefusal


@dataclass(frozen=True, slots=True)
class SourceRecord:
    """A source and its position, as of one moment."""

    id: UUID
    programme: str
    partner_id: UUID
    name: str
    kind: str
    address: str
    queue: str | None
    secret_env: str | None
    page_size: int
    overlap_s: int
    enabled: bool
    version: int
    received_at: datetime | None
    since: datetime | None
    position: str | None
    taken: int
    taken_at: datetime | None
    failures: int
    problem: str | None
    resume_at: datetime | None

    @property
    def begins_at(self) -> datetime | None:
        """From which `received_at` the present or next poll reads; None: from the beginning."""
        if self.position is not None:
            return self.since
        return None if self.received_at is None else self.received_at - timedelta(seconds=self.overlap_s)


def source_named(session: Session, *, programme: str, name: str) -> SourceRecord:
    """Raises SourceNotFound."""
    found = _records(session, Source.programme == programme, Source.name == name)
    if not found:
        raise SourceNotFound
    return found[0]


def source_by_id(session: Session, *, source_id: UUID) -> SourceRecord:
    """Raises SourceNotFound."""
    found = _records(session, Source.id == source_id)
    if not found:
        raise SourceNotFound
    return found[0]


def sources_of(session: Session, *, programme: str) -> list[SourceRecord]:
    """All of the programme, by name."""
    return _records(session, Source.programme == programme)


def due_polls(session: Session, *, now: datetime) -> list[SourceRecord]:
    """Enabled sources that are polled, but for those that asked to be left alone until later."""
    rested = or_(SourcePosition.resume_at.is_(None), SourcePosition.resume_at <= now)
    return _records(session, Source.kind == "poll", Source.enabled.is_(True), rested)


def refusals_of(session: Session, *, source_id: UUID) -> dict[str, int]:
    """How many things it delivered that were no events, by reason."""
    statement = (
        select(SourceRefusal.reason, func.count())
        .where(SourceRefusal.source_id == source_id)
        .group_by(SourceRefusal.reason)
        .order_by(SourceRefusal.reason)
    )
    return {row[0]: row[1] for row in session.execute(statement)}


def _records(session: Session, *wanted: object) -> list[SourceRecord]:
    statement = (
        select(Source, SourcePosition)
        .join(SourcePosition, SourcePosition.source_id == Source.id)
        .where(*wanted)  # type: ignore[arg-type]
        .order_by(Source.programme, Source.name)
        .execution_options(populate_existing=True)
    )
    return [
        SourceRecord(
            id=source.id,
            programme=source.programme,
            partner_id=source.partner_id,
            name=source.name,
            kind=source.kind,
            address=source.address,
            queue=source.queue,
            secret_env=source.secret_env,
            page_size=source.page_size,
            overlap_s=source.overlap_s,
            enabled=source.enabled,
            version=position.version,
            received_at=position.received_at,
            since=position.since,
            position=position.position,
            taken=position.taken,
            taken_at=position.taken_at,
            failures=position.failures,
            problem=position.problem,
            resume_at=position.resume_at,
        )
        for source, position in session.execute(statement)
    ]
