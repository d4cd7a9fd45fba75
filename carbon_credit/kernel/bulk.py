"""Set-based writes that are one statement on PostgreSQL and executemany on SQLite.

Rows are tuples in the order of `columns`. One row and ten thousand take the same way.
"""

from collections.abc import Callable, Collection, Sequence
from functools import lru_cache
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import ColumnElement, Dialect, Table, any_, bindparam, literal, select, text, true
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import InstrumentedAttribute, Session
from sqlalchemy.types import TypeEngine

from carbon_credit.kernel.db import is_postgresql
from carbon_credit.kernel.ids import made_since

Row = tuple[Any, ...]

_COPY_FROM = 50  # fewer rows go faster in one INSERT than in the COPY protocol
_POSTGRESQL = postgresql.dialect()  # type: ignore[no-untyped-call]


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
        _unnest(session, f"INSERT INTO {table.name} ({names}) {_select(table, columns)}", rows)
        return
    cursor = session.connection().connection.driver_connection.cursor()  # type: ignore[union-attr]
    with cursor.copy(f"COPY {table.name} ({names}) FROM STDIN (FORMAT BINARY)") as copy:
        copy.set_types([_type_name(table, name) for name in columns])
        for row in rows:
            copy.write_row(row)


def insert_new(
    session: Session, table: Table, columns: Sequence[str], rows: Sequence[Row], key: str
) -> set[Any]:
    """Insert the rows whose primary key is not there yet; the set of values of column `key` that were.

    Rows are inserted in the order given: callers sort by the key, so that two batches cannot deadlock.
    """
    if not rows:
        return set()
    names = ", ".join(columns)
    if is_postgresql(session):
        statement = (
            f"INSERT INTO {table.name} ({names}) {_select(table, columns)} "
            f"ON CONFLICT DO NOTHING RETURNING {key}"
        )
        return {row[0] for row in _unnest(session, statement, rows).fetchall()}
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

    Returns how many rows were changed.
    """
    if not rows:
        return 0
    if is_postgresql(session):
        named = ", ".join(f"{name} = t.{name} + v.{name}" for name in columns)
        statement = (
            f"UPDATE {table.name} AS t SET {named} "  # noqa: S608
            f"FROM ({_select(table, [key, *columns])}) AS v WHERE t.{key} = v.{key}"
        )
        return int(_unnest(session, statement, rows).rowcount)
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
        _unnest(session, statement, rows)
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


def lock_shared(session: Session, *names: str) -> None:
    """Hold each name until the transaction ends, together with others who share it."""
    _advisory(session, "pg_advisory_xact_lock_shared", names)


def lock_alone(session: Session, *names: str) -> None:
    """Hold each name until the transaction ends, alone."""
    _advisory(session, "pg_advisory_xact_lock", names)


def _advisory(session: Session, function: str, names: tuple[str, ...]) -> None:
    # In the order of the names, so that two transactions cannot deadlock. On SQLite a writer is alone anyway.
    if names and is_postgresql(session):
        statement = f"SELECT {function}(hashtextextended(name, 0)) FROM unnest(%s::text[]) AS name"  # noqa: S608
        session.connection().exec_driver_sql(statement, (sorted(set(names)),))


def _type_name(table: Table, column: str) -> str:
    # As the driver knows it: "varchar(16)" is "varchar" there.
    return table.c[column].type.compile(_POSTGRESQL).lower().split("(")[0]


def _select(table: Table, columns: Sequence[str]) -> str:
    # %b: binary arrays take a quarter of the time of text ones.
    arrays = ", ".join(f"%b::{table.c[name].type.compile(_POSTGRESQL)}[]" for name in columns)
    names = ", ".join(columns)
    return f"SELECT * FROM unnest({arrays}) AS u ({names})"  # noqa: S608


def _unnest(session: Session, statement: str, rows: Sequence[Row]) -> Any:
    arrays = tuple(list(column) for column in zip(*rows, strict=True))
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
