"""Whether everybody waits for one row: the same rides all in one programme, and spread over eight."""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from shutil import copytree

from bench import http, load
from bench.engine import ROOT
from bench.events import PROGRAMME
from bench.measure import Figure, Plan, compared
from bench.town import Part, Town, Want, check, credited_together, town
from carbon_credit.kernel.db import Database

SECTION = "One programme or eight on PostgreSQL"
PROGRAMMES = tuple(f"x-bench-{letter * 2}" for letter in "abcdefgh")
RACES = ((1000, 2), (10, 8))  # events at once, processes
LONGER = 5  # a round over HTTP lasts so many times that of a deed


def measure(plan: Plan) -> list[Figure]:
    """Events per second of single posts, of large batches on two connections, and of small ones on eight."""
    people = max(plan.rides // 10, plan.people) // len(PROGRAMMES) * len(PROGRAMMES)
    rides = plan.rides // len(PROGRAMMES)
    apart = [
        Want(people // len(PROGRAMMES), plan.history // len(PROGRAMMES), rides, code) for code in PROGRAMMES
    ]
    with copies_of_a_programme() as methodologies:
        alone = Want(people, plan.history, rides * len(PROGRAMMES))
        with town(alone, *apart, methodologies=methodologies) as ours:
            runs = {"one programme": ours.parts[:1], "eight programmes": ours.parts[1:]}
            rounds = [[_posted(ours, parts, plan) for parts in runs.values()] for _ in range(plan.rounds)]
            named = [(f"{name}, single posts, {http.CONNECTIONS} connections", "posts/s") for name in runs]
            figures = compared(SECTION, named, rounds)
            for size, processes in RACES if plan.rounds > 1 else RACES[:1]:
                rounds = [
                    [_rate(ours, parts, size, processes) for parts in runs.values()]
                    for _ in range(min(plan.rounds, 3))
                ]
                named = [(f"{name}, by {size:,}, {processes} together", "events/s") for name in runs]
                figures += compared(SECTION, named, rounds)
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


def _posted(ours: Town, parts: Sequence[Part], plan: Plan) -> float:
    """Posts a second, of the parts in turn."""
    with ours.copy() as settings:
        database = Database(settings)
        try:
            streams = [_requests(database, part) for part in parts]
        finally:
            database.dispose()
        turns = chain.from_iterable(zip(*streams, strict=True))
        with http.up(settings, {"service": http.SERVICE}) as ports:
            for seconds in (plan.seconds, plan.seconds * LONGER):  # rules, statements and connections first
                told = load.run(
                    ports["service"],
                    connections=http.CONNECTIONS,
                    make=lambda: next(turns, None),
                    seconds=seconds,
                )
                if set(told.statuses) != {200}:
                    raise AssertionError(f"not every answer was a success: {told.statuses}")
    return told.rate


def _requests(database: Database, part: Part) -> Iterator[bytes]:
    token = http.access(database, part.partner, programme=part.programme)
    return (load.post("/v1/events", line, token=token) for line in part.rides.open("rb"))


def _rate(ours: Town, parts: Sequence[Part], size: int, processes: int) -> float:
    """Events a second. One programme or eight: files next to each other share no citizen, as two lanes of an
    import do not; so only rows of the programme's own could be waited for."""
    lanes = len(PROGRAMMES) // len(parts)
    with ours.copy() as settings:
        spent = credited_together(parts, settings, size=size, processes=processes, lanes=lanes)
        check(ours, parts, settings)
    return sum(part.count for part in parts) / spent.seconds
