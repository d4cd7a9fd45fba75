"""Rehearsed cities on PostgreSQL, a copy for each test, and what an undisturbed import makes of them."""

import os
import shutil
import subprocess
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.chaos.rehearsal import City, plain, simulated
from tests.chaos.servers import OwnPostgreSQL
from tests.conftest import SERVER, missing

EVERYDAY, LONG = 2_400, 20_000  # more than one chunk, or all is over with one commit


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """A city that is enrolled and has a file, and the totals that the file comes to."""

    city: City
    rides: int
    meant: dict[str, Any]
    undisturbed: dict[str, Any]

    @contextmanager
    def copy(self, folder: Path) -> Iterator[City]:
        """The same city before its file came."""
        with fresh(self.city.url) as url:
            yield self.at(url, folder)

    def moved(self, server: OwnPostgreSQL, folder: Path) -> City:
        """The same on another server."""
        with psycopg.connect(plain(server.url()), autocommit=True) as connection:
            connection.execute("CREATE DATABASE city")
        url = server.url("city")
        dump = subprocess.run(["pg_dump", plain(self.city.url)], capture_output=True, check=True)
        command = ["psql", "--quiet", "--set=ON_ERROR_STOP=1", plain(url)]
        subprocess.run(command, input=dump.stdout, stdout=subprocess.DEVNULL, check=True)
        return self.at(url, folder)

    def at(self, url: str, folder: Path) -> City:
        """With this database, and what it keeps in this folder."""
        # The same keys, or nobody's card is known.
        shutil.copytree(self.city.folder / "keys", folder / "keys", dirs_exist_ok=True)
        return replace(self.city, url=url, folder=folder)


@contextmanager
def fresh(template: str) -> Iterator[str]:
    """The address of a copy of the database at that address, dropped afterwards."""
    server, original = template.rsplit("/", 1)
    name = f"cc_test_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(plain(f"{server}/postgres"), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {original}")
    try:
        yield f"{server}/{name}"
    finally:
        with psycopg.connect(plain(f"{server}/postgres"), autocommit=True) as connection:
            connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


@pytest.fixture(scope="session")
def rehearsed(
    postgresql_template: str | None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[int], Rehearsal]]:
    """Makes a rehearsal of so many rides, once a run."""
    if postgresql_template is None:
        missing("no PostgreSQL server at TEST_POSTGRESQL_URL")
    made: dict[int, Rehearsal] = {}
    with ExitStack() as stack:

        def rehearse(rides: int) -> Rehearsal:
            if rides not in made:
                folder = tmp_path_factory.mktemp(f"city-{rides}")
                server = SERVER.replace("postgresql://", "postgresql+psycopg://").rsplit("/", 1)[0]
                url = stack.enter_context(fresh(f"{server}/{postgresql_template}"))
                made[rides] = prepared(City(url, folder, folder / "rides.csv"), rides)
            return made[rides]

        yield rehearse


def prepared(city: City, rides: int) -> Rehearsal:
    """Enrol, write the file, and import it undisturbed into a copy."""
    # Some three rides each in two days; of a great many rides, some twenty each in a month.
    people, days = (rides // 3 + 100, 2) if rides < 100_000 else (rides // 20, 30)
    meant = simulated(city, rides=rides, citizens=people, days=days)["meant"]
    rehearsal = Rehearsal(city, rides, meant, {})
    apart = city.folder / "undisturbed"
    apart.mkdir()
    with rehearsal.copy(apart) as copy:
        told = copy.run(*copy.importing(workers=2))
        assert told["credited"] == meant["outcomes"]["credited"]
        assert told["rows"] == rides
        copy.audit()
        return replace(rehearsal, undisturbed=copy.totals())


@pytest.fixture
def everyday(rehearsed: Callable[[int], Rehearsal]) -> Rehearsal:
    """Small enough for every day."""
    return rehearsed(EVERYDAY)


@pytest.fixture
def long(rehearsed: Callable[[int], Rehearsal]) -> Rehearsal:
    """CHAOS_RIDES of them, or some thousands."""
    return rehearsed(int(os.environ.get("CHAOS_RIDES", LONG)))
