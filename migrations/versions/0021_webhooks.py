"""Webhooks: endpoints, their secrets, and what was sent to them.

Revision: 0021
Follows: 0020
"""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    _endpoints()
    _deliveries()


def _endpoints() -> None:
    op.create_table(
        "webhook_endpoint",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("programme", sa.String(16), nullable=False),
        sa.Column("party_id", sa.Uuid, nullable=False),
        sa.Column("url", sa.String(500), nullable=False),
        sa.Column("note", sa.String(120)),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("disabled_at", INSTANT),
        sa.Column("disabled_reason", sa.String(16)),
        sa.Column("failures", sa.Integer, nullable=False),
        sa.Column("failing_since", INSTANT),
        sa.Column("rests_until", INSTANT),
        sa.Column("served_at", INSTANT, nullable=False),
        sa.Column("created_by", sa.String(64), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.ForeignKeyConstraint(["party_id", "programme"], ["party.id", "party.programme"]),
        sa.CheckConstraint("state IN ('active', 'disabled', 'deleted')", name="state"),
        sa.CheckConstraint("(state = 'disabled') = (disabled_reason IS NOT NULL)", name="reason"),
        sa.CheckConstraint("disabled_reason IN ('owner', 'gone', 'failing')", name="disabled_reason"),
        sa.CheckConstraint("(failures > 0) = (failing_since IS NOT NULL)", name="failures"),
    )
    _index_where("uq_webhook_endpoint_url", ["party_id", "url"], "state <> 'deleted'", unique=True)
    op.create_index("ix_webhook_endpoint_programme_id", "webhook_endpoint", ["programme", "id"])
    op.create_table(
        "webhook_subscription",
        sa.Column("endpoint_id", sa.Uuid, sa.ForeignKey("webhook_endpoint.id"), primary_key=True),
        sa.Column("type", sa.String(40), primary_key=True),
    )
    op.create_table(
        "webhook_secret",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("endpoint_id", sa.Uuid, sa.ForeignKey("webhook_endpoint.id"), nullable=False),
        sa.Column("sealed", sa.LargeBinary, nullable=False),
        sa.Column("key_id", sa.String(16), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("ends_at", INSTANT),
    )
    _index_where("uq_webhook_secret_current", ["endpoint_id"], "ends_at IS NULL", unique=True)
    op.create_index("ix_webhook_secret_endpoint_id", "webhook_secret", ["endpoint_id"])


def _deliveries() -> None:
    op.create_table(
        "webhook_message",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("programme", sa.String(16), nullable=False),
        sa.Column("party_id", sa.Uuid, nullable=False),
        sa.Column("type", sa.String(40), nullable=False),
        sa.Column("subject_id", sa.Uuid, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
    )
    op.create_index("ix_webhook_message_party_id_created_at", "webhook_message", ["party_id", "created_at"])
    op.create_index("ix_webhook_message_created_at", "webhook_message", ["created_at"])
    op.create_table(
        "webhook_delivery",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("message_id", sa.Uuid, sa.ForeignKey("webhook_message.id"), nullable=False),
        sa.Column("endpoint_id", sa.Uuid, sa.ForeignKey("webhook_endpoint.id"), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("rung", sa.SmallInteger, nullable=False),
        sa.Column("next_at", INSTANT, nullable=False),
        sa.Column("outcome", sa.String(24)),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("ended_at", INSTANT),
        sa.UniqueConstraint("message_id", "endpoint_id"),
        sa.CheckConstraint("state IN ('waiting', 'sending', 'delivered', 'failed')", name="state"),
        sa.CheckConstraint("(state IN ('delivered', 'failed')) = (ended_at IS NOT NULL)", name="ended_at"),
        sa.CheckConstraint("attempts >= rung", name="rung"),
    )
    _index_where("ix_webhook_delivery_due", ["endpoint_id", "next_at"], "state IN ('waiting', 'sending')")
    op.create_index("ix_webhook_delivery_endpoint_id_id", "webhook_delivery", ["endpoint_id", "id"])
    op.create_table(
        "webhook_attempt",
        sa.Column("delivery_id", sa.Uuid, sa.ForeignKey("webhook_delivery.id"), primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("attempted_at", INSTANT, nullable=False),
        sa.Column("duration_ms", sa.Integer, nullable=False),
        sa.Column("status", sa.SmallInteger),
        sa.Column("outcome", sa.String(24), nullable=False),
        sa.Column("excerpt", sa.String(256)),
    )


def _index_where(name: str, columns: list[str], where: str, *, unique: bool = False) -> None:
    table = "_".join(name.split("_")[1:3])
    told = sa.text(where)
    op.create_index(name, table, columns, unique=unique, sqlite_where=told, postgresql_where=told)


def downgrade() -> None:
    for table in ("attempt", "delivery", "message", "secret", "subscription", "endpoint"):
        op.drop_table(f"webhook_{table}")
