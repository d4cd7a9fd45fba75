"""Which version of a methodology counts is decided by the programme's day, to the millisecond."""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from carbon_credit.catalogue.library import library_problems
from carbon_credit.kernel.db import Database
from carbon_credit.kernel.unit_of_work import unit_of_work
from carbon_credit.quantification.audit import audit
from carbon_credit.quantification.explaining import explain
from tests.quantification.household import write_library
from tests.world import World, metro

CHANGE = date(2026, 11, 20)
OLD_MG, NEW_MG = 8300 * 468 // 10, 8300 * 40
# The last instants of the old version and the first of the new one, as different clocks write them.
BEFORE = {"B-1": "2026-11-19T23:59:59.999+08:00", "B-2": "2026-11-19T15:59:59.999Z"}
AFTER = {
    "A-1": "2026-11-20T00:00:00+08:00",
    "A-2": "2026-11-19T16:00:00Z",
    "A-3": "2026-11-19T11:00:00-05:00",
}
CASES = """\
cases:
  - name: metro, 8.3 km
    on: 2026-11-20
    inputs: {mode: metro, distance_m: 8300}
    working: 8,300 m x 40 mg/m = 332,000 mg
    expect_mg: 332000
  - name: bus, 8.3 km
    on: 2026-11-20
    inputs: {mode: bus, distance_m: 8300}
    working: 8,300 m x 26.9 mg/m = 223,270 mg
    expect_mg: 223270
  - name: the day before is not in force
    on: 2026-11-19
    inputs: {mode: bus, distance_m: 1000}
    expect_refusal: not-in-force
"""


def edited(source: str, *changes: tuple[str, str]) -> str:
    for old, new in changes:
        assert old in source, old
        source = source.replace(old, new)
    return source


def two_versions(root: Path) -> Path:
    """The first version that ships, and one of our own that governs metro rides from CHANGE on."""
    bound = {"activity_type": "metro.ride", "methodology": "sz-public-transit", "use": "credit"}
    write_library(
        root,
        bindings=[
            {**bound, "version": 1, "effective_from": "2022-01-01", "effective_to": str(CHANGE)},
            {**bound, "version": 2, "effective_from": str(CHANGE), "effective_to": None},
        ],
    )
    first, second = root / "sz-public-transit" / "v1", root / "sz-public-transit" / "v2"
    shutil.rmtree(second, ignore_errors=True)
    second.mkdir()
    method = edited(
        (first / "methodology.yaml").read_text(encoding="utf-8"),
        ("version: 1\n", "version: 2\n"),
        ("effective_from: 2021-12-17", f"effective_from: {CHANGE}"),
        ("value: 46.8\n        grade: published\n", "value: 40\n        grade: assumed\n"),
    )
    (second / "methodology.yaml").write_text(method, encoding="utf-8")
    (second / "cases.yaml").write_text(CASES, encoding="utf-8")
    return root


@pytest.fixture
def changing(database: Database, tmp_path: Path) -> Iterator[World]:
    """A world of that library."""
    root = two_versions(tmp_path / "methodologies")
    assert library_problems(root) == []
    other = Database(replace(database.settings, methodologies_dir=root))
    yield World(other)
    other.dispose()


def rides(times: dict[str, str]) -> list[dict[str, Any]]:
    return [metro(event_id, at=at) for event_id, at in times.items()]


def versions(world: World) -> dict[str, int]:
    """How many reductions each version made."""
    counts = text("SELECT methodology_version, count(*) AS n FROM reduction GROUP BY methodology_version")
    with unit_of_work(world.database, read_only=True) as session:
        return {row.methodology_version: row.n for row in session.execute(counts)}


@pytest.mark.parametrize("together", [True, False])
def test_the_version_changes_at_midnight_in_shanghai(changing: World, together: bool) -> None:
    sent = [*rides(AFTER), *rides(BEFORE)]
    portions = [sent] if together else [[one] for one in sent]
    outcomes = {one.id: one for portion in portions for one in changing.credit(*portion)}
    assert {name: outcomes[name].gross_mg for name in BEFORE} == dict.fromkeys(BEFORE, OLD_MG)
    assert {name: outcomes[name].gross_mg for name in AFTER} == dict.fromkeys(AFTER, NEW_MG)
    assert {outcomes[name].grade for name in BEFORE} == {"published"}
    assert {outcomes[name].grade for name in AFTER} == {"assumed"}
    assert len({one.digest for one in outcomes.values()}) == 2
    assert versions(changing) == {"v1": len(BEFORE), "v2": len(AFTER)}
    changing.close(date(2026, 11, 19), CHANGE)
    assert changing.grams() == len(BEFORE) * OLD_MG + len(AFTER) * NEW_MG


def test_each_is_explained_and_audited_by_its_own_version(changing: World) -> None:
    outcomes = changing.credit(*rides(BEFORE), *rides(AFTER))
    with unit_of_work(changing.database, read_only=True) as session:
        for outcome in outcomes:
            assert outcome.reduction_id is not None
            told = explain(session, reduction_id=outcome.reduction_id, programme=changing.programme)
            assert told.replayed
            assert told.reduction.business_day == (CHANGE if outcome.id in AFTER else date(2026, 11, 19))
        assert list(audit(session, progress=lambda _: None)) == []


def test_a_ride_across_midnight_belongs_to_the_day_that_it_began(changing: World) -> None:
    late = metro("L-1", at=BEFORE["B-1"], ended_at="2026-11-20T00:30:00+08:00")
    (outcome,) = changing.credit(late)
    assert outcome.gross_mg == OLD_MG


def test_a_correction_keeps_the_version_of_the_ride(changing: World) -> None:
    changing.credit(*rides(BEFORE))
    corrected = metro("B-1", at=BEFORE["B-1"], distance_m=1000, revision=2)
    moved = metro("B-2", at=AFTER["A-1"], revision=2)
    outcomes = changing.credit(corrected, moved)
    assert [one.gross_mg for one in outcomes] == [46_800, NEW_MG]
