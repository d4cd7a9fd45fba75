"""Accounts, transfers, holds and how they end, reversals, opening balances, seals.

Revision: 0003
Follows: 0002
"""

import sqlalchemy as sa
from alembic import op

from migrations.support import allow_change, forbid_change

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)
APPEND_ONLY = ("transfer", "pending_resolution", "account_opening", "seal_block")


def _sums() -> list[sa.Column[int]]:
    names = ("debits_posted", "credits_posted", "debits_pending", "credits_pending")
    return [sa.Column(name, sa.BigInteger, nullable=False) for name in names]


def upgrade() -> None:
    _accounts()
    _transfers()
    _holds()
    _proofs()
    for table in APPEND_ONLY:
        forbid_change(table)


def _accounts() -> None:
    op.create_table(
        "account",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("programme", sa.String(16), nullable=False),
        sa.Column("asset", sa.String(48), nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("owner", sa.Uuid()),
        sa.Column("lot", sa.String(32), nullable=False),
        sa.Column("side", sa.String(8), nullable=False),
        *_sums(),
        sa.UniqueConstraint("owner", "programme", "asset", "kind", "lot"),
        sa.CheckConstraint("side IN ('guarded', 'debt', 'derived')", name="side"),
        sa.CheckConstraint(
            "debits_posted >= 0 AND credits_posted >= 0 AND debits_pending >= 0 AND credits_pending >= 0",
            name="sums",
        ),
        sa.CheckConstraint(
            "side <> 'guarded' OR credits_posted - debits_posted - debits_pending >= 0", name="available"
        ),
        sa.CheckConstraint(
            "side <> 'debt' OR debits_posted - credits_posted - credits_pending >= 0", name="debt"
        ),
        sa.CheckConstraint(
            "side <> 'derived' OR "
            "(debits_posted = 0 AND credits_posted = 0 AND debits_pending = 0 AND credits_pending = 0)",
            name="derived",
        ),
        postgresql_with={"fillfactor": 80},  # balances are updated in place: leave room on the page
    )
    op.create_index(
        "ix_account_programme_lot",
        "account",
        ["programme", "lot"],
        postgresql_where=sa.text("lot <> ''"),
        sqlite_where=sa.text("lot <> ''"),
    )


def _transfers() -> None:
    op.create_table(
        "transfer",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("programme", sa.String(16), nullable=False),
        sa.Column("asset", sa.String(48), nullable=False),
        sa.Column("code", sa.String(32), nullable=False),
        sa.Column("phase", sa.String(8), nullable=False),
        sa.Column("debit_account", sa.Uuid(), nullable=False),
        sa.Column("credit_account", sa.Uuid(), nullable=False),
        sa.Column("amount", sa.BigInteger, nullable=False),
        sa.Column("pending_id", sa.Uuid()),
        sa.Column("reverses_id", sa.Uuid()),
        sa.Column("expires_at", INSTANT),
        sa.Column("effective_at", INSTANT, nullable=False),
        sa.Column("recorded_at", INSTANT, nullable=False),
        sa.Column("reference", sa.Uuid()),
        sa.Column("mac", sa.LargeBinary, nullable=False),
        sa.CheckConstraint("amount > 0", name="amount"),
        sa.CheckConstraint("debit_account <> credit_account", name="two_accounts"),
        sa.CheckConstraint("phase IN ('posted', 'pending', 'settled', 'released', 'expired')", name="phase"),
        sa.CheckConstraint("(pending_id IS NULL) = (phase IN ('posted', 'pending'))", name="pending_id"),
        sa.CheckConstraint("reverses_id IS NULL OR phase = 'posted'", name="reverses_id"),
        sa.CheckConstraint("expires_at IS NULL OR phase = 'pending'", name="expires_at"),
    )
    op.create_index("ix_transfer_debit_account_id", "transfer", ["debit_account", "id"])
    op.create_index("ix_transfer_credit_account_id", "transfer", ["credit_account", "id"])
    op.create_index(
        "ix_transfer_reference",
        "transfer",
        ["reference"],
        postgresql_where=sa.text("reference IS NOT NULL"),
        sqlite_where=sa.text("reference IS NOT NULL"),
    )
    op.create_table(
        "transfer_reversal",
        sa.Column("reversed_id", sa.Uuid(), primary_key=True),
        sa.Column("amount", sa.BigInteger, nullable=False),
        sa.Column("reversed", sa.BigInteger, nullable=False),
        sa.CheckConstraint("reversed >= 0 AND reversed <= amount", name="reversed"),
    )


def _holds() -> None:
    op.create_table(
        "open_hold",
        sa.Column("pending_id", sa.Uuid(), primary_key=True),
        sa.Column("expires_at", INSTANT),
    )
    op.create_index("ix_open_hold_expires_at", "open_hold", ["expires_at"])
    op.create_table(
        "pending_resolution",
        sa.Column("pending_id", sa.Uuid(), primary_key=True),
        sa.Column("outcome", sa.String(8), nullable=False),
        sa.Column("transfer_id", sa.Uuid(), nullable=False),
        sa.Column("resolved_at", INSTANT, nullable=False),
        sa.Column("mac", sa.LargeBinary, nullable=False),
        sa.CheckConstraint("outcome IN ('settled', 'released', 'expired')", name="outcome"),
    )


def _proofs() -> None:
    op.create_table(
        "account_opening",
        sa.Column("account_id", sa.Uuid(), primary_key=True),
        sa.Column("period", sa.Date, primary_key=True),
        sa.Column("programme", sa.String(16), nullable=False),
        sa.Column("through_id", sa.Uuid(), nullable=False),
        *_sums(),
        sa.Column("recorded_at", INSTANT, nullable=False),
        sa.Column("mac", sa.LargeBinary, nullable=False),
    )
    op.create_index("ix_account_opening_programme_period", "account_opening", ["programme", "period"])
    op.create_table(
        "seal_block",
        sa.Column("sealed_table", sa.String(32), primary_key=True),
        sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("first_id", sa.Uuid(), nullable=False),
        sa.Column("last_id", sa.Uuid(), nullable=False),
        sa.Column("row_count", sa.BigInteger, nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("previous_digest", sa.String(64), nullable=False),
        sa.Column("sealed_at", INSTANT, nullable=False),
        sa.Column("mac", sa.LargeBinary, nullable=False),
        sa.CheckConstraint("number > 0 AND row_count > 0", name="block"),
    )


def downgrade() -> None:
    for table in APPEND_ONLY:
        allow_change(table)
    for table in (
        "seal_block",
        "account_opening",
        "pending_resolution",
        "open_hold",
        "transfer_reversal",
        "transfer",
        "account",
    ):
        op.drop_table(table)
