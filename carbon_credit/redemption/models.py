"""Offers, redemptions, and from which lots a redemption's points are held.

Stock and points are not here but in the ledger: these rows say what they were held for.
"""

import uuid
from datetime import date, datetime

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    String,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from carbon_credit.kernel.db import Base, UtcDateTime

HELD_ONLY = text("state = 'held'")
CONSUMED_ONLY = text("state = 'consumed'")


class Offer(Base):
    """What points can be given for, in [opens_at, closes_at). Its terms never change once approved.

    `points_price` in points, `value_fen` in fen (what the voucher is worth at the till), `voucher_ttl_s`
    in seconds from the hold. `per_citizen_limit`: how many one citizen may have, None for any number.
    """

    __tablename__ = "offer"
    __table_args__ = (
        ForeignKeyConstraint(["merchant_id", "programme"], ["party.id", "party.programme"]),
        ForeignKeyConstraint(["approved_by", "programme"], ["party.id", "party.programme"]),
        # So that a redemption can pin programme and merchant of its offer.
        UniqueConstraint("id", "programme", "merchant_id"),
        CheckConstraint("kind IN ('coupon')", name="kind"),
        CheckConstraint("state IN ('draft', 'approved', 'closed')", name="state"),
        CheckConstraint("state <> 'approved' OR approved_by IS NOT NULL", name="approved_by"),
        CheckConstraint("points_price > 0", name="points_price"),
        CheckConstraint("value_fen > 0", name="value_fen"),
        CheckConstraint("per_citizen_limit > 0", name="per_citizen_limit"),
        CheckConstraint("voucher_ttl_s > 0", name="voucher_ttl_s"),
        CheckConstraint("opens_at < closes_at", name="window"),
        Index("ix_offer_programme_state_id", "programme", "state", "id"),
        Index("ix_offer_merchant_id_id", "merchant_id", "id"),
    )

    id: Mapped[uuid.UUID] = mapped_column(Uuid, primary_key=True)
    programme: Mapped[str] = mapped_column(String(16))
    merchant_id: Mapped[uuid.UUID] = mapped_column(Uuid)
    kind: Mapped[str] = mapped_column(String(16))
    title_zh: Mapped[str] = mapped_column(String(80))
    title_en: Mapped[str] = mapped_column(String(160))
    points_price: Mapped[int] = mapped_column(BigInteger)
    value_fen: Mapped[int] = mapped_column(BigInteger)
    per_citizen_limit: Mapped[int | None] = mapped_column(Integer)
    voucher_ttl_s: Mapped[int] = mapped_column(Integer)
    opens_at: Mapped[datetime] = mapped_column(UtcDateTime)
    closes_at: Mapped[datetime] = mapped_column(UtcDateTime)
    state: Mapped[str] = mapped_column(String(16))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    approved_by: Mapped[uuid.UUID | None] = mapped_column(Uuid)


class Redemption(Base):
    """One piece of an offer held for a citizen, and how that ended. Valid in [held_at, expires_at).

    `points` and `value_fen` are the offer's at the time of the hold. `code_digest`: the voucher's code,
    keyed; the code itself is nowhere. `stock_hold_id`: the pending transfer of the piece.
    """

    __tablename__ = "redemption"
    __table_args__ = (
        ForeignKeyConstraint(
            ["offer_id", "programme", "merchant_id"], ["offer.id", "offer.programme", "offer.merchant_id"]
        ),
        ForeignKeyConstraint(["citizen_id", "programme"], ["citizen.id", "citizen.programme"]),
        UniqueConstraint("code_digest"),
        CheckConstraint("state IN ('held', 'consumed', 'cancelled', 'expired')", name="state"),
        CheckConstraint("(state = 'held') = (resolved_at IS NULL)", name="resolved_at"),
        CheckConstraint("points > 0", name="points"),
        CheckConstraint("value_fen > 0", name="value_fen"),
        CheckConstraint("held_at < expires_at", name="span"),
        Index("ix_redemption_citizen_id_id", "citizen_id", "id"),
        Index("ix_redemption_citizen_id_offer_id", "citizen_id", "offer_id"),
        Index("ix_redemption_due", "expires_at", postgresql_where=HELD_ONLY, sqlite_where=HELD_ONLY),
        Index(
            "ix_redemption_consumed",
            "merchant_id",
            "resolved_at",
            "id",
            postgresql_where=CONSUMED_ONLY,
            sqlite_where=CONSUMED_ONLY,
        ),
    )

    id: Mapped[uuid.UUID] = mapped_column(Uuid, primary_key=True)
    programme: Mapped[str] = mapped_column(String(16))
    offer_id: Mapped[uuid.UUID] = mapped_column(Uuid)
    merchant_id: Mapped[uuid.UUID] = mapped_column(Uuid)
    citizen_id: Mapped[uuid.UUID] = mapped_column(Uuid)
    points: Mapped[int] = mapped_column(BigInteger)
    value_fen: Mapped[int] = mapped_column(BigInteger)
    state: Mapped[str] = mapped_column(String(16))
    code_digest: Mapped[uuid.UUID] = mapped_column(Uuid)
    stock_hold_id: Mapped[uuid.UUID] = mapped_column(Uuid)
    held_at: Mapped[datetime] = mapped_column(UtcDateTime)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime)
    resolved_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class RedemptionLot(Base):
    """Points of one lot held for a redemption: what is given back goes where it came from.

    `lot`: the lot's last day. `hold_id`: the pending transfer.
    """

    __tablename__ = "redemption_lot"
    __table_args__ = (CheckConstraint("points > 0", name="points"),)

    redemption_id: Mapped[uuid.UUID] = mapped_column(Uuid, ForeignKey("redemption.id"), primary_key=True)
    lot: Mapped[date] = mapped_column(primary_key=True)
    points: Mapped[int] = mapped_column(BigInteger)
    hold_id: Mapped[uuid.UUID] = mapped_column(Uuid)
