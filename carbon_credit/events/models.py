"""Events and their claims.

Uniqueness lives in `event_claim`, small and of its own, so that `event` can be partitioned by its
time-ordered id and archived. Append-only rows hold no personal data: a random citizen id,
quantities and keyed digests. Stations and tracks stand in `event_detail`, which can be deleted.
"""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Index, LargeBinary, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from carbon_credit.kernel.db import Base, UtcDateTime

OUTCOMES = ("credited", "held", "rejected", "withdrawn", "waiting")


class EventClaim(Base):
    """One (partner, event id), once. Of an unknown or non-consenting person this is all that stays.

    `claim_key` and `content_digest` are keyed digests of the partner's id and of the payload.
    `event_id` names the event row of the present revision, where there is one.
    """

    __tablename__ = "event_claim"
    __table_args__ = (
        CheckConstraint(
            "outcome IN ('credited', 'held', 'rejected', 'withdrawn', 'waiting')", name="outcome"
        ),
        CheckConstraint("(outcome = 'rejected') = (reason IS NOT NULL)", name="reason"),
        CheckConstraint("revision >= 1", name="revision"),
        # Claims come in the order of time: on PostgreSQL a few bytes for each block of them.
        Index("ix_event_claim_claimed_at", "claimed_at", postgresql_using="brin"),
    )

    claim_key: Mapped[UUID] = mapped_column(primary_key=True)
    partner_id: Mapped[UUID]
    revision: Mapped[int]
    content_digest: Mapped[UUID]
    outcome: Mapped[str] = mapped_column(String(16))
    reason: Mapped[str | None] = mapped_column(String(40))
    retryable: Mapped[bool]
    event_id: Mapped[UUID | None]
    claimed_at: Mapped[datetime] = mapped_column(UtcDateTime)


class Event(Base):
    """Activity data as accepted. `quantities`: canonical JSON of integers and enumerations."""

    __tablename__ = "event"
    __table_args__ = (
        Index("ix_event_citizen_id_occurred_at", "citizen_id", "occurred_at"),
        Index("ix_event_partner_id_received_at", "partner_id", "received_at"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    programme: Mapped[str] = mapped_column(String(16))
    partner_id: Mapped[UUID]
    claim_key: Mapped[UUID]
    revision: Mapped[int]
    activity_type: Mapped[str] = mapped_column(String(32))
    citizen_id: Mapped[UUID]
    occurred_at: Mapped[datetime] = mapped_column(UtcDateTime)
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    received_at: Mapped[datetime] = mapped_column(UtcDateTime)
    recorded_at: Mapped[datetime] = mapped_column(UtcDateTime)
    business_day: Mapped[date]
    quantities: Mapped[str] = mapped_column(Text)
    tier: Mapped[str] = mapped_column(String(16))
    declared_mg: Mapped[int | None] = mapped_column(BigInteger)
    content_digest: Mapped[UUID]
    mac: Mapped[bytes] = mapped_column(LargeBinary)


class EventWaiting(Base):
    """An accepted event that is credited when `due_at` has come. `sealed`: what was reported, encrypted,
    because it may name a card; the row is deleted with the decision."""

    __tablename__ = "event_waiting"
    __table_args__ = (Index("ix_event_waiting_programme_last_day", "programme", "last_day"),)

    claim_key: Mapped[UUID] = mapped_column(primary_key=True)
    programme: Mapped[str] = mapped_column(String(16))
    partner_id: Mapped[UUID]
    first_day: Mapped[date]
    last_day: Mapped[date]
    due_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
    received_at: Mapped[datetime] = mapped_column(UtcDateTime)
    sealed: Mapped[bytes] = mapped_column(LargeBinary)


class EventDetail(Base):
    """The deletable part of an event: stations, tracks, texts. Gone after `delete_after`."""

    __tablename__ = "event_detail"

    event_id: Mapped[UUID] = mapped_column(primary_key=True)
    body: Mapped[str] = mapped_column(Text)
    delete_after: Mapped[date] = mapped_column(index=True)
