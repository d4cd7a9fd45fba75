"""What is sent beside an uploaded file: a mapping, riders, stations.

Revision: 0016
Follows: 0015
"""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "import_enclosure",
        sa.Column("job_id", sa.Uuid, sa.ForeignKey("import_job.id"), primary_key=True),
        sa.Column("name", sa.String(8), primary_key=True),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.CheckConstraint("name IN ('mapping', 'riders', 'stations')", name="name"),
    )


def downgrade() -> None:
    op.drop_table("import_enclosure")
