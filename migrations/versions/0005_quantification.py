"""Reductions, adjustments, tallies of open days, closed periods.

Revision: 0005
Follows: 0004
"""

import sqlalchemy as sa
from alembic import op

from migrations.support import allow_change, forbid_change

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "reduction",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("programme", sa.String(16), nullable=False),
        sa.Column("partner_id", sa.Uuid(), nullable=False),
        sa.Column("citizen_id", sa.Uuid(), nullable=False),
        sa.Column("activity_type", sa.String(32), nullable=False),
        sa.Column("scene", sa.String(32), nullable=False),
        sa.Column("occurred_at", INSTANT, nullable=False),
        sa.Column("business_day", sa.Date, nullable=False),
        sa.Column("accounting_day", sa.Date, nullable=False),
        sa.Column("vintage", sa.SmallInteger, nullable=False),
        sa.Column("methodology_id", sa.String(64), nullable=False),
        sa.Column("methodology_version", sa.String(32), nullable=False),
        sa.Column("version_digest", sa.String(64), nullable=False),
        sa.Column("profile_digest", sa.String(64), nullable=False),
        sa.Column("use", sa.String(16), nullable=False),
        sa.Column("inputs", sa.Text, nullable=False),
        sa.Column("tier", sa.String(16), nullable=False),
        sa.Column("grade", sa.String(16), nullable=False),
        sa.Column("gross_mg", sa.BigInteger, nullable=False),
        sa.Column("credited_mg", sa.BigInteger, nullable=False),
        sa.Column("cap_code", sa.String(16)),
        sa.Column("consent_id", sa.Uuid(), nullable=False),
        sa.Column("mandate_id", sa.Uuid()),
        sa.Column("recorded_at", INSTANT, nullable=False),
        sa.Column("mac", sa.LargeBinary, nullable=False),
        sa.CheckConstraint("use <> 'display' OR credited_mg = 0", name="display_counts_nothing"),
        sa.CheckConstraint("accounting_day >= business_day", name="accounting_day"),
        sa.CheckConstraint("use IN ('credit', 'points', 'display')", name="use"),
        sa.CheckConstraint("credited_mg >= 0 AND credited_mg <= gross_mg", name="credited_within_gross"),
        sa.CheckConstraint("grade IN ('official', 'published', 'secondary', 'assumed')", name="grade"),
    )
    op.create_index("ix_reduction_citizen_id_id", "reduction", ["citizen_id", "id"])
    op.create_index("ix_reduction_event_id", "reduction", ["event_id"])
    op.create_index("ix_reduction_programme_accounting_day", "reduction", ["programme", "accounting_day"])
    op.create_table(
        "reduction_adjustment",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("reduction_id", sa.Uuid(), nullable=False),
        sa.Column("programme", sa.String(16), nullable=False),
        sa.Column("delta_mg", sa.BigInteger, nullable=False),
        sa.Column("reason", sa.String(16), nullable=False),
        sa.Column("accounting_day", sa.Date, nullable=False),
        sa.Column("recorded_at", INSTANT, nullable=False),
        sa.Column("mac", sa.LargeBinary, nullable=False),
        sa.CheckConstraint("reason IN ('cap', 'withdrawn', 'superseded', 'claw-back')", name="reason"),
        sa.CheckConstraint("delta_mg <> 0", name="delta"),
    )
    op.create_index("ix_reduction_adjustment_reduction_id", "reduction_adjustment", ["reduction_id"])
    op.create_table(
        "reduction_end",
        sa.Column("reduction_id", sa.Uuid(), primary_key=True),
        sa.Column("reason", sa.String(16), nullable=False),
        sa.Column("ended_at", INSTANT, nullable=False),
        sa.Column("mac", sa.LargeBinary, nullable=False),
        sa.CheckConstraint("reason IN ('withdrawn', 'superseded')", name="reason"),
    )
    op.create_table(
        "day_tally",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("programme", sa.String(16), nullable=False),
        sa.Column("citizen_id", sa.Uuid(), nullable=False),
        sa.Column("business_day", sa.Date, nullable=False),
        sa.Column("scope", sa.String(48), nullable=False),
        sa.Column("events", sa.Integer, nullable=False),
        sa.Column("capped", sa.Integer, nullable=False),
        sa.Column("amount", sa.BigInteger, nullable=False),
        sa.Column("granted", sa.BigInteger, nullable=False),
    )
    op.create_index("ix_day_tally_programme_business_day", "day_tally", ["programme", "business_day"])
    op.create_table(
        "period",
        sa.Column("programme", sa.String(16), sa.ForeignKey("programme.code"), primary_key=True),
        sa.Column("kind", sa.String(8), primary_key=True),
        sa.Column("starts_on", sa.Date, primary_key=True),
        sa.Column("closed_at", INSTANT, nullable=False),
        sa.Column("closed_by", sa.String(64), nullable=False),
        sa.Column("reductions", sa.BigInteger, nullable=False),
        sa.Column("credited_mg", sa.BigInteger, nullable=False),
        sa.Column("corrected_mg", sa.BigInteger, nullable=False),
        sa.Column("mac", sa.LargeBinary, nullable=False),
        sa.CheckConstraint("kind IN ('day', 'month')", name="kind"),
    )
    for table in ("reduction", "reduction_adjustment", "reduction_end", "period"):
        forbid_change(table)


def downgrade() -> None:
    for table in ("reduction", "reduction_adjustment", "reduction_end", "period"):
        allow_change(table)
    for table in ("period", "day_tally", "reduction_end", "reduction_adjustment", "reduction"):
        op.drop_table(table)
