"""Closed days, months and years. What is closed is final; later corrections go into the next period."""

from datetime import date
from typing import Any

from marshmallow import fields

from carbon_credit.api.auth import access
from carbon_credit.api.fields import Day, Instant, Whole, Word
from carbon_credit.api.operation import Call, reads, writes
from carbon_credit.api.schemas import Answer, PageQuery, Strict, page_of
from carbon_credit.catalogue.errors import ProgrammeNotFound
from carbon_credit.identity.scopes import OPERATOR
from carbon_credit.kernel.paging import CursorInvalid, Page, cursor, position
from carbon_credit.quantification.annual import close_year
from carbon_credit.quantification.closing import close_day, close_month
from carbon_credit.quantification.errors import (
    DaysOpen,
    EarlierDayOpen,
    EventsWaiting,
    MonthsOpen,
    PeriodClosed,
    PeriodNotOver,
)
from carbon_credit.quantification.queries import periods_of

_PERIODS = access(OPERATOR, scope="periods:write")


class PeriodIn(Strict):
    """The period to close. A month or a year is named by any of its days."""

    kind = Word("day", "month", "year", required=True, metadata={"example": "day"})
    starts_on = Day(required=True, metadata={"example": "2026-11-20"})


class PeriodClosing(Answer):
    """A closed period, and what it amounted to."""

    programme = fields.String(required=True, metadata={"example": "gd-gz"})
    kind = Word("day", "month", "year", required=True, metadata={"example": "day"})
    starts_on = Day(required=True, metadata={"example": "2026-11-20"})
    reductions = Whole(required=True, metadata={"example": 1200})
    credited_mg = Whole(required=True, metadata={"example": 1136400000})
    corrected_mg = Whole(
        minimum=-(2**63),
        required=True,
        metadata={"description": "The differences that closing posted.", "example": -23000},
    )


class ClosedPeriod(PeriodClosing):
    """A closed period in the list."""

    closed_at = Instant(required=True, metadata={"example": "2026-11-21T04:00:00Z"})
    closed_by = fields.String(
        required=True, metadata={"example": "operator:0192f3c1-7a52-7b61-9d3e-0f6a1c2b3d42"}
    )


@writes(
    allowed=_PERIODS,
    takes=PeriodIn,
    answer=PeriodClosing,
    status=201,
    raises=(
        PeriodNotOver,
        PeriodClosed,
        EarlierDayOpen,
        DaysOpen,
        MonthsOpen,
        ProgrammeNotFound,
        EventsWaiting,
    ),
)
def close_period(call: Call) -> object:
    """Close a day, a month or a year. What counts is settled over the whole, and differences posted."""
    programme, by, start = call.caller.programme, call.caller.key, call.body["starts_on"]
    if call.body["kind"] == "day":
        return close_day(call.session, programme=programme, day=start, now=call.now, closed_by=by)
    if call.body["kind"] == "year":
        return close_year(call.session, programme=programme, year=start, now=call.now, closed_by=by)
    return close_month(call.session, programme=programme, month=start, now=call.now, closed_by=by)


@reads(allowed=_PERIODS, query=PageQuery, answer=page_of(ClosedPeriod))
def list_periods(call: Call) -> Page[Any]:
    """List the closed days, months and years by their first day."""
    limit = call.query["limit"]
    rows = periods_of(
        call.session, programme=call.caller.programme, after=_day(call.query.get("cursor")), limit=limit + 3
    )
    items = rows[:limit]
    # A year, a month and their first day begin together and stay on one page: the cursor is only the day.
    items += [row for row in rows[limit:] if row.starts_on == items[-1].starts_on]
    more = len(rows) > len(items)
    return Page(items=items, next_cursor=cursor(items[-1].starts_on.isoformat()) if more else None)


def _day(text: str | None) -> date | None:
    if text is None:
        return None
    try:
        return date.fromisoformat(str(position(text, str)[0]))
    except ValueError as error:
        raise CursorInvalid from error
