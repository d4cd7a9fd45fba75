"""Beside the offers: budgets of subsidies, codes of pools, what a month brought, applications."""

import uuid
from datetime import date, datetime

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    String,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from carbon_credit.kernel.db import Base, UtcDateTime

UNUSED = text("redemption_id IS NULL AND withdrawn_at IS NULL")
GRANTED = text("granted_on IS NOT NULL")


class SubsidyBudget(Base):
    """Public money of one fiscal year for subsidies, and by which law. How much: `subsidy.budget` in the
    ledger. `per_person_cap_fen`: what one citizen may get of it in all, None for any amount."""

    __tablename__ = "subsidy_budget"
    __table_args__ = (
        UniqueConstraint("id", "programme"),
        UniqueConstraint("programme", "fiscal_year", "name"),
        CheckConstraint("fiscal_year BETWEEN 2000 AND 2199", name="fiscal_year"),
        CheckConstraint("per_person_cap_fen > 0", name="per_person_cap_fen"),
        CheckConstraint("legal_basis <> '' AND document_number <> ''", name="legal_basis"),
    )

    id: Mapped[uuid.UUID] = mapped_column(Uuid, primary_key=True)
    programme: Mapped[str] = mapped_column(String(16), ForeignKey("programme.code"))
    name: Mapped[str] = mapped_column(String(120))
    fiscal_year: Mapped[int] = mapped_column(SmallInteger)
    legal_basis: Mapped[str] = mapped_column(String(400))
    document_number: Mapped[str] = mapped_column(String(120))
    per_person_cap_fen: Mapped[int | None] = mapped_column(BigInteger)
    created_by: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class OfferCode(Base):
    """A third party's code (券码), given once: to `redemption_id`, when it was first shown.

    `digest`: the code, keyed, so that none is taken in twice; `sealed`: the code, encrypted.
    `withdrawn_at`: taken out of the pool by its merchant, unused.
    """

    __tablename__ = "offer_code"
    __table_args__ = (
        UniqueConstraint("offer_id", "digest"),
        UniqueConstraint("redemption_id"),
        CheckConstraint("(redemption_id IS NULL) = (shown_at IS NULL)", name="shown_at"),
        CheckConstraint("redemption_id IS NULL OR withdrawn_at IS NULL", name="one_end"),
        Index("ix_offer_code_unused", "offer_id", "id", postgresql_where=UNUSED, sqlite_where=UNUSED),
    )

    id: Mapped[uuid.UUID] = mapped_column(Uuid, primary_key=True)
    offer_id: Mapped[uuid.UUID] = mapped_column(Uuid, ForeignKey("offer.id"))
    digest: Mapped[uuid.UUID] = mapped_column(Uuid)
    sealed: Mapped[bytes] = mapped_column(LargeBinary)
    added_at: Mapped[datetime] = mapped_column(UtcDateTime)
    redemption_id: Mapped[uuid.UUID | None] = mapped_column(Uuid, ForeignKey("redemption.id"))
    shown_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    withdrawn_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class OfferReplenishment(Base):
    """What an offer was filled up by in a month (its first day): once, by the primary key.

    `wanted`: what was lacking; `pieces` is less where the money did not suffice.
    """

    __tablename__ = "offer_replenishment"
    __table_args__ = (CheckConstraint("pieces >= 0 AND pieces <= wanted", name="pieces"),)

    offer_id: Mapped[uuid.UUID] = mapped_column(Uuid, ForeignKey("offer.id"), primary_key=True)
    month: Mapped[date] = mapped_column(primary_key=True)
    pieces: Mapped[int] = mapped_column(Integer)
    due_at: Mapped[datetime] = mapped_column(UtcDateTime)
    recorded_at: Mapped[datetime] = mapped_column(UtcDateTime)
    wanted: Mapped[int] = mapped_column(Integer)


class Subsidy(Base):
    """An application for a subsidy, which is a redemption, and how it was decided.

    `document_digest`: the number of the invoice or appliance, keyed: one subsidy each in a programme. It is
    gone where the application came to nothing. `masked_name`: as the applicant gave it for the public list;
    null where none was given, or it was erased.
    """

    __tablename__ = "subsidy"
    __table_args__ = (
        ForeignKeyConstraint(["budget_id", "programme"], ["subsidy_budget.id", "subsidy_budget.programme"]),
        ForeignKeyConstraint(["decided_by", "programme"], ["party.id", "party.programme"]),
        UniqueConstraint("programme", "document_kind", "document_digest"),
        CheckConstraint("document_kind IN ('invoice', 'serial')", name="document_kind"),
        CheckConstraint("granted_on IS NULL OR refused_for IS NULL", name="decision"),
        CheckConstraint(
            "(decided_by IS NULL) = (granted_on IS NULL AND refused_for IS NULL)", name="decided_by"
        ),
        CheckConstraint("granted_on IS NULL OR document_digest IS NOT NULL", name="document"),
        CheckConstraint("(paid_at IS NULL) = (payment_reference IS NULL)", name="payment"),
        CheckConstraint("paid_at IS NULL OR granted_on IS NOT NULL", name="paid_at"),
        Index(
            "ix_subsidy_list", "programme", "redemption_id", postgresql_where=GRANTED, sqlite_where=GRANTED
        ),
    )

    redemption_id: Mapped[uuid.UUID] = mapped_column(Uuid, ForeignKey("redemption.id"), primary_key=True)
    programme: Mapped[str] = mapped_column(String(16))
    budget_id: Mapped[uuid.UUID] = mapped_column(Uuid)
    document_kind: Mapped[str] = mapped_column(String(16))
    document_digest: Mapped[uuid.UUID | None] = mapped_column(Uuid)
    masked_name: Mapped[str | None] = mapped_column(String(40))
    decided_by: Mapped[uuid.UUID | None] = mapped_column(Uuid)
    granted_on: Mapped[date | None]
    refused_for: Mapped[str | None] = mapped_column(String(200))
    payment_reference: Mapped[str | None] = mapped_column(String(80))
    paid_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
