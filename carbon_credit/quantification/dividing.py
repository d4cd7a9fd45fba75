"""Dividing an event that covers a period by days: which days go together, and whose share is how much.

Whole days only: a period is every business day that it touches. Pure.
"""

from collections.abc import Callable, Hashable, Mapping, Sequence
from datetime import date, datetime, timedelta
from functools import lru_cache
from itertools import groupby

from msgspec import Struct

from carbon_credit.catalogue.activities import ActivityType
from carbon_credit.kernel.clock import business_day
from carbon_credit.methodology.definition import holds
from carbon_credit.methodology.engine import CompiledMethodology

PERIOD = ".period"
LONGEST_DAYS = 1_100  # three years: nobody reads a meter less often
_DAY = timedelta(days=1)
_INSTANT = timedelta(microseconds=1)
# What adds up over days. Everything else (persons, watts, square metres, rates) is the same on each of them.
_ADDS_UP = frozenset({"Wh", "mL", "s", "g", "pm", "vm", "m", "item", "step", "passenger"})


class Span(Struct, frozen=True, gc=False):
    """The business days [starts_on, ends_before)."""

    starts_on: date
    ends_before: date

    @property
    def days(self) -> int:
        """How many days it has."""
        return (self.ends_before - self.starts_on).days


def span_of(occurred_at: datetime, ended_at: datetime | None, time_zone: str) -> Span:
    """The business days that an event covers. `ended_at` is exclusive: midnight ends the day before."""
    first = business_day(occurred_at, time_zone)
    if ended_at is None:
        return _one_day(first)
    return Span(first, business_day(max(ended_at - _INSTANT, occurred_at), time_zone) + _DAY)


@lru_cache(maxsize=20_000)  # one object for a day: whatever is found by it afterwards is found by identity
def _one_day(day: date) -> Span:
    return Span(day, day + _DAY)


def spans_alike(whole: Span, kind_of: Callable[[date], Hashable]) -> list[Span]:
    """`whole`, cut wherever `kind_of` a day differs from that of the day before."""
    days = [whole.starts_on + timedelta(days=place) for place in range(whole.days)]
    runs = [list(run) for _, run in groupby(days, key=kind_of)]
    return [Span(run[0], run[-1] + _DAY) for run in runs]


@lru_cache(maxsize=20_000)
def values_on(compiled: CompiledMethodology, day: date, *, earlier: bool) -> Hashable:
    """Which values and factors the version has on that day: they may change inside a version, too.

    `earlier`: the version is declared in force before its own first day.
    """
    method, sets = compiled.methodology, compiled.package.factor_sets
    if earlier and method.effective_from is not None:
        day = max(day, method.effective_from)
    values = [
        next((v for v in parameter.values if holds(v.effective_from, v.effective_to, day)), None)
        for parameter in method.parameters
    ]
    editions = [sets[use.set].edition(use.choose, day) for use in method.factors]
    return (
        tuple(value and (value.value, value.grade) for value in values),
        tuple(edition and edition.data_year for edition in editions),
    )


def shares(amount: int, weights: Sequence[int]) -> list[int]:
    """`amount` (0 or more) in proportion to `weights`, in whole numbers whose sum is `amount`.

    What is left after rounding down goes one by one to the largest remainders, the earlier first.
    """
    total = sum(weights)
    given = [amount * weight // total for weight in weights]
    remainders = sorted(range(len(weights)), key=lambda at: (-(amount * weights[at] % total), at))
    for at in remainders[: amount - sum(given)]:
        given[at] += 1
    return given


def divide(
    activity: ActivityType, quantities: Mapping[str, int | str], spans: Sequence[Span]
) -> list[dict[str, int | str]]:
    """The quantities of each part: what adds up over time by days, words and the rest as they are."""
    parts: list[dict[str, int | str]] = [dict(quantities) for _ in spans]
    weights = [span.days for span in spans]
    for name, value in quantities.items():
        if isinstance(value, int) and activity.fields[name].unit in _ADDS_UP:
            for part, share in zip(parts, shares(value, weights), strict=True):
                part[name] = share
    return parts
