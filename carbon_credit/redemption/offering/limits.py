"""How many one citizen may have: in all, a day and a month, by the programme's calendar."""

from datetime import datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import and_, case, func, or_, select
from sqlalchemy.orm import Session

from carbon_credit.kernel.clock import day_bounds
from carbon_credit.redemption.errors import LimitReached
from carbon_credit.redemption.models import Redemption
from carbon_credit.redemption.offering.errors import DayLimitReached, MonthLimitReached
from carbon_credit.redemption.queries import OfferRecord


def check_limits(
    session: Session, *, offer: OfferRecord, citizen_id: UUID, zone: ZoneInfo, now: datetime
) -> None:
    """Raises LimitReached, MonthLimitReached or DayLimitReached, the longest span first.

    What is held in time or consumed counts; what was cancelled or has run out does not. Under the citizen's
    lock, so that what was counted stays true.
    """
    limits = (offer.per_citizen_limit, offer.per_month_limit, offer.per_day_limit)
    if limits == (None, None, None):
        return
    today = now.astimezone(zone).date()
    day_start, day_end = day_bounds(today, zone.key)
    month_start, _ = day_bounds(today.replace(day=1), zone.key)
    next_month = (today.replace(day=1) + timedelta(days=32)).replace(day=1)
    month_end, _ = day_bounds(next_month, zone.key)
    counts = or_(
        Redemption.state == "consumed", and_(Redemption.state == "held", Redemption.expires_at > now)
    )
    statement = select(
        func.count(),
        func.count(case((Redemption.held_at >= month_start, 1))),
        func.count(case((Redemption.held_at >= day_start, 1))),
    ).where(Redemption.citizen_id == citizen_id, Redemption.offer_id == offer.id, counts)
    in_all, of_month, of_day = session.execute(statement).one()
    if offer.per_citizen_limit is not None and in_all >= offer.per_citizen_limit:
        raise LimitReached(limit=offer.per_citizen_limit)
    if offer.per_month_limit is not None and of_month >= offer.per_month_limit:
        raise MonthLimitReached(limit=offer.per_month_limit, again_at=said(month_end, zone))
    if offer.per_day_limit is not None and of_day >= offer.per_day_limit:
        raise DayLimitReached(limit=offer.per_day_limit, again_at=said(day_end, zone))


def said(instant: datetime, zone: ZoneInfo) -> str:
    """An instant for people, in the programme's time."""
    return instant.astimezone(zone).isoformat(timespec="seconds")
