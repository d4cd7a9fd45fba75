"""Closing days and months: what counts is settled in canonical order, differences are posted.

While a day is open its events count in the order in which they arrive. Closing settles everything that
happened on it, ordered by (occurred_at, tier, partner, claim), which no arrival can change, and posts
what differs. A month is closed when all its days are, a year (`annual`) when all its months are.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from carbon_credit.catalogue.queries import programme_rules
from carbon_credit.catalogue.rules import ProgrammeRules
from carbon_credit.kernel.clock import business_day
from carbon_credit.ledger.openings import write_openings
from carbon_credit.ledger.seals import seal
from carbon_credit.quantification.errors import DaysOpen, EarlierDayOpen, PeriodClosed, PeriodNotOver
from carbon_credit.quantification.models import Period, PeriodClosing, Reduction, ReductionAdjustment
from carbon_credit.quantification.periods import (
    closed_months,
    finished_days,
    first_of_month,
    lock_period_alone,
    next_month,
    record_closing,
)
from carbon_credit.quantification.stages import FIRST, settle_portion
from carbon_credit.quantification.waiting import require_none_waiting

Progress = Callable[[int], None]

_SEALED_AT_ONCE = 50_000


@dataclass(frozen=True, slots=True)
class Closing:
    """What a closed period amounts to. `corrected_mg`: the sum of the differences that closing posted."""

    programme: str
    kind: str
    starts_on: date
    reductions: int
    credited_mg: int
    corrected_mg: int


def close_day(
    session: Session,
    *,
    programme: str,
    day: date,
    now: datetime,
    closed_by: str,
    progress: Progress | None = None,
) -> Closing:
    """Close one business day. `progress` is told how many citizens were looked at.

    Raises PeriodNotOver, PeriodClosed, EarlierDayOpen, EventsWaiting.
    """
    while True:
        looked_at, closing = close_portion(
            session, programme=programme, day=day, now=now, closed_by=closed_by
        )
        if progress and looked_at:
            progress(looked_at)
        if closing is not None:
            return closing


def close_portion(
    session: Session, *, programme: str, day: date, now: datetime, closed_by: str
) -> tuple[int, Closing | None]:
    """Begin the closing of a business day, or go on with it where it was: one portion of citizens.

    How many were looked at, and the closing when it is done. Each call may be a unit of work of its own:
    what it has done is remembered with it. `closed_by` is who begins.
    Raises PeriodNotOver, PeriodClosed, EarlierDayOpen, EventsWaiting.
    """
    rules = programme_rules(session, programme=programme)
    if business_day(now, rules.time_zone) <= day:
        raise PeriodNotOver(period=day.isoformat(), programme=programme)
    lock_period_alone(session, programme, "day", day)
    if finished_days(session, programme, {day}):
        raise PeriodClosed(period=day.isoformat(), programme=programme)
    # Of this transaction: another may have gone on since the session read it.
    closing = session.get(PeriodClosing, (programme, day), populate_existing=True)
    if closing is None:
        _require_order(session, rules, day)
        require_none_waiting(session, rules, day)
        closing = PeriodClosing(
            programme=programme,
            starts_on=day,
            begun_at=now,
            begun_by=closed_by,
            step=FIRST,
            citizens=0,
            corrected_mg=0,
        )
        session.add(closing)
        session.flush()
    looked_at = settle_portion(session, rules, closing, now)
    if closing.step != "record":
        return looked_at, None
    session.delete(closing)
    session.flush()
    end = day + timedelta(days=1)
    return looked_at, record(session, programme, "day", day, end, closing.corrected_mg, closing.begun_by, now)


def close_month(session: Session, *, programme: str, month: date, now: datetime, closed_by: str) -> Closing:
    """Close the month of `month` after all its days; writes the opening balances of the next.

    Raises PeriodNotOver, PeriodClosed, DaysOpen.
    """
    require_month_over(session, programme=programme, month=month, now=now)
    start, end = first_of_month(month), next_month(month)
    lock_period_alone(session, programme, "month", start)
    if closed_months(session, programme, {start}):
        raise PeriodClosed(period=f"{start:%Y-%m}", programme=programme)
    missing = open_days(session, programme=programme, month=start)
    if missing:
        raise DaysOpen(period=f"{start:%Y-%m}", days=", ".join(day.isoformat() for day in missing[:5]))
    # Opening balances count what is sealed; the sweep writes them where nothing was old enough yet.
    while seal(session, now=now, limit=_SEALED_AT_ONCE):
        pass
    write_openings(session, programme=programme, month_end=end - timedelta(days=1), now=now)
    return record(session, programme, "month", start, end, 0, closed_by, now)


def require_month_over(session: Session, *, programme: str, month: date, now: datetime) -> None:
    """Whoever closes a month day by day asks this before the first. Raises PeriodNotOver."""
    rules = programme_rules(session, programme=programme)
    if business_day(now, rules.time_zone) < next_month(month):
        raise PeriodNotOver(period=f"{first_of_month(month):%Y-%m}", programme=programme)


def open_days(session: Session, *, programme: str, month: date) -> list[date]:
    """The days of the month that are not closed."""
    start, end = first_of_month(month), next_month(month)
    days = [start + timedelta(days=offset) for offset in range((end - start).days)]
    closed = finished_days(session, programme, days)
    return [day for day in days if day not in closed]


def _require_order(session: Session, rules: ProgrammeRules, day: date) -> None:
    """Where what counts follows from earlier days, they are closed first. Raises EarlierDayOpen."""
    if not _reaches_back(rules, day):
        return
    mine = Reduction.programme == rules.code
    first = session.scalar(select(func.min(Reduction.accounting_day)).where(mine))
    if first is None or first >= day:
        return
    days = [first + timedelta(days=number) for number in range((day - first).days)]
    closed = finished_days(session, rules.code, days)
    statement = (
        select(Reduction.accounting_day)
        .where(mine, Reduction.accounting_day.in_([one for one in days if one not in closed]))
        .order_by(Reduction.accounting_day)
        .limit(1)
    )
    earlier = session.scalar(statement)
    if earlier is not None:
        raise EarlierDayOpen(day=day.isoformat(), programme=rules.code, earlier=earlier.isoformat())


def _reaches_back(rules: ProgrammeRules, day: date) -> bool:
    if any(cap.scope == "person-year" for cap in rules.caps(day)):
        return True
    for kind in rules.activities:
        binding, share = rules.governing(kind, day), rules.overflow(kind, day)
        if share is not None and share.per != "citizen-day":
            return True
        if binding is None or binding.use == "display":
            continue
        methodology = binding.compiled.methodology
        if binding.compiled.history or methodology.exclusive or methodology.netting in ("month", "year"):
            return True
    return False


def record(
    session: Session,
    programme: str,
    kind: str,
    start: date,
    end: date,
    corrected_mg: int,
    closed_by: str,
    now: datetime,
) -> Closing:
    """Write a closing down, with what the reductions and adjustments of its accounting days amount to.

    The corrections of a year are accounted on a later day, and are part of the year all the same.
    """
    mine = (
        Reduction.programme == programme,
        Reduction.accounting_day >= start,
        Reduction.accounting_day < end,
    )
    count, credited = session.execute(
        select(func.count(), func.coalesce(func.sum(Reduction.credited_mg), 0)).where(*mine)
    ).one()
    adjusted = session.scalar(
        select(func.coalesce(func.sum(ReductionAdjustment.delta_mg), 0)).where(
            ReductionAdjustment.programme == programme,
            ReductionAdjustment.accounting_day >= start,
            ReductionAdjustment.accounting_day < end,
        )
    )
    period: Period = record_closing(
        session,
        programme=programme,
        kind=kind,
        starts_on=start,
        closed_by=closed_by,
        reductions=count,
        credited_mg=int(credited) + int(adjusted or 0) + (corrected_mg if kind == "year" else 0),
        corrected_mg=corrected_mg,
        now=now,
    )
    return Closing(
        programme=programme,
        kind=kind,
        starts_on=start,
        reductions=period.reductions,
        credited_mg=period.credited_mg,
        corrected_mg=corrected_mg,
    )
