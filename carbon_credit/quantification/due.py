"""Closing by the programme's calendar, and going on with closings that were begun: one portion at a time."""

from datetime import date, datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from carbon_credit.catalogue.queries import programme_codes, programme_rules
from carbon_credit.kernel.clock import business_day
from carbon_credit.quantification.annual import close_year, open_months
from carbon_credit.quantification.closing import close_month, close_portion, open_days
from carbon_credit.quantification.models import PeriodClosing, Reduction
from carbon_credit.quantification.netting import span_end
from carbon_credit.quantification.periods import closed_months, closed_years, first_of_month, next_month
from carbon_credit.quantification.waiting import is_awaited

BY_CALENDAR = "calendar"


def close_due(session: Session, *, now: datetime) -> int:
    """One portion of a closing that was begun, or of the earliest period that is due in some programme;
    1 where there was one, 0 where nothing is left to do."""
    begun = session.execute(
        select(PeriodClosing.programme, PeriodClosing.starts_on)
        .order_by(PeriodClosing.starts_on, PeriodClosing.programme)
        .limit(1)
    ).first()
    if begun is not None:
        close_portion(session, programme=begun[0], day=begun[1], now=now, closed_by=BY_CALENDAR)
        return 1
    return next((1 for programme in programme_codes(session) if _close_next(session, programme, now)), 0)


def _close_next(session: Session, programme: str, now: datetime) -> bool:
    rules = programme_rules(session, programme=programme)
    calendar = rules.profile.closing
    first = session.scalar(select(func.min(Reduction.accounting_day)).where(Reduction.programme == programme))
    if calendar is None or first is None:
        return False
    today = business_day(now, rules.time_zone)
    for month in _open_months(session, programme, first, today):
        days = open_days(session, programme=programme, month=month)
        if days:
            if days[0] + timedelta(days=calendar.day_after) > today:
                break  # so are all that follow
            if is_awaited(session, programme, days[0]):
                break  # it is closed when its last event is credited
            close_portion(session, programme=programme, day=days[0], now=now, closed_by=BY_CALENDAR)
            return True
        if _is_due("month", month, calendar.month_after, today):
            close_month(session, programme=programme, month=month, now=now, closed_by=BY_CALENDAR)
            return True
    years = [date(year, 1, 1) for year in range(first.year, today.year)]
    closed = closed_years(session, programme, years)
    for year in years:
        due = year not in closed and _is_due("year", year, calendar.year_after, today)
        if due and not open_months(session, programme=programme, year=year):
            close_year(session, programme=programme, year=year, now=now, closed_by=BY_CALENDAR)
            return True
    return False


def _is_due(span: str, start: date, after: int | None, today: date) -> bool:
    return after is not None and span_end(span, start) + timedelta(days=after) <= today


def _open_months(session: Session, programme: str, first: date, last: date) -> list[date]:
    """First days of the months between two days that are not closed."""
    months = [first_of_month(first)]
    while next_month(months[-1]) <= last:
        months.append(next_month(months[-1]))
    closed = closed_months(session, programme, months)
    return [month for month in months if month not in closed]
