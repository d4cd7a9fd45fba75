"""Weekly opening hours of an offer, in the programme's time. None at all: always."""

from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from itertools import pairwise
from typing import Annotated
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Meta, Struct

from carbon_credit.kernel.structs import learned

MAX_OPENINGS = 28
_MIDNIGHT = "24:00"
_Clock = Annotated[str, Meta(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$|^24:00$")]


class Opening(Struct, frozen=True, forbid_unknown_fields=True):
    """Open on a day of the week (1: Monday) in [opens, closes), HH:MM; 24:00 is the end of the day."""

    day: Annotated[int, Meta(ge=1, le=7)]
    opens: _Clock
    closes: _Clock


def read_hours(text: str) -> tuple[Opening, ...]:
    """Opening hours as they are stored."""
    return msgspec.json.decode(text, type=learned(tuple[Opening, ...]))


def problem_of_hours(hours: Sequence[Opening]) -> str | None:
    """Why these cannot be opening hours, or None."""
    if len(hours) > MAX_OPENINGS:
        return f"there are more than {MAX_OPENINGS} opening hours"
    ordered = sorted(hours, key=lambda one: (one.day, one.opens))
    if any(one.opens >= one.closes for one in ordered):
        return "an opening hour ends before it begins"
    if any(a.day == b.day and a.closes > b.opens for a, b in pairwise(ordered)):
        return "opening hours overlap"
    return None


def next_opening(hours: Sequence[Opening], instant: datetime, zone: ZoneInfo) -> datetime:
    """When it is open next, from `instant` on: `instant` itself where it is open now."""
    if not hours:
        return instant
    local = instant.astimezone(zone)
    for ahead in range(8):
        day = local.date() + timedelta(days=ahead)
        for one in sorted(hours, key=lambda one: one.opens):
            if one.day != day.isoweekday():
                continue
            closes = _at(one.closes, day, zone)
            if instant < closes:
                return max(instant, _at(one.opens, day, zone))
    raise AssertionError("a week has every day of it")


def _at(clock: str, day: date, zone: ZoneInfo) -> datetime:
    if clock == _MIDNIGHT:
        return datetime.combine(day + timedelta(days=1), time.min, zone)
    return datetime.combine(day, time.fromisoformat(clock), zone)
