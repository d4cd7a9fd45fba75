"""Citizens retire grams of their own: a row for each retirement, and its milligrams in the chain of ranges.

Revision: 0026
Follows: 0025
"""

import sqlalchemy as sa
from alembic import op

from migrations.support import (
    allow_change,
    change_constraints,
    change_function,
    forbid_change,
    on_postgresql,
    triggers_of,
)

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)
ITEM = (
    # What a citizen retires may be published, and so may what is left of such a reduction; a batch's may not.
    (
        "ck_batch_item_official_outside_rehearsal",
        "CHECK (rehearsal OR grade = 'official')",
        "CHECK (rehearsal OR grade = 'official' OR grade = 'published' AND batch_id IS NULL)",
    ),
    ("ck_batch_item_one_use", None, "CHECK (batch_id IS NULL OR retirement_id IS NULL)"),
    (
        "fk_batch_item_retirement_id_rehearsal_citizen_retirement",
        None,
        "FOREIGN KEY(retirement_id, rehearsal) REFERENCES citizen_retirement (id, rehearsal)",
    ),
)
# What the triggers of batch items say before and after, word for word. A retirement takes its own citizen's
# reductions only, and what it took is never given back.
OWN = (
    "({item}.retirement_id IS NULL OR EXISTS (SELECT 1 FROM citizen_retirement c "
    "WHERE c.id = {item}.retirement_id AND c.programme = r.programme AND c.citizen_id = r.citizen_id)) AND "
)
FITS = (
    ("o.vintage, o.credited_mg, ", "o.vintage, o.credited_mg, o.citizen_id, "),
    ("({item}.batch_id IS NULL OR EXISTS (", OWN + "({item}.batch_id IS NULL OR EXISTS ("),
)
HELD = (
    "JOIN batch b ON b.id = i.batch_id WHERE b.state NOT IN ('open', 'rejected')",
    "LEFT JOIN batch b ON b.id = i.batch_id "
    "WHERE i.retirement_id IS NOT NULL OR b.state NOT IN ('open', 'rejected')",
)
ASSIGNED = (
    "AND i.batch_id IS NOT NULL",
    "AND (i.batch_id IS NOT NULL OR i.retirement_id IS NOT NULL)",
)
FUNCTIONS = {
    "check_new_batch_items": FITS,
    "check_changed_batch_items": (*FITS, HELD, ASSIGNED),
    "check_gone_batch_items": (HELD,),
}
TRIGGERS = (
    *FITS,
    (
        "WHEN EXISTS (SELECT 1 FROM batch b WHERE b.id = OLD.batch_id",
        "WHEN OLD.retirement_id IS NOT NULL OR EXISTS (SELECT 1 FROM batch b WHERE b.id = OLD.batch_id",
    ),
    (
        "WHEN NEW.batch_id IS NOT NULL AND NOT",
        "WHEN (NEW.batch_id IS NOT NULL OR NEW.retirement_id IS NOT NULL) AND NOT",
    ),
)


def upgrade() -> None:
    op.create_table(
        "citizen_retirement",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("programme", sa.String(16), nullable=False),
        sa.Column("rehearsal", sa.Boolean, nullable=False),
        sa.Column("citizen_id", sa.Uuid, nullable=False),
        sa.Column("co2e_mg", sa.BigInteger, nullable=False),
        sa.Column("grade", sa.String(16), nullable=False),
        sa.Column("purpose_zh", sa.String(80), nullable=False),
        sa.Column("purpose_en", sa.String(160), nullable=False),
        sa.Column("retired_at", INSTANT, nullable=False),
        sa.Column("mac", sa.LargeBinary, nullable=False),
        sa.ForeignKeyConstraint(["programme", "rehearsal"], ["programme.code", "programme.rehearsal"]),
        sa.ForeignKeyConstraint(["citizen_id", "programme"], ["citizen.id", "citizen.programme"]),
        sa.UniqueConstraint("id", "rehearsal"),
        sa.CheckConstraint("co2e_mg > 0", name="co2e_mg"),
        sa.CheckConstraint("grade IN ('official', 'published', 'secondary', 'assumed')", name="grade"),
        sa.CheckConstraint("rehearsal OR grade IN ('official', 'published')", name="no_sandbox"),
    )
    op.create_index("ix_citizen_retirement_citizen_id_id", "citizen_retirement", ["citizen_id", "id"])
    forbid_change("citizen_retirement")
    items = _without_triggers()
    op.add_column("batch_item", sa.Column("retirement_id", sa.Uuid))
    change_constraints("batch_item", ITEM)
    retired_only = sa.text("retirement_id IS NOT NULL")
    op.create_index(
        "ix_batch_item_retirement_id",
        "batch_item",
        ["retirement_id"],
        postgresql_where=retired_only,
        sqlite_where=retired_only,
    )
    if on_postgresql():
        for name, changes in FUNCTIONS.items():
            for before, after in changes:
                change_function(name, before.format(item="i"), after.format(item="i"))
    for sql in items:
        op.execute(_exchanged(sql, [(before, after) for before, after in TRIGGERS]))


def downgrade() -> None:
    items = _without_triggers()
    if on_postgresql():
        for name, changes in FUNCTIONS.items():
            for before, after in changes:
                change_function(name, after.format(item="i"), before.format(item="i"))
    op.drop_index("ix_batch_item_retirement_id", "batch_item")
    change_constraints("batch_item", [(name, after, before) for name, before, after in reversed(ITEM)])
    op.drop_column("batch_item", "retirement_id")
    for sql in items:
        op.execute(_exchanged(sql, [(after, before) for before, after in TRIGGERS]))
    allow_change("citizen_retirement")
    op.drop_table("citizen_retirement")


def _without_triggers() -> list[str]:
    """SQLite: what made the triggers of batch items, which are gone until they are made again."""
    return [] if on_postgresql() else triggers_of("batch_item")


def _exchanged(sql: str, changes: list[tuple[str, str]]) -> str:
    for before, after in changes:
        sql = sql.replace(before.format(item="NEW"), after.format(item="NEW"))
    return sql
