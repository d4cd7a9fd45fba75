"""Seeding the catalogue: sound packages get in once, unsound ones and changed bytes do not."""

import shutil
from pathlib import Path

import pytest
from sqlalchemy import text

from carbon_credit.catalogue.errors import PublishedDigestDiffers
from carbon_credit.catalogue.operations import seed
from carbon_credit.kernel.db import Database
from carbon_credit.kernel.unit_of_work import transact, unit_of_work
from carbon_credit.methodology.errors import DataError, DimensionWrong
from tests.world import NOW

METHOD = "sz-public-transit/v1/methodology.yaml"


@pytest.fixture
def library(database: Database, tmp_path: Path) -> Path:
    """A copy of the library, to be spoilt."""
    return Path(shutil.copytree(database.settings.methodologies_dir, tmp_path / "methodologies"))


def spoil(library: Path, old: str, new: str) -> None:
    path = library / METHOD
    before = path.read_text(encoding="utf-8")
    assert old in before
    path.write_text(before.replace(old, new), encoding="utf-8")


def plant(database: Database, library: Path) -> None:
    transact(database, lambda session: seed(session, root=library, now=NOW))


def stored(database: Database) -> int:
    with unit_of_work(database, read_only=True) as session:
        return session.scalar(text("SELECT count(*) FROM methodology_version")) or 0


def test_a_formula_whose_result_is_no_mass_of_co2e_does_not_load(database: Database, library: Path) -> None:
    spoil(library, "* distance_m\n", "* distance_m * distance_m\n")
    with pytest.raises(DimensionWrong, match=r"methodology\.yaml, line \d+"):
        plant(database, library)
    assert stored(database) == 0


def test_a_package_that_cannot_be_read_leaves_nothing(database: Database, library: Path) -> None:
    spoil(library, "unit: gCO2e", "unit: furlongs")
    with pytest.raises(DataError):
        plant(database, library)
    assert stored(database) == 0


def test_a_published_byte_never_changes(database: Database, library: Path) -> None:
    plant(database, library)
    before = stored(database)
    plant(database, library)
    assert stored(database) == before > 0
    spoil(library, "max: 200000", "max: 200001")
    with pytest.raises(PublishedDigestDiffers, match="sz-public-transit/v1"):
        plant(database, library)
