"""A real day of bike trips in another city and time zone: 53,809 rows that name no rider."""

import csv
import gzip
import os
from pathlib import Path
from typing import Any

import pytest

from carbon_credit.kernel.db import Database
from tests.cli.conftest import Run, embedded, run, var
from tests.conftest import missing
from tests.flows.conftest import findings

FOLDER = os.environ.get("REAL_DATA_DIR")
pytestmark = pytest.mark.skipif(FOLDER is None, reason="REAL_DATA_DIR is not set: no real trips to read")
__all__ = ["embedded", "run", "var"]  # fixtures of the command line

ROWS = 53_809


def riders(trips: Path, path: Path) -> Path:
    """A rider for every tenth trip, by its line: 500 people of a rehearsal."""
    with gzip.open(trips, "rt", encoding="utf-8") as file, path.open("w", encoding="utf-8") as out:
        writer = csv.writer(out)
        writer.writerow(("line", "citizen"))
        writer.writerows(
            (line, f"RIDER-{line % 500}") for line, _ in enumerate(file, 1) if line > 1 and not line % 10
        )
    return path


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_nobody_is_invented_and_known_riders_are_credited(
    run: Run, kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    folder = Path(FOLDER or "")
    if not folder.is_dir():
        missing("REAL_DATA_DIR is no folder")
    trips = folder / "bike-trips-2017-04-18.csv.gz"
    database: Database = request.getfixturevalue("embedded" if kind == "sqlite" else "postgresql_database")
    environ = {} if kind == "sqlite" else {"DATABASE_URL": database.settings.database_url}

    def imported(*more: str) -> dict[str, Any]:
        arguments = ["--programme", "x-gd-sz", "--partner", "bikes", "--adapter", "citibike"]
        arguments += ["--stations", str(folder / "bike-stations.csv"), "--enrol-unlinked", "--json"]
        arguments += ["--expect-rows", str(ROWS), *more, str(trips)]
        return run("import", *arguments, **environ).json

    unknown = imported()
    assert (unknown["rows"], unknown["rejected"], unknown["credited"]) == (ROWS, ROWS, 0)
    known = imported("--riders", str(riders(trips, tmp_path / "riders.csv")))
    assert (known["rows"], known["credited"], known["rejected"], known["duplicate"]) == (
        ROWS,
        5_106,
        48_703,
        0,
    )
    # The same on both databases, and with any number of workers: caps of a day are counted in order.
    assert known["co2e_mg"] == 91_393_197
    assert findings(database) == []
