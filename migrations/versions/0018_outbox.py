"""The outbox: what others are to be told, until it is taken.

Revision: 0018
Follows: 0017
"""

import sqlalchemy as sa
from alembic import op

from migrations.support import on_postgresql

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

MESSAGE = "outbox: a row is taken out, never changed"


def upgrade() -> None:
    op.create_table(
        "outbox",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("programme", sa.String(16), nullable=False),
        sa.Column("audience", sa.Uuid, nullable=False),
        sa.Column("type", sa.String(40), nullable=False),
        sa.Column("subject_id", sa.Uuid, nullable=False),
        sa.Column("data", sa.Text, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
    )
    if on_postgresql():
        op.execute(
            f"""CREATE FUNCTION outbox_as_written() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN RAISE EXCEPTION '{MESSAGE}' USING ERRCODE = 'restrict_violation'; END $$"""
        )
        op.execute(
            "CREATE TRIGGER outbox_as_written BEFORE UPDATE ON outbox "
            "FOR EACH ROW EXECUTE FUNCTION outbox_as_written()"
        )
        return
    op.execute(
        "CREATE TRIGGER outbox_as_written BEFORE UPDATE ON outbox "
        f"BEGIN SELECT RAISE(ABORT, '{MESSAGE}'); END"
    )


def downgrade() -> None:
    op.drop_table("outbox")
    if on_postgresql():
        op.execute("DROP FUNCTION outbox_as_written()")
