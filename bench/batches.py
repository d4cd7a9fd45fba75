"""Batches over HTTP beside the import of a file with the same rows.

Both credit all rides of a town into a fresh copy of the same template, in turn. The batches lie ready as the
bytes of their requests; the client shares the machine with the server and only waits for answers.
"""

from time import perf_counter

from bench import http, load
from bench.importing import imported
from bench.measure import Figure, Plan, compared
from bench.town import Town, Want, check, town
from carbon_credit.kernel.db import Database
from carbon_credit.kernel.settings import Settings

SECTION = "Batches over HTTP on PostgreSQL"
RIDES_EACH = 10  # of a person
TOGETHER = http.WORKERS  # processes that credit, here and there


def measure(plan: Plan) -> list[Figure]:
    """Events per second of both."""
    people = max(plan.rides // RIDES_EACH, plan.people)
    with town(Want(people, plan.history, plan.rides)) as ours:
        rounds = [[_posted(ours), _imported(ours)] for _ in range(min(plan.rounds, 3))]
    ways = (
        f"batches of {http.BATCH:,}, {http.BATCH_CONNECTIONS} connections",
        f"import of the same rows, {TOGETHER} together",
    )
    return compared(SECTION, [(way, "events/s") for way in ways], rounds)


def _posted(ours: Town) -> float:
    part = ours.parts[0]
    with ours.copy() as settings:
        token = _access(ours, settings)
        requests = [
            load.post("/v1/events/batch", file.read_bytes(), token=token) for file in part.chunks(http.BATCH)
        ]
        left = iter(requests)
        with http.up(settings, {"service": http.SERVICE}) as ports:
            begin = perf_counter()
            told = load.run(
                ports["service"], connections=http.BATCH_CONNECTIONS, make=lambda: next(left, None)
            )
            seconds = perf_counter() - begin
        if told.statuses != {200: len(requests)}:
            raise AssertionError(f"not every answer was a success: {told.statuses}")
        check(ours, ours.parts, settings)
    return part.count / seconds


def _imported(ours: Town) -> float:
    with ours.copy() as settings:
        spent = imported(ours, settings, workers=TOGETHER).spent
        check(ours, ours.parts, settings)
    return ours.parts[0].count / spent.seconds


def _access(ours: Town, settings: Settings) -> str:
    database = Database(settings)
    try:
        return http.access(database, ours.parts[0].partner)
    finally:
        database.dispose()
