"""Whether what is stored already slows anything down: crediting and reading beside an almost empty database.

What is stored is synthetic and written by SQL: rows of the same columns and widths as crediting writes, for
the same people, over a month, with every index in place; nothing of it would pass an audit.
"""

import random
from collections.abc import Callable, Iterable
from dataclasses import replace
from time import perf_counter

import psycopg
from sqlalchemy.orm import Session

from bench.measure import Figure, Plan, compared
from bench.town import Part, Town, Want, credited_together, plain, town
from carbon_credit.kernel.db import Database
from carbon_credit.kernel.settings import Settings
from carbon_credit.kernel.unit_of_work import unit_of_work
from carbon_credit.ledger.accounts import CO2E, AccountKey
from carbon_credit.ledger.queries import balances, statement
from carbon_credit.quantification.queries import citizen_totals, reductions_of

SECTION = "Stored events on PostgreSQL"
AT_ONCE = 500_000  # rows that one statement fills in
DAYS = 30
BATCH, TOGETHER = 2000, 2
ASKED = 300  # citizens in a round of reads

Read = Callable[[Session, AccountKey], object]

# Half-way between random and sequential, as UUIDv7 are: the time first, then a random rest.
_V7 = """
CREATE OR REPLACE FUNCTION v7(at timestamptz) RETURNS uuid LANGUAGE sql VOLATILE AS $$
  SELECT (lpad(to_hex(floor(extract(epoch FROM at) * 1000)::bigint), 12, '0') || '7' || substr(m, 1, 3)
    || 'a' || substr(m, 4, 15))::uuid FROM (SELECT md5(random()::text) AS m) AS r
$$
"""
_PEOPLE = """
CREATE UNLOGGED TABLE people AS
SELECT row_number() OVER () - 1 AS n, g.owner AS citizen, g.id AS grams_account, p.id AS points_account
FROM account g JOIN account p ON p.owner = g.owner AND p.kind = 'citizen.points'
WHERE g.kind = 'citizen.reductions'
"""
_MADE = f"""
CREATE UNLOGGED TABLE made AS
SELECT t.at, v7(t.at) AS event_id, v7(t.at) AS reduction_id, v7(t.at) AS grams_id, v7(t.at) AS points_id,
  gen_random_uuid() AS claim_key, gen_random_uuid() AS tally_id, p.citizen, p.grams_account, p.points_account
FROM generate_series(%(first)s::bigint, %(last)s::bigint) AS g (i)
JOIN people p ON p.n = i %% %(people)s
CROSS JOIN LATERAL (
  SELECT now() - interval '1 day' * {DAYS} * (1 - i::float8 / %(whole)s) - interval '1 hour' AS at
) AS t
"""
_AT = ("occurred_at", "received_at", "recorded_at", "claimed_at", "effective_at")
_DAY = ("business_day", "accounting_day")
_NAMED = ("event_id", "claim_key")
# Table, which of its rows is the model, and what differs from it in each row.
_TABLES: tuple[tuple[str, str, dict[str, str]], ...] = (
    ("event_claim", "true", {"content_digest": "gen_random_uuid()"}),
    ("event", "true", {"id": "event_id", "citizen_id": "citizen", "content_digest": "gen_random_uuid()"}),
    ("reduction", "true", {"id": "reduction_id", "citizen_id": "citizen"}),
    ("day_tally", "true", {"id": "tally_id", "citizen_id": "citizen"}),
    (
        "transfer",
        "code = 'reduction.credit'",
        {"id": "grams_id", "credit_account": "grams_account", "reference": "reduction_id"},
    ),
    (
        "transfer",
        "code = 'points.grant'",
        {"id": "points_id", "credit_account": "points_account", "reference": "tally_id"},
    ),
)


def measure(plan: Plan) -> list[Figure]:
    """Events per second with so many stored and with next to none, in turn; and reads of citizens."""
    rounds = min(plan.rounds, 3)
    people = max(plan.rides // 10, plan.people)
    with town(Want(people, people, plan.rides)) as ours, ours.copy() as few, ours.copy() as many:
        fill(many, plan.stored)
        names = [f"{plan.stored:,} stored", "next to none stored"]
        places = [many, few]
        rates = [[_rate(part, one) for one in places] for part in _parts(ours.parts[0], rounds)]
        figures = compared(SECTION, [(f"credit, {name}", "events/s") for name in names], rates)
        for what, read in _READS.items():
            times = [[_read_ms(ours, one, read, seed) for one in places] for seed in range(rounds)]
            figures += compared(SECTION, [(f"{what}, {name}", "ms") for name in names], times)
        return figures


def fill(settings: Settings, number: int) -> None:
    """Store `number` events for the people who have an account."""
    with psycopg.connect(plain(settings), autocommit=True) as connection:
        connection.execute(_V7)
        connection.execute(_PEOPLE)
        (people,) = connection.execute("SELECT count(*) FROM people").fetchone() or (0,)
        statements = [_fill(connection, *one) for one in _TABLES]
        for first in range(1, number + 1, AT_ONCE):
            last = min(first + AT_ONCE - 1, number)
            bounds = {"first": first, "last": last, "whole": number, "people": people}
            connection.execute(_MADE, bounds)
            for one in statements:
                connection.execute(one)
            connection.execute("DROP TABLE made")
        connection.execute("DROP TABLE people")
        connection.execute("VACUUM ANALYZE")


def _fill(connection: psycopg.Connection, table: str, model: str, differs: dict[str, str]) -> str:
    found = connection.execute(
        "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped",
        (table,),
    )
    columns = [str(name) for (name,) in found]
    values = [_value(name, differs) for name in columns]
    return (
        f"INSERT INTO {table} ({', '.join(columns)}) SELECT {', '.join(values)} "
        f"FROM made m, (SELECT * FROM {table} WHERE {model} LIMIT 1) AS s"
    )


def _value(column: str, differs: dict[str, str]) -> str:
    if column in differs:
        return differs[column] if "(" in differs[column] else f"m.{differs[column]}"
    if column in _AT:
        return "m.at"
    if column in _DAY:
        return "m.at::date"
    return f"m.{column}" if column in _NAMED else f"s.{column}"


def _rate(part: Part, settings: Settings) -> float:
    return part.count / credited_together([part], settings, size=BATCH, processes=TOGETHER).seconds


def _parts(part: Part, number: int) -> Iterable[Part]:
    """The rides in so many parts, in their order."""
    lines = part.rides.read_bytes().splitlines(keepends=True)
    size = len(lines) // number
    for place in range(number):
        path = part.rides.with_name(f"{part.rides.stem}-part-{place}.ndjson")
        path.write_bytes(b"".join(lines[place * size : (place + 1) * size]))
        yield replace(part, rides=path, count=size)


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
    return statement(session, keys=[key], limit=50)


def _balance(session: Session, key: AccountKey) -> object:
    return balances(session, keys=[key])


def _reductions(session: Session, key: AccountKey) -> object:
    assert key.owner is not None
    return reductions_of(session, programme=key.programme, citizen_id=key.owner, before=None, limit=50)


def _totals(session: Session, key: AccountKey) -> object:
    assert key.owner is not None
    return citizen_totals(session, programme=key.programme, citizen_id=key.owner)


_READS = {"statement": _statement, "balance": _balance, "reductions": _reductions, "totals": _totals}
