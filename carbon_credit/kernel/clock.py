"""The only place that reads the system clock. Edges read it once and pass it down."""

import time
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def now() -> datetime:
    """The present instant, in UTC, to the microsecond."""
    return datetime.now(UTC)


def elapsed_s() -> int:
    """Whole seconds of a clock that only runs on, for how long something has lain idle."""
    return time.monotonic_ns() // 1_000_000_000


def business_day(instant: datetime, time_zone: str) -> date:
    """The calendar day of `instant` (aware) where the programme lives."""
    return instant.astimezone(ZoneInfo(time_zone)).date()


def day_bounds(day: date, time_zone: str) -> tuple[datetime, datetime]:
    """First instant of `day` and first instant of the next, in UTC: half open."""
    zone = ZoneInfo(time_zone)
    start = datetime(day.year, day.month, day.day, tzinfo=zone)
    following = day + timedelta(days=1)
    end = datetime(following.year, following.month, following.day, tzinfo=zone)
    return start.astimezone(UTC), end.astimezone(UTC)


def first_instant(day: date) -> datetime:
    """The first instant of `day` in UTC: months of storage are those of UTC, whoever's day it is."""
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def microseconds(instant: datetime) -> int:
    """Whole microseconds since the epoch: the canonical form inside digests."""
    return (instant - _EPOCH) // _MICROSECOND
