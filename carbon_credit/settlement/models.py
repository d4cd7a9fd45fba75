"""Terms and payees of merchants, statements with their lines, their progress, disputes, payments, runs.

A statement is written once and never changes; what happens to it afterwards stands in `statement_progress`
and is logged in `statement_step`. Sums of money are fen.
"""

from datetime import date, datetime
from uuid import UUID

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
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from carbon_credit.kernel.db import Base, UtcDateTime

OPEN_ONLY = text("answered_at IS NULL")


class MerchantTerms(Base):
    """What a merchant pays, from `effective_from` on until the next terms. Append-only.

    `fee_bps`: hundredths of a percent of what it is owed; `fee_per_use_fen`: for each consumption beside it.
    """

    __tablename__ = "merchant_terms"
    __table_args__ = (
        ForeignKeyConstraint(["merchant_id", "programme"], ["party.id", "party.programme"]),
        UniqueConstraint("merchant_id", "effective_from"),
        CheckConstraint("fee_bps BETWEEN 0 AND 10000", name="fee_bps"),
        CheckConstraint("fee_per_use_fen >= 0", name="fee_per_use_fen"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    programme: Mapped[str] = mapped_column(String(16))
    merchant_id: Mapped[UUID]
    effective_from: Mapped[date]
    fee_bps: Mapped[int] = mapped_column(Integer)
    fee_per_use_fen: Mapped[int] = mapped_column(BigInteger)
    invoice_required: Mapped[bool]
    recorded_by: Mapped[str] = mapped_column(String(64))
    recorded_at: Mapped[datetime] = mapped_column(UtcDateTime)


class MerchantPayee(Base):
    """To whom a merchant is paid. The one confirmed last holds; another operator confirms than recorded it.

    `sealed`: name, bank and account, which may be a person's; `tail`: the end of the account, to tell
    them apart by.
    """

    __tablename__ = "merchant_payee"
    __table_args__ = (
        ForeignKeyConstraint(["merchant_id", "programme"], ["party.id", "party.programme"]),
        CheckConstraint("(confirmed_by IS NULL) = (confirmed_at IS NULL)", name="confirmed"),
        CheckConstraint("confirmed_by <> recorded_by", name="four_eyes"),
        Index("ix_merchant_payee_merchant_id_id", "merchant_id", "id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    programme: Mapped[str] = mapped_column(String(16))
    merchant_id: Mapped[UUID]
    sealed: Mapped[bytes] = mapped_column(LargeBinary)
    tail: Mapped[str] = mapped_column(String(4))
    recorded_by: Mapped[str] = mapped_column(String(64))
    recorded_at: Mapped[datetime] = mapped_column(UtcDateTime)
    confirmed_by: Mapped[str | None] = mapped_column(String(64))
    confirmed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class Statement(Base):
    """What a merchant and the programme owe each other over one month. Append-only.

    `ends_at`: consumptions before it are on this statement or an earlier one. `used_fen`, `undone_fen`: of
    offers that the programme pays for; `own_fen`: what the merchant gave of its own. `payable_fen`: what is
    to be paid for this statement. `carried_fen`: what the merchant owes, which the next ones are set
    against. `closing_fen` is the balance of its accounts: all that is unpaid, less what it owes.
    """

    __tablename__ = "statement"
    __table_args__ = (
        ForeignKeyConstraint(["merchant_id", "programme"], ["party.id", "party.programme"]),
        UniqueConstraint("merchant_id", "month"),
        UniqueConstraint("programme", "year", "number"),
        # So that a payment and a dispute can pin whose it is.
        UniqueConstraint("id", "programme", "merchant_id"),
        CheckConstraint("number > 0", name="number"),
        CheckConstraint("uses >= 0 AND undos >= 0 AND used_fen >= 0 AND undone_fen >= 0", name="sums"),
        CheckConstraint("payable_fen >= 0 AND carried_fen >= 0", name="payable"),
        CheckConstraint("payable_fen = 0 OR carried_fen = 0", name="one_way"),
        CheckConstraint(
            "closing_fen = opening_fen + used_fen - undone_fen + adjusted_fen - fee_fen - paid_fen",
            name="closing",
        ),
        Index("ix_statement_programme_month_id", "programme", "month", "id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    programme: Mapped[str] = mapped_column(String(16))
    merchant_id: Mapped[UUID]
    month: Mapped[date]
    year: Mapped[int] = mapped_column(SmallInteger)
    number: Mapped[int] = mapped_column(Integer)
    ends_at: Mapped[datetime] = mapped_column(UtcDateTime)
    opening_fen: Mapped[int] = mapped_column(BigInteger)
    uses: Mapped[int] = mapped_column(Integer)
    used_fen: Mapped[int] = mapped_column(BigInteger)
    undos: Mapped[int] = mapped_column(Integer)
    undone_fen: Mapped[int] = mapped_column(BigInteger)
    adjusted_fen: Mapped[int] = mapped_column(BigInteger)
    fee_fen: Mapped[int] = mapped_column(BigInteger)
    paid_fen: Mapped[int] = mapped_column(BigInteger)
    closing_fen: Mapped[int] = mapped_column(BigInteger)
    payable_fen: Mapped[int] = mapped_column(BigInteger)
    carried_fen: Mapped[int] = mapped_column(BigInteger)
    own_fen: Mapped[int] = mapped_column(BigInteger)
    points: Mapped[int] = mapped_column(BigInteger)
    points_settled: Mapped[int] = mapped_column(BigInteger)
    items_digest: Mapped[str] = mapped_column(String(64))
    digest: Mapped[str] = mapped_column(String(64))
    issued_by: Mapped[str] = mapped_column(String(64))
    issued_at: Mapped[datetime] = mapped_column(UtcDateTime)
    mac: Mapped[bytes] = mapped_column(LargeBinary)


class StatementLine(Base):
    """What one offer came to at one store. Append-only. Names are those of the day of issue."""

    __tablename__ = "statement_line"
    __table_args__ = (CheckConstraint("uses >= 0 AND undos >= 0", name="counts"),)

    statement_id: Mapped[UUID] = mapped_column(ForeignKey("statement.id"), primary_key=True)
    position: Mapped[int] = mapped_column(Integer, primary_key=True)
    offer_id: Mapped[UUID]
    store_id: Mapped[UUID | None]
    title_zh: Mapped[str] = mapped_column(String(80))
    title_en: Mapped[str] = mapped_column(String(160))
    store_name: Mapped[str | None] = mapped_column(String(120))
    funding: Mapped[str] = mapped_column(String(8))
    uses: Mapped[int] = mapped_column(Integer)
    used_fen: Mapped[int] = mapped_column(BigInteger)
    undos: Mapped[int] = mapped_column(Integer)
    undone_fen: Mapped[int] = mapped_column(BigInteger)
    points: Mapped[int] = mapped_column(BigInteger)
    mac: Mapped[bytes] = mapped_column(LargeBinary)


class StatementFee(Base):
    """The fee under one version of the terms: on `base_fen` and for `uses` consumptions. Append-only."""

    __tablename__ = "statement_fee"

    statement_id: Mapped[UUID] = mapped_column(ForeignKey("statement.id"), primary_key=True)
    terms_id: Mapped[UUID] = mapped_column(ForeignKey("merchant_terms.id"), primary_key=True)
    fee_bps: Mapped[int] = mapped_column(Integer)
    fee_per_use_fen: Mapped[int] = mapped_column(BigInteger)
    uses: Mapped[int] = mapped_column(Integer)
    base_fen: Mapped[int] = mapped_column(BigInteger)
    fee_fen: Mapped[int] = mapped_column(BigInteger)
    mac: Mapped[bytes] = mapped_column(LargeBinary)


class StatementItem(Base):
    """A consumption, or its undoing, is on one statement and no other. Append-only.

    No MAC of its own, because the statement's digest is over its items; and no foreign key, because they are
    there before the statement, which tells what they come to. The audit checks both.
    """

    __tablename__ = "statement_item"
    __table_args__ = (
        CheckConstraint("kind IN ('use', 'undo')", name="kind"),
        Index("ix_statement_item_statement_id", "statement_id", "kind", "consumption_id"),
    )

    consumption_id: Mapped[UUID] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(String(4), primary_key=True)
    statement_id: Mapped[UUID]


class StatementProgress(Base):
    """How far a statement has come: the one row about it that changes."""

    __tablename__ = "statement_progress"
    __table_args__ = (
        UniqueConstraint("programme", "invoice_number"),
        CheckConstraint(
            "state IN ('issued', 'disputed', 'agreed', 'invoiced', 'sent', 'paid', 'nothing_due')",
            name="state",
        ),
        CheckConstraint("state <> 'invoiced' OR invoice_number IS NOT NULL", name="invoice_number"),
        Index("ix_statement_progress_programme_state", "programme", "state", "statement_id"),
    )

    statement_id: Mapped[UUID] = mapped_column(ForeignKey("statement.id"), primary_key=True)
    programme: Mapped[str] = mapped_column(String(16))
    state: Mapped[str] = mapped_column(String(16))
    invoice_number: Mapped[str | None] = mapped_column(String(40))


class StatementStep(Base):
    """Who moved a statement from state to state, and when. Append-only."""

    __tablename__ = "statement_step"
    __table_args__ = (Index("ix_statement_step_statement_id_id", "statement_id", "id"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    statement_id: Mapped[UUID] = mapped_column(ForeignKey("statement.id"))
    step: Mapped[str] = mapped_column(String(16))
    from_state: Mapped[str | None] = mapped_column(String(16))
    to_state: Mapped[str] = mapped_column(String(16))
    actor: Mapped[str] = mapped_column(String(64))
    detail: Mapped[str] = mapped_column(Text)
    recorded_at: Mapped[datetime] = mapped_column(UtcDateTime)
    mac: Mapped[bytes] = mapped_column(LargeBinary)


class Dispute(Base):
    """A merchant's objection to what an offer came to, or to the fee. Another answers than who issued.

    `adjusted_fen`: what the answer gives (or, below zero, takes); it goes on the next statement,
    `statement_adjustment`. `hold_id`: the money that is set aside for it meanwhile.
    """

    __tablename__ = "dispute"
    __table_args__ = (
        ForeignKeyConstraint(
            ["statement_id", "programme", "merchant_id"],
            ["statement.id", "statement.programme", "statement.merchant_id"],
        ),
        CheckConstraint("(answered_at IS NULL) = (answered_by IS NULL)", name="answered_by"),
        CheckConstraint("(answered_at IS NULL) = (adjusted_fen IS NULL)", name="adjusted_fen"),
        CheckConstraint("(answered_at IS NULL) = (answer IS NULL)", name="answer"),
        CheckConstraint("answered_by <> issued_by AND answered_by <> opened_by", name="four_eyes"),
        Index(
            "uq_dispute_open",
            "statement_id",
            "offer_id",
            unique=True,
            postgresql_where=OPEN_ONLY,
            sqlite_where=OPEN_ONLY,
        ),
        Index("ix_dispute_merchant_id_id", "merchant_id", "id"),
        Index("ix_dispute_programme_id", "programme", "id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    programme: Mapped[str] = mapped_column(String(16))
    merchant_id: Mapped[UUID]
    statement_id: Mapped[UUID]
    offer_id: Mapped[UUID]
    reason: Mapped[str] = mapped_column(String(400))
    opened_by: Mapped[str] = mapped_column(String(64))
    opened_at: Mapped[datetime] = mapped_column(UtcDateTime)
    issued_by: Mapped[str] = mapped_column(String(64))
    answer: Mapped[str | None] = mapped_column(String(400))
    adjusted_fen: Mapped[int | None] = mapped_column(BigInteger)
    answered_by: Mapped[str | None] = mapped_column(String(64))
    answered_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    hold_id: Mapped[UUID | None]


class StatementAdjustment(Base):
    """The answer to a dispute, on the next statement and no other. Append-only."""

    __tablename__ = "statement_adjustment"

    dispute_id: Mapped[UUID] = mapped_column(ForeignKey("dispute.id"), primary_key=True)
    statement_id: Mapped[UUID] = mapped_column(ForeignKey("statement.id"), index=True)
    offer_id: Mapped[UUID]
    adjusted_fen: Mapped[int] = mapped_column(BigInteger)
    mac: Mapped[bytes] = mapped_column(LargeBinary)


class StatementLoss(Base):
    """What the programme bears of a scan that was lost: on one statement, by its key. Append-only.

    No MAC of its own, because the statement's digest is over it.
    """

    __tablename__ = "statement_loss"
    __table_args__ = (
        ForeignKeyConstraint(["till_id", "scan_id"], ["till_scan.till_id", "till_scan.id"]),
        CheckConstraint("value_fen > 0", name="value_fen"),
    )

    till_id: Mapped[UUID] = mapped_column(primary_key=True)
    scan_id: Mapped[UUID] = mapped_column(primary_key=True)
    statement_id: Mapped[UUID] = mapped_column(ForeignKey("statement.id"), index=True)
    offer_id: Mapped[UUID]
    value_fen: Mapped[int] = mapped_column(BigInteger)


class PaymentFile(Base):
    """Payments that were handed to the bank together. Append-only."""

    __tablename__ = "payment_file"
    __table_args__ = (
        UniqueConstraint("id", "programme"),
        Index("ix_payment_file_programme_id", "programme", "id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    programme: Mapped[str] = mapped_column(String(16), ForeignKey("programme.code"))
    payments: Mapped[int] = mapped_column(Integer)
    total_fen: Mapped[int] = mapped_column(BigInteger)
    made_by: Mapped[str] = mapped_column(String(64))
    made_at: Mapped[datetime] = mapped_column(UtcDateTime)
    mac: Mapped[bytes] = mapped_column(LargeBinary)


class Payment(Base):
    """One statement's payment, by the reference that the bank gives back. `outcome`: paid or returned."""

    __tablename__ = "payment"
    __table_args__ = (
        ForeignKeyConstraint(["file_id", "programme"], ["payment_file.id", "payment_file.programme"]),
        ForeignKeyConstraint(
            ["statement_id", "programme", "merchant_id"],
            ["statement.id", "statement.programme", "statement.merchant_id"],
        ),
        UniqueConstraint("programme", "reference"),
        CheckConstraint("amount_fen > 0", name="amount_fen"),
        CheckConstraint("outcome IN ('paid', 'returned')", name="outcome"),
        CheckConstraint("(outcome IS NULL) = (confirmed_at IS NULL)", name="confirmed_at"),
        CheckConstraint("shown_on IS NULL OR outcome = 'paid'", name="shown_on"),
        # A statement is paid once: what was returned may be sent again, what was paid may not.
        Index(
            "uq_payment_of_statement",
            "statement_id",
            unique=True,
            postgresql_where=text("outcome IS NULL OR outcome = 'paid'"),
            sqlite_where=text("outcome IS NULL OR outcome = 'paid'"),
        ),
        Index("ix_payment_file_id", "file_id"),
        Index("ix_payment_merchant_id_id", "merchant_id", "id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    programme: Mapped[str] = mapped_column(String(16))
    merchant_id: Mapped[UUID]
    statement_id: Mapped[UUID]
    file_id: Mapped[UUID]
    payee_id: Mapped[UUID] = mapped_column(ForeignKey("merchant_payee.id"))
    reference: Mapped[str] = mapped_column(String(32))
    amount_fen: Mapped[int] = mapped_column(BigInteger)
    outcome: Mapped[str | None] = mapped_column(String(8))
    confirmed_on: Mapped[date | None]
    confirmed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    confirmed_by: Mapped[str | None] = mapped_column(String(64))
    shown_on: Mapped[UUID | None] = mapped_column(ForeignKey("statement.id"))


class SettlementStep(Base):
    """One step of settling a programme's month: done or not yet. The run goes on at the first that is not.

    `done`: how much it did so far; `through`: up to which merchant; `note`: what people should know of it.
    """

    __tablename__ = "settlement_step"
    __table_args__ = (
        CheckConstraint("done >= 0", name="done"),
        Index(
            "ix_settlement_step_under_way",
            "programme",
            "month",
            postgresql_where=text("ended_at IS NULL"),
            sqlite_where=text("ended_at IS NULL"),
        ),
    )

    programme: Mapped[str] = mapped_column(String(16), ForeignKey("programme.code"), primary_key=True)
    month: Mapped[date] = mapped_column(primary_key=True)
    position: Mapped[int] = mapped_column(SmallInteger, primary_key=True)
    step: Mapped[str] = mapped_column(String(16))
    started_by: Mapped[str] = mapped_column(String(64))
    started_at: Mapped[datetime] = mapped_column(UtcDateTime)
    done: Mapped[int] = mapped_column(BigInteger)
    through: Mapped[UUID | None]
    note: Mapped[str | None] = mapped_column(String(200))
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
