"""Closing years: what only the year as a whole decides is decided, and results are netted over it.

A tariff tier is known when the year is over. Until then reductions under such a condition count, and
cannot be sold. What turns out not to be eligible goes back as a correction of the day on which the year is
closed: the year's own days and months stay as they were closed.
"""

from datetime import date, datetime, timedelta

from sqlalchemy.orm import Session

from carbon_credit.catalogue.queries import programme_rules
from carbon_credit.kernel.clock import business_day
from carbon_credit.quantification.closing import Closing, Progress, record
from carbon_credit.quantification.deciding import decide, undecided
from carbon_credit.quantification.errors import MonthsOpen, PeriodClosed, PeriodNotOver
from carbon_credit.quantification.netting import span_end, span_start
from carbon_credit.quantification.periods import closed_months, closed_years, lock_period_alone
from carbon_credit.quantification.trimming import trim_span


def close_year(
    session: Session,
    *,
    programme: str,
    year: date,
    now: datetime,
    closed_by: str,
    progress: Progress | None = None,
) -> Closing:
    """Close the year of `year` after all its months. `progress` is told how many reductions were decided.

    Raises PeriodNotOver, PeriodClosed, MonthsOpen.
    """
    rules = programme_rules(session, programme=programme)
    require_year_over(session, programme=programme, year=year, now=now)
    start, last = span_start("year", year), span_end("year", year)
    lock_period_alone(session, programme, "year", start)
    if closed_years(session, programme, {start}):
        raise PeriodClosed(period=f"{start:%Y}", programme=programme)
    missing = open_months(session, programme=programme, year=start)
    if missing:
        raise MonthsOpen(period=f"{start:%Y}", months=", ".join(f"{one:%Y-%m}" for one in missing[:5]))
    today, corrected = business_day(now, rules.time_zone), 0
    for cases in undecided(session, rules, start, last):
        corrected += decide(session, rules, cases, last, today=today, now=now)
        if progress:
            progress(len(cases))
    corrected += trim_span(session, rules, "year", last, accounting_day=today, now=now)
    return record(session, programme, "year", start, last + timedelta(days=1), corrected, closed_by, now)


def require_year_over(session: Session, *, programme: str, year: date, now: datetime) -> None:
    """Whoever closes a year month by month asks this before the first. Raises PeriodNotOver."""
    rules = programme_rules(session, programme=programme)
    if business_day(now, rules.time_zone) <= span_end("year", year):
        raise PeriodNotOver(period=f"{year:%Y}", programme=programme)


def open_months(session: Session, *, programme: str, year: date) -> list[date]:
    """The first days of the months of the year that are not closed."""
    months = [year.replace(month=number, day=1) for number in range(1, 13)]
    closed = closed_months(session, programme, months)
    return [month for month in months if month not in closed]
