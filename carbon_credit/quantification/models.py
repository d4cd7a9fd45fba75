"""Reductions, what was added to them later, the running tallies of open days, closed periods.

A reduction row is never changed. Its present amount is `credited_mg` plus its adjustments; what it was
computed by and from is what its latest revision says, or the row itself where there is none; and
whether it is final follows from the periods that are closed: storing that in the row would mean
rewriting every row of a day at its closing. `present` reads it all together.
"""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    String,
    Text,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from carbon_credit.kernel.db import Base, UtcDateTime

# What came when its day was closed: few of the many, found by the day on which it came and by its citizen.
LATE: dict[str, Any] = {
    "postgresql_where": text("accounting_day > business_day"),
    "sqlite_where": text("accounting_day > business_day"),
}


class Reduction(Base):
    """One event under one methodology version. Milligrams of CO2e; grams for people.

    `business_day`: the programme's calendar day of the activity. `accounting_day`: the day whose
    closing makes it final; later than the business day only where the event came after its closing.
    `inputs`: canonical JSON of what the formula read, so that anyone can compute it again. `gross_mg` is
    below zero only where the methodology nets results against each other; then nothing is credited here.
    `credited_mg`: what counts after caps; posted to the ledger only where `use` is credit.
    """

    __tablename__ = "reduction"
    __table_args__ = (
        Index("ix_reduction_citizen_id_id", "citizen_id", "id"),
        Index("ix_reduction_programme_accounting_day", "programme", "accounting_day"),
        Index("ix_reduction_programme_business_day_citizen_id", "programme", "business_day", "citizen_id"),
        Index("ix_reduction_event_id", "event_id"),
        Index("ix_reduction_late_day", "programme", "accounting_day", "citizen_id", **LATE),
        Index("ix_reduction_late_citizen", "citizen_id", "accounting_day", **LATE),
        CheckConstraint("use IN ('credit', 'points', 'display')", name="use"),
        CheckConstraint("grade IN ('official', 'published', 'secondary', 'assumed')", name="grade"),
        CheckConstraint(
            "credited_mg >= 0 AND (credited_mg = 0 OR credited_mg <= gross_mg)", name="credited_within_gross"
        ),
        CheckConstraint("use <> 'display' OR credited_mg = 0", name="display_counts_nothing"),
        CheckConstraint("accounting_day >= business_day", name="accounting_day"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    event_id: Mapped[UUID]
    programme: Mapped[str] = mapped_column(String(16))
    partner_id: Mapped[UUID]
    citizen_id: Mapped[UUID]
    activity_type: Mapped[str] = mapped_column(String(32))
    scene: Mapped[str] = mapped_column(String(32))
    occurred_at: Mapped[datetime] = mapped_column(UtcDateTime)
    business_day: Mapped[date]
    accounting_day: Mapped[date]
    vintage: Mapped[int] = mapped_column(SmallInteger)
    methodology_id: Mapped[str] = mapped_column(String(64))
    methodology_version: Mapped[str] = mapped_column(String(32))
    version_digest: Mapped[str] = mapped_column(String(64))
    profile_digest: Mapped[str] = mapped_column(String(64))
    use: Mapped[str] = mapped_column(String(16))
    inputs: Mapped[str] = mapped_column(Text)
    tier: Mapped[str] = mapped_column(String(16))
    grade: Mapped[str] = mapped_column(String(16))
    gross_mg: Mapped[int] = mapped_column(BigInteger)
    credited_mg: Mapped[int] = mapped_column(BigInteger)
    cap_code: Mapped[str | None] = mapped_column(String(16))
    consent_id: Mapped[UUID]
    mandate_id: Mapped[UUID | None]
    recorded_at: Mapped[datetime] = mapped_column(UtcDateTime)
    mac: Mapped[bytes] = mapped_column(LargeBinary)


class ReductionAdjustment(Base):
    """Milligrams added to (or taken from) a reduction after it was recorded, and why.

    A cap's reason is its code; `cap` where a cap gives back what another event takes instead, and in
    older rows. All reasons but `requantified` change the points of the day with the grams.
    """

    __tablename__ = "reduction_adjustment"
    __table_args__ = (
        Index("ix_reduction_adjustment_reduction_id", "reduction_id"),
        Index("ix_reduction_adjustment_programme_accounting_day", "programme", "accounting_day"),
        CheckConstraint("delta_mg <> 0", name="delta"),
        CheckConstraint(
            "reason IN ('cap', 'cap-events', 'cap-mg', 'cap-scene', 'cap-person', 'cap-year', "
            "'cap-programme', 'netting', 'overlap', 'settled', 'ineligible', 'requantified', 'withdrawn', "
            "'superseded', 'claw-back')",
            name="reason",
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    reduction_id: Mapped[UUID]
    programme: Mapped[str] = mapped_column(String(16))
    delta_mg: Mapped[int] = mapped_column(BigInteger)
    reason: Mapped[str] = mapped_column(String(16))
    accounting_day: Mapped[date]
    recorded_at: Mapped[datetime] = mapped_column(UtcDateTime)
    mac: Mapped[bytes] = mapped_column(LargeBinary)


class ReductionRevision(Base):
    """A reduction computed once more: by another version, or from inputs that are known better now.

    `number`: 1, 2, ... of the reduction, without a gap. The columns take the place of those of the same
    name in the reduction. `settled`: the closing gathered its history anew; `decided`: the year is over
    and its facts are known; `requantified`: another version governs its day now. Milligrams change by
    adjustments only.
    """

    __tablename__ = "reduction_revision"
    __table_args__ = (
        CheckConstraint("number >= 1", name="number"),
        CheckConstraint("use IN ('credit', 'points', 'display')", name="use"),
        CheckConstraint("grade IN ('official', 'published', 'secondary', 'assumed')", name="grade"),
        CheckConstraint("reason IN ('settled', 'decided', 'requantified')", name="reason"),
    )

    reduction_id: Mapped[UUID] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    programme: Mapped[str] = mapped_column(String(16))
    methodology_id: Mapped[str] = mapped_column(String(64))
    methodology_version: Mapped[str] = mapped_column(String(32))
    version_digest: Mapped[str] = mapped_column(String(64))
    profile_digest: Mapped[str] = mapped_column(String(64))
    use: Mapped[str] = mapped_column(String(16))
    inputs: Mapped[str] = mapped_column(Text)
    tier: Mapped[str] = mapped_column(String(16))
    grade: Mapped[str] = mapped_column(String(16))
    gross_mg: Mapped[int] = mapped_column(BigInteger)
    reason: Mapped[str] = mapped_column(String(16))
    accounting_day: Mapped[date]
    recorded_at: Mapped[datetime] = mapped_column(UtcDateTime)
    mac: Mapped[bytes] = mapped_column(LargeBinary)


class ReductionEnd(Base):
    """A reduction that no longer counts: its event was withdrawn or superseded. At most once each."""

    __tablename__ = "reduction_end"
    __table_args__ = (
        CheckConstraint("reason IN ('withdrawn', 'superseded')", name="reason"),
        # Ends come in the order of time: on PostgreSQL a few bytes for each block of them.
        Index("ix_reduction_end_ended_at", "ended_at", postgresql_using="brin"),
    )

    reduction_id: Mapped[UUID] = mapped_column(primary_key=True)
    reason: Mapped[str] = mapped_column(String(16))
    ended_at: Mapped[datetime] = mapped_column(UtcDateTime)
    mac: Mapped[bytes] = mapped_column(LargeBinary)


class PointsPending(Base):
    """What an event that waits (T+n) will add to the basis of a points rule on a citizen's day. Gone when
    the event is credited, refused or withdrawn, because what is kept of it is."""

    __tablename__ = "points_pending"
    __table_args__ = (
        CheckConstraint("basis > 0", name="basis"),
        Index("ix_points_pending_claim_key", "claim_key"),
    )

    citizen_id: Mapped[UUID] = mapped_column(primary_key=True)
    claim_key: Mapped[UUID] = mapped_column(
        ForeignKey("event_waiting.claim_key", ondelete="CASCADE"), primary_key=True
    )
    business_day: Mapped[date] = mapped_column(primary_key=True)
    rule: Mapped[str] = mapped_column(String(48), primary_key=True)
    activity_type: Mapped[str] = mapped_column(String(32))
    basis: Mapped[int] = mapped_column(BigInteger)
    due_at: Mapped[datetime] = mapped_column(UtcDateTime)


class DayTally(Base):
    """Running sums of one citizen's business day, under the row lock that caps and points need.

    `scope` is `cap:<activity type>` (amount: gross mg, granted: credited mg) or `points:<rule>`
    (amount: the rule's basis, granted: points). `capped` counts the events that a cap has touched: where
    there were none, closing has nothing to settle. `id` is the digest of citizen, day and scope.
    """

    __tablename__ = "day_tally"
    __table_args__ = (
        Index("ix_day_tally_programme_business_day", "programme", "business_day"),
        Index(
            "ix_day_tally_capped",
            "programme",
            "business_day",
            "citizen_id",
            postgresql_where=text("capped > 0"),
            sqlite_where=text("capped > 0"),
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    programme: Mapped[str] = mapped_column(String(16))
    citizen_id: Mapped[UUID]
    business_day: Mapped[date]
    scope: Mapped[str] = mapped_column(String(48))
    events: Mapped[int]
    capped: Mapped[int]
    amount: Mapped[int] = mapped_column(BigInteger)
    granted: Mapped[int] = mapped_column(BigInteger)


class Period(Base):
    """A closed day, month or year of a programme, and what it amounted to."""

    __tablename__ = "period"
    __table_args__ = (CheckConstraint("kind IN ('day', 'month', 'year')", name="kind"),)

    programme: Mapped[str] = mapped_column(String(16), ForeignKey("programme.code"), primary_key=True)
    kind: Mapped[str] = mapped_column(String(8), primary_key=True)
    starts_on: Mapped[date] = mapped_column(primary_key=True)
    closed_at: Mapped[datetime] = mapped_column(UtcDateTime)
    closed_by: Mapped[str] = mapped_column(String(64))
    reductions: Mapped[int] = mapped_column(BigInteger)
    credited_mg: Mapped[int] = mapped_column(BigInteger)
    corrected_mg: Mapped[int] = mapped_column(BigInteger)
    mac: Mapped[bytes] = mapped_column(LargeBinary)


class PeriodClosing(Base):
    """A day whose closing has begun and not ended: how far it is. What comes for the day now is late.

    `step`: what is to be done next; `settled_through`: where it goes on (a citizen's id, or one with a
    methodology's); `city_limit`: the event at which the cap of the programme's day is reached, as JSON.
    `citizens`: how many were looked at; `corrected_mg`: what was posted so far. Gone when the day is closed.
    """

    __tablename__ = "period_closing"
    __table_args__ = (
        CheckConstraint("step IN ('again', 'citizens', 'city', 'span', 'late', 'record')", name="step"),
    )

    programme: Mapped[str] = mapped_column(String(16), ForeignKey("programme.code"), primary_key=True)
    starts_on: Mapped[date] = mapped_column(primary_key=True)
    begun_at: Mapped[datetime] = mapped_column(UtcDateTime)
    begun_by: Mapped[str] = mapped_column(String(64))
    step: Mapped[str] = mapped_column(String(16))
    settled_through: Mapped[str | None] = mapped_column(Text)
    city_limit: Mapped[str | None] = mapped_column(Text)
    citizens: Mapped[int] = mapped_column(BigInteger)
    corrected_mg: Mapped[int] = mapped_column(BigInteger)


class ReductionPart(Base):
    """Of an event that was divided by days: the days [starts_on, ends_before) that a reduction covers, and
    their share of the event's quantities (canonical JSON). Other reductions have no such row.
    """

    __tablename__ = "reduction_part"
    __table_args__ = (
        Index("ix_reduction_part_event_id", "event_id"),
        Index("ix_reduction_part_citizen_id_starts_on", "citizen_id", "starts_on"),
        CheckConstraint("ends_before > starts_on", name="span"),
    )

    reduction_id: Mapped[UUID] = mapped_column(primary_key=True)
    event_id: Mapped[UUID]
    citizen_id: Mapped[UUID]
    activity_type: Mapped[str] = mapped_column(String(32))
    starts_on: Mapped[date]
    ends_before: Mapped[date]
    quantities: Mapped[str] = mapped_column(Text)
    mac: Mapped[bytes] = mapped_column(LargeBinary)
