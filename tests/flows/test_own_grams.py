"""A month of rides is closed; its citizen neutralises with it; rides turn out wrong; the books go on."""

from datetime import UTC, date, datetime

import pytest

from carbon_credit.kernel.db import Database
from carbon_credit.kernel.unit_of_work import transact, unit_of_work
from carbon_credit.neutrality.certificates import certificate_by_number
from carbon_credit.offsets.ended import take_back_ended
from carbon_credit.offsets.errors import GramsUnavailable
from carbon_credit.reach.yearly import Whose, whose_by_year
from tests.flows.conftest import findings, neutralise_own
from tests.world import World, metro, statuses

RIDE_MG = 388_440


def test_a_ride_that_is_withdrawn_after_its_grams_were_retired(database: Database) -> None:
    world = World(database)
    rides = [metro(f"M-{hour}", at=f"2026-10-20T{hour:02d}:00:00+08:00") for hour in range(8, 14)]
    assert set(statuses(world.credit(*rides, backfill=True))) == {"credited"}
    with pytest.raises(GramsUnavailable):  # provisional
        neutralise_own(world)
    world.close_month(date(2026, 10, 1))
    points = world.points()
    done = neutralise_own(world, 2 * RIDE_MG + 1)
    assert (world.grams(), world.points()) == (4 * RIDE_MG - 1, points)
    assert findings(database) == []

    # One whose grams are retired, one of which a milligram is, one that is free.
    for event_id in ("M-8", "M-10", "M-13"):
        world.withdraw(event_id)
    taken = transact(database, lambda session: take_back_ended(session, now=world.now, limit=100))
    assert taken == 1
    assert world.grams() == 3 * RIDE_MG - 1
    assert world.points() < points
    with unit_of_work(database, read_only=True) as session:
        told = certificate_by_number(session, text=done.number)
        whose = whose_by_year(session, programme=world.programme, citizen_id=world.citizens[0])
    assert (told.co2e_mg, told.withdrawn_mg) == (2 * RIDE_MG + 1, RIDE_MG + 1)
    assert whose == {2026: Whose(3 * RIDE_MG - 1, 0, 2 * RIDE_MG + 1, 0)}
    with pytest.raises(GramsUnavailable) as refused:
        neutralise_own(world, 2 * RIDE_MG + 1)
    assert refused.value.details == {"available_mg": 2 * RIDE_MG}

    # What came late, and what is closed later, does not stumble over it.
    world.now = datetime(2026, 12, 2, 4, 0, tzinfo=UTC)
    world.close_month(date(2026, 11, 1))
    assert findings(database) == []
