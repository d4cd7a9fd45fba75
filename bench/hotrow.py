"""Whether everybody waits for one row: the same rides all in one programme, and spread over eight."""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from shutil import copytree

from bench.engine import ROOT
from bench.events import PROGRAMME
from bench.measure import Figure, Plan, compared
from bench.town import Part, Town, Want, check, credited_together, town

SECTION = "One programme or eight on PostgreSQL"
PROGRAMMES = tuple(f"x-bench-{letter * 2}" for letter in "abcdefgh")
# Events at once, processes, and how many of the plan's rides: one by one there is little time for many.
RACES = ((1000, 2, 1), (10, 8, 5))


def measure(plan: Plan) -> list[Figure]:
    """Events per second of large batches on two connections, and of small ones on eight."""
    people = max(plan.rides // 10, plan.people) // len(PROGRAMMES) * len(PROGRAMMES)
    figures: list[Figure] = []
    with copies_of_a_programme() as methodologies:
        for size, processes, share in RACES if plan.rounds > 1 else RACES[:1]:
            rides = plan.rides // share // len(PROGRAMMES)
            apart = [
                Want(people // len(PROGRAMMES), plan.history // len(PROGRAMMES), rides, code)
                for code in PROGRAMMES
            ]
            alone = Want(people, plan.history, rides * len(PROGRAMMES))
            with town(alone, *apart, methodologies=methodologies) as ours:
                figures += _race(ours, size, processes, min(plan.rounds, 3))
    return figures


@contextmanager
def copies_of_a_programme() -> Iterator[Path]:
    """A library that has the programme eight times more, under other codes."""
    with tempfile.TemporaryDirectory(prefix="carbon-credit-library-") as folder:
        library = Path(folder) / "methodologies"
        copytree(ROOT, library)
        original = (ROOT / "programmes" / f"{PROGRAMME}.yaml").read_text(encoding="utf-8")
        for code in PROGRAMMES:
            text = original.replace(f"\ncode: {PROGRAMME}\n", f"\ncode: {code}\n")
            (library / "programmes" / f"{code}.yaml").write_text(text, encoding="utf-8")
        yield library


def _race(ours: Town, size: int, processes: int, rounds: int) -> list[Figure]:
    runs: dict[str, Sequence[Part]] = {"one programme": ours.parts[:1], "eight programmes": ours.parts[1:]}
    rates = [[_rate(ours, parts, size, processes) for parts in runs.values()] for _ in range(rounds)]
    named = [(f"{name}, by {size:,}, {processes} together", "events/s") for name in runs]
    return compared(SECTION, named, rates)


def _rate(ours: Town, parts: Sequence[Part], size: int, processes: int) -> float:
    with ours.copy() as settings:
        spent = credited_together(parts, settings, size=size, processes=processes)
        check(ours, parts, settings)
    return sum(part.count for part in parts) / spent.seconds
