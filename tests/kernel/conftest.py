"""Databases kept for all tests of a file, with a table of the tests' own."""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa

from carbon_credit.kernel.db import Database, UtcDateTime
from carbon_credit.kernel.settings import Settings

SHELF = sa.Table(
    "shelf",
    sa.MetaData(),
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("name", sa.String(40)),
    sa.Column("pieces", sa.BigInteger, nullable=False),
    sa.Column("grams", sa.BigInteger, nullable=False),
    sa.Column("tag", sa.LargeBinary),
    sa.Column("filled_at", UtcDateTime),
    sa.Column("best_before", sa.Date),
    sa.Column("open", sa.Boolean, nullable=False),
    sa.CheckConstraint("pieces >= 0", name="pieces"),
)
LABEL = sa.Table(
    "label",
    SHELF.metadata,
    sa.Column("aisle", sa.String(8), primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("text", sa.String(40), nullable=False),
)


@pytest.fixture(scope="module")
def module_sqlite(
    base_settings: Settings, sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Database]:
    """One SQLite file for all tests of a file."""
    path = tmp_path_factory.mktemp("kept") / "carbon-credit.db"
    shutil.copyfile(sqlite_template, path)
    database = Database(replace(base_settings, database_url=f"sqlite:///{path}", lock_timeout_s=30))
    yield database
    database.dispose()


@pytest.fixture(params=["sqlite", "postgresql"])
def kept(request: pytest.FixtureRequest) -> Database:
    """Both databases, with SHELF and LABEL empty."""
    database = request.getfixturevalue(f"module_{request.param}")
    assert isinstance(database, Database)
    empty(database)
    return database


def empty(database: Database) -> None:
    """SHELF and LABEL, there and empty."""
    with database.engine.begin() as connection:
        SHELF.metadata.create_all(connection)
        for table in (SHELF, LABEL):
            connection.execute(table.delete())


@pytest.fixture
def postgresql(module_postgresql: Database) -> Database:
    """PostgreSQL only, with SHELF and LABEL empty."""
    empty(module_postgresql)
    return module_postgresql


@pytest.fixture
def with_timeout(base_settings: Settings) -> Iterator[Callable[[Database, int], Database]]:
    """The same database with another lock timeout in seconds."""
    opened: list[Database] = []

    def make(database: Database, lock_timeout_s: int) -> Database:
        opened.append(Database(replace(database.settings, lock_timeout_s=lock_timeout_s)))
        return opened[-1]

    yield make
    for database in opened:
        database.dispose()
