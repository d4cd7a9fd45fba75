"""Scans that tills hand in later, wrong codes that are counted, and through whose app a voucher was held.

Revision: 0025
Follows: 0024
"""

import sqlalchemy as sa
from alembic import op

from migrations.support import allow_change, forbid_change

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.add_column("redemption", sa.Column("partner_id", sa.Uuid))
    op.create_table(
        "till_scan",
        sa.Column("till_id", sa.Uuid, primary_key=True),
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("programme", sa.String(16), nullable=False),
        sa.Column("merchant_id", sa.Uuid, nullable=False),
        sa.Column("code_digest", sa.Uuid),
        sa.Column("content", sa.String(64), nullable=False),
        sa.Column("scanned_at", INSTANT, nullable=False),
        sa.Column("received_at", INSTANT, nullable=False),
        sa.Column("value_fen", sa.BigInteger, nullable=False),
        sa.Column("outcome", sa.String(16), nullable=False),
        sa.Column("redemption_id", sa.Uuid, sa.ForeignKey("redemption.id")),
        sa.Column("consumption_id", sa.Uuid, sa.ForeignKey("consumption.id")),
        sa.Column("reason", sa.String(40)),
        sa.Column("told", sa.String(400), nullable=False),
        sa.Column("borne_by", sa.String(16)),
        sa.ForeignKeyConstraint(["till_id", "merchant_id"], ["till.id", "till.merchant_id"]),
        sa.ForeignKeyConstraint(["merchant_id", "programme"], ["party.id", "party.programme"]),
        sa.CheckConstraint("outcome IN ('consumed', 'lost', 'refused')", name="outcome"),
        sa.CheckConstraint("(outcome = 'consumed') = (consumption_id IS NOT NULL)", name="consumption_id"),
        sa.CheckConstraint("(outcome = 'consumed') = (reason IS NULL)", name="reason"),
        sa.CheckConstraint("(outcome = 'consumed') = (borne_by IS NULL)", name="borne_by"),
        sa.CheckConstraint("borne_by IN ('merchant', 'programme')", name="bearer"),
        sa.CheckConstraint("value_fen >= 0", name="value_fen"),
    )
    op.create_index("ix_till_scan_till_id_received_at", "till_scan", ["till_id", "received_at"])
    op.create_index("ix_till_scan_merchant_id_received_at", "till_scan", ["merchant_id", "received_at"])
    op.create_index("ix_till_scan_redemption_id", "till_scan", ["redemption_id"])
    forbid_change("till_scan")
    op.create_table(
        "code_failures",
        sa.Column("caller", sa.String(64), primary_key=True),
        sa.Column("failures", sa.Integer, nullable=False),
        sa.Column("since", INSTANT, nullable=False),
        sa.Column("locked_until", INSTANT),
        sa.CheckConstraint("failures > 0", name="failures"),
    )


def downgrade() -> None:
    op.drop_table("code_failures")
    allow_change("till_scan")
    op.drop_table("till_scan")
    op.drop_column("redemption", "partner_id")
