"""The engine beside OpenFisca-Core on one formula, from rows to rows, one at a time and a million at once.

Both get the same rows (dicts of a mode and a distance) and give back a list of results. OpenFisca
computes over numpy columns in 32-bit floats, so its time includes making the columns, and how many of
its results are the right milligram is printed beside its speed. The engine's are checked to be exact.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from fractions import Fraction
from importlib.util import find_spec
from math import floor
from random import Random
from typing import Any

from bench.engine import ROOT, Disagreement
from bench.measure import Contender, Deed, Figure, Plan, race, single
from carbon_credit.methodology.engine import CompiledMethodology, Evaluation, compile_package
from carbon_credit.methodology.loader import load_package

SECTION = "Engine beside OpenFisca"
DAY = date(2023, 7, 31)
ONE_BY_ONE = 200
FULL_ROWS, QUICK_ROWS = 1_000_000, 20_000
FACTORS = {"metro": "46.8", "bus": "26.9"}  # g per passenger-kilometre, so mg per metre

Row = Mapping[str, int | str]


def installed() -> bool:
    """Whether OpenFisca-Core can be imported here (`pip install carbon-credit[bench]`)."""
    return find_spec("openfisca_core") is not None


def measure(plan: Plan) -> list[Figure]:
    """Both systems in turn: single rows with and without a trace, then many rows."""
    compiled = compile_package(load_package(ROOT / "sz-public-transit" / "v1"), check_dimensions=False)
    peer = Peer()
    random = Random(11)
    count = FULL_ROWS if plan.rounds > 1 else QUICK_ROWS
    rows: list[Row] = [
        {"mode": random.choice(("metro", "bus")), "distance_m": random.randint(1, 200_000)}
        for _ in range(count)
    ]
    exact = [floor(Fraction(FACTORS[str(row["mode"])]) * int(row["distance_m"])) for row in rows]
    ours = _checked(compiled, rows, exact)
    few = rows[:ONE_BY_ONE]
    each = "rows/s"
    return [
        *race(
            SECTION,
            [Contender("one row, engine", each, ONE_BY_ONE, _each(compiled.evaluate, few))],
            Contender("one row, OpenFisca", each, ONE_BY_ONE, _peer_each(peer, few, trace=False)),
            plan,
        ),
        *race(
            SECTION,
            [Contender("one row, engine with trace", each, ONE_BY_ONE, _each(compiled.explain, few))],
            Contender("one row, OpenFisca with trace", each, ONE_BY_ONE, _peer_each(peer, few, trace=True)),
            plan,
        ),
        *race(
            SECTION,
            [
                Contender(f"{count:,} rows, engine", each, count, lambda: lambda: _many(compiled, rows)),
                Contender(f"{count:,} rows, engine, one by one", each, count, _each(compiled.evaluate, rows)),
            ],
            Contender(f"{count:,} rows, OpenFisca", each, count, lambda: lambda: peer.rows(rows)),
            plan,
        ),
        single(SECTION, "right to the milligram, engine", "%", _share(ours, exact)),
        single(SECTION, "right to the milligram, OpenFisca", "%", _share(peer.rows(rows), exact)),
    ]


def _checked(compiled: CompiledMethodology, rows: Sequence[Row], exact: Sequence[int]) -> list[int]:
    """The engine's milligrams. Raises Disagreement at the first that is wrong."""
    found = []
    for row, answer, right in zip(rows, _many(compiled, rows), exact, strict=True):
        if not isinstance(answer, Evaluation) or answer.reduction_mg != right:
            raise Disagreement(f"{dict(row)}: exactly {right} mg, found {answer}")
        found.append(answer.reduction_mg)
    return found


def _many(compiled: CompiledMethodology, rows: Sequence[Row]) -> list[Any]:
    return list(compiled.evaluate_many(rows, on=DAY))


def _each(function: Callable[..., object], rows: Sequence[Row]) -> Callable[[], Deed]:
    def deed() -> list[object]:
        return [function(row, on=DAY) for row in rows]

    return lambda: deed


def _peer_each(peer: "Peer", rows: Sequence[Row], *, trace: bool) -> Callable[[], Deed]:
    def deed() -> list[object]:
        return [peer.rows([row], trace=trace) for row in rows]

    return lambda: deed


def _share(found: Sequence[float], exact: Sequence[int]) -> float:
    right = sum(floor(value) == wanted for value, wanted in zip(found, exact, strict=True))
    return 100 * right / len(exact)


class Peer:
    """The same formula written for OpenFisca-Core: dated parameters, an enum, one variable a quantity."""

    def __init__(self) -> None:
        import numpy  # the benchmark's own dependency, and the service has none of it
        from openfisca_core.simulations import SimulationBuilder

        self._numpy = numpy
        self._builder = SimulationBuilder
        self._system = _system(numpy)
        self._day = DAY.isoformat()

    def rows(self, rows: Sequence[Row], *, trace: bool = False) -> list[float]:
        """Milligrams of each row. The default simulation is OpenFisca's cheaper way to begin one."""
        simulation = self._builder().build_default_simulation(self._system, count=len(rows))
        simulation.trace = trace
        array = self._numpy.array
        simulation.set_input("mode", self._day, array([row["mode"] for row in rows]))
        simulation.set_input("distance_m", self._day, array([row["distance_m"] for row in rows]))
        found: list[float] = simulation.calculate("reduction", self._day).tolist()
        return found


def _system(numpy: Any) -> Any:
    from openfisca_core.entities import Entity
    from openfisca_core.indexed_enums import Enum
    from openfisca_core.parameters import ParameterNode
    from openfisca_core.periods import DAY as DAILY
    from openfisca_core.taxbenefitsystems import TaxBenefitSystem
    from openfisca_core.variables import Variable

    ride = Entity("ride", "rides", "a ride", "")
    modes = Enum("Modes", {"bus": "bus", "metro": "metro"})

    def formula(rides: Any, period: Any, parameters: Any) -> Any:
        factor = parameters(period).factor
        is_metro = rides("mode", period) == modes.metro
        return numpy.where(is_metro, factor.metro, factor.bus) * rides("distance_m", period)

    def variable(name: str, kind: type, **more: Any) -> Any:
        common = {"value_type": kind, "entity": ride, "definition_period": DAILY, "label": name}
        return type(name, (Variable,), common | more)

    system = TaxBenefitSystem([ride])
    system.add_variables(
        variable("mode", Enum, possible_values=modes, default_value=modes.bus),
        variable("distance_m", float),
        variable("reduction", float, formula=formula),
    )
    dated = {mode: {"values": {"2021-12-17": {"value": float(value)}}} for mode, value in FACTORS.items()}
    system.parameters = ParameterNode("", data={"factor": dated})
    return system
