"""Import jobs, their chunks and refused rows.

Revision: 0012
Follows: 0011
"""

import sqlalchemy as sa
from alembic import op

from migrations.support import on_postgresql

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)
STATES = (
    "state IN ('receiving', 'received', 'staging', 'crediting', 'withdrawing', "
    "'done', 'refused', 'cancelled', 'failed')"
)
UNENDED = sa.text("ended_at IS NULL")
REPLACING = sa.text("replaces_id IS NOT NULL AND state NOT IN ('refused', 'cancelled')")
UNDONE = sa.text("done_at IS NULL")


def upgrade() -> None:
    op.create_table(
        "import_job",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("programme", sa.String(16), nullable=False),
        sa.Column("partner_id", sa.Uuid, nullable=False),
        sa.Column("adapter", sa.String(64), nullable=False),
        sa.Column("mapping_digest", sa.String(64)),
        sa.Column("options", sa.Text, nullable=False),
        sa.Column("file_name", sa.String(255), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("source", sa.String(8), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("replaces_id", sa.Uuid),
        sa.Column("expected", sa.Text),
        sa.Column("received_bytes", sa.BigInteger, nullable=False),
        sa.Column("read_bytes", sa.BigInteger, nullable=False),
        sa.Column("rows", sa.BigInteger),
        sa.Column("withdrawn", sa.BigInteger, nullable=False),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("lease", sa.Uuid),
        sa.Column("leased_until", INSTANT),
        sa.Column("holder", sa.String(120)),
        sa.Column("problem", sa.String(64)),
        sa.Column("problem_details", sa.Text),
        sa.Column("created_by", sa.String(64), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("touched_at", INSTANT, nullable=False),
        sa.Column("staged_at", INSTANT),
        sa.Column("ended_at", INSTANT),
        sa.ForeignKeyConstraint(["partner_id", "programme"], ["party.id", "party.programme"]),
        sa.ForeignKeyConstraint(["replaces_id"], ["import_job.id"]),
        sa.CheckConstraint(STATES, name="state"),
        sa.CheckConstraint("source IN ('upload', 'local')", name="source"),
        sa.CheckConstraint("size > 0 AND received_bytes >= 0 AND received_bytes <= size", name="size"),
        sa.CheckConstraint(
            "state = 'receiving' OR received_bytes = size OR ended_at IS NOT NULL", name="whole"
        ),
        sa.CheckConstraint(
            "(state IN ('done', 'refused', 'cancelled')) = (ended_at IS NOT NULL)", name="ended"
        ),
        sa.CheckConstraint("(state IN ('refused', 'failed')) = (problem IS NOT NULL)", name="problem"),
        sa.CheckConstraint("(state = 'staging') = (lease IS NOT NULL)", name="lease"),
        sa.CheckConstraint("(lease IS NULL) = (leased_until IS NULL)", name="leased_until"),
        sa.CheckConstraint("(rows IS NULL) = (staged_at IS NULL)", name="staged"),
        sa.CheckConstraint(
            "state NOT IN ('crediting', 'withdrawing', 'done') OR staged_at IS NOT NULL", name="staged_first"
        ),
        sa.CheckConstraint(
            "(state = 'withdrawing' OR withdrawn > 0) <= (replaces_id IS NOT NULL)", name="withdraws"
        ),
    )
    op.create_index(
        "uq_import_job_running",
        "import_job",
        ["partner_id", "adapter", "sha256"],
        unique=True,
        postgresql_where=UNENDED,
        sqlite_where=UNENDED,
    )
    op.create_index(
        "uq_import_job_replaces",
        "import_job",
        ["replaces_id"],
        unique=True,
        postgresql_where=REPLACING,
        sqlite_where=REPLACING,
    )
    op.create_index("ix_import_job_programme_id", "import_job", ["programme", "id"])
    op.create_table(
        "import_upload",
        sa.Column("job_id", sa.Uuid, sa.ForeignKey("import_job.id"), primary_key=True),
        sa.Column("first_byte", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
    )
    _create_chunks()
    op.create_table(
        "import_reject",
        sa.Column("job_id", sa.Uuid, sa.ForeignKey("import_job.id"), primary_key=True),
        sa.Column("line", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("reason", sa.String(64), nullable=False),
        sa.CheckConstraint("status IN ('held', 'rejected', 'duplicate')", name="status"),
    )
    if on_postgresql():
        # Compressed and opaque already: trying again costs time and gains nothing.
        op.execute("ALTER TABLE import_upload ALTER COLUMN body SET STORAGE EXTERNAL")
        op.execute("ALTER TABLE import_chunk ALTER COLUMN payload SET STORAGE EXTERNAL")
        op.execute("ALTER TABLE import_chunk ALTER COLUMN claim_keys SET STORAGE EXTERNAL")


def _create_chunks() -> None:
    counts = ("credited_rows", "held", "rejected", "duplicate", "dropped", "credited", "revised")
    op.create_table(
        "import_chunk",
        sa.Column("job_id", sa.Uuid, sa.ForeignKey("import_job.id"), primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("lane", sa.SmallInteger, nullable=False),
        sa.Column("rows", sa.Integer, nullable=False),
        sa.Column("events", sa.Integer, nullable=False),
        sa.Column("payload", sa.LargeBinary),
        sa.Column("claim_keys", sa.LargeBinary, nullable=False),
        *(sa.Column(name, sa.Integer, nullable=False) for name in counts),
        sa.Column("co2e_mg", sa.BigInteger, nullable=False),
        sa.Column("done_at", INSTANT),
        sa.CheckConstraint("(payload IS NULL) = (done_at IS NOT NULL)", name="payload"),
        sa.CheckConstraint(
            "done_at IS NULL OR rows = credited_rows + held + rejected + duplicate + dropped", name="whole"
        ),
    )
    op.create_index(
        "ix_import_chunk_undone",
        "import_chunk",
        ["job_id", "lane", "number"],
        postgresql_where=UNDONE,
        sqlite_where=UNDONE,
    )


def downgrade() -> None:
    for table in ("import_reject", "import_chunk", "import_upload", "import_job"):
        op.drop_table(table)
