"""A real day of card swipes: 37,000 rows, 486 entry-exit pairs, 380 of them between known stations."""

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import ROUND_FLOOR, Decimal
from pathlib import Path

import pytest

from carbon_credit.imports.adapters import make_adapter
from carbon_credit.imports.operations import ImportSummary, run_import
from carbon_credit.imports.rows import Event
from carbon_credit.methodology.network import Network

FOLDER = os.environ.get("REAL_DATA_DIR")
pytestmark = pytest.mark.skipif(FOLDER is None, reason="REAL_DATA_DIR is not set: no real swipes to read")
NOW = datetime(2026, 1, 1, tzinfo=UTC)
MG_PER_M = Decimal("46.8")  # Shenzhen metro, grams per passenger-kilometre


@dataclass(frozen=True)
class Outcome:
    status: str
    reason: str | None
    co2e_mg: int


def import_swipes(known: set[object], rejects: Path) -> ImportSummary:
    folder = Path(FOLDER or "")
    network = Network.from_csv((folder / "metro-segments.csv").read_bytes(), city="shenzhen")

    def credit(batch: Sequence[Event]) -> list[Outcome]:
        answers = []
        for event in batch:
            new = event["id"] not in known
            known.add(event["id"])
            metres = event["data"]["distance_m"]  # type: ignore[index]
            mg = int((metres * MG_PER_M).to_integral_value(rounding=ROUND_FLOOR))
            answers.append(Outcome("credited", None, mg) if new else Outcome("duplicate", None, 0))
        return answers

    return run_import(
        path=folder / "shenzhen-card-swipes-2018-09-01.csv.gz",
        adapter=make_adapter("shenzhen-card", network=network),
        programme="x-gd-sz",
        credit=credit,
        now=NOW,
        rejects=rejects,
    )


def test_the_real_day_and_the_same_file_again(tmp_path: Path) -> None:
    known: set[object] = set()
    rejects = tmp_path / "rejects.csv"
    first = import_swipes(known, rejects)
    assert first == ImportSummary(
        rows=37_000,
        credited_rows=760,
        credited=380,
        held=9_134,
        rejected=27_105,
        duplicate=1,
        co2e_mg=41_413_291,
    )
    reasons = Counter(line.split(",")[2] for line in rejects.read_text(encoding="utf-8").splitlines()[1:])
    pairs_refused = ("station-missing", "station-garbled", "station-unknown", "stations-same")
    assert first.credited + sum(reasons[reason] for reason in pairs_refused) // 2 == 486
    assert reasons["distance-unknown"] == 18_118  # the boardings of a bus, less the row that stands twice

    again = import_swipes(known, rejects)
    assert (again.credited, again.co2e_mg, again.duplicate) == (0, 0, 761)
    assert (again.rows, again.held, again.rejected) == (first.rows, first.held, first.rejected)
