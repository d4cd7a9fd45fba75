"""Offers of every kind: terms, funding and budgets, code pools, subsidies, monthly replenishment.

Revision: 0020
Follows: 0019
"""

from typing import Any

import sqlalchemy as sa
from alembic import op

from migrations.support import change_constraints, on_postgresql, rewrite

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)
OFFER = (
    (
        "ck_offer_kind",
        "CHECK (kind IN ('coupon'))",
        "CHECK (kind IN ('coupon', 'transit', 'goods', 'code_pool', 'subsidy', 'donation', 'neutralise'))",
    ),
    (
        "ck_offer_points_price",
        "CHECK (points_price > 0)",
        "CHECK (points_price > 0 AND kind <> 'neutralise' "
        "OR points_price = 0 AND kind IN ('subsidy', 'neutralise'))",
    ),
    (
        "ck_offer_value_fen",
        "CHECK (value_fen > 0)",
        "CHECK (value_fen > 0 AND kind <> 'neutralise' "
        "OR value_fen = 0 AND kind IN ('donation', 'neutralise'))",
    ),
    (
        "ck_offer_stocked",
        None,
        "CHECK (stocked AND kind <> 'neutralise' OR NOT stocked AND value_fen = 0 "
        "AND kind IN ('donation', 'neutralise'))",
    ),
    (
        "ck_offer_percent_off",
        None,
        "CHECK (percent_off IS NULL OR percent_off BETWEEN 1 AND 99 AND kind = 'coupon')",
    ),
    ("ck_offer_min_spend_fen", None, "CHECK (min_spend_fen >= 0)"),
    (
        "ck_offer_partial_use",
        None,
        "CHECK (NOT partial_use OR kind IN ('coupon', 'transit') AND percent_off IS NULL)",
    ),
    (
        "ck_offer_funding",
        None,
        "CHECK (funding IN ('merchant', 'fund') AND kind <> 'subsidy' OR funding = 'subsidy')",
    ),
    ("ck_offer_budget", None, "CHECK ((funding = 'subsidy') = (budget_id IS NOT NULL))"),
    ("ck_offer_funded", None, "CHECK (funding = 'merchant' OR stocked)"),
    ("ck_offer_limits", None, "CHECK (per_day_limit > 0 AND per_month_limit > 0)"),
    (
        "ck_offer_replenish_pieces",
        None,
        "CHECK (replenish_pieces IS NULL OR replenish_pieces > 0 AND stocked AND kind <> 'code_pool')",
    ),
    (
        "fk_offer_budget_id_programme_subsidy_budget",
        None,
        "FOREIGN KEY(budget_id, programme) REFERENCES subsidy_budget (id, programme)",
    ),
)
REDEMPTION = (
    ("ck_redemption_points", "CHECK (points > 0)", "CHECK (points >= 0)"),
    ("ck_redemption_value_fen", "CHECK (value_fen > 0)", "CHECK (value_fen >= 0)"),
)


def upgrade() -> None:
    op.create_table(
        "subsidy_budget",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("programme", sa.String(16), sa.ForeignKey("programme.code"), nullable=False),
        sa.Column("name", sa.String(120), nullable=False),
        sa.Column("fiscal_year", sa.SmallInteger, nullable=False),
        sa.Column("legal_basis", sa.String(400), nullable=False),
        sa.Column("document_number", sa.String(120), nullable=False),
        sa.Column("per_person_cap_fen", sa.BigInteger),
        sa.Column("created_by", sa.String(64), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.UniqueConstraint("id", "programme"),
        sa.UniqueConstraint("programme", "fiscal_year", "name"),
        sa.CheckConstraint("fiscal_year BETWEEN 2000 AND 2199", name="fiscal_year"),
        sa.CheckConstraint("per_person_cap_fen > 0", name="per_person_cap_fen"),
        sa.CheckConstraint("legal_basis <> '' AND document_number <> ''", name="legal_basis"),
    )
    for column in _columns():
        op.add_column("offer", column)
    change_constraints("offer", OFFER)
    change_constraints("redemption", REDEMPTION)
    if on_postgresql():
        op.execute("ALTER TABLE redemption ALTER COLUMN stock_hold_id DROP NOT NULL")
    else:
        rewrite("redemption", [("stock_hold_id CHAR(32) NOT NULL", "stock_hold_id CHAR(32)")])
    for name, column in (("ix_offer_running", "closes_at"), ("ix_offer_winding_up", "id")):
        op.create_index(name, "offer", [column], **_where(OPEN[name]))
    _codes()
    _replenishments()
    _subsidies()


def _columns() -> list[sa.Column[Any]]:
    return [
        sa.Column("note_zh", sa.String(400)),
        sa.Column("note_en", sa.String(400)),
        sa.Column("percent_off", sa.SmallInteger),
        sa.Column("min_spend_fen", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("stocked", sa.Boolean, nullable=False, server_default=sa.true()),
        sa.Column("funding", sa.String(8), nullable=False, server_default="merchant"),
        sa.Column("budget_id", sa.Uuid),
        sa.Column("per_day_limit", sa.Integer),
        sa.Column("per_month_limit", sa.Integer),
        sa.Column("districts", sa.String(400)),
        sa.Column("hours", sa.Text, nullable=False, server_default="[]"),
        sa.Column("eligibility", sa.Text, nullable=False, server_default="[]"),
        sa.Column("replenish_pieces", sa.Integer),
        sa.Column("wound_up_at", INSTANT),
    ]


def _codes() -> None:
    op.create_table(
        "offer_code",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("offer_id", sa.Uuid, sa.ForeignKey("offer.id"), nullable=False),
        sa.Column("digest", sa.Uuid, nullable=False),
        sa.Column("sealed", sa.LargeBinary, nullable=False),
        sa.Column("added_at", INSTANT, nullable=False),
        sa.Column("redemption_id", sa.Uuid, sa.ForeignKey("redemption.id")),
        sa.Column("shown_at", INSTANT),
        sa.Column("withdrawn_at", INSTANT),
        sa.UniqueConstraint("offer_id", "digest"),
        sa.UniqueConstraint("redemption_id"),
        sa.CheckConstraint("(redemption_id IS NULL) = (shown_at IS NULL)", name="shown_at"),
        sa.CheckConstraint("redemption_id IS NULL OR withdrawn_at IS NULL", name="one_end"),
    )
    op.create_index("ix_offer_code_unused", "offer_code", ["offer_id", "id"], **_where(UNUSED))


def _replenishments() -> None:
    op.create_table(
        "offer_replenishment",
        sa.Column("offer_id", sa.Uuid, sa.ForeignKey("offer.id"), primary_key=True),
        sa.Column("month", sa.Date, primary_key=True),
        sa.Column("pieces", sa.Integer, nullable=False),
        sa.Column("due_at", INSTANT, nullable=False),
        sa.Column("recorded_at", INSTANT, nullable=False),
        sa.Column("wanted", sa.Integer, nullable=False),
        sa.CheckConstraint("pieces >= 0 AND pieces <= wanted", name="pieces"),
    )


def _subsidies() -> None:
    op.create_table(
        "subsidy",
        sa.Column("redemption_id", sa.Uuid, sa.ForeignKey("redemption.id"), primary_key=True),
        sa.Column("programme", sa.String(16), nullable=False),
        sa.Column("budget_id", sa.Uuid, nullable=False),
        sa.Column("document_kind", sa.String(16), nullable=False),
        sa.Column("document_digest", sa.Uuid),
        sa.Column("masked_name", sa.String(40)),
        sa.Column("decided_by", sa.Uuid),
        sa.Column("granted_on", sa.Date),
        sa.Column("refused_for", sa.String(200)),
        sa.Column("payment_reference", sa.String(80)),
        sa.Column("paid_at", INSTANT),
        sa.ForeignKeyConstraint(
            ["budget_id", "programme"], ["subsidy_budget.id", "subsidy_budget.programme"]
        ),
        sa.ForeignKeyConstraint(["decided_by", "programme"], ["party.id", "party.programme"]),
        # An invoice or serial number that was refused or given up has none any more.
        sa.UniqueConstraint("programme", "document_kind", "document_digest"),
        sa.CheckConstraint("document_kind IN ('invoice', 'serial')", name="document_kind"),
        sa.CheckConstraint("granted_on IS NULL OR refused_for IS NULL", name="decision"),
        sa.CheckConstraint(
            "(decided_by IS NULL) = (granted_on IS NULL AND refused_for IS NULL)", name="decided_by"
        ),
        sa.CheckConstraint("granted_on IS NULL OR document_digest IS NOT NULL", name="document"),
        sa.CheckConstraint("(paid_at IS NULL) = (payment_reference IS NULL)", name="payment"),
        sa.CheckConstraint("paid_at IS NULL OR granted_on IS NOT NULL", name="paid_at"),
    )
    op.create_index("ix_subsidy_list", "subsidy", ["programme", "redemption_id"], **_where(GRANTED))


UNUSED = "redemption_id IS NULL AND withdrawn_at IS NULL"
GRANTED = "granted_on IS NOT NULL"
OPEN = {
    "ix_offer_running": "state = 'approved'",
    "ix_offer_winding_up": "state = 'closed' AND wound_up_at IS NULL",
}


def _where(condition: str) -> dict[str, object]:
    return {"postgresql_where": sa.text(condition), "sqlite_where": sa.text(condition)}


def downgrade() -> None:
    for table in ("subsidy", "offer_replenishment", "offer_code"):
        op.drop_table(table)
    for name in OPEN:
        op.drop_index(name, "offer")
    if on_postgresql():
        op.execute("ALTER TABLE redemption ALTER COLUMN stock_hold_id SET NOT NULL")
    else:
        rewrite("redemption", [("stock_hold_id CHAR(32)", "stock_hold_id CHAR(32) NOT NULL")])
    for table, changes in (("redemption", REDEMPTION), ("offer", OFFER)):
        change_constraints(table, [(name, after, before) for name, before, after in reversed(changes)])
    for column in reversed(_columns()):
        op.drop_column("offer", column.name)
    op.drop_table("subsidy_budget")
