"""A real day of card swipes: 37,000 rows, 486 entry-exit pairs, 380 of them between known stations."""

import os
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from carbon_credit.kernel.db import Database
from tests.cli.conftest import Run, embedded, run, var
from tests.conftest import missing
from tests.flows.conftest import findings

FOLDER = os.environ.get("REAL_DATA_DIR")
pytestmark = pytest.mark.skipif(FOLDER is None, reason="REAL_DATA_DIR is not set: no real swipes to read")
__all__ = ["embedded", "run", "var"]  # fixtures of the command line


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_the_real_day_and_the_same_file_again(
    run: Run, kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    folder = Path(FOLDER or "")
    if not folder.is_dir():
        missing("REAL_DATA_DIR is no folder")
    database: Database = request.getfixturevalue("embedded" if kind == "sqlite" else "postgresql_database")
    environ = {} if kind == "sqlite" else {"DATABASE_URL": database.settings.database_url}

    def imported() -> dict[str, Any]:
        arguments = ["--programme", "x-gd-sz", "--partner", "metro", "--adapter", "shenzhen-card"]
        arguments += ["--network", str(folder / "metro-segments.csv"), "--enrol-unlinked", "--json"]
        arguments += ["--rejects", str(tmp_path / "rejects.csv"), "--expect-rows", "37000"]
        return run(
            "import", *arguments, str(folder / "shenzhen-card-swipes-2018-09-01.csv.gz"), **environ
        ).json

    def told(found: dict[str, Any]) -> tuple[int, ...]:
        names = ("rows", "credited_rows", "credited", "held", "rejected", "duplicate", "co2e_mg")
        return tuple(found[name] for name in names)

    first = imported()
    assert told(first) == (37_000, 760, 380, 9_134, 27_105, 1, 41_413_291)
    text = (tmp_path / "rejects.csv").read_text(encoding="utf-8")
    reasons = Counter(line.split(",")[2] for line in text.splitlines()[1:])
    pairs_refused = ("station-missing", "station-garbled", "station-unknown", "stations-same")
    assert first["credited"] + sum(reasons[reason] for reason in pairs_refused) // 2 == 486
    assert reasons["distance-unknown"] == 18_118  # the boardings of a bus, less the row that stands twice

    assert told(imported()) == (37_000, 0, 0, 9_134, 27_105, 761, 0)
    assert findings(database) == []
