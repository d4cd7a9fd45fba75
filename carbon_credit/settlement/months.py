"""When a month of a programme is over, and the instant that cuts it off."""

from datetime import date, datetime, timedelta

from sqlalchemy.orm import Session

from carbon_credit.catalogue.queries import time_zone
from carbon_credit.kernel.clock import day_bounds
from carbon_credit.quantification.periods import next_month
from carbon_credit.settlement.errors import MonthNotOver


def cut_off(session: Session, *, programme: str, month: date, now: datetime) -> datetime:
    """The instant at which the month ends where the programme lives. Raises MonthNotOver before it."""
    end = next_month(month)
    ends_at = instant_of(session, programme=programme, day=end)
    if now < ends_at:
        raise MonthNotOver(month=f"{month:%Y-%m}", programme=programme, from_day=end.isoformat())
    return ends_at


def instant_of(session: Session, *, programme: str, day: date) -> datetime:
    """The instant at which `day` begins where the programme lives, in UTC."""
    zone = time_zone(session, programme=programme)
    return day_bounds(day - timedelta(days=1), zone)[1]
