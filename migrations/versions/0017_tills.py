"""Stores and tills of merchants, and credentials that belong to a till.

Revision: 0017
Follows: 0016
"""

import sqlalchemy as sa
from alembic import op

from migrations.support import make_again, on_postgresql

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)
STATUS = "status IN ('active', 'suspended')"
KEY = "CONSTRAINT pk_credential PRIMARY KEY (client_id)"
OF_TILL = (
    "CONSTRAINT fk_credential_till_id_party_id_till "
    "FOREIGN KEY(till_id, party_id) REFERENCES till (id, merchant_id)"
)


def upgrade() -> None:
    op.create_table(
        "store",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("programme", sa.String(16), nullable=False),
        sa.Column("merchant_id", sa.Uuid, nullable=False),
        sa.Column("name", sa.String(120), nullable=False),
        sa.Column("address", sa.String(200), nullable=False),
        sa.Column("district", sa.String(6)),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.ForeignKeyConstraint(["merchant_id", "programme"], ["party.id", "party.programme"]),
        sa.UniqueConstraint("merchant_id", "name"),
        sa.UniqueConstraint("id", "programme", "merchant_id"),
        sa.CheckConstraint(STATUS, name="status"),
        sa.CheckConstraint("district IS NULL OR length(district) = 6", name="district"),
    )
    op.create_table(
        "till",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("store_id", sa.Uuid, nullable=False),
        sa.Column("programme", sa.String(16), nullable=False),
        sa.Column("merchant_id", sa.Uuid, nullable=False),
        sa.Column("name", sa.String(60), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.ForeignKeyConstraint(
            ["store_id", "programme", "merchant_id"], ["store.id", "store.programme", "store.merchant_id"]
        ),
        sa.UniqueConstraint("store_id", "name"),
        sa.UniqueConstraint("id", "merchant_id"),
        sa.CheckConstraint(STATUS, name="status"),
    )
    op.create_index("ix_till_merchant_id_id", "till", ["merchant_id", "id"])
    op.add_column("credential", sa.Column("till_id", sa.Uuid))
    if on_postgresql():
        op.execute(f"ALTER TABLE credential ADD {OF_TILL}")
    else:
        make_again("credential", KEY, f"{KEY}, {OF_TILL}")
    op.create_index("ix_credential_till_id", "credential", ["till_id"])


def downgrade() -> None:
    op.drop_index("ix_credential_till_id", "credential")
    if not on_postgresql():
        make_again("credential", f", {OF_TILL}", "")
    op.drop_column("credential", "till_id")
    op.drop_table("till")
    op.drop_table("store")
