"""A version takes another's place: past reductions are computed again, and nothing is rewritten."""

from datetime import date
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from carbon_credit.catalogue.queries import compiled_by_digest
from carbon_credit.kernel.db import Database
from carbon_credit.kernel.unit_of_work import transact, unit_of_work
from carbon_credit.methodology.engine import compile_package
from carbon_credit.methodology.loader import package_from_files
from carbon_credit.quantification import revising
from carbon_credit.quantification.explaining import explain
from carbon_credit.quantification.portions import Span, count, span_of
from carbon_credit.quantification.queries import (
    citizen_totals,
    present_by_event,
    programme_totals,
    standing_by_event,
)
from carbon_credit.quantification.recomputing import Draft
from tests.quantification.newer import (
    NOVEMBER,
    TRANSIT,
    apply,
    files_after,
    findings,
    november,
    planned,
    portions_of,
    publish,
    reported,
)
from tests.world import World, metro

OLD, NEW = 388_440, 332_000  # 8,300 m at 46.8 and at 40 g/pkm
OPEN, CLOSED = "2026-11-20T08:00:00+08:00", "2026-11-18T08:00:00+08:00"


@pytest.fixture
def world(database: Database) -> World:
    return World(database, people=3)


def rides(world: World, at: str, *people: int) -> list[UUID]:
    outcomes = world.credit(
        *(metro(f"{at[8:10]}-{number}", person=person, at=at) for number, person in enumerate(people))
    )
    assert {one.status for one in outcomes} == {"credited"}
    return [one.reduction_id for one in outcomes if one.reduction_id is not None]


def rows_of(world: World, table: str) -> list[Any]:
    with unit_of_work(world.database, read_only=True) as session:
        return list(session.execute(text(f"SELECT * FROM {table}")).all())


def test_differences_are_posted_and_add_up_to_the_report(world: World) -> None:
    rides(world, CLOSED, 0, 1, 2)
    rides(world, OPEN, 0, 0)
    world.close(date(2026, 11, 18))
    points = [world.points(person) for person in range(3)]
    before = rows_of(world, "reduction")
    version = publish(world, "40")

    plan = planned(world)
    assert [(row.old_version, row.new_version) for row in plan] == [
        (f"{TRANSIT}/v1", f"{TRANSIT}/{version}")
    ] * 5
    assert {(row.old_mg, row.new_mg) for row in plan} == {(OLD, NEW)}
    done = apply(world)
    assert sorted(done, key=lambda row: row.reduction_id) == sorted(plan, key=lambda row: row.reduction_id)

    report = reported(done)
    assert report.delta_mg == 5 * (NEW - OLD) == sum(report.citizens.values())
    assert report.scenes == {"metro": report.delta_mg}
    assert [world.grams(person) for person in range(3)] == [3 * NEW, NEW, NEW]
    assert [world.points(person) for person in range(3)] == points
    assert rows_of(world, "reduction") == before
    assert findings(world) == []

    assert planned(world) == []
    assert apply(world) == []


def test_what_was_not_revised_yet_stays_where_it_was(world: World) -> None:
    rides(world, CLOSED, 0, 1, 2)
    publish(world, "40")
    first, *_ = portions_of(world)
    transact(
        world.database,
        lambda session: revising.apply(
            session, span=november(world), portion=first, busy=lambda ids: set(), now=world.now
        ),
    )
    assert sorted(world.grams(person) for person in range(3)) == [NEW, NEW, OLD]
    assert len(planned(world)) == 1
    apply(world)
    assert [world.grams(person) for person in range(3)] == [NEW] * 3


def test_a_withdrawal_takes_the_right_grams_and_the_points_once_granted(world: World) -> None:
    rides(world, OPEN, 0, 0)
    rides(world, CLOSED, 1)
    world.close(date(2026, 11, 18))
    before = world.points(0)
    publish(world, "40")
    apply(world)
    world.withdraw("20-0")
    # 776,880 mg gave 7 points; 388,440 mg, as once counted, are 3. By the new grams it would be 3 of 6.
    assert (before, world.points(0)) == (7, 3)
    assert world.grams(0) == NEW
    world.withdraw("18-0")
    assert (world.grams(1), world.points(1)) == (0, 0)
    world.withdraw("20-1")
    assert (world.grams(0), world.points(0)) == (0, 0)
    assert findings(world) == []


def test_where_nothing_changes_only_the_text_is_exchanged(world: World) -> None:
    (ride,) = rides(world, CLOSED, 0)
    world.close(date(2026, 11, 18))
    version = publish(world, "46.80")
    (row,) = apply(world)
    assert (row.delta_mg, row.new_version) == (0, f"{TRANSIT}/{version}")
    assert rows_of(world, "reduction_adjustment") == []
    assert len(rows_of(world, "reduction_revision")) == 1
    with unit_of_work(world.database, read_only=True) as session:
        (one,) = standing_by_event(session, event_ids=[_event(session, ride)])
    assert (one.version, one.revision, one.net_mg) == (version, 1, OLD)
    # It stays in the month that it was in: what is final stays final.
    assert one.accounting_day == date(2026, 11, 18)


def test_a_difference_of_a_closed_day_belongs_to_the_day_it_is_found_on(world: World) -> None:
    (ride,) = rides(world, CLOSED, 0)
    world.close(date(2026, 11, 18))
    publish(world, "40")
    apply(world)
    with unit_of_work(world.database, read_only=True) as session:
        (one,) = standing_by_event(session, event_ids=[_event(session, ride)])
    assert (one.business_day, one.accounting_day) == (date(2026, 11, 18), date(2026, 11, 21))


def test_everything_that_is_read_is_the_present(world: World) -> None:
    (ride,) = rides(world, OPEN, 0)
    version = publish(world, "40")
    apply(world)
    with unit_of_work(world.database, read_only=True) as session:
        event = _event(session, ride)
        ((now,),) = present_by_event(session, event_ids=[event]).values()
        totals = citizen_totals(session, programme=world.programme, citizen_id=world.citizens[0])
        assert programme_totals(session, programme=world.programme) == (1, NEW)
        told = explain(session, reduction_id=ride, programme=world.programme)
    assert (now.methodology, now.gross_mg, now.net_mg) == (f"{TRANSIT}/{version}", NEW, NEW)
    assert totals.provisional_mg == NEW
    assert told.replayed
    assert told.trace.reduction_mg == NEW
    assert [(one.reason, one.number, one.delta_mg) for one in told.changes] == [
        ("requantified", 1, None),
        ("requantified", None, NEW - OLD),
    ]
    assert f"{TRANSIT} {version} was published to take its place" in told.text("en")
    assert "重新核算" in told.text("zh")
    assert "取代该版本" in told.text("zh")
    # The partner who sends it again is told the same.
    (again,) = world.credit(metro("20-0", at=OPEN))
    assert (again.status, again.co2e_mg, again.methodology) == ("duplicate", NEW, f"{TRANSIT}/{version}")


def test_until_it_is_computed_again_the_explanation_says_so(world: World) -> None:
    (ride,) = rides(world, OPEN, 0)
    version = publish(world, "40")
    with unit_of_work(world.database, read_only=True) as session:
        told = explain(session, reduction_id=ride, programme=world.programme)
    assert told.replayed
    assert f"{TRANSIT} {version} governs this day by now" in told.text("en")
    assert "尚未重新核算" in told.text("zh")


def test_what_the_cap_took_is_not_given_by_another_version(world: World) -> None:
    rides(world, CLOSED, *[0] * 8)  # six a day count
    publish(world, "40")
    apply(world)
    assert world.grams() == 6 * NEW
    world.close(date(2026, 11, 18))
    assert world.grams() == 6 * NEW
    assert findings(world) == []


def test_closing_after_a_revision_settles_by_the_present_result(world: World) -> None:
    """Rides arrive against their order, so that the closing moves the cap to others."""
    for hour in range(9, 1, -1):
        ride = metro(f"H-{hour}", at=f"2026-11-18T{hour:02}:00:00+08:00", distance_m=1000 * hour)
        world.credit(ride)
    points = world.points()
    publish(world, "40")
    apply(world)
    world.close(date(2026, 11, 18))
    assert world.grams() == sum(range(2, 8)) * 40_000
    assert world.points() <= points
    assert findings(world) == []


def test_a_late_ride_of_a_closed_day_finds_the_sums_as_they_are_now(world: World) -> None:
    rides(world, CLOSED, *[0] * 5)
    world.close(date(2026, 11, 18))
    publish(world, "40")
    apply(world)
    late = [metro(f"late-{number}", at="2026-11-18T20:00:00+08:00") for number in range(2)]
    assert [one.co2e_mg for one in world.credit(*late)] == [NEW, 0]
    assert world.grams() == 6 * NEW
    assert findings(world) == []


def test_a_draft_is_planned_and_not_applied(world: World) -> None:
    rides(world, OPEN, 0, 1)
    with unit_of_work(world.database, read_only=True) as session:
        files = files_after(session, "v1", "10")
    compiled = compile_package(package_from_files(files), check_dimensions=False)
    draft = Draft(compiled)
    span = Span(world.programme, *NOVEMBER, draft=draft)
    assert {(row.old_mg, row.new_mg) for row in planned(world, span)} == {(OLD, 83_000)}
    with pytest.raises(ValueError, match="a draft governs nothing"):
        apply(world, span)
    assert world.grams() == OLD


def test_what_the_new_version_refuses_is_left_and_counted(world: World) -> None:
    world.credit(metro("far", at=OPEN, distance_m=60_000), metro("near", at=OPEN))
    with unit_of_work(world.database, read_only=True) as session:
        files = files_after(session, "v1", "40")
    told = files["methodology.yaml"].replace(b"max: 200000", b"max: 50000")
    assert told != files["methodology.yaml"]
    compiled = compile_package(package_from_files(files | {"methodology.yaml": told}), check_dimensions=False)
    span = Span(world.programme, *NOVEMBER, draft=Draft(compiled))
    report = reported(planned(world, span))
    assert dict(report.left) == {"input-out-of-bounds": 1}
    assert report.delta_mg == NEW - OLD


def test_a_span_looks_at_what_the_methodology_governs(world: World) -> None:
    rides(world, OPEN, 0)
    bus = metro("bus-1", at=OPEN) | {
        "type": "bus.ride",
        "data": {"distance_m": 5000, "distance_source": "gates"},
    }
    assert [one.status for one in world.credit(bus)] == ["credited"]
    with unit_of_work(world.database, read_only=True) as session:
        span = span_of(
            session,
            programme=world.programme,
            first_day=NOVEMBER[0],
            last_day=NOVEMBER[1],
            methodology_id=TRANSIT,
        )
        other = span_of(
            session,
            programme=world.programme,
            first_day=NOVEMBER[0],
            last_day=NOVEMBER[1],
            methodology_id="walking-sandbox",
        )
        assert (count(session, span=span), count(session, span=other)) == (2, 0)
    assert span.activity_types == {"metro.ride", "bus.ride"}


def test_a_reduction_that_ended_is_left(world: World) -> None:
    rides(world, OPEN, 0, 0)
    world.withdraw("20-1")
    publish(world, "40")
    assert len(apply(world)) == 1
    assert world.grams() == NEW
    assert findings(world) == []


def test_the_result_of_a_revision_is_audited(world: World) -> None:
    (ride,) = rides(world, OPEN, 0)
    publish(world, "40")
    apply(world)
    with unit_of_work(world.database, read_only=True) as session:
        (one,) = standing_by_event(session, event_ids=[_event(session, ride)])
        assert compiled_by_digest(session, digest=one.version_digest).evaluate(
            one.inputs, on=one.business_day
        )
    assert one.recorded_use == "credit"
    assert one.points_mg == OLD


def _event(session: Any, reduction_id: UUID) -> UUID:
    statement = text("SELECT event_id FROM reduction WHERE id = :id")
    hexed = reduction_id.hex if session.get_bind().dialect.name == "sqlite" else reduction_id
    found = session.execute(statement, {"id": hexed}).scalar_one()
    return found if isinstance(found, UUID) else UUID(found)
