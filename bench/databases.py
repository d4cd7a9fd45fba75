"""Databases of the benchmark's own, made and dropped, and the floor: rows into a table, no more."""

import os
import tempfile
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path
from typing import Any

import psycopg

from bench.measure import Contender, Deed
from carbon_credit.kernel import schema
from carbon_credit.kernel.db import Database
from carbon_credit.kernel.settings import read_settings

SERVER = os.environ.get("TEST_POSTGRESQL_URL", "postgresql://postgres@127.0.0.1:5432/postgres")
KINDS = ("SQLite", "PostgreSQL")
SIZES = (1, 100, 1000)


def server_version() -> str | None:
    """The version of the PostgreSQL server, None where there is none."""
    try:
        with psycopg.connect(SERVER, connect_timeout=3) as connection:
            return str(connection.info.parameter_status("server_version"))
    except psycopg.OperationalError:
        return None


@contextmanager
def fresh_database(kind: str, *, methodologies: Path | None = None) -> Iterator[Database]:
    """A migrated database of the kind, gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="carbon-credit-bench-") as folder:
        settings = read_settings({"CARBON_CREDIT_VAR": folder})
        url = f"sqlite:///{Path(folder) / 'bench.db'}"
        name = f"cc_bench_{uuid.uuid4().hex[:12]}"
        if kind == "PostgreSQL":
            url = url_of(name)
            on_server(f"CREATE DATABASE {name}")
        where = methodologies or settings.methodologies_dir
        database = Database(replace(settings, database_url=url, methodologies_dir=where))
        try:
            schema.upgrade(database)
            yield database
        finally:
            database.dispose()
            if kind == "PostgreSQL":
                on_server(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


def analyze(database: Database) -> None:
    """Let the planner know the tables: what it once planned for empty ones reads them from end to end."""
    with database.engine.connect() as connection:
        connection.exec_driver_sql("ANALYZE")
        connection.commit()


def into_table(
    database: Database,
    table: str,
    columns: Sequence[str],
    size: int,
    rows: Callable[[int], list[tuple[Any, ...]]],
) -> Contender:
    """Rows made beforehand into `table`, and a commit: INSERT for one row, COPY or executemany for more."""
    connection = database.engine.raw_connection().driver_connection
    assert connection is not None
    names = ", ".join(columns)
    if database.engine.dialect.name == "postgresql":
        way = "INSERT" if size == 1 else "COPY"
        deed = _insert_postgresql if size == 1 else _copy
    else:
        way = "INSERT" if size == 1 else "executemany"
        deed = _insert_sqlite

    def prepare() -> Deed:
        made = rows(size)
        return lambda: deed(connection, table, names, made)

    return Contender(f"bare {way} into {table}, {size:,} at once", "rows/s", size, prepare)


def _copy(connection: Any, table: str, names: str, rows: list[tuple[Any, ...]]) -> None:
    with connection.cursor() as cursor, cursor.copy(f"COPY {table} ({names}) FROM STDIN") as copy:
        for row in rows:
            copy.write_row(row)
    connection.commit()


def _insert_postgresql(connection: Any, table: str, names: str, rows: list[tuple[Any, ...]]) -> None:
    marks = ", ".join(["%s"] * len(rows[0]))
    connection.execute(f"INSERT INTO {table} ({names}) VALUES ({marks})", rows[0])
    connection.commit()


def _insert_sqlite(connection: Any, table: str, names: str, rows: list[tuple[Any, ...]]) -> None:
    marks = ", ".join(["?"] * len(rows[0]))
    connection.execute("BEGIN IMMEDIATE")
    connection.executemany(f"INSERT INTO {table} ({names}) VALUES ({marks})", rows)
    connection.execute("COMMIT")


def as_stored(database: Database, row: tuple[Any, ...]) -> tuple[Any, ...]:
    """The row as the driver takes it: SQLite knows no ids and no times, only their texts."""
    if database.engine.dialect.name == "postgresql":
        return row
    return tuple(_text(value) for value in row)


def _text(value: object) -> object:
    match value:
        case uuid.UUID():
            return value.hex
        case datetime():
            return value.replace(tzinfo=None).isoformat(" ", "microseconds")
        case date():
            return value.isoformat()
        case _:
            return value


def url_of(name: str) -> str:
    """The address of the database `name` on the server, as SQLAlchemy takes it."""
    return SERVER.replace("postgresql://", "postgresql+psycopg://").rsplit("/", 1)[0] + f"/{name}"


def on_server(statement: str) -> None:
    """Run a statement that stands outside any transaction, such as CREATE DATABASE."""
    with psycopg.connect(SERVER, autocommit=True) as server:
        server.execute(statement)
