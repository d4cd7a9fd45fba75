"""Taking times: contenders in turn, several rounds, medians, and ratios within each round."""

import gc
import resource
import sys
import tracemalloc
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from time import perf_counter
from typing import TypeAlias

Deed: TypeAlias = Callable[[], object]


@dataclass(frozen=True, slots=True)
class Plan:
    """How long to measure: `rounds` of `seconds` for each contender.

    The database holds `people`, and `history` events or transfers before the first round; `rides`
    more are credited where a whole file is. Where it is about a long file and all that is stored afterwards
    `imported` rows are imported, and `beside` of them. So many `lots` of points end on one day;
    a merchant's month has so many `uses`.
    """

    rounds: int
    seconds: float
    people: int
    history: int
    rides: int
    imported: int
    beside: int
    lots: int
    uses: int


FULL = Plan(
    5, 0.8, people=2000, history=20_000, rides=50_000,
    imported=200_000, beside=50_000, lots=1_000_000, uses=100_000,
)  # fmt: skip
QUICK = Plan(1, 0.02, people=100, history=500, rides=1500, imported=1500, beside=150, lots=2000, uses=500)
# A million rides, ten million imported and stored: hours, for a machine that has nothing else to do.
CITY = Plan(
    rounds=3, seconds=5, people=2000, history=20_000, rides=1_000_000,
    imported=10_000_000, beside=100_000, lots=1_000_000, uses=100_000,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Contender:
    """Something to time. `prepare` makes the next deed, outside the time; a deed does `size` things.

    `unit` is "<things>/s", or "ms" for the time that one deed takes.
    """

    name: str
    unit: str
    size: int
    prepare: Callable[[], Deed]


@dataclass(frozen=True, slots=True)
class Figure:
    """One row of the report. `ratio`: the median over the rounds of this value by that of `beside`."""

    section: str
    name: str
    unit: str
    median: float
    low: float
    high: float
    beside: str | None = None
    ratio: float | None = None


def race(section: str, contenders: Sequence[Contender], floor: Contender, plan: Plan) -> list[Figure]:
    """Measure the contenders and the floor in turn; a figure for each, the floor's last."""
    everyone = [*contenders, floor]
    for one in everyone:
        one.prepare()()  # caches, connections and compiled statements are made once
    rounds = [[_value(one, plan.seconds) for one in everyone] for _ in range(plan.rounds)]
    return compared(section, [(one.name, one.unit) for one in everyone], rounds)


def compared(
    section: str, named: Sequence[tuple[str, str]], rounds: Sequence[Sequence[float]]
) -> list[Figure]:
    """A figure for each (name, unit); `rounds` hold a value for each. The last is the floor of the others."""
    figures = []
    for place, (name, unit) in enumerate(named):
        values = [values[place] for values in rounds]
        ratio = median(values[place] / values[-1] for values in rounds)
        is_floor = place == len(named) - 1
        figures.append(
            Figure(
                section=section,
                name=name,
                unit=unit,
                median=median(values),
                low=min(values),
                high=max(values),
                beside=None if is_floor else named[-1][0],
                ratio=None if is_floor else ratio,
            )
        )
    return figures


def spread(section: str, name: str, unit: str, values: Sequence[float]) -> Figure:
    """A figure that stands beside nothing."""
    return Figure(section, name, unit, median(values), min(values), max(values))


def single(section: str, name: str, unit: str, value: float) -> Figure:
    """A figure that is measured once, such as memory."""
    return Figure(section, name, unit, value, value, value)


def python_peak_mib(deed: Deed) -> float:
    """The most memory that Python objects made by `deed` took at once, in MiB."""
    gc.collect()
    tracemalloc.start()
    deed()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return peak / 2**20


def process_peak_mib() -> float:
    """The most resident memory that this process has had, in MiB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10


def _value(one: Contender, seconds: float) -> float:
    spent, deeds = 0.0, 0
    while spent < seconds:
        deed = one.prepare()
        begin = perf_counter()
        deed()
        spent += perf_counter() - begin
        deeds += 1
    return spent / deeds * 1000 if one.unit == "ms" else deeds * one.size / spent
