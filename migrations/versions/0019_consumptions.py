"""Uses of a voucher as rows of their own: several where the offer allows it, each undone once at most.

Revision: 0019
Follows: 0018
"""

import sqlalchemy as sa
from alembic import op

from migrations.support import on_postgresql

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)
CONSUMED = sa.text("state = 'consumed'")
# Two rules of the database: what a row may become, and how much of a voucher its uses may take.
KEPT = (
    *("id", "redemption_id", "programme", "merchant_id", "store_id", "till_id"),
    *("points", "value_fen", "consumed_at", "recorded_at", "offline"),
)
UNDONE = "a consumption only ever becomes undone, once"
WITHIN = "consumptions exceed the value of their voucher"


def upgrade() -> None:
    op.add_column("offer", sa.Column("partial_use", sa.Boolean, server_default=sa.false(), nullable=False))
    bigint, instant = ("BIGINT", "TIMESTAMP WITH TIME ZONE") if on_postgresql() else ("BIGINT", "DATETIME")
    op.execute(
        f"ALTER TABLE redemption ADD COLUMN consumed_fen {bigint} DEFAULT '0' NOT NULL "
        "CONSTRAINT ck_redemption_consumed_fen CHECK (consumed_fen BETWEEN 0 AND value_fen)"
    )
    op.execute(
        f"ALTER TABLE redemption ADD COLUMN late_until {instant} "
        "CONSTRAINT ck_redemption_late_until CHECK (late_until > expires_at)"
    )
    op.create_table(
        "consumption",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("redemption_id", sa.Uuid, sa.ForeignKey("redemption.id"), nullable=False),
        sa.Column("programme", sa.String(16), nullable=False),
        sa.Column("merchant_id", sa.Uuid, nullable=False),
        sa.Column("store_id", sa.Uuid),
        sa.Column("till_id", sa.Uuid),
        sa.Column("points", sa.BigInteger, nullable=False),
        sa.Column("value_fen", sa.BigInteger, nullable=False),
        sa.Column("consumed_at", INSTANT, nullable=False),
        sa.Column("recorded_at", INSTANT, nullable=False),
        sa.Column("offline", sa.Boolean, nullable=False),
        sa.Column("undone_at", INSTANT),
        sa.ForeignKeyConstraint(["merchant_id", "programme"], ["party.id", "party.programme"]),
        sa.ForeignKeyConstraint(["till_id", "merchant_id"], ["till.id", "till.merchant_id"]),
        sa.ForeignKeyConstraint(
            ["store_id", "programme", "merchant_id"], ["store.id", "store.programme", "store.merchant_id"]
        ),
        sa.CheckConstraint("points >= 0", name="points"),
        sa.CheckConstraint("value_fen >= 0", name="value_fen"),
        sa.CheckConstraint("offline OR consumed_at = recorded_at", name="recorded_at"),
        sa.CheckConstraint("undone_at IS NULL OR undone_at >= recorded_at", name="undone_at"),
    )
    op.create_index("ix_consumption_redemption_id", "consumption", ["redemption_id"])
    op.create_index(
        "ix_consumption_merchant_id_consumed_at_id", "consumption", ["merchant_id", "consumed_at", "id"]
    )
    op.create_index("ix_consumption_programme_recorded_at", "consumption", ["programme", "recorded_at"])
    # What was consumed before: used once, whole. The row takes the id that the merchant knows it by.
    op.execute("UPDATE redemption SET consumed_fen = value_fen WHERE state = 'consumed'")
    op.execute(
        "INSERT INTO consumption SELECT id, id, programme, merchant_id, NULL, NULL, points, value_fen, "
        f"resolved_at, resolved_at, {'false' if on_postgresql() else '0'}, NULL "
        "FROM redemption WHERE state = 'consumed'"
    )
    op.drop_index("ix_redemption_consumed", "redemption")
    _guard_on_postgresql() if on_postgresql() else _guard_on_sqlite()


def downgrade() -> None:
    """Only whole uses can be told by the tables before; the rest of a partly used voucher is lost."""
    if on_postgresql():
        op.execute("DROP TRIGGER consumption_guard ON consumption")
        op.execute("DROP FUNCTION guard_consumption()")
    op.drop_table("consumption")
    op.create_index(
        "ix_redemption_consumed",
        "redemption",
        ["merchant_id", "resolved_at", "id"],
        postgresql_where=CONSUMED,
        sqlite_where=CONSUMED,
    )
    op.drop_column("redemption", "late_until")
    op.drop_column("redemption", "consumed_fen")
    op.drop_column("offer", "partial_use")


def _guard_on_postgresql() -> None:
    same = " AND ".join(f"NEW.{name} IS NOT DISTINCT FROM OLD.{name}" for name in KEPT)
    # The voucher's row is locked first, so that two uses at one moment are added one after the other.
    op.execute(
        f"""CREATE FUNCTION guard_consumption() RETURNS trigger LANGUAGE plpgsql AS $$
        DECLARE worth BIGINT;
        BEGIN
            IF TG_OP = 'UPDATE' AND OLD.undone_at IS NULL AND NEW.undone_at IS NOT NULL
                AND {same} THEN
                RETURN NEW;
            ELSIF TG_OP <> 'INSERT' THEN
                RAISE EXCEPTION '{UNDONE}' USING ERRCODE = 'restrict_violation';
            END IF;
            SELECT value_fen INTO worth FROM redemption WHERE id = NEW.redemption_id FOR NO KEY UPDATE;
            IF NEW.undone_at IS NULL AND NEW.value_fen + (SELECT coalesce(sum(value_fen), 0) FROM consumption
                WHERE redemption_id = NEW.redemption_id AND undone_at IS NULL) > worth THEN
                RAISE EXCEPTION '{WITHIN}' USING ERRCODE = 'check_violation';
            END IF;
            RETURN NEW;
        END $$"""
    )
    op.execute(
        "CREATE TRIGGER consumption_guard BEFORE INSERT OR UPDATE OR DELETE ON consumption "
        "FOR EACH ROW EXECUTE FUNCTION guard_consumption()"
    )


def _guard_on_sqlite() -> None:
    same = " AND ".join(f"NEW.{name} IS OLD.{name}" for name in KEPT)
    op.execute(
        "CREATE TRIGGER consumption_within BEFORE INSERT ON consumption WHEN NEW.undone_at IS NULL AND "
        "NEW.value_fen + (SELECT coalesce(sum(value_fen), 0) FROM consumption WHERE redemption_id = "
        "NEW.redemption_id AND undone_at IS NULL) > (SELECT value_fen FROM redemption WHERE id = "
        f"NEW.redemption_id) BEGIN SELECT RAISE(ABORT, '{WITHIN}'); END"
    )
    op.execute(
        "CREATE TRIGGER consumption_undone BEFORE UPDATE ON consumption WHEN NOT (OLD.undone_at IS NULL AND "
        f"NEW.undone_at IS NOT NULL AND {same}) BEGIN SELECT RAISE(ABORT, '{UNDONE}'); END"
    )
    op.execute(
        "CREATE TRIGGER consumption_kept BEFORE DELETE ON consumption BEGIN "
        f"SELECT RAISE(ABORT, '{UNDONE}'); END"
    )
