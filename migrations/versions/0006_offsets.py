"""Projects, batches, batch items, steps, serial ranges, and the triggers that keep frozen sets as they are.

Revision: 0006
Follows: 0005
"""

import sqlalchemy as sa
from alembic import op

from migrations.support import allow_change, forbid_change, on_postgresql

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)
TABLES = ("serial_range", "serial_counter", "batch_step", "batch_item", "batch", "project")

MISFIT = "a batch item must agree with its reduction and with an open batch of its programme"
FIXED = "the reductions of a frozen batch do not change"
BATCH_FIXED = "a frozen batch does not change, and takes only the steps that its state allows"
# "from>to", every step there is. A batch that stays in its state is no step.
MOVES = (
    "open>frozen",
    "open>rejected",
    "frozen>under_verification",
    "frozen>rejected",
    "under_verification>corrections_requested",
    "under_verification>verified",
    "under_verification>rejected",
    "corrections_requested>under_verification",
    "corrections_requested>rejected",
    "verified>applied",
    "applied>returned",
    "applied>registered",
    "returned>applied",
    "returned>rejected",
)
PINNED = (
    "id",
    "programme",
    "rehearsal",
    "project_id",
    "methodology_id",
    "methodology_version",
    "version_digest",
    "starts_on",
    "ends_before",
    "vintage",
    "opened_at",
)
FROZEN = (
    "frozen_at",
    "leaf_count",
    "gross_mg",
    "credited_mg",
    "batch_mg",
    "tonnes",
    "merkle_root",
    "exclusions",
    "prepared_by",
)


def _fits(item: str) -> str:
    """True where `item` agrees with its reduction and, if it is in a batch, with that."""
    same_reduction = (
        f"r.id = {item}.reduction_id AND r.use = 'credit' AND r.grade = {item}.grade "
        f"AND p.rehearsal = {item}.rehearsal "
        "AND r.credited_mg + COALESCE((SELECT SUM(a.delta_mg) FROM reduction_adjustment a "
        f"WHERE a.reduction_id = {item}.reduction_id), 0) = {item}.total_mg"
    )
    same_batch = (
        f"b.id = {item}.batch_id AND b.state = 'open' AND b.programme = r.programme "
        "AND b.methodology_id = r.methodology_id AND b.methodology_version = r.methodology_version "
        "AND b.version_digest = r.version_digest AND b.vintage = r.vintage "
        "AND b.starts_on <= r.business_day AND r.business_day < b.ends_before"
    )
    return (
        f"EXISTS (SELECT 1 FROM reduction r JOIN programme p ON p.code = r.programme WHERE {same_reduction} "
        f"AND ({item}.batch_id IS NULL OR EXISTS (SELECT 1 FROM batch b WHERE {same_batch})))"
    )


def upgrade() -> None:
    _projects()
    _batches()
    _items()
    _steps_and_serials()
    forbid_change("batch_step")
    if on_postgresql():
        _triggers_postgresql()
    else:
        _triggers_sqlite()


def _projects() -> None:
    op.create_table(
        "project",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("programme", sa.String(16), nullable=False),
        sa.Column("rehearsal", sa.Boolean, nullable=False),
        sa.Column("code", sa.String(32), nullable=False),
        sa.Column("name_zh", sa.String(120), nullable=False),
        sa.Column("name_en", sa.String(120), nullable=False),
        sa.Column("owner", sa.String(120), nullable=False),
        sa.Column("applicant", sa.String(120), nullable=False),
        sa.Column("boundary_zh", sa.Text, nullable=False),
        sa.Column("boundary_en", sa.Text, nullable=False),
        sa.Column("methodology_id", sa.String(64), nullable=False),
        sa.Column("filing_number", sa.String(64)),
        sa.Column("activity_types", sa.String(400), nullable=False),
        sa.Column("crediting_from", sa.Date, nullable=False),
        sa.Column("crediting_to", sa.Date, nullable=False),
        sa.Column("registry_kind", sa.String(16), nullable=False),
        sa.Column("created_by", sa.String(64), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.ForeignKeyConstraint(["programme", "rehearsal"], ["programme.code", "programme.rehearsal"]),
        sa.UniqueConstraint("programme", "code"),
        sa.UniqueConstraint("id", "programme", "rehearsal"),
        sa.CheckConstraint("crediting_from < crediting_to", name="crediting_period"),
        sa.CheckConstraint("registry_kind IN ('internal', 'external')", name="registry_kind"),
    )


def _batches() -> None:
    op.create_table(
        "batch",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("programme", sa.String(16), nullable=False),
        sa.Column("rehearsal", sa.Boolean, nullable=False),
        sa.Column("project_id", sa.Uuid(), nullable=False),
        sa.Column("methodology_id", sa.String(64), nullable=False),
        sa.Column("methodology_version", sa.String(32), nullable=False),
        sa.Column("version_digest", sa.String(64), nullable=False),
        sa.Column("starts_on", sa.Date, nullable=False),
        sa.Column("ends_before", sa.Date, nullable=False),
        sa.Column("vintage", sa.SmallInteger, nullable=False),
        sa.Column("state", sa.String(24), nullable=False),
        sa.Column("prepared_by", sa.String(64), nullable=False),
        sa.Column("verifier", sa.String(64)),
        sa.Column("statement", sa.String(120)),
        sa.Column("opened_at", INSTANT, nullable=False),
        sa.Column("frozen_at", INSTANT),
        sa.Column("leaf_count", sa.BigInteger),
        sa.Column("gross_mg", sa.BigInteger),
        sa.Column("credited_mg", sa.BigInteger),
        sa.Column("batch_mg", sa.BigInteger),
        sa.Column("tonnes", sa.BigInteger),
        sa.Column("merkle_root", sa.String(64)),
        sa.Column("salt", sa.LargeBinary),
        sa.Column("exclusions", sa.Text, nullable=False),
        sa.ForeignKeyConstraint(
            ["project_id", "programme", "rehearsal"], ["project.id", "project.programme", "project.rehearsal"]
        ),
        sa.UniqueConstraint("id", "rehearsal"),
        sa.UniqueConstraint("id", "project_id", "programme", "vintage"),
        sa.CheckConstraint(
            "state IN ('open', 'frozen', 'under_verification', 'corrections_requested', 'verified', "
            "'rejected', 'applied', 'returned', 'registered')",
            name="state",
        ),
        sa.CheckConstraint("starts_on < ends_before", name="period"),
        sa.CheckConstraint(
            "state IN ('open', 'rejected') OR (merkle_root IS NOT NULL AND leaf_count > 0 AND tonnes > 0 "
            "AND frozen_at IS NOT NULL AND gross_mg IS NOT NULL AND credited_mg IS NOT NULL)",
            name="frozen",
        ),
        sa.CheckConstraint("tonnes IS NULL OR batch_mg = tonnes * 1000000000", name="whole_tonnes"),
        sa.CheckConstraint(
            "state NOT IN ('verified', 'applied', 'returned', 'registered') OR "
            "(verifier IS NOT NULL AND statement IS NOT NULL)",
            name="verified",
        ),
        sa.CheckConstraint("verifier IS NULL OR verifier <> prepared_by", name="independent"),
    )
    open_only = sa.text("state = 'open'")
    op.create_index(
        "uq_batch_open",
        "batch",
        ["project_id", "methodology_version", "starts_on", "ends_before"],
        unique=True,
        postgresql_where=open_only,
        sqlite_where=open_only,
    )
    op.create_index("ix_batch_programme_id", "batch", ["programme", "id"])


def _items() -> None:
    op.create_table(
        "batch_item",
        sa.Column("reduction_id", sa.Uuid(), primary_key=True),
        sa.Column("from_mg", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("to_mg", sa.BigInteger, nullable=False),
        sa.Column("total_mg", sa.BigInteger, nullable=False),
        sa.Column("after_mg", sa.BigInteger),
        sa.Column("batch_id", sa.Uuid()),
        sa.Column("position", sa.Integer),
        sa.Column("grade", sa.String(16), nullable=False),
        sa.Column("rehearsal", sa.Boolean, nullable=False),
        sa.UniqueConstraint("reduction_id", "to_mg"),
        sa.ForeignKeyConstraint(
            ["reduction_id", "after_mg"],
            ["batch_item.reduction_id", "batch_item.to_mg"],
            name="fk_batch_item_after",
            deferrable=True,
            initially="DEFERRED",
        ),
        sa.ForeignKeyConstraint(["batch_id", "rehearsal"], ["batch.id", "batch.rehearsal"]),
        sa.CheckConstraint("from_mg >= 0 AND from_mg < to_mg", name="range"),
        sa.CheckConstraint("to_mg <= total_mg", name="within_total"),
        sa.CheckConstraint("(from_mg = 0) = (after_mg IS NULL)", name="chain"),
        sa.CheckConstraint("after_mg IS NULL OR after_mg = from_mg", name="after"),
        sa.CheckConstraint("rehearsal OR grade = 'official'", name="official_outside_rehearsal"),
        sa.CheckConstraint("(batch_id IS NULL) = (position IS NULL)", name="position"),
    )
    batched_only = sa.text("batch_id IS NOT NULL")
    op.create_index(
        "uq_batch_item_position",
        "batch_item",
        ["batch_id", "position"],
        unique=True,
        postgresql_where=batched_only,
        sqlite_where=batched_only,
    )


def _steps_and_serials() -> None:
    op.create_table(
        "batch_step",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("batch_id", sa.Uuid(), sa.ForeignKey("batch.id"), nullable=False),
        sa.Column("step", sa.String(24), nullable=False),
        sa.Column("from_state", sa.String(24)),
        sa.Column("to_state", sa.String(24), nullable=False),
        sa.Column("actor", sa.String(64), nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
        sa.Column("recorded_at", INSTANT, nullable=False),
        sa.Column("mac", sa.LargeBinary, nullable=False),
    )
    op.create_index("ix_batch_step_batch_id_id", "batch_step", ["batch_id", "id"])
    op.create_table(
        "serial_counter",
        sa.Column("project_id", sa.Uuid(), sa.ForeignKey("project.id"), primary_key=True),
        sa.Column("vintage", sa.SmallInteger, primary_key=True, autoincrement=False),
        sa.Column("next_no", sa.BigInteger, nullable=False),
        sa.CheckConstraint("next_no >= 1", name="next_no"),
    )
    op.create_table(
        "serial_range",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("programme", sa.String(16), nullable=False),
        sa.Column("project_id", sa.Uuid(), nullable=False),
        sa.Column("batch_id", sa.Uuid(), nullable=False),
        sa.Column("vintage", sa.SmallInteger, nullable=False),
        sa.Column("series", sa.String(80), nullable=False),
        sa.Column("first_no", sa.BigInteger, nullable=False),
        sa.Column("last_no", sa.BigInteger, nullable=False),
        sa.Column("tonnes", sa.BigInteger, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("issued_at", INSTANT, nullable=False),
        sa.ForeignKeyConstraint(
            ["batch_id", "project_id", "programme", "vintage"],
            ["batch.id", "batch.project_id", "batch.programme", "batch.vintage"],
            name="fk_serial_range_batch",
        ),
        sa.UniqueConstraint("project_id", "vintage", "first_no"),
        sa.UniqueConstraint("project_id", "vintage", "last_no"),
        sa.CheckConstraint("1 <= first_no AND first_no <= last_no AND last_no <= 999999999", name="numbers"),
        sa.CheckConstraint("tonnes = last_no - first_no + 1", name="tonnes"),
        sa.CheckConstraint(
            "(substr(programme, 1, 2) = 'x-') = (substr(series, 1, 2) = 'X-')", name="rehearsal_series"
        ),
        sa.CheckConstraint("state IN ('issued', 'listed', 'sold', 'delivered', 'retired')", name="state"),
    )
    op.create_index("ix_serial_range_batch_id", "serial_range", ["batch_id"])
    op.create_index("ix_serial_range_programme_id", "serial_range", ["programme", "id"])


def _batch_broken() -> str:
    """True for a change of a batch that may not be made. NULL-safe in both dialects."""
    moves = ", ".join(f"'{move}'" for move in MOVES)
    unlike = "IS DISTINCT FROM" if on_postgresql() else "IS NOT"
    pinned = " OR ".join(f"NEW.{name} {unlike} OLD.{name}" for name in PINNED)
    frozen = " OR ".join(f"NEW.{name} {unlike} OLD.{name}" for name in FROZEN)
    salt = f"(NEW.salt IS NOT NULL AND NEW.salt {unlike} OLD.salt)"
    return (
        f"(NEW.state <> OLD.state AND (OLD.state || '>' || NEW.state) NOT IN ({moves})) OR {pinned} "
        f"OR (OLD.state <> 'open' AND ({frozen} OR {salt}))"
    )


def _refuse_if(condition: str, message: str) -> str:
    return f"IF {condition} THEN RAISE EXCEPTION '{message}' USING ERRCODE = 'restrict_violation'; END IF; "


def _triggers_postgresql() -> None:
    held = (
        "SELECT 1 FROM old_items i JOIN batch b ON b.id = i.batch_id "
        "WHERE b.state NOT IN ('open', 'rejected')"
    )
    misfit = f"SELECT 1 FROM new_items i WHERE NOT {_fits('i')}"
    bodies = {
        "check_new_batch_items": _refuse_if(f"EXISTS ({misfit})", MISFIT),
        "check_changed_batch_items": _refuse_if(f"EXISTS ({held})", FIXED)
        + _refuse_if(f"EXISTS ({misfit} AND i.batch_id IS NOT NULL)", MISFIT),
        "check_gone_batch_items": _refuse_if(f"EXISTS ({held})", FIXED),
    }
    for name, body in bodies.items():
        op.execute(
            f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS "
            f"$$ BEGIN {body} RETURN NULL; END $$"
        )
    for event, tables, function in (
        ("INSERT", "NEW TABLE AS new_items", "check_new_batch_items"),
        ("UPDATE", "OLD TABLE AS old_items NEW TABLE AS new_items", "check_changed_batch_items"),
        ("DELETE", "OLD TABLE AS old_items", "check_gone_batch_items"),
    ):
        op.execute(
            f"CREATE TRIGGER batch_item_{event.lower()} AFTER {event} ON batch_item REFERENCING {tables} "
            f"FOR EACH STATEMENT EXECUTE FUNCTION {function}()"
        )
    op.execute(
        "CREATE TRIGGER batch_item_pinned BEFORE UPDATE OF reduction_id, from_mg, total_mg, after_mg, grade, "
        "rehearsal ON batch_item FOR EACH ROW EXECUTE FUNCTION refuse_change()"
    )
    op.execute(
        "CREATE FUNCTION check_batch_change() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        f"{_refuse_if(_batch_broken(), BATCH_FIXED)} RETURN NEW; END $$"
    )
    op.execute(
        "CREATE TRIGGER batch_change BEFORE UPDATE ON batch "
        "FOR EACH ROW EXECUTE FUNCTION check_batch_change()"
    )
    op.execute(
        "CREATE TRIGGER serial_counter_forward BEFORE UPDATE ON serial_counter FOR EACH ROW "
        "WHEN (NEW.next_no <= OLD.next_no) EXECUTE FUNCTION refuse_change()"
    )
    for table in ("batch", "serial_range", "serial_counter"):
        op.execute(
            f"CREATE TRIGGER {table}_delete BEFORE DELETE ON {table} "
            "FOR EACH ROW EXECUTE FUNCTION refuse_change()"
        )
    for table in ("batch_item", "batch", "serial_range", "serial_counter"):
        op.execute(
            f"CREATE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
        )


def _triggers_sqlite() -> None:
    fits = _fits("NEW")
    held = "EXISTS (SELECT 1 FROM batch b WHERE b.id = OLD.batch_id AND b.state NOT IN ('open', 'rejected'))"
    pinned = "reduction_id, from_mg, total_mg, after_mg, grade, rehearsal"
    serials = "serial numbers are never deleted and never given twice"
    for name, when, condition, message in (
        ("batch_item_insert", "BEFORE INSERT ON batch_item", f"NOT {fits}", MISFIT),
        ("batch_item_update", "BEFORE UPDATE ON batch_item", held, FIXED),
        (
            "batch_item_assign",
            "BEFORE UPDATE ON batch_item",
            f"NEW.batch_id IS NOT NULL AND NOT {fits}",
            MISFIT,
        ),
        ("batch_item_pinned", f"BEFORE UPDATE OF {pinned} ON batch_item", "1", FIXED),
        ("batch_item_delete", "BEFORE DELETE ON batch_item", held, FIXED),
        ("batch_change", "BEFORE UPDATE ON batch", _batch_broken(), BATCH_FIXED),
        ("batch_delete", "BEFORE DELETE ON batch", "1", BATCH_FIXED),
        ("serial_range_delete", "BEFORE DELETE ON serial_range", "1", serials),
        ("serial_counter_delete", "BEFORE DELETE ON serial_counter", "1", serials),
        ("serial_counter_forward", "BEFORE UPDATE ON serial_counter", "NEW.next_no <= OLD.next_no", serials),
    ):
        op.execute(
            f"CREATE TRIGGER {name} {when} WHEN {condition} BEGIN SELECT RAISE(ABORT, '{message}'); END"
        )


def downgrade() -> None:
    allow_change("batch_step")
    for table in TABLES:
        op.drop_table(table)
    if on_postgresql():
        for function in (
            "check_new_batch_items",
            "check_changed_batch_items",
            "check_gone_batch_items",
            "check_batch_change",
        ):
            op.execute(f"DROP FUNCTION {function}()")
