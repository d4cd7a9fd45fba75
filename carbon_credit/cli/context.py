"""What every command needs: the installation, who acts, one line of JSON, a progress bar."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

import click
import orjson
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)
from sqlalchemy.orm import Session

from carbon_credit.factory import open_database
from carbon_credit.identity import operations as identity
from carbon_credit.identity.queries import PartyRecord
from carbon_credit.kernel import clock
from carbon_credit.kernel.db import Database
from carbon_credit.kernel.settings import Settings, read_settings
from carbon_credit.kernel.unit_of_work import transact, unit_of_work

T = TypeVar("T")

stderr = Console(stderr=True)
stdout = Console()


@dataclass(frozen=True, slots=True)
class Installation:
    """Settings and database of this installation, ready to be used."""

    settings: Settings
    database: Database

    def act(self, deed: Callable[[Session, datetime], T]) -> T:
        """Run `deed` in one unit of work, with the clock read once."""
        now = clock.now()
        return transact(self.database, lambda session: deed(session, now))

    def look(self, deed: Callable[[Session, datetime], T]) -> T:
        """Run `deed`, which only reads, over one moment; nobody has to wait for it."""
        with unit_of_work(self.database, read_only=True) as session:
            return deed(session, clock.now())


def open_installation(settings: Settings | None = None) -> Installation:
    """The installation that the environment describes.

    The embedded default is brought to the newest migration; a server's database must be there.
    """
    settings = settings or read_settings(os.environ)
    return Installation(settings, open_database(settings))


as_option = click.option(
    "--as",
    "credential",
    envvar="CARBON_CREDIT_AS",
    metavar="CLIENT_ID:SECRET",
    help="Whose act this is (or CARBON_CREDIT_AS). Four eyes hold here too.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="One line of JSON on stdout, last.")
programme_option = click.option("--programme", required=True, metavar="CODE", help="e.g. x-gd-sz")


def acting(
    here: Installation, credential: str | None, *, programme: str, role: str, or_role: str | None = None
) -> PartyRecord:
    """The party that acts. Raises the errors of a login that fails, or a usage error."""
    if not credential or ":" not in credential:
        raise click.UsageError(f"Say who acts: --as CLIENT_ID:SECRET of a {role} of {programme}.")
    client_id, _, secret = credential.partition(":")
    client = here.act(
        lambda session, now: identity.authenticate_client(session, client_id=client_id, secret=secret)
    )
    if client.party.programme != programme or client.party.role not in (role, or_role):
        raise click.UsageError(f"{client_id} is no {role} of {programme}.")
    return client.party


def emit(result: dict[str, Any]) -> None:
    """The one line of JSON that ends a command with --json."""
    click.echo(orjson.dumps(result, option=orjson.OPT_SORT_KEYS, default=str))


@contextmanager
def progress(title: str, total: int | None = None) -> Iterator[Callable[[int], None]]:
    """A bar on stderr; the function that it gives adds what has been done."""
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=stderr, transient=False) as bar:
        task = bar.add_task(title, total=total)
        yield lambda done: bar.advance(task, done)
        if total is None:
            bar.update(task, total=bar.tasks[0].completed)
