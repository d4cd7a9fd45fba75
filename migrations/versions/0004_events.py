"""Event claims, events, deletable event details.

Revision: 0004
Follows: 0003
"""

import sqlalchemy as sa
from alembic import op

from migrations.support import allow_change, forbid_change

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "event_claim",
        sa.Column("claim_key", sa.Uuid(), primary_key=True),
        sa.Column("partner_id", sa.Uuid(), nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("content_digest", sa.Uuid(), nullable=False),
        sa.Column("outcome", sa.String(16), nullable=False),
        sa.Column("reason", sa.String(40)),
        sa.Column("retryable", sa.Boolean, nullable=False),
        sa.Column("event_id", sa.Uuid()),
        sa.Column("claimed_at", INSTANT, nullable=False),
        sa.CheckConstraint("(outcome = 'rejected') = (reason IS NOT NULL)", name="reason"),
        sa.CheckConstraint("revision >= 1", name="revision"),
        sa.CheckConstraint("outcome IN ('credited', 'held', 'rejected', 'withdrawn')", name="outcome"),
    )
    op.create_table(
        "event",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("programme", sa.String(16), nullable=False),
        sa.Column("partner_id", sa.Uuid(), nullable=False),
        sa.Column("claim_key", sa.Uuid(), nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("activity_type", sa.String(32), nullable=False),
        sa.Column("citizen_id", sa.Uuid(), nullable=False),
        sa.Column("occurred_at", INSTANT, nullable=False),
        sa.Column("ended_at", INSTANT),
        sa.Column("received_at", INSTANT, nullable=False),
        sa.Column("recorded_at", INSTANT, nullable=False),
        sa.Column("business_day", sa.Date, nullable=False),
        sa.Column("quantities", sa.Text, nullable=False),
        sa.Column("tier", sa.String(16), nullable=False),
        sa.Column("declared_mg", sa.BigInteger),
        sa.Column("content_digest", sa.Uuid(), nullable=False),
        sa.Column("mac", sa.LargeBinary, nullable=False),
    )
    op.create_index("ix_event_citizen_id_occurred_at", "event", ["citizen_id", "occurred_at"])
    op.create_index("ix_event_partner_id_received_at", "event", ["partner_id", "received_at"])
    op.create_table(
        "event_detail",
        sa.Column("event_id", sa.Uuid(), primary_key=True),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("delete_after", sa.Date, nullable=False),
    )
    op.create_index("ix_event_detail_delete_after", "event_detail", ["delete_after"])
    forbid_change("event")


def downgrade() -> None:
    allow_change("event")
    for table in ("event_detail", "event", "event_claim"):
        op.drop_table(table)
