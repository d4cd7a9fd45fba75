"""The district that a citizen has stated, for boards and for offers.

Revision: 0029
Follows: 0028
"""

import sqlalchemy as sa
from alembic import op

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "citizen_district",
        sa.Column("citizen_id", sa.Uuid(), primary_key=True),
        sa.Column("programme", sa.String(16), nullable=False),
        sa.Column("district", sa.String(6), nullable=False),
        sa.Column("stated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["citizen_id", "programme"], ["citizen.id", "citizen.programme"]),
        sa.CheckConstraint("length(district) = 6", name="district"),
    )
    # Whoever stands on a board has stated a district there.
    op.execute(
        "INSERT INTO citizen_district (citizen_id, programme, district, stated_at) "
        "SELECT citizen_id, programme, district, joined_at FROM board_member"
    )


def downgrade() -> None:
    op.drop_table("citizen_district")
