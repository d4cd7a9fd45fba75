"""One SQLite file for the tests of a file that change nothing."""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from carbon_credit.kernel.db import Database
from carbon_credit.kernel.settings import Settings


@pytest.fixture(scope="module")
def module_sqlite(
    base_settings: Settings, sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Database]:
    """A migrated SQLite database, kept for the file."""
    path = tmp_path_factory.mktemp("kept") / "carbon-credit.db"
    shutil.copyfile(sqlite_template, path)
    database = Database(replace(base_settings, database_url=f"sqlite:///{path}"))
    yield database
    database.dispose()
