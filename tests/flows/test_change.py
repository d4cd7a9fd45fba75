"""A methodology changes with open eyes: a month under v1, a draft tried, published by two, applied."""

from datetime import date, datetime
from typing import Any

import pytest
import sqlalchemy as sa

from carbon_credit.catalogue.comparison import compare
from carbon_credit.catalogue.library import load_library
from carbon_credit.catalogue.personas import load_personas
from carbon_credit.catalogue.queries import package_files
from carbon_credit.kernel.db import Database
from carbon_credit.kernel.unit_of_work import transact, unit_of_work
from carbon_credit.ledger.accounts import CO2E, AccountKey
from carbon_credit.ledger.queries import statement
from carbon_credit.methodology.definition import Texts
from carbon_credit.methodology.engine import compile_package
from carbon_credit.methodology.loader import package_from_files
from carbon_credit.offsets.ended import take_back_ended
from carbon_credit.quantification import portions
from carbon_credit.quantification.errors import ReportDiffers, VersionNotGoverning
from carbon_credit.quantification.explaining import explain
from carbon_credit.sweeps import changing
from carbon_credit.tables import metadata
from tests.flows.changes import applied, applied_whole, draft, publish, tried
from tests.flows.conftest import findings, rows
from tests.quantification.newer import TRANSIT
from tests.world import World, metro

OLD, NEW = 388_440, 332_000  # 8,300 m at 46.8 and at 40 g/pkm
PEOPLE = 3
APPENDED = ("reduction", "reduction_adjustment", "reduction_revision", "transfer", "event", "period")
LATER = datetime.fromisoformat("2026-11-21T06:00:00+00:00")


def october(day: int, hour: int = 8) -> str:
    return f"2026-10-{day:02}T{hour:02}:00:00+08:00"


@pytest.fixture
def world(database: Database) -> World:
    """October by three people: 1, 2 and 3 rides on each of four days, the month closed; one of November."""
    world = World(database, people=PEOPLE)
    for day in (5, 6, 7, 8):
        rides = [
            metro(f"{day}-{person}-{n}", person=person, at=october(day, 8 + n))
            for person in range(PEOPLE)
            for n in range(person + 1)
        ]
        outcomes = world.credit(*rides, backfill=True)
        assert {one.status for one in outcomes} == {"credited"}
    world.close_month(date(2026, 10, 1))
    world.credit(metro("november", at="2026-11-20T08:00:00+08:00"))
    return world


def transfers_since(world: World, before: list[tuple[Any, ...]]) -> int:
    """Milligrams that were credited less those that were taken, in the rows that are new."""
    table = metadata.tables["transfer"]
    code, amount = (list(table.columns.keys()).index(name) for name in ("code", "amount"))
    new = [row for row in rows(world.database, "transfer")["transfer"] if row not in before]
    return sum(row[amount] if row[code] == "reduction.credit" else -row[amount] for row in new)


def test_a_month_is_computed_again_with_open_eyes(world: World) -> None:
    before = rows(world.database, *APPENDED)
    grams = [world.grams(person) for person in range(PEOPLE)]
    points = [world.points(person) for person in range(PEOPLE)]
    version = draft(world, "40")

    # A draft governs nothing: tried, it changes nothing and cannot be applied.
    first = tried(world, version)
    assert rows(world.database, *APPENDED) == before
    assert first.change.hindrance == Texts(en="it is a draft", zh="该版本尚为草案")
    with pytest.raises(VersionNotGoverning, match="it is a draft"):
        first.change.require_governing()
    rides = 4 * (1 + 2 + 3)
    told = first.report
    assert (told.reductions, told.old_mg, told.new_mg) == (rides, rides * OLD, rides * NEW)
    assert {name: one.as_dict() for name, one in told.scenes.items()} == {
        "metro": {
            "reductions": rides,
            "old_mg": rides * OLD,
            "new_mg": rides * NEW,
            "delta_mg": rides * (NEW - OLD),
        }
    }
    step = 4 * (NEW - OLD)
    assert told.quantiles() == {
        **dict.fromkeys(("min", "p5", "p25"), 3 * step),
        "median": 2 * step,
        **dict.fromkeys(("p75", "p95", "max"), step),
    }
    assert told.movers() == [(world.citizens[n], (n + 1) * step) for n in (2, 1, 0)]

    # Published by two it governs, and the report is the same to the last reduction.
    publish(world, version)
    second = tried(world, version)
    assert second.change.hindrance is None
    assert second.report.as_dict() == told.as_dict()

    posted = applied_whole(world, second)
    assert sum(row.delta_mg for row in posted) == told.delta_mg == rides * (NEW - OLD)
    assert transfers_since(world, before["transfer"]) == told.delta_mg
    november = [1, 0, 0]
    assert [world.grams(n) for n in range(PEOPLE)] == [
        (n + 1) * 4 * NEW + november[n] * OLD for n in range(PEOPLE)
    ]
    assert sum(world.grams(n) for n in range(PEOPLE)) - sum(grams) == told.delta_mg
    assert [world.points(n) for n in range(PEOPLE)] == points
    assert findings(world.database) == []

    # Nothing was rewritten: every row of before is there, byte for byte, MAC included.
    after = rows(world.database, *APPENDED)
    for name in APPENDED:
        assert set(before[name]) <= set(after[name]), name
    assert len(after["reduction"]) == len(before["reduction"])
    assert len(after["reduction_adjustment"]) == len(before["reduction_adjustment"]) + rides
    assert {row.accounting_day for row in _all(world, "reduction_adjustment")} == {date(2026, 11, 21)}

    # Again: nothing is left, and the report says what was done under the same digest.
    third = tried(world, version)
    assert (third.parts, third.report.reductions) == ([], 0)
    assert third.report.applied.delta_mg == told.delta_mg
    assert third.report.digest == told.digest


def _all(world: World, name: str) -> list[Any]:
    with unit_of_work(world.database, read_only=True) as session:
        return list(session.execute(sa.select(metadata.tables[name])))


def test_the_explanation_and_the_rows_tell_it(world: World) -> None:
    version = draft(world, "40")
    publish(world, version)
    posted = applied_whole(world, tried(world, version))
    with unit_of_work(world.database, read_only=True) as session:
        one = explain(session, reduction_id=posted[0].reduction_id, programme=world.programme)
    assert one.replayed
    assert (one.reduction.gross_mg, one.reduction.net_mg, one.reduction.credited_mg) == (NEW, NEW, OLD)
    assert [change.reason for change in one.changes] == ["requantified", "requantified"]
    assert one.reduction.methodology_version == version
    # The citizen's statement: the ride as it was credited, and what was taken back since.
    key = AccountKey(world.programme, CO2E, "citizen.reductions", one.reduction.citizen_id)
    with unit_of_work(world.database, read_only=True) as session:
        lines = statement(session, keys=[key]).lines
    mine = [line for line in lines if line.entry.reference == one.reduction.id]
    assert [(line.entry.code, line.change) for line in mine] == [
        ("reduction.revoke", NEW - OLD),
        ("reduction.credit", OLD),
    ]
    assert mine[0].entry.effective_at == world.now
    assert "take its place" in one.text("en")
    assert "重新核算" in one.text("zh")


def test_the_two_versions_side_by_side(world: World) -> None:
    version = draft(world, "40")
    root = world.database.settings.methodologies_dir
    library = load_library(root)
    with unit_of_work(world.database, read_only=True) as session:
        old, new = (
            package_from_files(package_files(session, methodology_id=TRANSIT, version=name))
            for name in ("v1", version)
        )
    found = compare(
        old,
        new,
        personas=load_personas(root, library.activities),
        activities=library.activities,
        month=date(2026, 10, 1),
    )
    by_code = {one.persona.code: one for one in found.personas}
    # 44 rides of 14,200 m: 6.8 g/pkm less.
    assert by_code["metro-commuter"].delta_mg == -44 * 14_200 * 68 // 10
    assert by_code["bus-commuter"].delta_mg == 0
    assert any("46.8" in (one.old or "") and "40" in (one.new or "") for one in found.values)


def test_broken_off_it_goes_on_under_the_same_digest(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    version = draft(world, "40")
    publish(world, version)
    whole = tried(world, version)
    assert len(whole.parts) == 4
    half = [row for part in whole.parts[:2] for row in applied(world, whole, part)]
    rest = tried(world, version)
    assert rest.report.digest == whole.report.digest
    assert rest.report.applied.reductions == len(half)
    assert rest.report.delta_mg == whole.report.delta_mg - sum(row.delta_mg for row in half)
    # Whoever goes on with the old list of parts posts nothing twice, either.
    more = applied_whole(world, whole)
    assert sum(row.delta_mg for row in half + more) == whole.report.delta_mg
    assert applied_whole(world, whole) == []
    assert findings(world.database) == []


def test_a_newer_version_is_another_change(world: World) -> None:
    first = draft(world, "40")
    publish(world, first)
    applied_whole(world, tried(world, first))
    world.now = LATER
    second = draft(world, "45", base=first, was="40")
    publish(world, second)
    # The older one governs nothing any more, and says so.
    hindrance = tried(world, first).change.hindrance
    assert hindrance is not None
    assert hindrance.en == "no binding of the programme leads to it on these days"
    found = tried(world, second)
    assert {(row.old_mg, row.new_mg) for row in applied_whole(world, found)} == {(NEW, 373_500)}
    assert tried(world, second).report.digest == found.report.digest
    assert findings(world.database) == []


def test_what_was_not_reported_is_not_posted(world: World) -> None:
    version = draft(world, "40")
    publish(world, version)
    found = tried(world, version)
    before = world.grams(2)
    world.withdraw("6-2-1")
    assert transact(world.database, lambda session: take_back_ended(session, now=world.now, limit=10)) == 1
    assert world.grams(2) == before - OLD
    days = {part.day: part for part in found.parts}
    applied(world, found, days[date(2026, 10, 5)])
    with pytest.raises(ReportDiffers, match="2026-10-06"):
        applied(world, found, days[date(2026, 10, 6)])
    # Of that day nothing was posted; a new report goes on.
    assert world.grams(2) == before - OLD + 3 * (NEW - OLD)
    again = tried(world, version)
    assert again.report.digest != found.report.digest
    applied_whole(world, again)
    assert world.grams(2) == 11 * NEW
    assert findings(world.database) == []


def test_rides_that_arrive_meanwhile_are_no_part_of_it(world: World) -> None:
    """They are computed by the new version from the start."""
    version = draft(world, "40")
    publish(world, version)
    found = tried(world, version)
    (late,) = world.credit(metro("late", at=october(6, 20)), backfill=True)
    assert late.co2e_mg == NEW
    assert sum(row.delta_mg for row in applied_whole(world, found)) == found.report.delta_mg
    assert tried(world, version).report.digest == found.report.digest
    assert findings(world.database) == []


def test_small_portions_give_the_same_digest(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    version = draft(world, "40")
    publish(world, version)
    whole = tried(world, version)
    _by_one(monkeypatch)
    single = tried(world, version)
    assert (len(whole.parts), len(single.parts)) == (4, 12)
    assert single.report.digest == whole.report.digest
    assert sum(row.delta_mg for row in applied_whole(world, single)) == whole.report.delta_mg


def _by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    real = portions.portions
    name = "carbon_credit.quantification.revising.portions"
    monkeypatch.setattr(name, lambda session, *, span: real(session, span=span, limit=1))


def test_a_version_of_nobody_is_tried_in_the_place_of_what_governs(world: World) -> None:
    """Of another methodology, which no programme binds: for the activities that it reads."""
    root = world.database.settings.methodologies_dir
    package = load_library(root).packages["sh-rail", "v1"]
    compiled = compile_package(package, check_dimensions=False)
    with unit_of_work(world.database, read_only=True) as session:
        change = changing.change_to(session, programme=world.programme, compiled=compiled, period="2026-10")
        report = changing.report_of(session, change=change)
    assert change.hindrance is not None
    assert report.reductions == 24
    assert report.old_mg == 24 * OLD
