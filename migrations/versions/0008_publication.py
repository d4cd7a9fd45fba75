"""Texts of versions by digest, approvals, confirmations, and four eyes on publication and retirement.

Revision: 0008
Follows: 0007
"""

import hashlib

import sqlalchemy as sa
from alembic import op

from migrations.support import allow_change, forbid_change, on_postgresql

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)

FOUR_EYES = "a methodology version needs the approval of two parties, of exactly these bytes"
STEPS = "a methodology version goes from draft to published to retired, and says for whom it is published"
FIXED = "a published methodology version never changes: publish a new version"


def upgrade() -> None:
    op.create_table(
        "methodology_text",
        sa.Column("digest", sa.String(64), primary_key=True),
        sa.Column("bundle", sa.LargeBinary, nullable=False),
        sa.Column("recorded_at", INSTANT, nullable=False),
    )
    op.create_table(
        "methodology_approval",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("methodology_id", sa.String(64), nullable=False),
        sa.Column("version", sa.String(32), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("bundle_sha256", sa.String(64), nullable=False),
        sa.Column("act", sa.String(16), nullable=False),
        sa.Column("party_id", sa.Uuid, nullable=False),
        sa.Column("programme", sa.String(16), nullable=False),
        sa.Column("rehearsal", sa.Boolean, nullable=False),
        sa.Column("actor", sa.String(64), nullable=False),
        sa.Column("reason", sa.String(500)),
        sa.Column("recorded_at", INSTANT, nullable=False),
        sa.Column("mac", sa.LargeBinary, nullable=False),
        sa.UniqueConstraint("digest", "bundle_sha256", "act", "party_id"),
        sa.CheckConstraint("act IN ('publish', 'retire')", name="act"),
        sa.CheckConstraint("rehearsal = (programme LIKE 'x-%')", name="rehearsal_by_code"),
    )
    op.create_index(
        "ix_methodology_approval_methodology_id_version",
        "methodology_approval",
        ["methodology_id", "version"],
    )
    op.create_table(
        "value_confirmation",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("methodology_id", sa.String(64), nullable=False),
        sa.Column("version", sa.String(32), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("part", sa.String(160), nullable=False),
        sa.Column("stated", sa.Text, nullable=False),
        sa.Column("document", sa.String(500), nullable=False),
        sa.Column("number", sa.String(500)),
        sa.Column("clause", sa.String(500)),
        sa.Column("address", sa.String(500)),
        sa.Column("file_sha256", sa.String(64), nullable=False),
        sa.Column("party_id", sa.Uuid, nullable=False),
        sa.Column("programme", sa.String(16), nullable=False),
        sa.Column("rehearsal", sa.Boolean, nullable=False),
        sa.Column("actor", sa.String(64), nullable=False),
        sa.Column("recorded_at", INSTANT, nullable=False),
        sa.Column("mac", sa.LargeBinary, nullable=False),
        sa.CheckConstraint("rehearsal = (programme LIKE 'x-%')", name="rehearsal_by_code"),
    )
    op.create_index("ix_value_confirmation_methodology_id", "value_confirmation", ["methodology_id"])
    op.create_table(
        "catalogue_stamp",
        sa.Column("id", sa.SmallInteger, primary_key=True, autoincrement=False),
        sa.Column("stamp", sa.String(64), nullable=False),
        sa.CheckConstraint("id = 1", name="one_row"),
    )
    for column in _columns():
        op.add_column("methodology_version", column)
    _carry_over()
    for table in ("methodology_text", "methodology_approval", "value_confirmation"):
        forbid_change(table)
    _guard_steps()


def _columns() -> list[sa.Column[object]]:
    return [
        sa.Column("supersedes", sa.String(32)),
        sa.Column("origin", sa.String(16)),
        sa.Column("bundle_sha256", sa.String(64)),
        sa.Column("published_for", sa.String(16)),
        sa.Column("published_at", INSTANT),
    ]


def _carry_over() -> None:
    """What the release before had was published by its seed, for everybody."""
    op.execute(
        "INSERT INTO methodology_text (digest, bundle, recorded_at) "
        "SELECT digest, bundle, recorded_at FROM methodology_version"
    )
    op.execute("UPDATE methodology_version SET origin = 'seed'")
    op.execute(
        "UPDATE methodology_version SET published_for = 'all', published_at = recorded_at "
        "WHERE state <> 'draft'"
    )
    version = sa.table(
        "methodology_version",
        sa.column("digest", sa.String),
        sa.column("bundle", sa.LargeBinary),
        sa.column("bundle_sha256", sa.String),
    )
    bind = op.get_bind()
    for digest, bundle in bind.execute(sa.select(version.c.digest, version.c.bundle)).all():
        found = hashlib.sha256(bytes(bundle)).hexdigest()
        bind.execute(sa.update(version).where(version.c.digest == digest).values(bundle_sha256=found))


def _approved(act: str) -> str:
    # The seed's own approval, of what published.lock names, stands for the two of the people who made the
    # release. An operator of a rehearsal approves for rehearsals alone.
    nobody = "00000000-0000-0000-0000-000000000000"
    seed = f"'{nobody}'" if on_postgresql() else f"'{nobody.replace('-', '')}'"
    of_these_bytes = (
        "FROM methodology_approval a WHERE a.methodology_id = NEW.methodology_id "
        "AND a.version = NEW.version AND a.digest = NEW.digest "
        f"AND a.bundle_sha256 = NEW.bundle_sha256 AND a.act = '{act}'"
    )
    # Two of one programme: in two programmes one person may have an account each.
    return (
        f"(EXISTS (SELECT a.programme {of_these_bytes} "
        "AND (NEW.published_for = 'rehearsal' OR NOT a.rehearsal) "
        "GROUP BY a.programme HAVING count(DISTINCT a.party_id) >= 2) "
        f"OR EXISTS (SELECT 1 {of_these_bytes} AND a.party_id = {seed}))"
    )


def _guard_steps() -> None:
    differs = "IS DISTINCT FROM" if on_postgresql() else "IS NOT"
    wider = "(OLD.published_for = 'rehearsal' AND NEW.published_for = 'all')"
    said = (
        "((NEW.state = 'draft') <> (NEW.published_for IS NULL) "
        "OR NEW.published_for NOT IN ('all', 'rehearsal') "
        "OR (NEW.state <> 'draft') <> (NEW.published_at IS NOT NULL))"
    )
    fixed = " OR ".join(
        f"NEW.{name} {differs} OLD.{name}"
        for name in ("supersedes", "effective_from", "effective_to", "bundle_sha256")
    )
    if on_postgresql():
        op.execute(
            "CREATE TRIGGER methodology_version_no_truncate BEFORE TRUNCATE ON methodology_version "
            "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
        )
    rules = {
        "insert": [
            (f"{said} OR NEW.state = 'retired'", STEPS),
            (f"NEW.state = 'published' AND NOT {_approved('publish')}", FOUR_EYES),
        ],
        "update": [
            (
                f"{said} OR (OLD.state || '>' || NEW.state) IN ('draft>retired', 'retired>published')",
                STEPS,
            ),
            (
                f"OLD.state <> 'draft' AND ({fixed} OR (NEW.published_for {differs} OLD.published_for "
                f"AND NOT {wider}) OR (NEW.published_at {differs} OLD.published_at AND NOT {wider}))",
                FIXED,
            ),
            (
                f"NEW.state = 'published' AND (OLD.state = 'draft' OR {wider}) "
                f"AND NOT {_approved('publish')}",
                FOUR_EYES,
            ),
            (
                f"OLD.state = 'published' AND NEW.state = 'retired' AND NOT {_approved('retire')}",
                FOUR_EYES,
            ),
        ],
    }
    for event, conditions in rules.items():
        if on_postgresql():
            checks = "".join(
                f"IF {condition} THEN RAISE EXCEPTION '{message}' USING ERRCODE = 'restrict_violation'; "
                "END IF; "
                for condition, message in conditions
            )
            op.execute(
                f"CREATE FUNCTION check_version_{event}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
                f"{checks} RETURN NEW; END $$"
            )
            op.execute(
                f"CREATE TRIGGER methodology_version_steps_{event} BEFORE {event.upper()} "
                f"ON methodology_version FOR EACH ROW EXECUTE FUNCTION check_version_{event}()"
            )
            continue
        for index, (condition, message) in enumerate(conditions):
            op.execute(
                f"CREATE TRIGGER methodology_version_steps_{event}_{index} BEFORE {event.upper()} "
                f"ON methodology_version WHEN {condition} BEGIN SELECT RAISE(ABORT, '{message}'); END"
            )


def downgrade() -> None:
    if on_postgresql():
        op.execute("DROP TRIGGER methodology_version_no_truncate ON methodology_version")
    for event, count in (("insert", 2), ("update", 4)):
        if on_postgresql():
            op.execute(f"DROP TRIGGER methodology_version_steps_{event} ON methodology_version")
            op.execute(f"DROP FUNCTION check_version_{event}()")
            continue
        for index in range(count):
            op.execute(f"DROP TRIGGER methodology_version_steps_{event}_{index}")
    for table in ("value_confirmation", "methodology_approval", "methodology_text"):
        allow_change(table)
        op.drop_table(table)
    op.drop_table("catalogue_stamp")
    for column in reversed(_columns()):
        op.drop_column("methodology_version", column.name)
