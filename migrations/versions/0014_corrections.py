"""Closings that go on in portions, and what finds corrections and reports without reading everything.

Revision: 0014
Follows: 0013
"""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

LATE = {
    "ix_reduction_late_day": ["programme", "accounting_day", "citizen_id"],
    "ix_reduction_late_citizen": ["citizen_id", "accounting_day"],
}
INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "period_closing",
        sa.Column("programme", sa.String(16), sa.ForeignKey("programme.code"), primary_key=True),
        sa.Column("starts_on", sa.Date, primary_key=True),
        sa.Column("begun_at", INSTANT, nullable=False),
        sa.Column("begun_by", sa.String(64), nullable=False),
        sa.Column("step", sa.String(16), nullable=False),
        sa.Column("settled_through", sa.Text),
        sa.Column("city_limit", sa.Text),
        sa.Column("citizens", sa.BigInteger, nullable=False),
        sa.Column("corrected_mg", sa.BigInteger, nullable=False),
        sa.CheckConstraint("step IN ('again', 'citizens', 'city', 'span', 'late', 'record')", name="step"),
    )
    # Where the order of arrival may have mattered: few of the many.
    op.create_index(
        "ix_day_tally_capped",
        "day_tally",
        ["programme", "business_day", "citizen_id"],
        postgresql_where=sa.text("capped > 0"),
        sqlite_where=sa.text("capped > 0"),
    )
    op.create_index(
        "ix_reduction_adjustment_programme_accounting_day",
        "reduction_adjustment",
        ["programme", "accounting_day"],
    )
    # What came when its day was closed: few of the many, too.
    late = sa.text("accounting_day > business_day")
    for name, columns in LATE.items():
        op.create_index(name, "reduction", columns, postgresql_where=late, sqlite_where=late)
    # Claims and ends are written in the order of time: a few bytes for each block of them.
    op.create_index("ix_event_claim_claimed_at", "event_claim", ["claimed_at"], postgresql_using="brin")
    op.create_index("ix_reduction_end_ended_at", "reduction_end", ["ended_at"], postgresql_using="brin")


def downgrade() -> None:
    for name in LATE:
        op.drop_index(name, "reduction")
    op.drop_index("ix_reduction_end_ended_at", "reduction_end")
    op.drop_index("ix_event_claim_claimed_at", "event_claim")
    op.drop_index("ix_reduction_adjustment_programme_accounting_day", "reduction_adjustment")
    op.drop_index("ix_day_tally_capped", "day_tally")
    op.drop_table("period_closing")
