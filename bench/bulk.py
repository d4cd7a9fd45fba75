"""The bulk path, from JSON payloads to committed credits, beside the floor of bench.floor.

Each contender credits all rides of the town into a fresh copy of the same template, so that all of them
fill the same tables from the same size. They take turns; the ratio is within each round.
"""

from collections.abc import Callable, Sequence

from bench.floor import Floor
from bench.importing import imported
from bench.measure import Figure, Plan, compared, spread
from bench.town import Spent, Town, Want, check, credited_together, town
from carbon_credit.kernel.settings import Settings

SECTION = "Bulk path on PostgreSQL"
SIZES = (1000, 2000, 5000)
FLOOR_SIZES = (1000, 10_000)
TOGETHER = (1, 2)
RIDES_EACH = 10  # of a person

Run = Callable[[Settings], Spent]


def measure(plan: Plan) -> list[Figure]:
    """Events per second of our path and of the floor, on one connection and on two."""
    people = max(plan.rides // RIDES_EACH, plan.people)
    with town(Want(people, plan.history, plan.rides)) as ours:
        quick = plan.rounds == 1
        sizes, togethers = (SIZES[:1], TOGETHER[-1:]) if quick else (SIZES, TOGETHER)
        with ours.copy() as settings:
            credited_together(ours.parts, settings, size=SIZES[0], processes=1)
            check(ours, ours.parts, settings)
            floor = Floor(ours, settings, FLOOR_SIZES)
        return [
            figure for together in togethers for figure in _race(ours, floor, together, sizes, plan.rounds)
        ]


def _race(ours: Town, floor: Floor, together: int, sizes: Sequence[int], rounds: int) -> list[Figure]:
    starts: list[float] = []
    runs = _runs(ours, floor, together, sizes, starts)
    spent = [[_spent(ours, run) for run in runs.values()] for _ in range(min(rounds, 3))]
    count = ours.parts[0].count
    rates = [[count / one.seconds for one in each] for each in spent]
    figures = compared(SECTION, [(name, "events/s") for name in runs], rates)
    figures.append(spread(SECTION, f"start of the import's command, {together} together", "s", starts))
    # Of the command's backends nothing is known, and of none where the server is elsewhere.
    seen = [place for place in range(len(runs)) if all(each[place].server_s for each in spent)]
    if len(runs) - 1 not in seen:
        return figures
    named = [f"{name}, processor" for place, name in enumerate(runs) if place in seen]
    for what, seconds in (("", _processor_s), (", of PostgreSQL", _server_s)):
        values = [[seconds(each[place]) / count * 1e6 for place in seen] for each in spent]
        figures += compared(SECTION, [(f"{name}{what}", "µs an event") for name in named], values)
    return figures


def _runs(
    ours: Town, floor: Floor, together: int, sizes: Sequence[int], starts: list[float]
) -> dict[str, Run]:
    """What runs, by name; the strictest floor last. To `starts` go the seconds of starting an import."""

    def crediting(size: int) -> Run:
        return lambda settings: credited_together(ours.parts, settings, size=size, processes=together)

    def bare(size: int) -> Run:
        return lambda settings: floor.run(settings, size=size, connections=together)

    def importing(settings: Settings) -> Spent:
        told = imported(ours, settings, workers=together)
        starts.append(told.start_s)
        return told.spent

    found = {f"credit by {size:,}, {together} together": crediting(size) for size in sizes}
    found[f"import of the file, {together} together"] = importing
    return found | {f"floor by {size:,}, {together} together": bare(size) for size in FLOOR_SIZES}


def _spent(ours: Town, run: Run) -> Spent:
    with ours.copy() as settings:
        spent = run(settings)
        check(ours, ours.parts, settings)
    return spent


def _processor_s(spent: Spent) -> float:
    return spent.client_s + spent.server_s


def _server_s(spent: Spent) -> float:
    return spent.server_s
