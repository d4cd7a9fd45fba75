"""Facts about citizens, occupants of meters, parts of divided events.

Revision: 0010
Follows: 0009
"""

import sqlalchemy as sa
from alembic import op

from migrations.support import allow_change, forbid_change, on_postgresql

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)
TIERS = "tier IN ('measured', 'derived', 'declared', 'assumed')"
SPAN = "to_day IS NULL OR to_day > from_day"
OVERLAP = "meter_occupancy: a meter counts for one citizen on a day"


def upgrade() -> None:
    op.create_table(
        "citizen_fact",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("programme", sa.String(16), nullable=False),
        sa.Column("citizen_id", sa.Uuid, nullable=False),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("value", sa.String(64)),
        sa.Column("from_day", sa.Date, nullable=False),
        sa.Column("to_day", sa.Date),
        sa.Column("tier", sa.String(16), nullable=False),
        sa.Column("source", sa.String(500), nullable=False),
        sa.Column("recorded_by", sa.String(64), nullable=False),
        sa.Column("recorded_at", INSTANT, nullable=False),
        sa.ForeignKeyConstraint(["citizen_id", "programme"], ["citizen.id", "citizen.programme"]),
        sa.CheckConstraint(TIERS, name="tier"),
        sa.CheckConstraint(SPAN, name="span"),
    )
    op.create_index("ix_citizen_fact_citizen_id", "citizen_fact", ["citizen_id"])
    op.create_table(
        "meter_occupancy",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("programme", sa.String(16), nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("value_digest", sa.Uuid, nullable=False),
        sa.Column("citizen_id", sa.Uuid, nullable=False),
        sa.Column("from_day", sa.Date, nullable=False),
        sa.Column("to_day", sa.Date),
        sa.Column("recorded_by", sa.String(64), nullable=False),
        sa.Column("recorded_at", INSTANT, nullable=False),
        sa.ForeignKeyConstraint(["citizen_id", "programme"], ["citizen.id", "citizen.programme"]),
        sa.CheckConstraint(SPAN, name="span"),
    )
    op.create_index("ix_meter_occupancy_value_digest", "meter_occupancy", ["value_digest", "from_day"])
    op.create_index("ix_meter_occupancy_citizen_id", "meter_occupancy", ["citizen_id"])
    _forbid_overlap()
    op.create_table(
        "reduction_part",
        sa.Column("reduction_id", sa.Uuid, primary_key=True),
        sa.Column("event_id", sa.Uuid, nullable=False),
        sa.Column("citizen_id", sa.Uuid, nullable=False),
        sa.Column("activity_type", sa.String(32), nullable=False),
        sa.Column("starts_on", sa.Date, nullable=False),
        sa.Column("ends_before", sa.Date, nullable=False),
        sa.Column("quantities", sa.Text, nullable=False),
        sa.Column("mac", sa.LargeBinary, nullable=False),
        sa.CheckConstraint("ends_before > starts_on", name="span"),
    )
    op.create_index("ix_reduction_part_event_id", "reduction_part", ["event_id"])
    op.create_index("ix_reduction_part_citizen_id_starts_on", "reduction_part", ["citizen_id", "starts_on"])
    forbid_change("reduction_part")


def _forbid_overlap() -> None:
    same = "o.programme = NEW.programme AND o.kind = NEW.kind AND o.value_digest = NEW.value_digest"
    overlaps = (
        f"SELECT 1 FROM meter_occupancy o WHERE {same} AND o.id <> NEW.id "
        "AND (o.to_day IS NULL OR NEW.from_day < o.to_day) "
        "AND (NEW.to_day IS NULL OR o.from_day < NEW.to_day)"
    )
    if on_postgresql():
        # The lock comes first: of two at once, the second sees what the first has written.
        op.execute(
            f"""CREATE FUNCTION meter_occupancy_alone() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN
                PERFORM pg_advisory_xact_lock(hashtextextended('occupancy ' || NEW.value_digest::text, 0));
                IF EXISTS ({overlaps}) THEN
                    RAISE EXCEPTION '{OVERLAP}' USING ERRCODE = 'exclusion_violation';
                END IF;
                RETURN NEW;
            END $$"""
        )
        op.execute(
            "CREATE TRIGGER meter_occupancy_alone BEFORE INSERT OR UPDATE ON meter_occupancy "
            "FOR EACH ROW EXECUTE FUNCTION meter_occupancy_alone()"
        )
        return
    for verb in ("INSERT", "UPDATE"):
        op.execute(
            f"CREATE TRIGGER meter_occupancy_alone_{verb.lower()} BEFORE {verb} ON meter_occupancy "
            f"WHEN EXISTS ({overlaps}) BEGIN SELECT RAISE(ABORT, '{OVERLAP}'); END"
        )


def downgrade() -> None:
    allow_change("reduction_part")
    for table in ("reduction_part", "meter_occupancy", "citizen_fact"):
        op.drop_table(table)
    if on_postgresql():
        op.execute("DROP FUNCTION meter_occupancy_alone()")
