"""Parties, credentials, citizens, links, consents, mandates.

Revision: 0002
"""

import sqlalchemy as sa
from alembic import op

from migrations.support import on_postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)
ROLES = "role IN ('partner', 'merchant', 'operator', 'verifier', 'buyer')"
TIERS = "tier IN ('measured', 'derived', 'declared', 'assumed')"
SPANS = {
    "consent": (
        "id",
        "programme",
        "citizen_id",
        "scene",
        "partner_id",
        "text_version",
        "tier",
        "given_at",
        "recorded_at",
    ),
    "mandate": (
        "id",
        "programme",
        "citizen_id",
        "text_version",
        "share_percent",
        "tier",
        "given_at",
        "recorded_at",
    ),
}


def upgrade() -> None:
    op.create_table(
        "party",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("programme", sa.String(16), sa.ForeignKey("programme.code"), nullable=False),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("name", sa.String(120), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.UniqueConstraint("programme", "role", "name"),
        sa.UniqueConstraint("id", "programme"),
        sa.CheckConstraint(ROLES, name="role"),
        sa.CheckConstraint("status IN ('active', 'suspended')", name="status"),
    )
    op.create_table(
        "credential",
        sa.Column("client_id", sa.String(32), primary_key=True),
        sa.Column("party_id", sa.Uuid, sa.ForeignKey("party.id"), nullable=False),
        sa.Column("secret_hash", sa.String(200), nullable=False),
        sa.Column("scopes", sa.String(400), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("revoked_at", INSTANT),
    )
    op.create_index("ix_credential_party_id", "credential", ["party_id"])
    op.create_table(
        "citizen",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("programme", sa.String(16), sa.ForeignKey("programme.code"), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.UniqueConstraint("id", "programme"),
        sa.CheckConstraint("status IN ('active', 'closed')", name="status"),
    )
    _links()
    _consents()
    _mandates()
    for table, columns in SPANS.items():
        _allow_only_withdrawal(table, columns)


def _links() -> None:
    op.create_table(
        "citizen_link",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("programme", sa.String(16), nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("value_digest", sa.Uuid, nullable=False),
        sa.Column("citizen_id", sa.Uuid, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("linked_by", sa.Uuid, nullable=False),
        sa.Column("linked_at", INSTANT, nullable=False),
        sa.Column("unlinked_at", INSTANT),
        sa.ForeignKeyConstraint(["citizen_id", "programme"], ["citizen.id", "citizen.programme"]),
        sa.ForeignKeyConstraint(["linked_by", "programme"], ["party.id", "party.programme"]),
        sa.CheckConstraint("state IN ('claimed', 'confirmed')", name="state"),
    )
    _unique_while_null(
        "uq_citizen_link_value_digest",
        "citizen_link",
        ["value_digest", "programme", "kind"],
        "unlinked_at IS NULL",
    )
    op.create_index("ix_citizen_link_citizen_id", "citizen_link", ["citizen_id"])


def _consents() -> None:
    op.create_table(
        "consent",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("programme", sa.String(16), nullable=False),
        sa.Column("citizen_id", sa.Uuid, nullable=False),
        sa.Column("scene", sa.String(32), nullable=False),
        sa.Column("partner_id", sa.Uuid, nullable=False),
        sa.Column("text_version", sa.String(32), nullable=False),
        sa.Column("tier", sa.String(16), nullable=False),
        sa.Column("given_at", INSTANT, nullable=False),
        sa.Column("recorded_at", INSTANT, nullable=False),
        sa.Column("withdrawn_at", INSTANT),
        sa.ForeignKeyConstraint(["citizen_id", "programme"], ["citizen.id", "citizen.programme"]),
        sa.ForeignKeyConstraint(["partner_id", "programme"], ["party.id", "party.programme"]),
        sa.CheckConstraint(TIERS, name="tier"),
        sa.CheckConstraint("withdrawn_at IS NULL OR withdrawn_at >= given_at", name="span"),
    )
    _unique_while_null(
        "uq_consent_in_force", "consent", ["citizen_id", "partner_id", "scene"], "withdrawn_at IS NULL"
    )
    op.create_index("ix_consent_citizen_id", "consent", ["citizen_id"])


def _mandates() -> None:
    op.create_table(
        "mandate",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("programme", sa.String(16), nullable=False),
        sa.Column("citizen_id", sa.Uuid, nullable=False),
        sa.Column("text_version", sa.String(32), nullable=False),
        sa.Column("share_percent", sa.SmallInteger, nullable=False),
        sa.Column("tier", sa.String(16), nullable=False),
        sa.Column("given_at", INSTANT, nullable=False),
        sa.Column("recorded_at", INSTANT, nullable=False),
        sa.Column("withdrawn_at", INSTANT),
        sa.ForeignKeyConstraint(["citizen_id", "programme"], ["citizen.id", "citizen.programme"]),
        sa.CheckConstraint(TIERS, name="tier"),
        sa.CheckConstraint("share_percent BETWEEN 0 AND 100", name="share_percent"),
        sa.CheckConstraint("withdrawn_at IS NULL OR withdrawn_at >= given_at", name="span"),
    )
    _unique_while_null("uq_mandate_in_force", "mandate", ["citizen_id"], "withdrawn_at IS NULL")
    op.create_index("ix_mandate_citizen_id", "mandate", ["citizen_id"])


def _unique_while_null(name: str, table: str, columns: list[str], where: str) -> None:
    op.create_index(
        name, table, columns, unique=True, sqlite_where=sa.text(where), postgresql_where=sa.text(where)
    )


def _allow_only_withdrawal(table: str, columns: tuple[str, ...]) -> None:
    # Credits name the consent and the mandate under which they were made: these must stay as they were.
    message = f"{table}: a row changes only once, when it is withdrawn"
    distinct = "IS DISTINCT FROM" if on_postgresql() else "IS NOT"
    changed = " OR ".join(f"NEW.{name} {distinct} OLD.{name}" for name in columns)
    wrong = f"OLD.withdrawn_at IS NOT NULL OR NEW.withdrawn_at IS NULL OR {changed}"
    if on_postgresql():
        op.execute(
            f"""CREATE FUNCTION {table}_only_withdrawal() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN
                IF TG_OP <> 'UPDATE' THEN
                    RAISE EXCEPTION '{message}' USING ERRCODE = 'restrict_violation';
                END IF;
                IF {wrong} THEN
                    RAISE EXCEPTION '{message}' USING ERRCODE = 'restrict_violation';
                END IF;
                RETURN NEW;
            END $$"""
        )
        op.execute(
            f"CREATE TRIGGER {table}_only_withdrawal BEFORE UPDATE OR DELETE ON {table} "
            f"FOR EACH ROW EXECUTE FUNCTION {table}_only_withdrawal()"
        )
        op.execute(
            f"CREATE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON {table} "
            f"FOR EACH STATEMENT EXECUTE FUNCTION {table}_only_withdrawal()"
        )
        return
    op.execute(
        f"CREATE TRIGGER {table}_only_withdrawal BEFORE UPDATE ON {table} WHEN {wrong} "
        f"BEGIN SELECT RAISE(ABORT, '{message}'); END"
    )
    op.execute(
        f"CREATE TRIGGER {table}_no_delete BEFORE DELETE ON {table} "
        f"BEGIN SELECT RAISE(ABORT, '{message}'); END"
    )


def downgrade() -> None:
    for table in ("mandate", "consent", "citizen_link", "citizen", "credential", "party"):
        op.drop_table(table)
    if on_postgresql():
        for table in SPANS:
            op.execute(f"DROP FUNCTION {table}_only_withdrawal()")
