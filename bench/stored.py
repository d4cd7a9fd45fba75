"""An import of many rows, the memory that it takes, and whether what is stored then slows anything down.

What is stored has come by the import itself: no row is made up. Crediting and reading beside it is
compared with the same in a database where next to nothing is stored, for the same people and rides.
"""

import random
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from itertools import islice
from time import perf_counter

import psycopg
from sqlalchemy.orm import Session

from bench.importing import first_rows, run
from bench.measure import Figure, Plan, compared, single
from bench.town import Part, Town, Want, credited_together, plain, town
from carbon_credit.kernel.db import Database
from carbon_credit.kernel.settings import Settings
from carbon_credit.kernel.unit_of_work import unit_of_work
from carbon_credit.ledger.accounts import CO2E, AccountKey
from carbon_credit.ledger.queries import balances, statement
from carbon_credit.quantification.queries import citizen_totals, reductions_of

SECTION = "Memory of an import, and events stored, on PostgreSQL"
RIDES_EACH = 500  # of a person, over a year
BATCH, TOGETHER = 2000, 2
AFTERWARDS = 40_000  # rides of a round, credited after the import
ASKED = 300  # citizens in a round of reads
PAGE = 5  # rows of a page: everybody has so many, however few are stored

Read = Callable[[Session, AccountKey], object]


def measure(plan: Plan) -> list[Figure]:
    """MiB of the largest process of an import, for a long file and for its beginning; then events per second
    and milliseconds of a read with all that stored and with next to none, in turn."""
    rounds = min(plan.rounds, 3)
    after = min(AFTERWARDS, plan.rides // rounds)
    people = max(plan.people, plan.imported // RIDES_EACH)
    with town(Want(people, people, plan.imported + rounds * after)) as ours, ExitStack() as copies:
        whole, few, many = ours.parts[0], *(copies.enter_context(ours.copy()) for _ in range(2))
        figures, peaks = [], []
        for rows, settings in ((plan.beside, few), (plan.imported, many)):
            one = run(whole, settings, first_rows(whole, rows), rows=rows, workers=TOGETHER)
            peaks.append(one.peak_mib)
            figures.append(single(SECTION, f"import, {rows:,} rows", "rows/s", rows / one.spent.seconds))
        sizes = [f"{rows:,} rows" for rows in (plan.imported, plan.beside)]
        figures += compared(SECTION, [(f"most memory, {size}", "MiB") for size in sizes], [peaks[::-1]])
        for settings in (few, many):
            _settle(settings)
        parts = _later_parts(whole, skip=plan.imported, size=after, number=rounds)
        names = [f"{rows:,} stored" for rows in (plan.imported, plan.beside)]
        return figures + _beside(ours, [many, few], names, parts)


def _beside(ours: Town, places: Sequence[Settings], names: Sequence[str], parts: list[Part]) -> list[Figure]:
    rates = [[_rate(part, one) for one in places] for part in parts]
    figures = compared(SECTION, [(f"credit, {name}", "events/s") for name in names], rates)
    for what, read in _READS.items():
        times = [[_read_ms(ours, one, read, seed) for one in places] for seed in range(len(parts))]
        figures += compared(SECTION, [(f"{what}, {name}", "ms") for name in names], times)
    return figures


def _settle(settings: Settings) -> None:
    """What autovacuum does within the hour, and the checkpoint that the import has left behind."""
    with psycopg.connect(plain(settings), autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE")
        connection.execute("CHECKPOINT")


def _later_parts(part: Part, *, skip: int, size: int, number: int) -> list[Part]:
    """The rides after the first `skip`, in so many parts, in their order."""
    parts = []
    with part.rides.open("rb") as lines:
        for _ in islice(lines, skip):
            pass
        for place in range(number):
            path = part.rides.with_name(f"{part.rides.stem}-part-{place}.ndjson")
            with path.open("wb") as file:
                file.writelines(islice(lines, size))
            parts.append(replace(part, rides=path, count=size))
    return parts


def _rate(part: Part, settings: Settings) -> float:
    return part.count / credited_together([part], settings, size=BATCH, processes=TOGETHER).seconds


def _read_ms(
    ours: Town, settings: Settings, read: Callable[[Session, AccountKey], object], seed: int
) -> float:
    """The mean time of a read, over citizens drawn by `seed`."""
    with psycopg.connect(plain(settings)) as connection:
        rows = connection.execute("SELECT owner FROM account WHERE kind = 'citizen.reductions' ORDER BY id")
        owners = [owner for (owner,) in rows]
    chosen = random.Random(seed).choices(owners, k=ASKED)
    keys = [AccountKey(ours.parts[0].programme, CO2E, "citizen.reductions", owner) for owner in chosen]
    database = Database(settings)
    try:
        with unit_of_work(database, read_only=True) as session:
            read(session, keys[0])
            begin = perf_counter()
            for key in keys:
                read(session, key)
            return (perf_counter() - begin) / len(keys) * 1000
    finally:
        database.dispose()


def _statement(session: Session, key: AccountKey) -> object:
    return statement(session, keys=[key], limit=PAGE)


def _balance(session: Session, key: AccountKey) -> object:
    return balances(session, keys=[key])


def _reductions(session: Session, key: AccountKey) -> object:
    assert key.owner is not None
    return reductions_of(session, programme=key.programme, citizen_id=key.owner, before=None, limit=PAGE)


def _totals(session: Session, key: AccountKey) -> object:
    assert key.owner is not None
    return citizen_totals(session, programme=key.programme, citizen_id=key.owner)


_READS = {"statement": _statement, "balance": _balance, "reductions": _reductions, "totals": _totals}
