"""Settlement with merchants: terms, payees, statements, disputes, payments, and how far a month has come.

Revision: 0024
Follows: 0023
"""

from typing import Any

import sqlalchemy as sa
from alembic import op

from migrations.support import allow_change, forbid_change

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)
TABLES = (
    "merchant_terms",
    "merchant_payee",
    "statement",
    "statement_line",
    "statement_fee",
    "statement_item",
    "statement_progress",
    "statement_step",
    "dispute",
    "statement_adjustment",
    "payment_file",
    "payment",
    "settlement_step",
)
APPEND_ONLY = (
    "merchant_terms",
    "statement",
    "statement_line",
    "statement_fee",
    "statement_item",
    "statement_step",
    "statement_adjustment",
    "payment_file",
)


def upgrade() -> None:
    _merchants()
    _statements()
    _after()
    _payments()
    for table in APPEND_ONLY:
        forbid_change(table)
    # Of the many uses, those that a later statement has to look for: handed in late, undone.
    op.create_index(
        "ix_consumption_handed_in", "consumption", ["merchant_id", "recorded_at"], **_where("offline")
    )
    undone = _where("undone_at IS NOT NULL")
    op.create_index("ix_consumption_undone", "consumption", ["merchant_id", "undone_at"], **undone)


def downgrade() -> None:
    op.drop_index("ix_consumption_undone", "consumption")
    op.drop_index("ix_consumption_handed_in", "consumption")
    for table in APPEND_ONLY:
        allow_change(table)
    for table in reversed(TABLES):
        op.drop_table(table)


def _where(condition: str) -> dict[str, Any]:
    return {"postgresql_where": sa.text(condition), "sqlite_where": sa.text(condition)}


def _merchants() -> None:
    op.create_table(
        "merchant_terms",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("programme", sa.String(16), nullable=False),
        sa.Column("merchant_id", sa.Uuid, nullable=False),
        sa.Column("effective_from", sa.Date, nullable=False),
        sa.Column("fee_bps", sa.Integer, nullable=False),
        sa.Column("fee_per_use_fen", sa.BigInteger, nullable=False),
        sa.Column("invoice_required", sa.Boolean, nullable=False),
        sa.Column("recorded_by", sa.String(64), nullable=False),
        sa.Column("recorded_at", INSTANT, nullable=False),
        sa.CheckConstraint("fee_bps BETWEEN 0 AND 10000", name="fee_bps"),
        sa.CheckConstraint("fee_per_use_fen >= 0", name="fee_per_use_fen"),
        sa.ForeignKeyConstraint(["merchant_id", "programme"], ["party.id", "party.programme"]),
        sa.UniqueConstraint("merchant_id", "effective_from"),
    )
    op.create_table(
        "merchant_payee",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("programme", sa.String(16), nullable=False),
        sa.Column("merchant_id", sa.Uuid, nullable=False),
        sa.Column("sealed", sa.LargeBinary, nullable=False),
        sa.Column("tail", sa.String(4), nullable=False),
        sa.Column("recorded_by", sa.String(64), nullable=False),
        sa.Column("recorded_at", INSTANT, nullable=False),
        sa.Column("confirmed_by", sa.String(64)),
        sa.Column("confirmed_at", INSTANT),
        sa.CheckConstraint("(confirmed_by IS NULL) = (confirmed_at IS NULL)", name="confirmed"),
        sa.CheckConstraint("confirmed_by <> recorded_by", name="four_eyes"),
        sa.ForeignKeyConstraint(["merchant_id", "programme"], ["party.id", "party.programme"]),
    )
    op.create_index("ix_merchant_payee_merchant_id_id", "merchant_payee", ["merchant_id", "id"])


def _statements() -> None:
    op.create_table(
        "statement",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("programme", sa.String(16), nullable=False),
        sa.Column("merchant_id", sa.Uuid, nullable=False),
        sa.Column("month", sa.Date, nullable=False),
        sa.Column("year", sa.SmallInteger, nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("ends_at", INSTANT, nullable=False),
        sa.Column("opening_fen", sa.BigInteger, nullable=False),
        sa.Column("uses", sa.Integer, nullable=False),
        sa.Column("used_fen", sa.BigInteger, nullable=False),
        sa.Column("undos", sa.Integer, nullable=False),
        sa.Column("undone_fen", sa.BigInteger, nullable=False),
        sa.Column("adjusted_fen", sa.BigInteger, nullable=False),
        sa.Column("fee_fen", sa.BigInteger, nullable=False),
        sa.Column("paid_fen", sa.BigInteger, nullable=False),
        sa.Column("closing_fen", sa.BigInteger, nullable=False),
        sa.Column("payable_fen", sa.BigInteger, nullable=False),
        sa.Column("carried_fen", sa.BigInteger, nullable=False),
        sa.Column("own_fen", sa.BigInteger, nullable=False),
        sa.Column("points", sa.BigInteger, nullable=False),
        sa.Column("points_settled", sa.BigInteger, nullable=False),
        sa.Column("items_digest", sa.String(64), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("issued_by", sa.String(64), nullable=False),
        sa.Column("issued_at", INSTANT, nullable=False),
        sa.Column("mac", sa.LargeBinary, nullable=False),
        sa.CheckConstraint(
            "closing_fen = opening_fen + used_fen - undone_fen + adjusted_fen - fee_fen - paid_fen",
            name="closing",
        ),
        sa.CheckConstraint("number > 0", name="number"),
        sa.CheckConstraint("payable_fen = 0 OR carried_fen = 0", name="one_way"),
        sa.CheckConstraint("payable_fen >= 0 AND carried_fen >= 0", name="payable"),
        sa.CheckConstraint("uses >= 0 AND undos >= 0 AND used_fen >= 0 AND undone_fen >= 0", name="sums"),
        sa.ForeignKeyConstraint(["merchant_id", "programme"], ["party.id", "party.programme"]),
        sa.UniqueConstraint("id", "programme", "merchant_id"),
        sa.UniqueConstraint("merchant_id", "month"),
        sa.UniqueConstraint("programme", "year", "number"),
    )
    op.create_index("ix_statement_programme_month_id", "statement", ["programme", "month", "id"])
    op.create_table(
        "statement_line",
        sa.Column("statement_id", sa.Uuid, sa.ForeignKey("statement.id"), primary_key=True),
        sa.Column("position", sa.Integer, primary_key=True),
        sa.Column("offer_id", sa.Uuid, nullable=False),
        sa.Column("store_id", sa.Uuid),
        sa.Column("title_zh", sa.String(80), nullable=False),
        sa.Column("title_en", sa.String(160), nullable=False),
        sa.Column("store_name", sa.String(120)),
        sa.Column("funding", sa.String(8), nullable=False),
        sa.Column("uses", sa.Integer, nullable=False),
        sa.Column("used_fen", sa.BigInteger, nullable=False),
        sa.Column("undos", sa.Integer, nullable=False),
        sa.Column("undone_fen", sa.BigInteger, nullable=False),
        sa.Column("points", sa.BigInteger, nullable=False),
        sa.Column("mac", sa.LargeBinary, nullable=False),
        sa.CheckConstraint("uses >= 0 AND undos >= 0", name="counts"),
    )
    op.create_table(
        "statement_fee",
        sa.Column("statement_id", sa.Uuid, sa.ForeignKey("statement.id"), primary_key=True),
        sa.Column("terms_id", sa.Uuid, sa.ForeignKey("merchant_terms.id"), primary_key=True),
        sa.Column("fee_bps", sa.Integer, nullable=False),
        sa.Column("fee_per_use_fen", sa.BigInteger, nullable=False),
        sa.Column("uses", sa.Integer, nullable=False),
        sa.Column("base_fen", sa.BigInteger, nullable=False),
        sa.Column("fee_fen", sa.BigInteger, nullable=False),
        sa.Column("mac", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "statement_item",
        sa.Column("consumption_id", sa.Uuid, primary_key=True),
        sa.Column("kind", sa.String(4), primary_key=True),
        sa.Column("statement_id", sa.Uuid, nullable=False),
        sa.CheckConstraint("kind IN ('use', 'undo')", name="kind"),
    )
    op.create_index(
        "ix_statement_item_statement_id", "statement_item", ["statement_id", "kind", "consumption_id"]
    )


def _after() -> None:
    op.create_table(
        "statement_progress",
        sa.Column("statement_id", sa.Uuid, sa.ForeignKey("statement.id"), primary_key=True),
        sa.Column("programme", sa.String(16), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("invoice_number", sa.String(40)),
        sa.CheckConstraint("state <> 'invoiced' OR invoice_number IS NOT NULL", name="invoice_number"),
        sa.CheckConstraint(
            "state IN ('issued', 'disputed', 'agreed', 'invoiced', 'sent', 'paid', 'nothing_due')",
            name="state",
        ),
        sa.UniqueConstraint("programme", "invoice_number"),
    )
    op.create_index(
        "ix_statement_progress_programme_state", "statement_progress", ["programme", "state", "statement_id"]
    )
    op.create_table(
        "statement_step",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("statement_id", sa.Uuid, sa.ForeignKey("statement.id"), nullable=False),
        sa.Column("step", sa.String(16), nullable=False),
        sa.Column("from_state", sa.String(16)),
        sa.Column("to_state", sa.String(16), nullable=False),
        sa.Column("actor", sa.String(64), nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
        sa.Column("recorded_at", INSTANT, nullable=False),
        sa.Column("mac", sa.LargeBinary, nullable=False),
    )
    op.create_index("ix_statement_step_statement_id_id", "statement_step", ["statement_id", "id"])
    op.create_table(
        "dispute",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("programme", sa.String(16), nullable=False),
        sa.Column("merchant_id", sa.Uuid, nullable=False),
        sa.Column("statement_id", sa.Uuid, nullable=False),
        sa.Column("offer_id", sa.Uuid, nullable=False),
        sa.Column("reason", sa.String(400), nullable=False),
        sa.Column("opened_by", sa.String(64), nullable=False),
        sa.Column("opened_at", INSTANT, nullable=False),
        sa.Column("issued_by", sa.String(64), nullable=False),
        sa.Column("answer", sa.String(400)),
        sa.Column("adjusted_fen", sa.BigInteger),
        sa.Column("answered_by", sa.String(64)),
        sa.Column("answered_at", INSTANT),
        sa.Column("hold_id", sa.Uuid),
        sa.CheckConstraint("(answered_at IS NULL) = (adjusted_fen IS NULL)", name="adjusted_fen"),
        sa.CheckConstraint("(answered_at IS NULL) = (answer IS NULL)", name="answer"),
        sa.CheckConstraint("(answered_at IS NULL) = (answered_by IS NULL)", name="answered_by"),
        sa.CheckConstraint("answered_by <> issued_by AND answered_by <> opened_by", name="four_eyes"),
        sa.ForeignKeyConstraint(
            ["statement_id", "programme", "merchant_id"],
            ["statement.id", "statement.programme", "statement.merchant_id"],
        ),
    )
    op.create_index("ix_dispute_merchant_id_id", "dispute", ["merchant_id", "id"])
    op.create_index("ix_dispute_programme_id", "dispute", ["programme", "id"])
    op.create_index(
        "uq_dispute_open",
        "dispute",
        ["statement_id", "offer_id"],
        unique=True,
        **_where("answered_at IS NULL"),
    )
    op.create_table(
        "statement_adjustment",
        sa.Column("dispute_id", sa.Uuid, sa.ForeignKey("dispute.id"), primary_key=True),
        sa.Column("statement_id", sa.Uuid, sa.ForeignKey("statement.id"), nullable=False),
        sa.Column("offer_id", sa.Uuid, nullable=False),
        sa.Column("adjusted_fen", sa.BigInteger, nullable=False),
        sa.Column("mac", sa.LargeBinary, nullable=False),
    )
    op.create_index("ix_statement_adjustment_statement_id", "statement_adjustment", ["statement_id"])


def _payments() -> None:
    op.create_table(
        "payment_file",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("programme", sa.String(16), sa.ForeignKey("programme.code"), nullable=False),
        sa.Column("payments", sa.Integer, nullable=False),
        sa.Column("total_fen", sa.BigInteger, nullable=False),
        sa.Column("made_by", sa.String(64), nullable=False),
        sa.Column("made_at", INSTANT, nullable=False),
        sa.Column("mac", sa.LargeBinary, nullable=False),
        sa.UniqueConstraint("id", "programme"),
    )
    op.create_index("ix_payment_file_programme_id", "payment_file", ["programme", "id"])
    op.create_table(
        "payment",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("programme", sa.String(16), nullable=False),
        sa.Column("merchant_id", sa.Uuid, nullable=False),
        sa.Column("statement_id", sa.Uuid, nullable=False),
        sa.Column("file_id", sa.Uuid, nullable=False),
        sa.Column("payee_id", sa.Uuid, sa.ForeignKey("merchant_payee.id"), nullable=False),
        sa.Column("reference", sa.String(32), nullable=False),
        sa.Column("amount_fen", sa.BigInteger, nullable=False),
        sa.Column("outcome", sa.String(8)),
        sa.Column("confirmed_on", sa.Date),
        sa.Column("confirmed_at", INSTANT),
        sa.Column("confirmed_by", sa.String(64)),
        sa.Column("shown_on", sa.Uuid, sa.ForeignKey("statement.id")),
        sa.CheckConstraint("amount_fen > 0", name="amount_fen"),
        sa.CheckConstraint("(outcome IS NULL) = (confirmed_at IS NULL)", name="confirmed_at"),
        sa.CheckConstraint("outcome IN ('paid', 'returned')", name="outcome"),
        sa.CheckConstraint("shown_on IS NULL OR outcome = 'paid'", name="shown_on"),
        sa.ForeignKeyConstraint(["file_id", "programme"], ["payment_file.id", "payment_file.programme"]),
        sa.ForeignKeyConstraint(
            ["statement_id", "programme", "merchant_id"],
            ["statement.id", "statement.programme", "statement.merchant_id"],
        ),
        sa.UniqueConstraint("programme", "reference"),
    )
    op.create_index("ix_payment_file_id", "payment", ["file_id"])
    op.create_index("ix_payment_merchant_id_id", "payment", ["merchant_id", "id"])
    op.create_index(
        "uq_payment_of_statement",
        "payment",
        ["statement_id"],
        unique=True,
        **_where("outcome IS NULL OR outcome = 'paid'"),
    )
    op.create_table(
        "settlement_step",
        sa.Column("programme", sa.String(16), sa.ForeignKey("programme.code"), primary_key=True),
        sa.Column("month", sa.Date, primary_key=True),
        sa.Column("position", sa.SmallInteger, primary_key=True),
        sa.Column("step", sa.String(16), nullable=False),
        sa.Column("started_by", sa.String(64), nullable=False),
        sa.Column("started_at", INSTANT, nullable=False),
        sa.Column("done", sa.BigInteger, nullable=False),
        sa.Column("through", sa.Uuid),
        sa.Column("note", sa.String(200)),
        sa.Column("ended_at", INSTANT),
        sa.CheckConstraint("done >= 0", name="done"),
    )
    op.create_index(
        "ix_settlement_step_under_way",
        "settlement_step",
        ["programme", "month"],
        **_where("ended_at IS NULL"),
    )
