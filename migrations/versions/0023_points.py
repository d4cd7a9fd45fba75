"""Points that are pending until their event is credited (T+n), and reminders of points that end.

Revision: 0023
Follows: 0022
"""

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "points_pending",
        sa.Column("citizen_id", sa.Uuid, primary_key=True),
        sa.Column(
            "claim_key",
            sa.Uuid,
            sa.ForeignKey("event_waiting.claim_key", ondelete="CASCADE"),
            primary_key=True,
        ),
        sa.Column("business_day", sa.Date, primary_key=True),
        sa.Column("rule", sa.String(48), primary_key=True),
        sa.Column("activity_type", sa.String(32), nullable=False),
        sa.Column("basis", sa.BigInteger, nullable=False),
        sa.Column("due_at", INSTANT, nullable=False),
        sa.CheckConstraint("basis > 0", name="basis"),
    )
    op.create_index("ix_points_pending_claim_key", "points_pending", ["claim_key"])
    op.create_table(
        "points_reminder",
        sa.Column("citizen_id", sa.Uuid, primary_key=True),
        sa.Column("lot", sa.String(32), primary_key=True),
        sa.Column("programme", sa.String(16), nullable=False),
        sa.Column("points", sa.BigInteger, nullable=False),
        sa.Column("reminded_at", INSTANT, nullable=False),
        sa.CheckConstraint("points > 0", name="points"),
    )


def downgrade() -> None:
    op.drop_table("points_reminder")
    op.drop_table("points_pending")
