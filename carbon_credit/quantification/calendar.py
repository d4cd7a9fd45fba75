"""Spans of business days as people write them: a day, a month, a quarter, a year, or from a day to a day."""

import re
from datetime import date, timedelta

from carbon_credit.quantification.errors import PeriodUnclear

# What is accepted, for whoever describes it.
PATTERN = r"^(20|21)\d\d(-Q[1-4]|-\d\d(-\d\d(\.\.(20|21)\d\d-\d\d-\d\d)?)?)?$"
_LONGEST_DAYS = 3_660
_ONE_DAY = timedelta(days=1)


def days_of(text: str) -> tuple[date, date]:
    """First and last day of `2026-10-05`, `2026-10`, `2026-Q4`, `2026` or `2026-10-01..2026-10-15`.

    Raises PeriodUnclear.
    """
    if re.match(PATTERN, text, re.ASCII) is None:
        raise PeriodUnclear(period=text[:40])
    try:
        first, last = _days(text)
    except ValueError:
        raise PeriodUnclear(period=text[:40]) from None
    if not first <= last <= first + timedelta(days=_LONGEST_DAYS):
        raise PeriodUnclear(period=text[:40])
    return first, last


def _days(text: str) -> tuple[date, date]:
    first, _, last = text.partition("..")
    if last:
        return date.fromisoformat(first), date.fromisoformat(last)
    year = int(text[:4])
    if len(text) == 4:
        return date(year, 1, 1), date(year, 12, 31)
    if text[5] == "Q":
        month = 3 * int(text[6]) - 2
        return date(year, month, 1), _last_of(year, month + 2)
    if len(text) == 7:
        month = int(text[5:])
        return date(year, month, 1), _last_of(year, month)
    return date.fromisoformat(text), date.fromisoformat(text)


def _last_of(year: int, month: int) -> date:
    return (date(year, month, 28) + timedelta(days=4)).replace(day=1) - _ONE_DAY
