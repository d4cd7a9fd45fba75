"""The methodology engine beside formulas written by hand, and checked against exact fractions."""

import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_FLOOR, Decimal
from fractions import Fraction
from math import floor
from pathlib import Path
from random import Random
from time import perf_counter

import yaml

from bench.measure import Contender, Deed, Figure, Plan, compared, race
from carbon_credit.catalogue.library import load_library
from carbon_credit.methodology.engine import CompiledMethodology, Evaluation, compile_package

SECTION = "Engine"
ROOT = Path(__file__).resolve().parents[1] / "methodologies"
DAY = date(2023, 7, 31)
AT_ONCE = 1000
CHECKED = 2000

Inputs = Mapping[str, int | str]

# The values of the packages, once more and by hand: what the engine reads from its files must agree.
RF_METRO = Decimal("46.8")  # mg per passenger-metre
RF_BUS = Decimal("26.9")
EF_GRID = Decimal("441.9")  # mg per Wh, Guangdong 2023
RF_TRIP = Decimal(515_500)  # mg per trip


@dataclass(frozen=True, slots=True)
class Task:
    """A methodology, random inputs for it, the formula by hand in Decimal, and exactly in fractions."""

    name: str
    package: tuple[str, str]
    inputs: Callable[[Random], Inputs]
    by_hand: Callable[[Inputs], int]
    exact: Callable[[Inputs], int]


def _number(inputs: Inputs, name: str) -> int:
    value = inputs[name]
    assert isinstance(value, int)
    return value


def _floored(value: Decimal) -> int:
    return int(value.to_integral_value(ROUND_FLOOR))


def _transit_by_hand(inputs: Inputs) -> int:
    return _floored((RF_METRO if inputs["mode"] == "metro" else RF_BUS) * _number(inputs, "distance_m"))


def _transit_exact(inputs: Inputs) -> int:
    return floor(Fraction("46.8" if inputs["mode"] == "metro" else "26.9") * _number(inputs, "distance_m"))


def _saved_by_hand(inputs: Inputs) -> int:
    return _floored(
        max(Decimal(0), Decimal(_number(inputs, "baseline_wh") - _number(inputs, "energy_wh"))) * EF_GRID
    )


def _saved_exact(inputs: Inputs) -> int:
    saved_wh = _number(inputs, "baseline_wh") - _number(inputs, "energy_wh")
    # kg/kWh is g/Wh; a gram has 1,000 mg.
    return floor(Fraction("0.4419") * 1000 * saved_wh) if saved_wh > 0 else 0


TASKS = (
    Task(
        name="metro or bus ride",
        package=("sz-public-transit", "v1"),
        inputs=lambda random: {
            "mode": random.choice(("metro", "bus")),
            "distance_m": random.choice((1, 200_000, random.randint(1, 200_000))),
        },
        by_hand=_transit_by_hand,
        exact=_transit_exact,
    ),
    Task(
        name="household electricity",
        package=("household-electricity", "v1"),
        inputs=lambda random: {
            "baseline_wh": random.choice((0, 10**8, random.randint(0, 10**6))),
            "energy_wh": random.randint(0, 10**6),
        },
        by_hand=_saved_by_hand,
        exact=_saved_exact,
    ),
    Task(
        name="metro trip, mean method",
        package=("gz-metro-ride", "v1"),
        inputs=lambda random: {},
        by_hand=lambda inputs: _floored(RF_TRIP),
        exact=lambda inputs: floor(Fraction("0.5155") * 1_000_000),
    ),
)


class Disagreement(AssertionError):
    """The engine and the independent computation differ: no figure of speed is worth printing."""


def measure(plan: Plan) -> list[Figure]:
    """Evaluations, explanations and loading."""
    library = load_library(ROOT)
    figures: list[Figure] = []
    for task in TASKS:
        compiled = compile_package(library.packages[task.package], check_dimensions=False)
        random = Random(7)
        check(task, compiled, [task.inputs(random) for _ in range(CHECKED)])
        inputs = [task.inputs(random) for _ in range(AT_ONCE)]
        contenders = [
            Contender(f"evaluate, {task.name}", "evaluations/s", AT_ONCE, _each(compiled.evaluate, inputs)),
            Contender(f"explain, {task.name}", "evaluations/s", 50, _each(compiled.explain, inputs[:50])),
        ]
        by_hand = Contender(f"Decimal by hand, {task.name}", "evaluations/s", AT_ONCE, _by_hand(task, inputs))
        figures += race(SECTION, contenders, by_hand, plan)
    return figures + _loading(plan)


def check(task: Task, compiled: CompiledMethodology, sample: Sequence[Inputs]) -> None:
    """Raises Disagreement where evaluate, explain or the formula by hand is not the exact result."""
    for place, inputs in enumerate(sample):
        exact = task.exact(inputs)
        answer = compiled.evaluate(inputs, on=DAY)
        found: list[object] = [
            answer.reduction_mg if isinstance(answer, Evaluation) else answer,
            task.by_hand(inputs),
        ]
        if place % 20 == 0:
            found.append(compiled.explain(inputs, on=DAY).reduction_mg)
        if any(one != exact for one in found):
            raise Disagreement(f"{task.name} of {dict(inputs)}: exactly {exact} mg, found {found}")


def _each(function: Callable[..., object], inputs: Sequence[Inputs]) -> Callable[[], Deed]:
    def deed() -> None:
        for one in inputs:
            function(one, on=DAY)

    return lambda: deed


def _by_hand(task: Task, inputs: Sequence[Inputs]) -> Callable[[], Deed]:
    by_hand = task.by_hand

    def deed() -> None:
        for one in inputs:
            by_hand(one)

    return lambda: deed


# A process remembers what it has read, so each load that is measured is the first of its process.
_FIRST_LOAD = """
import sys
from pathlib import Path
from time import perf_counter
from carbon_credit.catalogue.library import load_library
from carbon_credit.methodology.engine import compile_package
begin = perf_counter()
for one in load_library(Path(sys.argv[1])).packages.values():
    compile_package(one, check_dimensions=sys.argv[2] == "checked")
print(1000 * (perf_counter() - begin))
"""


def _loading(plan: Plan) -> list[Figure]:
    files = [path.read_bytes() for path in sorted(ROOT.rglob("*.yaml"))]
    rounds = [(_first_load("plain"), _first_load("checked"), _parsing(files)) for _ in range(plan.rounds)]
    named = ("load the library, first in its process", "the same and check dimensions", "only parse its YAML")
    return compared(SECTION, [(name, "ms") for name in named], rounds)


def _first_load(how: str) -> float:
    ran = subprocess.run(
        [sys.executable, "-c", _FIRST_LOAD, str(ROOT), how],
        cwd=ROOT.parent, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return float(ran.stdout)


def _parsing(files: Sequence[bytes]) -> float:
    begin = perf_counter()
    _parse(files)
    return 1000 * (perf_counter() - begin)


def _parse(files: Sequence[bytes]) -> None:
    for data in files:
        yaml.load(data, Loader=yaml.CSafeLoader)
