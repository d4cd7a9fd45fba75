"""Tables of endpoints, their secrets, and what was sent to them."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import (
    CheckConstraint,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    LargeBinary,
    SmallInteger,
    String,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from carbon_credit.kernel.db import Base, UtcDateTime

IN_USE = text("state <> 'deleted'")
OPEN = text("state IN ('waiting', 'sending')")
CURRENT = text("ends_at IS NULL")


class WebhookEndpoint(Base):
    """Where a party wants to be told. A deleted one stays until what was sent to it is forgotten.

    `failing_since`: the first failure after the last success. `rests_until`: it is left alone until then.
    `served_at`: when it was last given something to send, so that endpoints take turns.
    """

    __tablename__ = "webhook_endpoint"
    __table_args__ = (
        ForeignKeyConstraint(["party_id", "programme"], ["party.id", "party.programme"]),
        CheckConstraint("state IN ('active', 'disabled', 'deleted')", name="state"),
        CheckConstraint("(state = 'disabled') = (disabled_reason IS NOT NULL)", name="reason"),
        CheckConstraint("disabled_reason IN ('owner', 'gone', 'failing')", name="disabled_reason"),
        CheckConstraint("(failures > 0) = (failing_since IS NOT NULL)", name="failures"),
        Index(
            "uq_webhook_endpoint_url",
            "party_id",
            "url",
            unique=True,
            sqlite_where=IN_USE,
            postgresql_where=IN_USE,
        ),
        Index("ix_webhook_endpoint_programme_id", "programme", "id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    programme: Mapped[str] = mapped_column(String(16))
    party_id: Mapped[UUID]
    url: Mapped[str] = mapped_column(String(500))
    note: Mapped[str | None] = mapped_column(String(120))
    state: Mapped[str] = mapped_column(String(16))
    disabled_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    disabled_reason: Mapped[str | None] = mapped_column(String(16))
    failures: Mapped[int]
    failing_since: Mapped[datetime | None] = mapped_column(UtcDateTime)
    rests_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    served_at: Mapped[datetime] = mapped_column(UtcDateTime)
    created_by: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class WebhookSubscription(Base):
    """One type that an endpoint wants; "*" alone for all."""

    __tablename__ = "webhook_subscription"

    endpoint_id: Mapped[UUID] = mapped_column(ForeignKey("webhook_endpoint.id"), primary_key=True)
    type: Mapped[str] = mapped_column(String(40), primary_key=True)


class WebhookSecret(Base):
    """A secret that messages of an endpoint are signed with, until `ends_at`; the current one has none.

    `sealed`: encrypted under the installation's key `key_id`, because signing needs it.
    """

    __tablename__ = "webhook_secret"
    __table_args__ = (
        Index(
            "uq_webhook_secret_current",
            "endpoint_id",
            unique=True,
            sqlite_where=CURRENT,
            postgresql_where=CURRENT,
        ),
        Index("ix_webhook_secret_endpoint_id", "endpoint_id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    endpoint_id: Mapped[UUID] = mapped_column(ForeignKey("webhook_endpoint.id"))
    sealed: Mapped[bytes] = mapped_column(LargeBinary)
    key_id: Mapped[str] = mapped_column(String(16))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    ends_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class WebhookMessage(Base):
    """What is told, byte for byte. Its id is that of the outbox row, and the `webhook-id` of each attempt."""

    __tablename__ = "webhook_message"
    __table_args__ = (
        Index("ix_webhook_message_party_id_created_at", "party_id", "created_at"),
        Index("ix_webhook_message_created_at", "created_at"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    programme: Mapped[str] = mapped_column(String(16))
    party_id: Mapped[UUID]
    type: Mapped[str] = mapped_column(String(40))
    subject_id: Mapped[UUID]
    body: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class WebhookDelivery(Base):
    """A message on its way to an endpoint.

    `waiting`: due at `next_at`. `sending`: somebody has it until `next_at`; then it is due again, as whoever
    had it must be dead. `attempts` counts up for ever, so that an attempt is recorded by who made it alone;
    `rung` is the place on the ladder of retries, which a replay sets back. `outcome`: of the last attempt.
    """

    __tablename__ = "webhook_delivery"
    __table_args__ = (
        UniqueConstraint("message_id", "endpoint_id"),
        CheckConstraint("state IN ('waiting', 'sending', 'delivered', 'failed')", name="state"),
        CheckConstraint("(state IN ('delivered', 'failed')) = (ended_at IS NOT NULL)", name="ended_at"),
        CheckConstraint("attempts >= rung", name="rung"),
        Index("ix_webhook_delivery_due", "endpoint_id", "next_at", sqlite_where=OPEN, postgresql_where=OPEN),
        Index("ix_webhook_delivery_endpoint_id_id", "endpoint_id", "id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    message_id: Mapped[UUID] = mapped_column(ForeignKey("webhook_message.id"))
    endpoint_id: Mapped[UUID] = mapped_column(ForeignKey("webhook_endpoint.id"))
    state: Mapped[str] = mapped_column(String(16))
    attempts: Mapped[int]
    rung: Mapped[int] = mapped_column(SmallInteger)
    next_at: Mapped[datetime] = mapped_column(UtcDateTime)
    outcome: Mapped[str | None] = mapped_column(String(24))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class WebhookAttempt(Base):
    """One attempt that was recorded. A number that is missing was cut off: nobody knows how it ended.

    `excerpt`: the first characters of the answer, without anything that looks like a secret.
    """

    __tablename__ = "webhook_attempt"

    delivery_id: Mapped[UUID] = mapped_column(ForeignKey("webhook_delivery.id"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    attempted_at: Mapped[datetime] = mapped_column(UtcDateTime)
    duration_ms: Mapped[int]
    status: Mapped[int | None] = mapped_column(SmallInteger)
    outcome: Mapped[str] = mapped_column(String(24))
    excerpt: Mapped[str | None] = mapped_column(String(256))
