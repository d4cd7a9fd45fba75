"""Positions of pull sources, digests for matching links.

Revision: 0013
Follows: 0012
"""

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    return


def downgrade() -> None:
    return
