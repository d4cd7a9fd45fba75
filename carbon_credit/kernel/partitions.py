"""Partitions by month on PostgreSQL: which there are, how large, and making those of the months to come.

A table is divided by the time in its UUIDv7 key, so a month is a range of keys and the primary key stays
as it is. The partition of a month is called after it: `event_2026_12`. The first one holds everything
before it too. `event_default` takes rows of months that have no partition yet, and rows whose key is no
UUIDv7; it should stay empty. SQLite has no partitions: the same questions have empty answers there.

The tables are found in the database, so this knows no subject.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from carbon_credit.kernel.bulk import lock_alone
from carbon_credit.kernel.clock import first_instant
from carbon_credit.kernel.db import is_postgresql
from carbon_credit.kernel.ids import first_id_at

AHEAD = 2  # months that are ready before their first row comes
_WAIT_S = 2  # for the lock of the default partition: whoever reads all months waits behind it

_TABLES = """SELECT c.relname AS name, a.attname AS key FROM pg_partitioned_table p
    JOIN pg_class c ON c.oid = p.partrelid
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = p.partattrs[0]
    WHERE p.partstrat = 'r' AND c.relnamespace = current_schema()::regnamespace ORDER BY 1"""
# Reading rows of the catalogue is free; sizes cost a look at each file.
_PARTITIONS = """SELECT parent.relname AS "table", c.relname AS name,
    substring(c.relname FROM '_([0-9]{4}_[0-9]{2})$') AS month,
    pg_get_expr(c.relpartbound, c.oid) LIKE 'FOR VALUES FROM (MINVALUE)%' AS is_first,
    greatest(c.reltuples, 0)::bigint AS rows, pg_total_relation_size(c.oid) AS bytes,
    place.spcname AS tablespace
    FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid JOIN pg_class parent ON parent.oid = i.inhparent
    JOIN pg_database d ON d.datname = current_database()
    JOIN pg_tablespace place ON place.oid = coalesce(nullif(c.reltablespace, 0), d.dattablespace)
    WHERE parent.relkind = 'p' AND parent.relnamespace = current_schema()::regnamespace
    ORDER BY parent.relname, month NULLS LAST"""
_STATEMENT_TRIGGERS = """SELECT pg_get_triggerdef(oid) FROM pg_trigger
    WHERE tgrelid = :table ::regclass AND NOT tgisinternal AND (tgtype & 1) = 0"""


@dataclass(frozen=True, slots=True)
class Partition:
    """One partition. `month`: its first day, None for the default one. `rows`: as last analysed.

    `is_first`: it also holds all that is older than its month. `bytes` counts indexes too.
    `tablespace`: where its rows lie.
    """

    table: str
    name: str
    month: date | None
    is_first: bool
    rows: int
    bytes: int
    tablespace: str


def divided_tables(session: Session) -> dict[str, str]:
    """The tables that are divided by month, each with its key; none on SQLite."""
    if not is_postgresql(session):
        return {}
    return {row.name: row.key for row in session.execute(text(_TABLES))}


def partitions(session: Session) -> list[Partition]:
    """Every partition of every divided table, in the order of months, the default one last."""
    if not is_postgresql(session):
        return []
    return [
        Partition(
            table=row.table,
            name=row.name,
            month=_month_named(row.month),
            is_first=row.is_first,
            rows=int(row.rows),
            bytes=int(row.bytes),
            tablespace=row.tablespace,
        )
        for row in session.execute(text(_PARTITIONS))
    ]


def make_months(session: Session, *, now: datetime, ahead: int = AHEAD) -> int:
    """Make the partitions up to `ahead` months after that of `now`; how many were made.

    Rows of these months that had to go to the default partition are moved where they belong. Writers and
    readers of other months go on; the default partition is locked for a moment, for the whole move where
    it holds rows. Raises (as Busy, at the edge) where somebody reads it longer than a moment: try again.
    """
    if not is_postgresql(session):
        return 0
    lock_alone(session, "partitions")
    _run(session, f"SET LOCAL lock_timeout = '{_WAIT_S}s'")
    last = month_after(now.date().replace(day=1), ahead)
    known: dict[str, list[date]] = {}
    for one in partitions(session):
        if one.month is not None:
            known.setdefault(one.table, []).append(one.month)
    made = 0
    for table, key in divided_tables(session).items():
        missing = _between(max(known[table]), last)
        if missing:
            _make(session, table, key, missing)
            made += len(missing)
    return made


def partition_name(table: str, month: date) -> str:
    """What the partition of `month` is called."""
    return f"{table}_{month:%Y_%m}"


def month_after(month: date, count: int = 1) -> date:
    """The first day of the month that lies `count` months later."""
    years, place = divmod(month.month - 1 + count, 12)
    return date(month.year + years, place + 1, 1)


def first_id_of(month: date) -> str:
    """The least key of the month, which begins at midnight UTC."""
    return str(first_id_at(first_instant(month)))


def _make(session: Session, table: str, key: str, months: Sequence[date]) -> None:
    default = f"{table}_default"
    lower, upper = first_id_of(months[0]), first_id_of(month_after(months[-1]))
    found = f"SELECT EXISTS (SELECT FROM {default} WHERE {key} >= '{lower}' AND {key} < '{upper}')"  # noqa: S608
    stray = bool(session.scalar(text(found)))
    if stray:
        # Append-only rows cannot be deleted: the partition goes, and they are inserted anew.
        _run(
            session,
            f"ALTER TABLE {table} DETACH PARTITION {default}",
            f"ALTER TABLE {default} RENAME TO {table}_stray",
        )
    for month in months:
        name = partition_name(table, month)
        bounds = f"FROM ('{first_id_of(month)}') TO ('{first_id_of(month_after(month))}')"
        # Attached rather than made in place: that takes no lock that stops writers.
        _run(
            session,
            f"CREATE TABLE {name} (LIKE {table} INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING STORAGE)",
        )
        refuse_truncate(session, table, name)
        _run(session, f"ALTER TABLE {table} ATTACH PARTITION {name} FOR VALUES {bounds}")
    if stray:
        # Names of indexes go with their table; those of the new one must be free.
        rows = f"INSERT INTO {table} SELECT * FROM {table}_stray"  # noqa: S608
        _run(session, f"CREATE TABLE {default} PARTITION OF {table} DEFAULT")
        refuse_truncate(session, table, default)
        _run(session, rows, f"DROP TABLE {table}_stray")


def refuse_truncate(session: Session, table: str, name: str) -> None:
    """Triggers for each row are inherited; TRUNCATE has only those for each statement."""
    for sql in session.scalars(text(_STATEMENT_TRIGGERS), {"table": table}).all():
        _run(session, sql.replace(f".{table} ", f".{name} ", 1))


def _run(session: Session, *statements: str) -> Any:
    for statement in statements:
        session.connection().exec_driver_sql(statement)


def _between(known: date, last: date) -> list[date]:
    """The months after `known`, through `last`."""
    found = []
    month = month_after(known)
    while month <= last:
        found.append(month)
        month = month_after(month)
    return found


def _month_named(name: str | None) -> date | None:
    return None if name is None else date(int(name[:4]), int(name[5:]), 1)
