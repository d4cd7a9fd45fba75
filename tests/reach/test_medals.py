"""Medals: counted from closed days, once each, in the order of the calendar; kept, whatever is withdrawn."""

import threading
from datetime import date

import pytest
import sqlalchemy as sa

from carbon_credit.kernel.db import Database
from carbon_credit.kernel.unit_of_work import transact, unit_of_work
from carbon_credit.reach.medals import award_due
from carbon_credit.tables import metadata
from tests.reach.conftest import award, day_of, medals, ride
from tests.world import World

AWARD = metadata.tables["medal_award"]


def test_the_first_ride_brings_its_medal_when_its_day_is_closed(database: Database) -> None:
    world = World(database)
    world.credit(ride("M-1", day_of(1)))
    assert award(world) == 0  # nothing is closed
    assert medals(world)["first-metro"] == (0, None)
    world.close(day_of(1))
    assert award(world) == 5  # one day for each of five medals
    assert award(world) == 0
    assert medals(world) == {
        "first-metro": (1, day_of(1)),
        "first-bike": (0, None),
        "metro-100": (1, None),
        "week-in-row": (1, None),
        "ten-kilograms": (388_440, None),
    }
    assert medals(world, 1)["first-metro"] == (0, None)


def test_seven_days_in_a_row_and_not_six_and_one(database: Database) -> None:
    world = World(database)
    for number in (*range(1, 7), 8, *range(10, 18)):
        world.credit(ride(f"M-{number}", day_of(number)))
        world.close(day_of(number))
    award(world)
    # 1 to 6, a gap, 8, a gap, 10 to 16: the seventh in a row.
    assert medals(world)["week-in-row"] == (7, day_of(16))


def test_days_wait_for_the_one_before_them_and_a_late_ride_mends_no_run(database: Database) -> None:
    world = World(database)
    for number in (1, 2, 3):
        world.credit(ride(f"M-{number}", day_of(number)))
    world.close(day_of(1), day_of(3))
    award(world)
    assert medals(world)["week-in-row"] == (1, None)  # the third waits for the second
    world.close(day_of(2))
    award(world)
    assert medals(world)["week-in-row"] == (3, None)
    world.credit(ride("late", day_of(2)), backfill=True)  # its day is closed: accounted today
    world.now = world.now.replace(day=23)
    world.close(date(2026, 11, 21))
    award(world)
    found = medals(world)
    assert found["week-in-row"] == (3, None)
    assert found["metro-100"] == (4, None)  # but it counts as a ride


def test_what_is_withdrawn_lowers_progress_and_takes_no_medal(database: Database) -> None:
    world = World(database)
    world.credit(*(ride(f"M-{n}", day_of(1 + n // 5), distance_m=60_000 + n) for n in range(20)))
    world.close(*(day_of(1 + n) for n in range(4)))
    award(world)
    before = medals(world)
    assert before["ten-kilograms"][1] == day_of(1)
    assert before["metro-100"] == (20, None)
    for number in range(6):
        world.withdraw(f"M-{number}")
    world.now = world.now.replace(day=23)
    world.close(date(2026, 11, 21))
    award(world)
    after = medals(world)
    assert after["metro-100"] == (14, None)
    assert after["ten-kilograms"] == before["ten-kilograms"]
    assert after["first-metro"] == before["first-metro"]


def test_two_sweeps_at_once_award_once(database: Database) -> None:
    world = World(database)
    world.credit(ride("M-1", day_of(1)), ride("M-2", day_of(1), person=1))
    world.close(day_of(1))
    done: list[int] = []

    def sweep() -> None:
        own = Database(database.settings)
        done.append(transact(own, lambda s: award_due(s, now=world.now, limit=100)))
        own.dispose()

    threads = [threading.Thread(target=sweep) for _ in range(3)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert sorted(done) == [0, 0, 5]
    with unit_of_work(database, read_only=True) as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(AWARD)) == 2
    # The key has the last word.
    again = sa.insert(AWARD).from_select([c.name for c in AWARD.c], sa.select(AWARD).limit(1))
    with pytest.raises(sa.exc.IntegrityError), unit_of_work(database) as session:
        session.execute(again)


def test_days_on_which_nothing_happened_are_marked_at_once(database: Database) -> None:
    world = World(database)
    world.credit(ride("M-1", day_of(30)), ride("M-2", day_of(31)))
    world.close_month(day_of(1))
    assert award(world) == 2 * 5  # of 31 closed days, two for each medal
    marked = metadata.tables["medal_day"]
    with unit_of_work(database, read_only=True) as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(marked)) == 31 * 5
    assert medals(world)["week-in-row"] == (2, None)
