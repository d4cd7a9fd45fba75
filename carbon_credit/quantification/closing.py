"""Closing days and months: what counts is settled in canonical order, differences are posted.

While a day is open its events count in the order in which they arrive. Closing settles everything that
happened on it, ordered by (occurred_at, tier, partner, claim), which no arrival can change, and posts
what differs. A month is closed when all its days are, a year (`annual`) when all its months are.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from uuid import UUID

from sqlalchemy import func, or_, select, union
from sqlalchemy.orm import Session

from carbon_credit.catalogue.queries import programme_rules
from carbon_credit.catalogue.rules import ProgrammeRules
from carbon_credit.kernel.clock import business_day
from carbon_credit.ledger.openings import write_openings
from carbon_credit.ledger.seals import seal
from carbon_credit.quantification.cases import Case, cases_of_day
from carbon_credit.quantification.citywide import settle_programme_day
from carbon_credit.quantification.errors import DaysOpen, EarlierDayOpen, PeriodClosed, PeriodNotOver
from carbon_credit.quantification.grams import Platforms
from carbon_credit.quantification.models import DayTally, Period, Reduction, ReductionAdjustment
from carbon_credit.quantification.netting import span_end, span_start
from carbon_credit.quantification.periods import (
    closed_days,
    closed_months,
    first_of_month,
    lock_period_alone,
    next_month,
    record_closing,
)
from carbon_credit.quantification.posting import post_cases, share_out_day
from carbon_credit.quantification.scopes import NETTED, PERSON_YEAR, SHARED
from carbon_credit.quantification.settling import reads_on, settle
from carbon_credit.quantification.sums import RunningSums
from carbon_credit.quantification.trimming import trim_span

Progress = Callable[[int], None]

CITIZENS_AT_ONCE = 1000
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

    Raises PeriodNotOver, PeriodClosed, EarlierDayOpen.
    """
    rules = programme_rules(session, programme=programme)
    if business_day(now, rules.time_zone) <= day:
        raise PeriodNotOver(period=day.isoformat(), programme=programme)
    lock_period_alone(session, programme, "day", day)
    if closed_days(session, programme, {day}):
        raise PeriodClosed(period=day.isoformat(), programme=programme)
    _require_order(session, rules, day)
    corrected = 0
    for citizens in _unsettled_citizens(session, rules, day):
        corrected += _settle_citizens(session, rules, day, citizens, now)
        if progress:
            progress(len(citizens))
    corrected += settle_programme_day(session, rules, day, now=now)
    if day == span_end("month", day):
        corrected += trim_span(session, rules, "month", day, accounting_day=day, now=now)
    return record(session, programme, "day", day, day + timedelta(days=1), corrected, closed_by, now)


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
    closed = closed_days(session, programme, days)
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
    closed = closed_days(session, rules.code, days)
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


def _unsettled_citizens(session: Session, rules: ProgrammeRules, day: date) -> Iterator[Sequence[UUID]]:
    """Citizens for whom the order of arrival may have mattered, in portions. Nobody else can differ.

    Those of whom something was taken on the day, or in a span that it lies in, and those whose
    methodology reads the days before.
    """
    mine = (Reduction.programme == rules.code, Reduction.business_day == day)
    touched = select(DayTally.citizen_id).where(
        DayTally.programme == rules.code,
        DayTally.business_day.in_({span_start(span, day) for span in ("day", "month", "year")}),
        DayTally.capped > 0,
        or_(
            DayTally.business_day == day,
            DayTally.scope == PERSON_YEAR,
            DayTally.scope.startswith(f"{NETTED}:"),
            DayTally.scope.startswith(f"{SHARED}:"),
        ),
        DayTally.citizen_id.in_(select(Reduction.citizen_id).where(*mine)),
    )
    statement = union(
        touched,
        select(Reduction.citizen_id).where(*mine, Reduction.activity_type.in_(reads_on(rules, day))),
    )
    citizens = sorted(session.scalars(statement))
    for start in range(0, len(citizens), CITIZENS_AT_ONCE):
        yield citizens[start : start + CITIZENS_AT_ONCE]


def _settle_citizens(
    session: Session, rules: ProgrammeRules, day: date, citizens: Sequence[UUID], now: datetime
) -> int:
    """Post what the canonical order changes for these citizens; the sum of it in milligrams."""
    platforms = Platforms(session, rules)
    # Nobody adds to the day while its lock is held alone; the sums also hold what is not of this day.
    cases: list[Case] = cases_of_day(session, programme=rules.code, day=day, citizens=citizens)
    sums = RunningSums(session, rules, platforms)
    sums.lock(case.member for case in cases)
    settle(session, rules, day, cases)
    share_out_day(session, rules, platforms, day, cases)
    return post_cases(session, rules, sums, cases, accounting_day=day, now=now)


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
