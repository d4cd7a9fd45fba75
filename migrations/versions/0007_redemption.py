"""Offers, redemptions, the lots that a redemption holds.

Revision: 0007
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "offer",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("programme", sa.String(16), nullable=False),
        sa.Column("merchant_id", sa.Uuid, nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("title_zh", sa.String(80), nullable=False),
        sa.Column("title_en", sa.String(160), nullable=False),
        sa.Column("points_price", sa.BigInteger, nullable=False),
        sa.Column("value_fen", sa.BigInteger, nullable=False),
        sa.Column("per_citizen_limit", sa.Integer),
        sa.Column("voucher_ttl_s", sa.Integer, nullable=False),
        sa.Column("opens_at", INSTANT, nullable=False),
        sa.Column("closes_at", INSTANT, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("approved_by", sa.Uuid),
        sa.ForeignKeyConstraint(["merchant_id", "programme"], ["party.id", "party.programme"]),
        sa.ForeignKeyConstraint(["approved_by", "programme"], ["party.id", "party.programme"]),
        sa.UniqueConstraint("id", "programme", "merchant_id"),
        sa.CheckConstraint("kind IN ('coupon')", name="kind"),
        sa.CheckConstraint("state IN ('draft', 'approved', 'closed')", name="state"),
        sa.CheckConstraint("state <> 'approved' OR approved_by IS NOT NULL", name="approved_by"),
        sa.CheckConstraint("points_price > 0", name="points_price"),
        sa.CheckConstraint("value_fen > 0", name="value_fen"),
        sa.CheckConstraint("per_citizen_limit > 0", name="per_citizen_limit"),
        sa.CheckConstraint("voucher_ttl_s > 0", name="voucher_ttl_s"),
        sa.CheckConstraint("opens_at < closes_at", name="window"),
    )
    op.create_index("ix_offer_programme_state_id", "offer", ["programme", "state", "id"])
    op.create_index("ix_offer_merchant_id_id", "offer", ["merchant_id", "id"])
    op.create_table(
        "redemption",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("programme", sa.String(16), nullable=False),
        sa.Column("offer_id", sa.Uuid, nullable=False),
        sa.Column("merchant_id", sa.Uuid, nullable=False),
        sa.Column("citizen_id", sa.Uuid, nullable=False),
        sa.Column("points", sa.BigInteger, nullable=False),
        sa.Column("value_fen", sa.BigInteger, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("code_digest", sa.Uuid, nullable=False, unique=True),
        sa.Column("stock_hold_id", sa.Uuid, nullable=False),
        sa.Column("held_at", INSTANT, nullable=False),
        sa.Column("expires_at", INSTANT, nullable=False),
        sa.Column("resolved_at", INSTANT),
        sa.ForeignKeyConstraint(
            ["offer_id", "programme", "merchant_id"], ["offer.id", "offer.programme", "offer.merchant_id"]
        ),
        sa.ForeignKeyConstraint(["citizen_id", "programme"], ["citizen.id", "citizen.programme"]),
        sa.CheckConstraint("state IN ('held', 'consumed', 'cancelled', 'expired')", name="state"),
        sa.CheckConstraint("(state = 'held') = (resolved_at IS NULL)", name="resolved_at"),
        sa.CheckConstraint("points > 0", name="points"),
        sa.CheckConstraint("value_fen > 0", name="value_fen"),
        sa.CheckConstraint("held_at < expires_at", name="span"),
    )
    op.create_index("ix_redemption_citizen_id_id", "redemption", ["citizen_id", "id"])
    op.create_index("ix_redemption_citizen_id_offer_id", "redemption", ["citizen_id", "offer_id"])
    _partial_index("ix_redemption_due", ["expires_at"], "state = 'held'")
    _partial_index("ix_redemption_consumed", ["merchant_id", "resolved_at", "id"], "state = 'consumed'")
    op.create_table(
        "redemption_lot",
        sa.Column("redemption_id", sa.Uuid, sa.ForeignKey("redemption.id"), primary_key=True),
        sa.Column("lot", sa.Date, primary_key=True),
        sa.Column("points", sa.BigInteger, nullable=False),
        sa.Column("hold_id", sa.Uuid, nullable=False),
        sa.CheckConstraint("points > 0", name="points"),
    )


def downgrade() -> None:
    op.drop_table("redemption_lot")
    op.drop_table("redemption")
    op.drop_table("offer")


def _partial_index(name: str, columns: list[str], where: str) -> None:
    op.create_index(name, "redemption", columns, postgresql_where=sa.text(where), sqlite_where=sa.text(where))
