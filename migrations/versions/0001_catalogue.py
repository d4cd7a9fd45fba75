"""Programmes, profiles, methodology versions, networks; idempotency records.

Revision: 0001
"""

import sqlalchemy as sa
from alembic import op

from migrations.support import allow_change, forbid_change, on_postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "idempotency_record",
        sa.Column("caller", sa.String(64), primary_key=True),
        sa.Column("key", sa.String(128), primary_key=True),
        sa.Column("request_hash", sa.String(64), nullable=False),
        sa.Column("status", sa.SmallInteger, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
    )
    op.create_index("ix_idempotency_record_created_at", "idempotency_record", ["created_at"])
    op.create_table(
        "profile",
        sa.Column("digest", sa.String(64), primary_key=True),
        sa.Column("programme", sa.String(16), nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.Column("loaded_at", INSTANT, nullable=False),
    )
    op.create_index("ix_profile_programme", "profile", ["programme"])
    op.create_table(
        "programme",
        sa.Column("code", sa.String(16), primary_key=True),
        sa.Column("rehearsal", sa.Boolean, nullable=False),
        sa.Column("phase", sa.String(16), nullable=False),
        sa.Column("time_zone", sa.String(64), nullable=False),
        sa.Column("profile_digest", sa.String(64), sa.ForeignKey("profile.digest"), nullable=False),
        sa.UniqueConstraint("code", "rehearsal"),
        sa.CheckConstraint("rehearsal = (code LIKE 'x-%')", name="rehearsal_by_code"),
        sa.CheckConstraint("phase IN ('shadow', 'pilot', 'open', 'closing', 'closed')", name="phase"),
    )
    op.create_table(
        "methodology_version",
        sa.Column("methodology_id", sa.String(64), primary_key=True),
        sa.Column("version", sa.String(32), primary_key=True),
        sa.Column("digest", sa.String(64), nullable=False, unique=True),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("grade", sa.String(16), nullable=False),
        sa.Column("effective_from", sa.Date),
        sa.Column("effective_to", sa.Date),
        sa.Column("bundle", sa.LargeBinary, nullable=False),
        sa.Column("recorded_at", INSTANT, nullable=False),
        sa.CheckConstraint("state IN ('draft', 'published', 'retired')", name="state"),
    )
    op.create_table(
        "network_version",
        sa.Column("digest", sa.String(64), primary_key=True),
        sa.Column("programme", sa.String(16), sa.ForeignKey("programme.code"), nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.Column("loaded_at", INSTANT, nullable=False),
    )
    op.create_index("ix_network_version_programme", "network_version", ["programme"])
    forbid_change("profile")
    forbid_change("network_version")
    _lock_published_bytes()


def _lock_published_bytes() -> None:
    # A published byte never changes; a published version can only be retired.
    message = "a published methodology version never changes: publish a new version"
    changed = (
        "NEW.digest <> OLD.digest OR NEW.bundle <> OLD.bundle OR NEW.grade <> OLD.grade "
        "OR NEW.methodology_id <> OLD.methodology_id OR NEW.version <> OLD.version "
        "OR NEW.state = 'draft'"
    )
    if on_postgresql():
        op.execute(
            f"""CREATE FUNCTION refuse_published_change() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN
                IF OLD.state <> 'draft' AND (TG_OP = 'DELETE' OR {changed}) THEN
                    RAISE EXCEPTION '{message}' USING ERRCODE = 'restrict_violation';
                END IF;
                RETURN COALESCE(NEW, OLD);
            END $$"""
        )
        op.execute(
            "CREATE TRIGGER methodology_version_published BEFORE UPDATE OR DELETE ON methodology_version "
            "FOR EACH ROW EXECUTE FUNCTION refuse_published_change()"
        )
        return
    op.execute(
        "CREATE TRIGGER methodology_version_published_update BEFORE UPDATE ON methodology_version "
        f"WHEN OLD.state <> 'draft' AND ({changed}) BEGIN SELECT RAISE(ABORT, '{message}'); END"
    )
    op.execute(
        "CREATE TRIGGER methodology_version_published_delete BEFORE DELETE ON methodology_version "
        f"WHEN OLD.state <> 'draft' BEGIN SELECT RAISE(ABORT, '{message}'); END"
    )


def downgrade() -> None:
    for table in ("network_version", "profile"):
        allow_change(table)
    op.drop_table("network_version")
    op.drop_table("methodology_version")
    op.drop_table("programme")
    op.drop_table("profile")
    op.drop_table("idempotency_record")
    if on_postgresql():
        op.execute("DROP FUNCTION refuse_published_change()")
        op.execute("DROP FUNCTION refuse_change()")
