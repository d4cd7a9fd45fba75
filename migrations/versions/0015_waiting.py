"""Events that wait until their programme credits them (T+n).

Revision: 0015
Follows: 0014
"""

import sqlalchemy as sa
from alembic import op

from migrations.support import change_check

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)
BEFORE = "outcome IN ('credited', 'held', 'rejected', 'withdrawn')"
AFTER = "outcome IN ('credited', 'held', 'rejected', 'withdrawn', 'waiting')"


def upgrade() -> None:
    change_check("event_claim", "outcome", BEFORE, AFTER)
    op.create_table(
        "event_waiting",
        sa.Column("claim_key", sa.Uuid(), primary_key=True),
        sa.Column("programme", sa.String(16), nullable=False),
        sa.Column("partner_id", sa.Uuid(), nullable=False),
        sa.Column("first_day", sa.Date, nullable=False),
        sa.Column("last_day", sa.Date, nullable=False),
        sa.Column("due_at", INSTANT, nullable=False),
        sa.Column("received_at", INSTANT, nullable=False),
        sa.Column("sealed", sa.LargeBinary, nullable=False),
    )
    op.create_index("ix_event_waiting_due_at", "event_waiting", ["due_at"])
    op.create_index("ix_event_waiting_programme_last_day", "event_waiting", ["programme", "last_day"])


def downgrade() -> None:
    # Before there was waiting, an event that was not credited could come again under its id.
    op.execute(
        "UPDATE event_claim SET outcome = 'rejected', reason = 'outside-window' WHERE outcome = 'waiting'"
    )
    op.drop_table("event_waiting")
    change_check("event_claim", "outcome", AFTER, BEFORE)
