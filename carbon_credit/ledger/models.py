"""The ledger's rows. No foreign key points at a transfer or from one: the audit checks what it would."""

import uuid
from datetime import date, datetime

from sqlalchemy import BigInteger, CheckConstraint, Index, LargeBinary, String, Table, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from carbon_credit.kernel.db import Base, UtcDateTime

SUMS = ("debits_posted", "credits_posted", "debits_pending", "credits_pending")


class Account(Base):
    """One account and its four sums. Those of a derived account stay zero: it is never a hot row."""

    __tablename__ = "account"
    __table_args__ = (
        UniqueConstraint("owner", "programme", "asset", "kind", "lot"),
        CheckConstraint("side IN ('guarded', 'debt', 'derived')", name="side"),
        CheckConstraint(
            "debits_posted >= 0 AND credits_posted >= 0 AND debits_pending >= 0 AND credits_pending >= 0",
            name="sums",
        ),
        CheckConstraint(
            "side <> 'guarded' OR credits_posted - debits_posted - debits_pending >= 0", name="available"
        ),
        CheckConstraint(
            "side <> 'debt' OR debits_posted - credits_posted - credits_pending >= 0", name="debt"
        ),
        CheckConstraint(
            "side <> 'derived' OR "
            "(debits_posted = 0 AND credits_posted = 0 AND debits_pending = 0 AND credits_pending = 0)",
            name="derived",
        ),
        Index(
            "ix_account_programme_lot",
            "programme",
            "lot",
            postgresql_where=text("lot <> ''"),
            sqlite_where=text("lot <> ''"),
        ),
        {"postgresql_with": {"fillfactor": 80}},
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    programme: Mapped[str] = mapped_column(String(16))
    asset: Mapped[str] = mapped_column(String(48))
    kind: Mapped[str] = mapped_column(String(32))
    owner: Mapped[uuid.UUID | None]
    lot: Mapped[str] = mapped_column(String(32))
    side: Mapped[str] = mapped_column(String(8))
    debits_posted: Mapped[int] = mapped_column(BigInteger)
    credits_posted: Mapped[int] = mapped_column(BigInteger)
    debits_pending: Mapped[int] = mapped_column(BigInteger)
    credits_pending: Mapped[int] = mapped_column(BigInteger)


class TransferRow(Base):
    """One posting, append-only. `id` is a UUIDv7, so that months are ranges of ids.

    Each row says alone what it does to the sums of its two accounts: `posted` posts, `pending` holds,
    `settled` ends a hold and posts as much, `released` and `expired` end a hold. A hold that is settled
    for less is one `settled` and one `released` row, which add up to it.
    """

    __tablename__ = "transfer"
    __table_args__ = (
        CheckConstraint("amount > 0", name="amount"),
        CheckConstraint("debit_account <> credit_account", name="two_accounts"),
        CheckConstraint("phase IN ('posted', 'pending', 'settled', 'released', 'expired')", name="phase"),
        CheckConstraint("(pending_id IS NULL) = (phase IN ('posted', 'pending'))", name="pending_id"),
        CheckConstraint("reverses_id IS NULL OR phase = 'posted'", name="reverses_id"),
        CheckConstraint("expires_at IS NULL OR phase = 'pending'", name="expires_at"),
        Index("ix_transfer_debit_account_id", "debit_account", "id"),
        Index("ix_transfer_credit_account_id", "credit_account", "id"),
        Index(
            "ix_transfer_reference",
            "reference",
            postgresql_where=text("reference IS NOT NULL"),
            sqlite_where=text("reference IS NOT NULL"),
        ),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    programme: Mapped[str] = mapped_column(String(16))
    asset: Mapped[str] = mapped_column(String(48))
    code: Mapped[str] = mapped_column(String(32))
    phase: Mapped[str] = mapped_column(String(8))
    debit_account: Mapped[uuid.UUID]
    credit_account: Mapped[uuid.UUID]
    amount: Mapped[int] = mapped_column(BigInteger)
    pending_id: Mapped[uuid.UUID | None]
    reverses_id: Mapped[uuid.UUID | None]
    expires_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    effective_at: Mapped[datetime] = mapped_column(UtcDateTime)
    recorded_at: Mapped[datetime] = mapped_column(UtcDateTime)
    reference: Mapped[uuid.UUID | None]
    mac: Mapped[bytes] = mapped_column(LargeBinary)


class OpenHold(Base):
    """A hold that has not ended. Whoever deletes the row ends the hold; the sweep finds work here."""

    __tablename__ = "open_hold"

    pending_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    expires_at: Mapped[datetime | None] = mapped_column(UtcDateTime, index=True)


class PendingResolution(Base):
    """How a hold ended: once, for ever, by its primary key. Append-only."""

    __tablename__ = "pending_resolution"
    __table_args__ = (CheckConstraint("outcome IN ('settled', 'released', 'expired')", name="outcome"),)

    pending_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    outcome: Mapped[str] = mapped_column(String(8))
    transfer_id: Mapped[uuid.UUID]
    resolved_at: Mapped[datetime] = mapped_column(UtcDateTime)
    mac: Mapped[bytes] = mapped_column(LargeBinary)


class TransferReversal(Base):
    """How much of a transfer has been reversed: never more than it moved."""

    __tablename__ = "transfer_reversal"
    __table_args__ = (CheckConstraint("reversed >= 0 AND reversed <= amount", name="reversed"),)

    reversed_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    amount: Mapped[int] = mapped_column(BigInteger)
    reversed: Mapped[int] = mapped_column(BigInteger)


class AccountOpening(Base):
    """The sums of an account over all transfers up to `through_id`, derived accounts too. Append-only.

    `period` is the first day of the month that it opens.
    """

    __tablename__ = "account_opening"
    __table_args__ = (Index("ix_account_opening_programme_period", "programme", "period"),)

    account_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    period: Mapped[date] = mapped_column(primary_key=True)
    programme: Mapped[str] = mapped_column(String(16))
    through_id: Mapped[uuid.UUID]
    debits_posted: Mapped[int] = mapped_column(BigInteger)
    credits_posted: Mapped[int] = mapped_column(BigInteger)
    debits_pending: Mapped[int] = mapped_column(BigInteger)
    credits_pending: Mapped[int] = mapped_column(BigInteger)
    recorded_at: Mapped[datetime] = mapped_column(UtcDateTime)
    mac: Mapped[bytes] = mapped_column(LargeBinary)


class SealBlock(Base):
    """A sealed range of rows of one table: (last id of the block before, last_id]. Append-only.

    `digest`: SHA-256 over the previous digest and each row's id and MAC in the order of ids.
    """

    __tablename__ = "seal_block"
    __table_args__ = (CheckConstraint("number > 0 AND row_count > 0", name="block"),)

    sealed_table: Mapped[str] = mapped_column(String(32), primary_key=True)
    number: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    first_id: Mapped[uuid.UUID]
    last_id: Mapped[uuid.UUID]
    row_count: Mapped[int] = mapped_column(BigInteger)
    digest: Mapped[str] = mapped_column(String(64))
    previous_digest: Mapped[str] = mapped_column(String(64))
    sealed_at: Mapped[datetime] = mapped_column(UtcDateTime)
    mac: Mapped[bytes] = mapped_column(LargeBinary)


def _table(model: type[Base]) -> Table:
    table = model.__table__
    assert isinstance(table, Table)  # noqa: S101
    return table


# Set-based statements speak of tables.
ACCOUNT = _table(Account)
TRANSFER = _table(TransferRow)
OPEN_HOLD = _table(OpenHold)
RESOLUTION = _table(PendingResolution)
REVERSAL = _table(TransferReversal)
OPENING = _table(AccountOpening)
SEAL = _table(SealBlock)
