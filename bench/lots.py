"""Expiry of lots: a year's end, on which every citizen's points end at once.

The floor is what the database alone does for the same rows: one UPDATE of the same accounts and one INSERT
of the very transfers that expiry has written, MACs included, from a table that lies beside. Nobody makes
an id, computes a MAC or sends a row there, and it is one transaction.
"""

import multiprocessing
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime
from time import perf_counter
from uuid import uuid4

import psycopg

from bench.databases import analyze, fresh_database, on_server, url_of
from bench.measure import Figure, Plan, compared, process_peak_mib, spread
from bench.town import plain
from carbon_credit.kernel.clock import now
from carbon_credit.kernel.db import Database
from carbon_credit.kernel.ids import random_id
from carbon_credit.kernel.settings import Settings
from carbon_credit.kernel.unit_of_work import transact
from carbon_credit.ledger.expiry import expire_lots
from carbon_credit.ledger.points import PointsGrant, grants

SECTION = "Expiry of lots on PostgreSQL"
AT_ONCE = 50_000  # as the sweep does it, a transaction each
LOT, AFTER = date(2026, 12, 31), date(2027, 1, 1)
PROGRAMME = "x-bench"
GRANTED = 7

_FLOOR = (
    "UPDATE account SET debits_posted = credits_posted - debits_pending WHERE programme = 'x-bench' "
    "AND lot <> '' AND lot < '2027-01-01' AND credits_posted - debits_posted - debits_pending > 0",
    "INSERT INTO transfer SELECT * FROM prepared",
)


def measure(plan: Plan) -> list[Figure]:
    """Lots per second of our sweep and of the floor, and what a whole run takes of time and memory."""
    with fresh_database("PostgreSQL") as database:
        _fill(database, plan.lots)
        analyze(database)
        database.engine.dispose()  # a template must have no guests
        rates, seconds, memory = [], [], []
        for _ in range(min(plan.rounds, 3)):
            with _copy(database.settings) as ours, _copy(database.settings) as bare:
                spent, peak = _in_its_own_process(ours)
                _check(ours, plan.lots)
                rates.append([plan.lots / spent, plan.lots / _floor(ours, bare, plan.lots)])
                seconds.append(spent)
                memory.append(peak)
    names = [("expire, by 50,000", "lots/s"), ("one UPDATE and one INSERT of the same rows", "lots/s")]
    return [
        *compared(SECTION, names, rates),
        spread(SECTION, f"expire {plan.lots:,} lots", "s", seconds),
        spread(SECTION, "most memory of the process that expires", "MiB", memory),
    ]


def _fill(database: Database, lots: int) -> None:
    """So many citizens with a lot each, granted by the ledger's own verb."""
    at = datetime(2026, 6, 1, tzinfo=UTC)
    for start in range(0, lots, 10_000):
        size = min(10_000, lots - start)
        items = [PointsGrant(random_id(), GRANTED, LOT, None, at) for _ in range(size)]
        transact(
            database,
            lambda session: grants(session, items=items, programme=PROGRAMME, now=at),  # noqa: B023
        )


@contextmanager
def _copy(settings: Settings) -> Iterator[Settings]:
    name = f"cc_bench_{uuid4().hex[:12]}"
    on_server(f"CREATE DATABASE {name} TEMPLATE {settings.database_url.rsplit('/', 1)[1]}")
    on_server("CHECKPOINT")  # what was written before is not written out at this one's cost
    try:
        yield replace(settings, database_url=url_of(name))
    finally:
        on_server(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


def _in_its_own_process(settings: Settings) -> tuple[float, float]:
    fresh = multiprocessing.get_context("forkserver")
    fresh.set_forkserver_preload([__name__])
    with ProcessPoolExecutor(max_workers=1, mp_context=fresh) as pool:
        return pool.submit(_expired, settings).result()


def _expired(settings: Settings) -> tuple[float, float]:
    """Seconds of expiring every lot, and the most memory of the process, in MiB."""
    database = Database(settings)
    with database.engine.connect():
        pass  # connecting is over when the clock starts
    begin, done = perf_counter(), -1
    while done:
        instant = now()
        done = transact(
            database,
            lambda session: expire_lots(
                session,
                programme=PROGRAMME,
                on=AFTER,
                now=instant,  # noqa: B023
                effective_at=instant,  # noqa: B023
                limit=AT_ONCE,
            ),
        )
    spent = perf_counter() - begin
    database.dispose()
    return spent, process_peak_mib()


def _check(settings: Settings, lots: int) -> None:
    """Each lot expired once, whole, and is empty. Raises AssertionError."""
    with psycopg.connect(plain(settings)) as connection:
        found = connection.execute(
            "SELECT (SELECT count(*) FROM account WHERE lot <> '' AND credits_posted = debits_posted), "
            "count(*), count(DISTINCT debit_account), sum(amount) FROM transfer WHERE code = 'points.expire'"
        ).fetchone()
    if found != (lots, lots, lots, lots * GRANTED):
        raise AssertionError(f"of {lots} lots: {found}")


def _floor(ours: Settings, bare: Settings, lots: int) -> float:
    """Seconds of the bare statements in `bare`, for the rows that were written in `ours`."""
    made = "COPY (SELECT * FROM transfer WHERE code = 'points.expire') TO STDOUT (FORMAT BINARY)"
    with psycopg.connect(plain(ours)) as source, psycopg.connect(plain(bare)) as target:
        target.execute("CREATE TABLE prepared (LIKE transfer)")
        with (
            source.cursor().copy(made) as read,
            target.cursor().copy("COPY prepared FROM STDIN (FORMAT BINARY)") as write,
        ):
            for data in read:
                write.write(data)
        target.commit()
        begin = perf_counter()
        changed = [target.execute(statement).rowcount for statement in _FLOOR]
        target.commit()
        spent = perf_counter() - begin
    if changed != [lots, lots]:
        raise AssertionError(f"the floor changed {changed} rows of {lots}")
    return spent
