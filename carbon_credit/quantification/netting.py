"""Netting: results below zero are kept and set off against the others of a span, floored once.

What a citizen is credited by a methodology in a span (a day, a month, a year) is the sum of all its
results there, or nothing where that is below zero. Nobody picks the good days. The sum is handed out in
canonical order, no event getting more than its own result. Pure.
"""

from collections.abc import Sequence
from datetime import date, timedelta

NETTING = "netting"


def hand_out(gross_mg: Sequence[int], *, sum_before: int = 0, counted_before: int = 0) -> list[int]:
    """What each of some results (in canonical order) is credited.

    `sum_before` is the sum of the span's results that came earlier, `counted_before` what they were
    credited. The span as a whole is never lifted above its sum; where earlier ones were credited more
    than that, nothing is left here, and `trim` takes the excess back when the span is over.
    """
    left = max(sum_before + sum(gross_mg) - counted_before, 0)
    result = []
    for gross in gross_mg:
        mg = min(max(gross, 0), left)
        left -= mg
        result.append(mg)
    return result


def trim(counted_mg: Sequence[int], *, total_mg: int) -> list[int]:
    """What stays of credits (in canonical order) where all together may be at most `total_mg`."""
    left = max(total_mg, 0)
    result = []
    for counted in counted_mg:
        mg = min(counted, left)
        left -= mg
        result.append(mg)
    return result


def span_start(span: str, day: date) -> date:
    """The first day of the day, month or year of `day`."""
    if span == "year":
        return day.replace(month=1, day=1)
    return day.replace(day=1) if span == "month" else day


def span_end(span: str, day: date) -> date:
    """The last day of the day, month or year of `day`."""
    start = span_start(span, day)
    longest = {"day": 1, "month": 31, "year": 366}[span]
    return span_start(span, start + timedelta(days=longest)) - timedelta(days=1)
