"""Positions of pull sources, digests for matching links.

Revision: 0013
Follows: 0012
"""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "source",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("programme", sa.String(16), nullable=False),
        sa.Column("partner_id", sa.Uuid, nullable=False),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("address", sa.String(500), nullable=False),
        sa.Column("queue", sa.String(120)),
        sa.Column("secret_env", sa.String(64)),
        sa.Column("page_size", sa.Integer, nullable=False),
        sa.Column("overlap_s", sa.Integer, nullable=False),
        sa.Column("enabled", sa.Boolean, nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.ForeignKeyConstraint(["partner_id", "programme"], ["party.id", "party.programme"]),
        sa.UniqueConstraint("programme", "name"),
        sa.CheckConstraint("kind IN ('poll', 'rabbitmq')", name="kind"),
        sa.CheckConstraint("(kind = 'rabbitmq') = (queue IS NOT NULL)", name="queue"),
        sa.CheckConstraint("page_size BETWEEN 1 AND 10000", name="page_size"),
        sa.CheckConstraint("overlap_s BETWEEN 0 AND 2678400", name="overlap_s"),
    )
    op.create_table(
        "source_position",
        sa.Column("source_id", sa.Uuid, sa.ForeignKey("source.id"), primary_key=True),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("received_at", INSTANT),
        sa.Column("since", INSTANT),
        sa.Column("position", sa.String(500)),
        sa.Column("taken", sa.BigInteger, nullable=False),
        sa.Column("taken_at", INSTANT),
        sa.Column("failures", sa.Integer, nullable=False),
        sa.Column("problem", sa.String(300)),
        sa.Column("resume_at", INSTANT),
    )
    op.create_table(
        "source_refusal",
        sa.Column("source_id", sa.Uuid, sa.ForeignKey("source.id"), primary_key=True),
        sa.Column("item_digest", sa.Uuid, primary_key=True),
        sa.Column("reason", sa.String(64), nullable=False),
        sa.Column("noted_at", INSTANT, nullable=False),
    )
    op.add_column("citizen_link", sa.Column("match_digest", sa.Uuid))
    op.add_column("citizen_link", sa.Column("match_key_id", sa.String(16)))
    op.create_index(
        "ix_citizen_link_match", "citizen_link", ["programme", "kind", "match_key_id", "match_digest"]
    )


def downgrade() -> None:
    op.drop_index("ix_citizen_link_match", "citizen_link")
    op.drop_column("citizen_link", "match_key_id")
    op.drop_column("citizen_link", "match_digest")
    for table in ("source_refusal", "source_position", "source"):
        op.drop_table(table)
