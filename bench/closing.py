"""Closing a day, beside the import of its events: nobody is capped, which it has to prove."""

from datetime import date
from time import perf_counter

import psycopg

from bench.importing import TOGETHER, imported
from bench.measure import Figure, Plan, compared
from bench.progress import Progress
from bench.town import Part, Town, Want, plain, town
from carbon_credit.kernel.clock import now
from carbon_credit.kernel.db import Database
from carbon_credit.kernel.settings import Settings
from carbon_credit.kernel.unit_of_work import transact
from carbon_credit.quantification.closing import close_portion

SECTION = "Closing on PostgreSQL"
RIDES_A_DAY = 3  # of a person


def measure(plan: Plan) -> list[Figure]:
    """Events per second of the closing of a day, by one process, and of its import, by two."""
    with town(Want(plan.rides // RIDES_A_DAY, 0, plan.rides // RIDES_A_DAY * RIDES_A_DAY)) as ours:
        rounds = [_round(ours, ours.parts[0]) for _ in range(min(plan.rounds, 3))]
        return compared(SECTION, [("close the day", "events/s"), ("import its events", "events/s")], rounds)


def _round(ours: Town, part: Part) -> list[float]:
    with ours.copy() as settings:
        credited = imported(ours, settings, workers=TOGETHER).spent.seconds
        begin = perf_counter()
        _close(settings, part)
        return [part.count / (perf_counter() - begin), part.count / credited]


def _close(settings: Settings, part: Part) -> None:
    day, events = _day(settings)
    database = Database(settings)
    progress, citizens = Progress("citizens looked at", part.count // RIDES_A_DAY), 0
    try:
        while True:
            looked_at, closing = transact(
                database,
                lambda session: close_portion(
                    session, programme=part.programme, day=day, now=now(), closed_by="bench"
                ),
            )
            citizens += looked_at
            progress.at(citizens)
            if closing is not None:
                break
    finally:
        progress.close()
        database.dispose()
    if events != part.count:
        raise AssertionError(f"{events} of {part.count} events are of the day that was closed")


def _day(settings: Settings) -> tuple[date, int]:
    with psycopg.connect(plain(settings)) as connection:
        rows = connection.execute("SELECT business_day, count(*) FROM event GROUP BY 1").fetchall()
    (found,) = rows
    return found[0], int(found[1])
