"""Tables of the sources that events are pulled from, and how far each has been read."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    ForeignKeyConstraint,
    String,
    UniqueConstraint,
)
from sqlalchemy.orm import Mapped, mapped_column

from carbon_credit.kernel.db import Base, UtcDateTime


class Source(Base):
    """Where a partner's events are fetched. `address` holds no secret: `secret_env` names the environment
    variable that does. `page_size`: events that are credited in one transaction."""

    __tablename__ = "source"
    __table_args__ = (
        ForeignKeyConstraint(["partner_id", "programme"], ["party.id", "party.programme"]),
        UniqueConstraint("programme", "name"),
        CheckConstraint("kind IN ('poll', 'rabbitmq')", name="kind"),
        CheckConstraint("(kind = 'rabbitmq') = (queue IS NOT NULL)", name="queue"),
        CheckConstraint("page_size BETWEEN 1 AND 10000", name="page_size"),
        CheckConstraint("overlap_s BETWEEN 0 AND 2678400", name="overlap_s"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    programme: Mapped[str] = mapped_column(String(16))
    partner_id: Mapped[UUID]
    name: Mapped[str] = mapped_column(String(64))
    kind: Mapped[str] = mapped_column(String(16))
    address: Mapped[str] = mapped_column(String(500))
    queue: Mapped[str | None] = mapped_column(String(120))
    secret_env: Mapped[str | None] = mapped_column(String(64))
    page_size: Mapped[int]
    overlap_s: Mapped[int]
    enabled: Mapped[bool]
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class SourcePosition(Base):
    """How far a source has been read; changed in the transaction that credits what was read.

    `received_at`: the latest that was seen. A run that is not over has `position`, where its next page
    begins (a cursor, or an offset), and `since`, what it began with. `version` grows with each page, so of
    two that read the same page only one takes it. `problem`: why the last attempt failed.
    """

    __tablename__ = "source_position"

    source_id: Mapped[UUID] = mapped_column(ForeignKey("source.id"), primary_key=True)
    version: Mapped[int] = mapped_column(BigInteger)
    received_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    since: Mapped[datetime | None] = mapped_column(UtcDateTime)
    position: Mapped[str | None] = mapped_column(String(500))
    taken: Mapped[int] = mapped_column(BigInteger)
    taken_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    failures: Mapped[int]
    problem: Mapped[str | None] = mapped_column(String(300))
    resume_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class SourceRefusal(Base):
    """Something a source delivered that is no event, once: a keyed digest of it and the reason."""

    __tablename__ = "source_refusal"

    source_id: Mapped[UUID] = mapped_column(ForeignKey("source.id"), primary_key=True)
    item_digest: Mapped[UUID] = mapped_column(primary_key=True)
    reason: Mapped[str] = mapped_column(String(64))
    noted_at: Mapped[datetime] = mapped_column(UtcDateTime)
