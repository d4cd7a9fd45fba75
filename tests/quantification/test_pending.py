"""Points of what waits (T+n): shown with the day they are due, and gone with what waited."""

from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path

from sqlalchemy import text

from carbon_credit.kernel.db import Database
from carbon_credit.kernel.unit_of_work import unit_of_work
from carbon_credit.quantification.pending import pending_points
from tests.quantification.cities import NOTE
from tests.quantification.test_waiting import DUE, patient, sweep
from tests.world import World, metro

NEXT = DUE + timedelta(days=1)
EARLY, LATE = "2026-11-20T08:00:00+08:00", "2026-11-21T08:00:00+08:00"


def pending(world: World, person: int = 0) -> Sequence[tuple[int, object]]:
    with unit_of_work(world.database, read_only=True) as session:
        found = pending_points(session, programme=world.programme, citizen_id=world.citizens[person])
    return [(one.points, one.due_at) for one in found]


def rows(world: World) -> int:
    with unit_of_work(world.database, read_only=True) as session:
        return int(session.scalar(text("SELECT count(*) FROM points_pending")) or 0)


def test_what_waits_is_pending_until_it_is_credited(database: Database, tmp_path: Path) -> None:
    with patient(database, tmp_path) as world:
        assert pending(world) == []
        world.credit(metro("M-1", at=EARLY, distance_m=10_000), metro("M-2", at=LATE, distance_m=20_000))
        assert (pending(world), pending(world, 1)) == ([(4, DUE), (9, NEXT)], [])
        world.now = DUE
        assert sweep(world) == 1
        assert (world.points(), pending(world)) == (4, [(9, NEXT)])
        world.now = NEXT
        sweep(world)
        assert (world.points(), pending(world), rows(world)) == (13, [], 0)


def test_points_are_floored_over_the_day_not_for_each_ride(database: Database, tmp_path: Path) -> None:
    with patient(database, tmp_path) as world:
        world.credit(*(metro(f"M-{n}", at=EARLY, distance_m=1_500) for n in range(5)))
        assert pending(world) == [(3, DUE)]  # 70 g each: none for one, three for the five
        world.now = DUE
        sweep(world)
        assert world.points() == 3


def test_what_is_withdrawn_corrected_or_sent_again_is_pending_once(
    database: Database, tmp_path: Path
) -> None:
    with patient(database, tmp_path) as world:
        ride = metro("M-1", at=EARLY, distance_m=10_000)
        world.credit(ride, metro("M-2", at=EARLY, distance_m=10_000))
        world.credit(ride)
        assert pending(world) == [(9, DUE)]
        world.credit(metro("M-1", at=EARLY, revision=2, distance_m=30_000))
        assert pending(world) == [(18, DUE)]
        world.withdraw("M-1")
        assert pending(world) == [(4, DUE)]
        world.withdraw("M-2")
        assert (pending(world), rows(world)) == ([], 0)


def test_a_budget_is_applied_when_it_is_credited(database: Database, tmp_path: Path) -> None:
    budget = {"points": 3, "per": "month", "effective_from": date(2015, 1, 1), "effective_to": None, **NOTE}
    with patient(database, tmp_path, points_budget=[budget]) as world:
        world.credit(metro("M-1", at=EARLY, distance_m=10_000))
        assert pending(world) == [(4, DUE)]
        world.now = DUE
        sweep(world)
        assert (world.points(), pending(world)) == (3, [])
