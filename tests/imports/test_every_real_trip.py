"""Every trip of a real day of bikes with a rider: what the day is worth, on both databases."""

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
pytestmark = pytest.mark.skipif(FOLDER is None, reason="REAL_DATA_DIR is not set: no real trips to read")
__all__ = ["embedded", "run", "var"]  # fixtures of the command line
RIDERS = 2_000


@pytest.mark.long
@pytest.mark.parametrize(("kind", "workers"), [("sqlite", 1), ("postgresql", 2), ("postgresql", 1)])
def test_every_trip_of_the_real_day(
    run: Run, kind: str, workers: int, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    folder = Path(FOLDER or "")
    if not folder.is_dir():
        missing("REAL_DATA_DIR is no folder")
    database: Database = request.getfixturevalue("embedded" if kind == "sqlite" else "postgresql_database")
    environ = {} if kind == "sqlite" else {"DATABASE_URL": database.settings.database_url}
    riders, rejects = tmp_path / "riders.csv", tmp_path / "rejects.csv"
    lines = (f"{line},BIKE-{line % RIDERS}\n" for line in range(2, 53_811))
    riders.write_text("line,citizen\n" + "".join(lines), encoding="utf-8")

    def imported(*more: str) -> dict[str, Any]:
        arguments = ["--programme", "x-gd-sz", "--partner", "bikes", "--adapter", "citibike", "--json", *more]
        arguments += ["--rejects", str(rejects), "--enrol-unlinked", "--workers", str(workers)]
        arguments += ["--expect-rows", "53809", "--expect-sum", "duration=47451850"]
        return run("import", *arguments, str(folder / "bike-trips-2017-04-18.csv.gz"), **environ).json

    def told(found: dict[str, Any]) -> tuple[int, ...]:
        names = ("rows", "credited_rows", "credited", "held", "rejected", "duplicate", "co2e_mg")
        return tuple(found[name] for name in names)

    def reasons() -> Counter[str]:
        text = rejects.read_text(encoding="utf-8")
        return Counter(line.split(",")[2] for line in text.splitlines()[1:])

    assert told(imported()) == (53_809, 0, 0, 0, 53_809, 0, 0)  # nobody is invented
    assert reasons() == {"no-citizen": 53_809}
    given = ("--riders", str(riders), "--stations", str(folder / "bike-stations.csv"))
    first = imported(*given)
    assert told(first) == (53_809, 50_955, 50_955, 0, 2_854, 0, 3_548_361_014)
    assert reasons() == {
        "station-unknown": 2_011,
        "stations-same": 839,
        "event-invalid": 4,  # longer than a day
    }
    assert findings(database) == []
