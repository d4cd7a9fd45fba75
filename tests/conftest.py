"""Real databases for the tests: SQLite always, PostgreSQL where there is one.

Each test that asks for `database` runs on both. A worker migrates one template for each kind and
tests get cheap copies of it: a file copy on SQLite, CREATE DATABASE … TEMPLATE on PostgreSQL.
Without a server those tests are skipped and listed; REQUIRE_SERVICES=1 turns that into a failure.
"""

import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from carbon_credit.kernel import schema
from carbon_credit.kernel.db import Database
from carbon_credit.kernel.keys import development_keys
from carbon_credit.kernel.settings import Settings, read_settings

SERVER = os.environ.get("TEST_POSTGRESQL_URL", "postgresql://postgres@127.0.0.1:5432/postgres")
REQUIRED = os.environ.get("REQUIRE_SERVICES") == "1"


def missing(what: str) -> None:
    """Skip, saying why; fail where services are required."""
    if REQUIRED:
        pytest.fail(f"{what}, and REQUIRE_SERVICES=1")
    pytest.skip(what)


@pytest.fixture(scope="session")
def base_settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Settings of the embedded default, in a folder of this test run's own."""
    folder = tmp_path_factory.mktemp("var")
    development_keys(folder / "keys")
    return read_settings({"CARBON_CREDIT_VAR": str(folder)})


@pytest.fixture(scope="session")
def sqlite_template(base_settings: Settings) -> Path:
    """A migrated SQLite file to copy from."""
    path = base_settings.var_dir / "template.db"
    database = Database(replace(base_settings, database_url=f"sqlite:///{path}"))
    schema.upgrade(database)
    with database.engine.connect() as connection:
        connection.connection.driver_connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    database.dispose()
    return path


@pytest.fixture(scope="session")
def postgresql_template(base_settings: Settings) -> Iterator[str | None]:
    """The name of a migrated template database, dropped at the end; None without a server."""
    try:
        server = psycopg.connect(SERVER, autocommit=True, connect_timeout=3)
    except psycopg.OperationalError:
        yield None
        return
    name = f"cc_test_{uuid.uuid4().hex[:12]}"
    server.execute(f"CREATE DATABASE {name}")
    database = Database(replace(base_settings, database_url=_url(name)))
    schema.upgrade(database)
    database.dispose()
    yield name
    server.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
    server.close()


@pytest.fixture
def sqlite_database(base_settings: Settings, sqlite_template: Path, tmp_path: Path) -> Iterator[Database]:
    """A fresh migrated SQLite database."""
    path = tmp_path / "carbon-credit.db"
    shutil.copyfile(sqlite_template, path)
    database = Database(replace(base_settings, database_url=f"sqlite:///{path}", var_dir=tmp_path))
    yield database
    database.dispose()


@contextmanager
def postgresql_copy(base_settings: Settings, template: str | None, var_dir: Path) -> Iterator[Database]:
    """A fresh migrated PostgreSQL database, dropped afterwards."""
    if template is None:
        missing("no PostgreSQL server at TEST_POSTGRESQL_URL")
    name = f"cc_test_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(SERVER, autocommit=True) as server:
        server.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
    database = Database(replace(base_settings, database_url=_url(name), var_dir=var_dir))
    yield database
    database.dispose()
    with psycopg.connect(SERVER, autocommit=True) as server:
        server.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


@pytest.fixture
def postgresql_database(
    base_settings: Settings, postgresql_template: str | None, tmp_path: Path
) -> Iterator[Database]:
    """A PostgreSQL database of the test's own."""
    with postgresql_copy(base_settings, postgresql_template, tmp_path) as database:
        yield database


@pytest.fixture(scope="module")
def module_postgresql(
    base_settings: Settings, postgresql_template: str | None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Database]:
    """One for all tests of a file, which keep to programmes of their own or commit nothing: much faster."""
    with postgresql_copy(base_settings, postgresql_template, tmp_path_factory.mktemp("var")) as database:
        yield database


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest) -> Database:
    """The same test, on both databases."""
    found = request.getfixturevalue(f"{request.param}_database")
    assert isinstance(found, Database)
    return found


def _url(name: str) -> str:
    return SERVER.replace("postgresql://", "postgresql+psycopg://").rsplit("/", 1)[0] + f"/{name}"
