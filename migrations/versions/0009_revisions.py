"""Revisions of reductions, results below zero that are netted, reasons and periods of the closing.

Revision: 0009
Follows: 0008
"""

import sqlalchemy as sa
from alembic import op

from migrations.support import (
    allow_change,
    change_check,
    change_function,
    forbid_change,
    on_postgresql,
    triggers_of,
)

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)
# (table, check, what it said, what it says)
CHECKS = (
    (
        "reduction",
        "credited_within_gross",
        "credited_mg >= 0 AND credited_mg <= gross_mg",
        "credited_mg >= 0 AND (credited_mg = 0 OR credited_mg <= gross_mg)",
    ),
    (
        "reduction_adjustment",
        "reason",
        "reason IN ('cap', 'withdrawn', 'superseded', 'claw-back')",
        "reason IN ('cap', 'cap-events', 'cap-mg', 'cap-scene', 'cap-person', 'cap-year', 'cap-programme', "
        "'netting', 'overlap', 'settled', 'ineligible', 'requantified', 'withdrawn', 'superseded', "
        "'claw-back')",
    ),
    ("period", "kind", "kind IN ('day', 'month')", "kind IN ('day', 'month', 'year')"),
)
# What a batch item is compared with: the reduction as it stands, which its latest revision says.
RECORDED = "FROM reduction r JOIN programme p"
_REVISED = ("methodology_id", "methodology_version", "version_digest", "use", "grade")
PRESENT = (
    "FROM (SELECT o.id, o.programme, o.business_day, o.vintage, o.credited_mg, "
    + ", ".join(f"COALESCE(v.{name}, o.{name}) AS {name}" for name in _REVISED)
    + " FROM reduction o LEFT JOIN reduction_revision v ON v.reduction_id = o.id AND NOT EXISTS "
    "(SELECT 1 FROM reduction_revision w WHERE w.reduction_id = v.reduction_id AND w.number > v.number)) r "
    "JOIN programme p"
)


def upgrade() -> None:
    op.create_table(
        "reduction_revision",
        sa.Column("reduction_id", sa.Uuid(), primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("programme", sa.String(16), nullable=False),
        sa.Column("methodology_id", sa.String(64), nullable=False),
        sa.Column("methodology_version", sa.String(32), nullable=False),
        sa.Column("version_digest", sa.String(64), nullable=False),
        sa.Column("profile_digest", sa.String(64), nullable=False),
        sa.Column("use", sa.String(16), nullable=False),
        sa.Column("inputs", sa.Text, nullable=False),
        sa.Column("tier", sa.String(16), nullable=False),
        sa.Column("grade", sa.String(16), nullable=False),
        sa.Column("gross_mg", sa.BigInteger, nullable=False),
        sa.Column("reason", sa.String(16), nullable=False),
        sa.Column("accounting_day", sa.Date, nullable=False),
        sa.Column("recorded_at", INSTANT, nullable=False),
        sa.Column("mac", sa.LargeBinary, nullable=False),
        sa.CheckConstraint("number >= 1", name="number"),
        sa.CheckConstraint("use IN ('credit', 'points', 'display')", name="use"),
        sa.CheckConstraint("grade IN ('official', 'published', 'secondary', 'assumed')", name="grade"),
        sa.CheckConstraint("reason IN ('settled', 'decided', 'requantified')", name="reason"),
    )
    _exchange(RECORDED, PRESENT, [(table, name, old, new) for table, name, old, new in CHECKS])
    op.create_index(
        "ix_reduction_programme_business_day_citizen_id",
        "reduction",
        ["programme", "business_day", "citizen_id"],
    )
    forbid_change("reduction_revision")


def downgrade() -> None:
    allow_change("reduction_revision")
    op.drop_index("ix_reduction_programme_business_day_citizen_id", "reduction")
    _exchange(PRESENT, RECORDED, [(table, name, new, old) for table, name, old, new in CHECKS])
    op.drop_table("reduction_revision")


def _exchange(before: str, after: str, checks: list[tuple[str, str, str, str]]) -> None:
    """The checks, and what the triggers of batch items compare with."""
    items = [] if on_postgresql() else triggers_of("batch_item")
    for table, name, old, new in checks:
        change_check(table, name, old, new)
    if on_postgresql():
        for function in ("check_new_batch_items", "check_changed_batch_items"):
            change_function(function, before, after)
    for sql in items:
        op.execute(sql.replace(before, after))
