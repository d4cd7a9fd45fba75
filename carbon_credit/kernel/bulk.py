"""Set-based writes that are one statement on PostgreSQL and executemany on SQLite.

Rows are tuples in the order of `columns`. One row and ten thousand take the same way.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, NamedTuple, TypeAlias, cast
from uuid import UUID

import orjson
from psycopg import Connection, RawCursor
from sqlalchemy import ColumnElement, Dialect, Table, any_, bindparam, literal, select, text, true
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import InstrumentedAttribute, Session
from sqlalchemy.types import TypeEngine

from carbon_credit.kernel import wire
from carbon_credit.kernel.db import is_postgresql, keys_of
from carbon_credit.kernel.digest import column_macs
from carbon_credit.kernel.ids import made_since

Row = tuple[Any, ...]
Question: TypeAlias = tuple[str, tuple[Any, ...]]  # a statement with %b for each parameter

_COPY_FROM = 100  # fewer rows go faster in one INSERT than in the COPY protocol
_GATHERED = "gathered writes"
_POSTGRESQL = postgresql.dialect()  # type: ignore[no-untyped-call]


def append_sealed(session: Session, table: Table, columns: Sequence[str], rows: Sequence[Row]) -> None:
    """Insert `rows` of `columns` but the last, which is `mac`: each row gets its own."""
    if rows:
        append_sealed_columns(session, table, columns, list(zip(*rows, strict=True)))


def append_sealed_columns(
    session: Session, table: Table, columns: Sequence[str], values: Sequence[Sequence[Any]]
) -> None:
    """`append_sealed` of rows, one at least, that are given by their columns."""
    macs = column_macs(keys_of(session).mac, table.name, values)
    append_columns(session, table, columns, [*values, macs])


def append_columns(
    session: Session, table: Table, columns: Sequence[str], values: Sequence[Sequence[Any]]
) -> None:
    """`append_rows` of rows, one at least, that are given by their columns."""
    if is_postgresql(session) and len(values[0]) >= _COPY_FROM:
        _copy(session, table, columns, values)
        return
    append_rows(session, table, columns, list(zip(*values, strict=True)))


def append_rows(session: Session, table: Table, columns: Sequence[str], rows: Sequence[Row]) -> None:
    """Insert `rows`; any conflict is an error."""
    if not rows:
        return
    names = ", ".join(columns)
    if not is_postgresql(session):
        marks = ", ".join("?" * len(columns))
        _many(session, f"INSERT INTO {table.name} ({names}) VALUES ({marks})", table, columns, rows)  # noqa: S608
        return
    if len(rows) < _COPY_FROM:
        head = f"INSERT INTO {table.name} ({names}) "
        gathered = session.info.get(_GATHERED)
        if gathered is not None:
            gathered.append(_Gathered(head, "", table, tuple(columns), rows))
            return
        _unnest(session, head + _select(table, columns), table, columns, rows)
        return
    _copy(session, table, columns, list(zip(*rows, strict=True)))


def driver(session: Session) -> Connection[Any]:
    """PostgreSQL's own connection, in the transaction of `session`: a way past SQLAlchemy's statements."""
    return cast("Connection[Any]", session.connection().connection.driver_connection)


def ask(session: Session, *questions: Question) -> list[list[Row]]:
    """The rows of each statement (PostgreSQL only). Each sees what the one before has locked, as if it had
    been waited for; all of them are one round trip."""
    connection = driver(session)
    with connection.pipeline():
        cursors = [connection.cursor(binary=True).execute(*one) for one in questions]
    return [cursor.fetchall() for cursor in cursors]


def _copy(session: Session, table: Table, columns: Sequence[str], values: Sequence[Sequence[Any]]) -> None:
    body = wire.copied(_kinds(table, tuple(columns)), values)
    cursor = driver(session).cursor()
    with cursor.copy(f"COPY {table.name} ({', '.join(columns)}) FROM STDIN (FORMAT BINARY)") as copy:
        copy.write(body)


class _Gathered(NamedTuple):
    head: str
    tail: str
    table: Table
    columns: tuple[str, ...]
    rows: Sequence[Row]


@contextmanager
def together(session: Session) -> Iterator[None]:
    """Inside, `append_rows` and `add_to_rows` of few rows are gathered, and written at the end.

    On PostgreSQL as one statement, in which each is a part: the writes of a single event cost one round
    trip and not five. What was gathered cannot be read before; see `write_gathered`.
    """
    if not is_postgresql(session) or _GATHERED in session.info:
        yield
        return
    session.info[_GATHERED] = []
    try:
        yield
        write_gathered(session)
    finally:
        del session.info[_GATHERED]


def write_gathered(session: Session) -> None:
    """Write what was gathered until now, because something reads it."""
    gathered: list[_Gathered] = session.info.get(_GATHERED, [])
    if not gathered:
        return
    arrays: list[wire.Encoded] = []
    parts = []
    for one in gathered:
        kinds = _kinds(one.table, one.columns)
        parts.append(f"{one.head}{_numbered(kinds, one.columns, len(arrays) + 1)}{one.tail}")
        arrays += map(wire.array, kinds, zip(*one.rows, strict=True))
    gathered.clear()
    *first, last = parts
    ahead = ", ".join(f"w{number} AS ({part})" for number, part in enumerate(first))
    # Past the driver's own placeholders, which it would look for in this long text each time.
    with RawCursor(driver(session)) as cursor:
        cursor.execute(f"WITH {ahead} {last}" if first else last, arrays)


def insert_new(
    session: Session, table: Table, columns: Sequence[str], rows: Sequence[Row], key: str
) -> set[Any]:
    """Insert the rows whose primary key is not there yet; the set of values of column `key` that were.

    Rows are inserted in the order given: callers sort by the key, so that two batches cannot deadlock.
    """
    new = insert_those_new(session, table, columns, rows, key)
    place = columns.index(key)
    return {row[place] for row in rows} if new is None else new


def insert_those_new(
    session: Session, table: Table, columns: Sequence[str], rows: Sequence[Row], key: str
) -> set[Any] | None:
    """`insert_new`, but None where all of them were new: mostly that is so, and a set of many ids is dear."""
    if not rows:
        return None
    names = ", ".join(columns)
    if is_postgresql(session):
        statement = (
            f"INSERT INTO {table.name} ({names}) {_select(table, columns)} "
            f"ON CONFLICT DO NOTHING RETURNING {key}"
        )
        result = _unnest(session, statement, table, columns, rows)
        if result.rowcount == len(rows):
            return None
        return {row[0] for row in result.fetchall()}
    # The writer is alone (BEGIN IMMEDIATE): look first, then insert what is new.
    primary = list(table.primary_key.columns)
    places = [columns.index(column.name) for column in primary]
    alike = [
        one_of(session, column, {row[place] for row in rows})
        for column, place in zip(primary, places, strict=True)
    ]
    present = {tuple(row) for row in session.execute(select(*primary).where(*alike))}
    new: dict[Row, Row] = {}
    for row in rows:
        identity = tuple(row[place] for place in places)
        if identity not in present:
            new.setdefault(identity, row)
    append_rows(session, table, columns, list(new.values()))
    place = columns.index(key)
    return {row[place] for row in new.values()}


def add_to_rows(session: Session, table: Table, key: str, columns: Sequence[str], rows: Sequence[Row]) -> int:
    """Add the amounts to the named columns of the rows found by `key` (first in each tuple).

    Returns how many rows were changed (inside `together`: how many will be asked for).
    """
    if not rows:
        return 0
    if is_postgresql(session):
        named = ", ".join(f"{name} = t.{name} + v.{name}" for name in columns)
        head = f"UPDATE {table.name} AS t SET {named} FROM ("  # noqa: S608
        tail = f") AS v WHERE t.{key} = v.{key}"
        gathered = session.info.get(_GATHERED)
        if gathered is not None and len(rows) < _COPY_FROM:
            if any(one.table is table for one in gathered):  # one statement changes a row only once
                write_gathered(session)
            gathered.append(_Gathered(head, tail, table, (key, *columns), rows))
            return len(rows)
        statement = head + _select(table, [key, *columns]) + tail
        return int(_unnest(session, statement, table, (key, *columns), rows).rowcount)
    changed = ", ".join(f"{name} = {name} + ?" for name in columns)
    statement = f"UPDATE {table.name} SET {changed} WHERE {key} = ?"  # noqa: S608
    key_last = [(*amounts, row_id) for row_id, *amounts in rows]
    return int(_many(session, statement, table, (*columns, key), key_last).rowcount)


def set_in_rows(
    session: Session, table: Table, key: str, columns: Sequence[str], rows: Sequence[Row]
) -> None:
    """Give the named columns of the rows found by `key` (first in each tuple) the values that follow it."""
    if not rows:
        return
    if is_postgresql(session):
        named = ", ".join(f"{name} = v.{name}" for name in columns)
        statement = (
            f"UPDATE {table.name} AS t SET {named} "  # noqa: S608
            f"FROM ({_select(table, [key, *columns])}) AS v WHERE t.{key} = v.{key}"
        )
        _unnest(session, statement, table, (key, *columns), rows)
        return
    named = ", ".join(f"{name} = ?" for name in columns)
    statement = f"UPDATE {table.name} SET {named} WHERE {key} = ?"  # noqa: S608
    _many(session, statement, table, (*columns, key), [(*values, row_id) for row_id, *values in rows])


def one_of(
    session: Session, column: InstrumentedAttribute[Any] | ColumnElement[Any], values: Collection[Any]
) -> ColumnElement[bool]:
    """`column IN values`, as one parameter however many there are: an array, or JSON on SQLite."""
    if len(values) == 1:  # one event is the most frequent batch
        return column == literal(next(iter(values)), column.type)
    if is_postgresql(session):
        return column == any_(literal(list(values), postgresql.ARRAY(column.type)))
    stored = _stored(column.type, session.get_bind().dialect)
    listed = orjson.dumps([stored(value) for value in values] if stored else list(values)).decode()
    values_of = text("SELECT value FROM json_each(:listed)")
    return column.in_(values_of.bindparams(bindparam("listed", listed, unique=True)))


def later_than(
    column: InstrumentedAttribute[Any] | ColumnElement[Any], causes: Collection[UUID]
) -> ColumnElement[bool]:
    """True for ids that may have been made because of one of `causes`: it says which months to look in."""
    since = made_since(causes)
    return true() if since is None else column >= literal(since, column.type)


def rows_by(
    session: Session,
    table: Table,
    columns: Sequence[str],
    key: str,
    values: Collection[Any],
    *,
    where: str = "",
    order: str = "",
    lock: bool = False,
) -> list[Row]:
    """The named columns of the rows whose `key` is one of `values`, as tuples; `lock`ed until the end.

    `where` and `order` are SQL of this program, the same on both databases. A way past SQLAlchemy's own
    statements for the few reads that are made for every event: half of their time is making them.
    """
    if not values:
        return []
    session.flush()
    names = ", ".join(columns)
    more = (f" AND {where}" if where else "") + (f" ORDER BY {order}" if order else "")
    if is_postgresql(session):
        kind, *others = _kinds(table, (key, *columns[1:]))
        listed = f"= ANY (%b::{wire.cast_name(kind)}[])"
        statement = f"SELECT {names} FROM {table.name} WHERE {key} {listed}{more}"  # noqa: S608
        statement += " FOR UPDATE" if lock else ""
        given = (wire.array(kind, list(values)),)
        if columns[0] == key and kind == "uuid" and kind not in others:
            # The ids are known: those that were asked for are given back, instead of new ones like them.
            asked = {one.int.to_bytes(16, "big"): one for one in values}
            rows = wire.cursor_of_octets(driver(session)).execute(statement, given).fetchall()
            return [(asked[row[0]], *row[1:]) for row in rows]
        return list(driver(session).cursor(binary=True).execute(statement, given).fetchall())
    dialect = session.get_bind().dialect
    stored = _stored(table.c[key].type, dialect)
    statement = f"SELECT {names} FROM {table.name} WHERE {key} IN (SELECT value FROM json_each(?)){more}"  # noqa: S608
    told = orjson.dumps([stored(value) for value in values] if stored else list(values)).decode()
    found = session.connection().exec_driver_sql(statement, (told,)).fetchall()
    return _loaded(table, columns, dialect, [tuple(row) for row in found])


def lock_shared(session: Session, *names: str) -> None:
    """Hold each name until the transaction ends, together with others who share it."""
    if names and is_postgresql(session):  # on SQLite a writer is alone anyway
        driver(session).execute(*sharing(*names))


def lock_alone(session: Session, *names: str) -> None:
    """Hold each name until the transaction ends, alone."""
    if names and is_postgresql(session):
        driver(session).execute(*_advisory("pg_advisory_xact_lock", names))


def sharing(*names: str) -> Question:
    """What `lock_shared` asks."""
    return _advisory("pg_advisory_xact_lock_shared", names)


def _advisory(function: str, names: tuple[str, ...]) -> Question:
    # In the order of the names, so that two transactions cannot deadlock.
    statement = f"SELECT {function}(hashtextextended(name, 0)) FROM unnest(%b::text[]) AS name"  # noqa: S608
    return statement, (wire.array("text", sorted(set(names))),)


@lru_cache(maxsize=1000)
def _kinds(table: Table, columns: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(table.c[name].type.compile(_POSTGRESQL).lower().split("(")[0] for name in columns)


def _select(table: Table, columns: Sequence[str]) -> str:
    arrays = ", ".join(f"%b::{wire.cast_name(kind)}[]" for kind in _kinds(table, tuple(columns)))
    names = ", ".join(columns)
    return f"SELECT * FROM unnest({arrays}) AS u ({names})"  # noqa: S608


@lru_cache(maxsize=1000)
def _numbered(kinds: tuple[str, ...], columns: tuple[str, ...], first: int) -> str:
    arrays = ", ".join(f"${at}::{wire.cast_name(kind)}[]" for at, kind in enumerate(kinds, first))
    return f"SELECT * FROM unnest({arrays}) AS u ({', '.join(columns)})"  # noqa: S608


def _unnest(
    session: Session, statement: str, table: Table, columns: Sequence[str], rows: Sequence[Row]
) -> Any:
    kinds = _kinds(table, tuple(columns))
    arrays = tuple(map(wire.array, kinds, zip(*rows, strict=True)))
    return session.connection().exec_driver_sql(statement, arrays)


def _many(session: Session, statement: str, table: Table, columns: Sequence[str], rows: Sequence[Row]) -> Any:
    # Past SQLAlchemy's own executemany, which spends more time on each row than SQLite does.
    dialect = session.get_bind().dialect
    stored = [_stored(table.c[name].type, dialect) for name in columns]
    as_stored = [
        values if convert is None else [None if value is None else convert(value) for value in values]
        for convert, values in zip(stored, zip(*rows, strict=True), strict=True)
    ]
    return session.connection().exec_driver_sql(statement, list(zip(*as_stored, strict=True)))


@lru_cache(maxsize=1000)
def _stored(kind: TypeEngine[Any], dialect: Dialect) -> Callable[[Any], Any] | None:
    """How a value of the type becomes what the driver takes; None where it is that already."""
    return kind.dialect_impl(dialect).bind_processor(dialect)


def _loaded(table: Table, columns: Sequence[str], dialect: Dialect, rows: Sequence[Row]) -> list[Row]:
    """What SQLite's driver gives, as values of the columns' types."""
    if not rows:
        return []
    made = []
    for name, values in zip(columns, zip(*rows, strict=True), strict=True):
        convert = _read(table.c[name].type, dialect)
        made.append(values if convert is None else [convert(value) for value in values])
    return list(zip(*made, strict=True))


@lru_cache(maxsize=1000)
def _read(kind: TypeEngine[Any], dialect: Dialect) -> Callable[[Any], Any] | None:
    """How a stored value becomes one of the type; None where it is that already. Null stays null."""
    return kind.dialect_impl(dialect).result_processor(dialect, None)
