"""`db upgrade`, `db new`: migrations."""

import os
import re

import click

from carbon_credit.cli.context import open_installation, stderr
from carbon_credit.kernel import schema
from carbon_credit.kernel.db import Database
from carbon_credit.kernel.settings import read_settings


@click.group()
def db() -> None:
    """Migrations of the database."""


@db.command()
def upgrade() -> None:
    """Bring the database to the newest migration, and the catalogue to what methodologies/ holds."""
    settings = read_settings(os.environ)
    database = Database(settings)
    schema.upgrade(database)
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
