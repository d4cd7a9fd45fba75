"""Offers of which nothing is left: that their merchant was told so.

Revision: 0028
Follows: 0027
"""

import sqlalchemy as sa
from alembic import op

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("offer", sa.Column("exhausted_at", sa.DateTime(timezone=True)))


def downgrade() -> None:
    op.drop_column("offer", "exhausted_at")
