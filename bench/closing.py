"""Closing a day, beside crediting its events: nobody is capped, so nothing but the proof of that is to do."""

from datetime import date
from time import perf_counter

import psycopg

from bench.measure import Figure, Plan, compared
from bench.town import Part, Town, Want, credited_together, plain, town
from carbon_credit.kernel.clock import now
from carbon_credit.kernel.db import Database
from carbon_credit.kernel.settings import Settings
from carbon_credit.kernel.unit_of_work import transact
from carbon_credit.quantification.closing import close_portion

SECTION = "Closing on PostgreSQL"
BATCH, TOGETHER = 2000, 2
RIDES_A_DAY = 3  # of a person


def measure(plan: Plan) -> list[Figure]:
    """Events per second of the closing of a day, by one process, and of its crediting, by two."""
    with town(Want(plan.rides // RIDES_A_DAY, 0, plan.rides // RIDES_A_DAY * RIDES_A_DAY)) as ours:
        rounds = [_round(ours, ours.parts[0]) for _ in range(min(plan.rounds, 3))]
        return compared(SECTION, [("close the day", "events/s"), ("credit its events", "events/s")], rounds)


def _round(ours: Town, part: Part) -> list[float]:
    with ours.copy() as settings:
        credited = credited_together([part], settings, size=BATCH, processes=TOGETHER).seconds
        begin = perf_counter()
        _close(settings, part)
        return [part.count / (perf_counter() - begin), part.count / credited]


def _close(settings: Settings, part: Part) -> None:
    day, events = _day(settings)
    database = Database(settings)
    try:
        while True:
            _, closing = transact(
                database,
                lambda session: close_portion(
                    session, programme=part.programme, day=day, now=now(), closed_by="bench"
                ),
            )
            if closing is not None:
                break
    finally:
        database.dispose()
    if events != part.count:
        raise AssertionError(f"{events} of {part.count} events are of the day that was closed")


def _day(settings: Settings) -> tuple[date, int]:
    with psycopg.connect(plain(settings)) as connection:
        rows = connection.execute("SELECT business_day, count(*) FROM event GROUP BY 1").fetchall()
    (found,) = rows
    return found[0], int(found[1])
