"""Points come in lots. A lot is named after its last day: good to its end where the programme lives.

What is spent is taken from the lot that ends soonest. What comes back to a lot goes back to that lot,
and where its last day is over it expires at once: a cancellation never makes points younger.
"""

from collections.abc import Sequence
from datetime import date, datetime, timedelta

from sqlalchemy.orm import Session

from carbon_credit.catalogue.queries import time_zone
from carbon_credit.kernel.clock import business_day
from carbon_credit.ledger import expiry
from carbon_credit.ledger.accounts import POINTS
from carbon_credit.ledger.errors import InsufficientBalance
from carbon_credit.ledger.queries import Lot


def today(session: Session, *, programme: str, now: datetime) -> date:
    """The calendar day of `now` where the programme lives."""
    return business_day(now, time_zone(session, programme=programme))


def take(lots: Sequence[Lot], *, points: int, day: date) -> list[tuple[date, int]]:
    """Which lots give `points` on `day`: (last day of the lot, points of it), soonest to end first.

    Lots whose last day is over give nothing, swept or not. Raises InsufficientBalance.
    """
    taken = []
    for lot in sorted(lots, key=lambda lot: lot.expiry):
        part = min(points, lot.available)
        if part > 0 and lot.expiry >= day:
            taken.append((lot.expiry, part))
            points -= part
    if points > 0:
        raise InsufficientBalance(kind="citizen.points", asset=POINTS)
    return taken


def expire_lots(
    session: Session, *, programme: str, now: datetime, limit: int, within: timedelta | None = None
) -> int:
    """Expire what is available in up to `limit` lots whose last day is over; how many lots.

    `within`: only those whose last day was so long ago at most. Points on hold stay with their redemption:
    they are consumed, or expire when it gives them back.
    """
    day = today(session, programme=programme, now=now)
    return expiry.expire_lots(
        session,
        programme=programme,
        on=day,
        since=None if within is None else day - within,
        now=now,
        effective_at=now,
        limit=limit,
    )
