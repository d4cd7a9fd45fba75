"""Offers, redemptions, from which lots a redemption's points are held, and its uses at tills.

Stock and points are not here but in the ledger: these rows say what they were held for.
"""

import uuid
from datetime import date, datetime

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    SmallInteger,
    String,
    Text,
    UniqueConstraint,
    Uuid,
    false,
    text,
    true,
)
from sqlalchemy.orm import Mapped, mapped_column

from carbon_credit.kernel.db import Base, UtcDateTime

HELD_ONLY = text("state = 'held'")
RUNNING = text("state = 'approved'")
WINDING_UP = text("state = 'closed' AND wound_up_at IS NULL")
HANDED_IN = text("offline")
UNDONE = text("undone_at IS NOT NULL")
BORNE = text("borne_by = 'programme'")


class Offer(Base):
    """What points can be given for, in [opens_at, closes_at). Its terms never change once approved.

    `merchant_id`: who offers it; for subsidies, donations and neutralising this may be an operator.
    `points_price` in points, `value_fen` in fen (what the voucher is worth at the till, at most),
    `voucher_ttl_s` in seconds from the hold. `per_citizen_limit`: how many one citizen may have, None for any
    number; so for a day and a month. `partial_use`: a voucher may be used several times until its
    value is used up. `percent_off`: of the bill, up to `value_fen`. `stocked`: it has pieces.
    `districts`, `hours`, `eligibility`: see `offering`. `replenish_pieces`: up to how many it is filled
    each month. `wound_up_at`: when the last of a closed offer had ended, and its rest had been returned.
    `exhausted_at`: when its merchant was told that nothing is left; None again once there is something.
    """

    __tablename__ = "offer"
    __table_args__ = (
        ForeignKeyConstraint(["merchant_id", "programme"], ["party.id", "party.programme"]),
        ForeignKeyConstraint(["approved_by", "programme"], ["party.id", "party.programme"]),
        # So that a redemption can pin programme and merchant of its offer.
        UniqueConstraint("id", "programme", "merchant_id"),
        ForeignKeyConstraint(["budget_id", "programme"], ["subsidy_budget.id", "subsidy_budget.programme"]),
        CheckConstraint(
            "kind IN ('coupon', 'transit', 'goods', 'code_pool', 'subsidy', 'donation', 'neutralise')",
            name="kind",
        ),
        CheckConstraint("state IN ('draft', 'approved', 'closed')", name="state"),
        CheckConstraint("state <> 'approved' OR approved_by IS NOT NULL", name="approved_by"),
        # Neutralising never takes points; a subsidy may be had for none.
        CheckConstraint(
            "points_price > 0 AND kind <> 'neutralise' "
            "OR points_price = 0 AND kind IN ('subsidy', 'neutralise')",
            name="points_price",
        ),
        CheckConstraint(
            "value_fen > 0 AND kind <> 'neutralise' OR value_fen = 0 AND kind IN ('donation', 'neutralise')",
            name="value_fen",
        ),
        CheckConstraint(
            "stocked AND kind <> 'neutralise' OR NOT stocked AND value_fen = 0 "
            "AND kind IN ('donation', 'neutralise')",
            name="stocked",
        ),
        CheckConstraint(
            "percent_off IS NULL OR percent_off BETWEEN 1 AND 99 AND kind = 'coupon'", name="percent_off"
        ),
        CheckConstraint("min_spend_fen >= 0", name="min_spend_fen"),
        CheckConstraint(
            "NOT partial_use OR kind IN ('coupon', 'transit') AND percent_off IS NULL", name="partial_use"
        ),
        CheckConstraint(
            "funding IN ('merchant', 'fund') AND kind <> 'subsidy' OR funding = 'subsidy'", name="funding"
        ),
        CheckConstraint("(funding = 'subsidy') = (budget_id IS NOT NULL)", name="budget"),
        # What others pay is set aside by the piece.
        CheckConstraint("funding = 'merchant' OR stocked", name="funded"),
        CheckConstraint("per_day_limit > 0 AND per_month_limit > 0", name="limits"),
        CheckConstraint(
            "replenish_pieces IS NULL OR replenish_pieces > 0 AND stocked AND kind <> 'code_pool'",
            name="replenish_pieces",
        ),
        CheckConstraint("per_citizen_limit > 0", name="per_citizen_limit"),
        CheckConstraint("voucher_ttl_s > 0", name="voucher_ttl_s"),
        CheckConstraint("opens_at < closes_at", name="window"),
        Index("ix_offer_programme_state_id", "programme", "state", "id"),
        Index("ix_offer_merchant_id_id", "merchant_id", "id"),
        Index("ix_offer_running", "closes_at", postgresql_where=RUNNING, sqlite_where=RUNNING),
        Index("ix_offer_winding_up", "id", postgresql_where=WINDING_UP, sqlite_where=WINDING_UP),
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
    note_zh: Mapped[str | None] = mapped_column(String(400))
    note_en: Mapped[str | None] = mapped_column(String(400))
    percent_off: Mapped[int | None] = mapped_column(SmallInteger)
    min_spend_fen: Mapped[int] = mapped_column(BigInteger, server_default="0")
    partial_use: Mapped[bool] = mapped_column(server_default=false())
    stocked: Mapped[bool] = mapped_column(server_default=true())
    funding: Mapped[str] = mapped_column(String(8), server_default="merchant")
    budget_id: Mapped[uuid.UUID | None] = mapped_column(Uuid)
    per_day_limit: Mapped[int | None] = mapped_column(Integer)
    per_month_limit: Mapped[int | None] = mapped_column(Integer)
    districts: Mapped[str | None] = mapped_column(String(400))
    hours: Mapped[str] = mapped_column(Text, server_default="[]")
    eligibility: Mapped[str] = mapped_column(Text, server_default="[]")
    replenish_pieces: Mapped[int | None] = mapped_column(Integer)
    wound_up_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    exhausted_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class Redemption(Base):
    """One piece of an offer held for a citizen, and how that ended. Valid in [held_at, expires_at).

    `points` and `value_fen` are the offer's at the time of the hold. `code_digest`: the voucher's code,
    keyed; the code itself is nowhere. `stock_hold_id`: the pending transfer of the piece, where it has one.
    `consumed_fen`: the sum of its consumptions that were not undone. `late_until`: until when a till may
    still hand in what it scanned in time without a connection; none where the programme has no such tills.
    `partner_id`: through whose app it was held.
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
        CheckConstraint("points >= 0", name="points"),
        CheckConstraint("value_fen >= 0", name="value_fen"),
        CheckConstraint("held_at < expires_at", name="span"),
        Index("ix_redemption_citizen_id_id", "citizen_id", "id"),
        Index("ix_redemption_citizen_id_offer_id", "citizen_id", "offer_id"),
        Index("ix_redemption_due", "expires_at", postgresql_where=HELD_ONLY, sqlite_where=HELD_ONLY),
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
    stock_hold_id: Mapped[uuid.UUID | None] = mapped_column(Uuid)
    held_at: Mapped[datetime] = mapped_column(UtcDateTime)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime)
    resolved_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    # Checks of one column each, because that is what an old SQLite table can be given.
    consumed_fen: Mapped[int] = mapped_column(
        BigInteger,
        CheckConstraint("consumed_fen BETWEEN 0 AND value_fen", name="consumed_fen"),
        server_default="0",
    )
    late_until: Mapped[datetime | None] = mapped_column(
        UtcDateTime, CheckConstraint("late_until > expires_at", name="late_until")
    )
    partner_id: Mapped[uuid.UUID | None] = mapped_column(Uuid)


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


class Consumption(Base):
    """One use of a voucher at a till. Of a voucher, those not undone never sum to more than its value.

    `points`: what the use spent; all of the price at the first, nothing at those that follow.
    `consumed_at`: the till's time for what was scanned without a connection, else the same as `recorded_at`.
    Only `undone_at` is ever set later, once.
    """

    __tablename__ = "consumption"
    __table_args__ = (
        ForeignKeyConstraint(["merchant_id", "programme"], ["party.id", "party.programme"]),
        ForeignKeyConstraint(["till_id", "merchant_id"], ["till.id", "till.merchant_id"]),
        ForeignKeyConstraint(
            ["store_id", "programme", "merchant_id"], ["store.id", "store.programme", "store.merchant_id"]
        ),
        CheckConstraint("points >= 0", name="points"),
        CheckConstraint("value_fen >= 0", name="value_fen"),
        CheckConstraint("offline OR consumed_at = recorded_at", name="recorded_at"),
        CheckConstraint("undone_at IS NULL OR undone_at >= recorded_at", name="undone_at"),
        Index("ix_consumption_redemption_id", "redemption_id"),
        Index("ix_consumption_merchant_id_consumed_at_id", "merchant_id", "consumed_at", "id"),
        Index("ix_consumption_programme_recorded_at", "programme", "recorded_at"),
        # Of the many, those that a later statement has to look for: handed in late, undone.
        Index(
            "ix_consumption_handed_in",
            "merchant_id",
            "recorded_at",
            postgresql_where=HANDED_IN,
            sqlite_where=HANDED_IN,
        ),
        Index(
            "ix_consumption_undone",
            "merchant_id",
            "undone_at",
            postgresql_where=UNDONE,
            sqlite_where=UNDONE,
        ),
    )

    id: Mapped[uuid.UUID] = mapped_column(Uuid, primary_key=True)
    redemption_id: Mapped[uuid.UUID] = mapped_column(Uuid, ForeignKey("redemption.id"))
    programme: Mapped[str] = mapped_column(String(16))
    merchant_id: Mapped[uuid.UUID] = mapped_column(Uuid)
    store_id: Mapped[uuid.UUID | None] = mapped_column(Uuid)
    till_id: Mapped[uuid.UUID | None] = mapped_column(Uuid)
    points: Mapped[int] = mapped_column(BigInteger)
    value_fen: Mapped[int] = mapped_column(BigInteger)
    consumed_at: Mapped[datetime] = mapped_column(UtcDateTime)
    recorded_at: Mapped[datetime] = mapped_column(UtcDateTime)
    offline: Mapped[bool] = mapped_column(Boolean)
    undone_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class TillScan(Base):
    """What a till scanned without a connection, as handed in later, and what became of it. Append-only.

    `id` is the till's own. `outcome`: consumed; lost, where another was first; refused, where the till did
    not keep to the rules or the voucher is none. Of the last two: why (`reason`, the code of an error, and
    `told`, its details), who bears it, and how much. `code_digest`: none where it was no signed voucher.
    """

    __tablename__ = "till_scan"
    __table_args__ = (
        ForeignKeyConstraint(["till_id", "merchant_id"], ["till.id", "till.merchant_id"]),
        ForeignKeyConstraint(["merchant_id", "programme"], ["party.id", "party.programme"]),
        CheckConstraint("outcome IN ('consumed', 'lost', 'refused')", name="outcome"),
        CheckConstraint("(outcome = 'consumed') = (consumption_id IS NOT NULL)", name="consumption_id"),
        CheckConstraint("(outcome = 'consumed') = (reason IS NULL)", name="reason"),
        CheckConstraint("(outcome = 'consumed') = (borne_by IS NULL)", name="borne_by"),
        CheckConstraint("borne_by IN ('merchant', 'programme')", name="bearer"),
        CheckConstraint("value_fen >= 0", name="value_fen"),
        Index("ix_till_scan_till_id_received_at", "till_id", "received_at"),
        Index("ix_till_scan_merchant_id_received_at", "merchant_id", "received_at"),
        Index("ix_till_scan_redemption_id", "redemption_id"),
        # Of all, the few that a statement looks for.
        Index("ix_till_scan_borne", "merchant_id", "received_at", postgresql_where=BORNE, sqlite_where=BORNE),
    )

    till_id: Mapped[uuid.UUID] = mapped_column(Uuid, primary_key=True)
    id: Mapped[uuid.UUID] = mapped_column(Uuid, primary_key=True)
    programme: Mapped[str] = mapped_column(String(16))
    merchant_id: Mapped[uuid.UUID] = mapped_column(Uuid)
    code_digest: Mapped[uuid.UUID | None] = mapped_column(Uuid)
    content: Mapped[str] = mapped_column(String(64))
    scanned_at: Mapped[datetime] = mapped_column(UtcDateTime)
    received_at: Mapped[datetime] = mapped_column(UtcDateTime)
    value_fen: Mapped[int] = mapped_column(BigInteger)
    outcome: Mapped[str] = mapped_column(String(16))
    redemption_id: Mapped[uuid.UUID | None] = mapped_column(Uuid, ForeignKey("redemption.id"))
    consumption_id: Mapped[uuid.UUID | None] = mapped_column(Uuid, ForeignKey("consumption.id"))
    reason: Mapped[str | None] = mapped_column(String(40))
    told: Mapped[str] = mapped_column(String(400))
    borne_by: Mapped[str | None] = mapped_column(String(16))


class CodeFailures(Base):
    """How often a till, or a merchant's own credential, named a code that is no voucher of its merchant's.

    Counted from `since`; until `locked_until` no code is looked up. `caller`: what the count is of.
    """

    __tablename__ = "code_failures"
    __table_args__ = (CheckConstraint("failures > 0", name="failures"),)

    caller: Mapped[str] = mapped_column(String(64), primary_key=True)
    failures: Mapped[int] = mapped_column(Integer)
    since: Mapped[datetime] = mapped_column(UtcDateTime)
    locked_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
