"""`db upgrade`, `db new`: migrations. `db partitions`, `db sizes`: where the room goes."""

import os
import re
from dataclasses import asdict

import click
from rich.table import Table

from carbon_credit.cli.context import emit, json_option, open_installation, stderr, stdout
from carbon_credit.kernel import clock, schema
from carbon_credit.kernel.db import Database
from carbon_credit.kernel.partitions import make_months, partitions
from carbon_credit.kernel.settings import read_settings
from carbon_credit.kernel.sizes import table_sizes
from carbon_credit.kernel.unit_of_work import transact


@click.group()
def db() -> None:
    """Migrations of the database."""


@db.command()
def upgrade() -> None:
    """Bring the database to the newest migration, and the catalogue to what methodologies/ holds."""
    settings = read_settings(os.environ)
    database = Database(settings)
    schema.upgrade(database)
    now = clock.now()
    transact(database, lambda session: make_months(session, now=now))
    database.dispose()
    open_installation(settings)
    stderr.print("The database is at the newest migration.")


@db.command()
@click.argument("name")
def new(name: str) -> None:
    """Start the next migration, called NAME."""
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        raise click.UsageError("Give one lower-case word, e.g. make migration NAME=households")
    path = schema.new_migration(name)
    stderr.print(f"Wrote {path}. Fill it in, then run make test.")


@db.command("partitions")
@json_option
def partitions_(as_json: bool) -> None:
    """The partitions of the large tables with their sizes (PostgreSQL; none on SQLite)."""
    found = open_installation().look(lambda session, _now: partitions(session))
    if as_json:
        emit({"partitions": [asdict(one) for one in found]})
        return
    table = Table("table", "partition", "rows", "MB", "tablespace", title="Partitions")
    for one in found:
        table.add_row(one.table, one.name, f"{one.rows:,}", f"{one.bytes // 1_000_000:,}", one.tablespace)
    stdout.print(table)


@db.command()
@json_option
def sizes(as_json: bool) -> None:
    """How large each table is with its indexes, the largest first (PostgreSQL)."""
    found = open_installation().look(lambda session, _now: table_sizes(session))
    if as_json:
        emit({"tables": [asdict(one) | {"total": one.total} for one in found]})
        return
    table = Table("table", "rows", "MB rows", "MB indexes", title="Tables")
    for one in found:
        indexes = sum(one.indexes.values())
        table.add_row(one.table, f"{one.rows:,}", f"{one.bytes // 1_000_000:,}", f"{indexes // 1_000_000:,}")
    stdout.print(table)
