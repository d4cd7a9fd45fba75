"""What the programme bears of scans that were lost, on statements.

Revision: 0027
Follows: 0026
"""

import sqlalchemy as sa
from alembic import op

from migrations.support import allow_change, forbid_change

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "statement_loss",
        sa.Column("till_id", sa.Uuid, primary_key=True),
        sa.Column("scan_id", sa.Uuid, primary_key=True),
        sa.Column("statement_id", sa.Uuid, sa.ForeignKey("statement.id"), nullable=False),
        sa.Column("offer_id", sa.Uuid, nullable=False),
        sa.Column("value_fen", sa.BigInteger, nullable=False),
        sa.ForeignKeyConstraint(["till_id", "scan_id"], ["till_scan.till_id", "till_scan.id"]),
        sa.CheckConstraint("value_fen > 0", name="value_fen"),
    )
    op.create_index("ix_statement_loss_statement_id", "statement_loss", ["statement_id"])
    forbid_change("statement_loss")
    # Of all scans, the few that a statement looks for.
    borne = sa.text("borne_by = 'programme'")
    op.create_index(
        "ix_till_scan_borne",
        "till_scan",
        ["merchant_id", "received_at"],
        postgresql_where=borne,
        sqlite_where=borne,
    )


def downgrade() -> None:
    op.drop_index("ix_till_scan_borne", "till_scan")
    allow_change("statement_loss")
    op.drop_table("statement_loss")
