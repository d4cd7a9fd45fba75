"""One event and many: credited once, replayed, refused, corrected, with both ledgers agreeing."""

from datetime import date

from carbon_credit.events.incoming import read_event
from carbon_credit.kernel.db import Database
from tests.world import World, metro, statuses


def test_a_metro_ride_in_shenzhen(database: Database) -> None:
    world = World(database)
    [outcome] = world.credit(metro("M-1"))
    assert outcome.status == "credited"
    assert outcome.co2e_mg == 388_440
    assert outcome.methodology == "sz-public-transit/v1"
    assert world.grams() == 388_440


def test_an_event_that_was_read_before_is_credited_like_its_payload(database: Database) -> None:
    world = World(database)
    told = world.credit(metro("M-1"), read_event(metro("M-2")), read_event(metro("M-1")))
    assert [one.status for one in told] == ["credited", "credited", "duplicate"]
    assert told[0].co2e_mg == told[1].co2e_mg
    assert world.grams() == 2 * 388_440


def test_the_same_event_again_is_a_duplicate_with_the_first_outcome(database: Database) -> None:
    world = World(database)
    first, second = world.credit(metro("M-1"), metro("M-1"))
    [third] = world.credit(metro("M-1"))
    assert (first.status, second.status, third.status) == ("credited", "duplicate", "duplicate")
    assert third.first == "credited"
    assert third.co2e_mg == first.co2e_mg
    assert third.reduction_id == first.reduction_id
    assert world.grams() == 388_440


def test_other_content_under_the_same_revision_is_a_conflict(database: Database) -> None:
    world = World(database)
    world.credit(metro("M-1"))
    [outcome] = world.credit(metro("M-1", distance_m=8301))
    assert (outcome.status, outcome.reason) == ("invalid", "event-conflict")
    assert world.grams() == 388_440


def test_a_higher_revision_supersedes_and_a_lower_one_is_stale(database: Database) -> None:
    world = World(database)
    world.credit(metro("M-1"))
    [corrected] = world.credit(metro("M-1", revision=2, distance_m=10_000))
    [stale] = world.credit(metro("M-1"))
    assert corrected.co2e_mg == 468_000
    assert (stale.status, stale.revision, stale.co2e_mg) == ("stale", 2, 468_000)
    assert world.grams() == 468_000


def test_withdrawal_takes_grams_and_points_back(database: Database) -> None:
    world = World(database)
    world.credit(metro("M-1"), metro("M-2"))
    points = world.points()
    world.withdraw("M-1")
    assert world.grams() == 388_440
    assert world.points() < points
    [again] = world.credit(metro("M-1"))
    assert (again.status, again.first) == ("duplicate", "withdrawn")


def test_a_retryable_refusal_may_come_again(database: Database) -> None:
    world = World(database, programme="gd-sz")
    stranger = metro("M-1", person=7)
    [refused] = world.credit(stranger)
    assert (refused.status, refused.reason) == ("rejected", "unlinked")
    old = metro("M-2", at="2026-01-01T08:00:00+08:00")
    assert statuses(world.credit(old)) == ["rejected"]
    assert statuses(world.credit(old, backfill=True)) == ["credited"]


def test_what_is_invalid_claims_nothing(database: Database) -> None:
    world = World(database)
    wrong = [
        metro("M-1", distance_m=-1),
        metro("M-1", at="2999-01-01T08:00:00+08:00"),
        metro("M-1", at="2026-11-20T08:00:00"),
        {**metro("M-1"), "type": "teleport.ride"},
        {**metro("M-1"), "grams": 5},
        {**metro("M-1"), "data": {"distance_m": 8300.0, "distance_source": "gates"}},
        {**metro("M-1"), "data": {"distance_m": True, "distance_source": "gates"}},
        {**metro("M-1"), "citizen": {}},
        "not an event",
        None,
    ]
    assert set(statuses(world.credit(*wrong))) == {"invalid"}
    assert statuses(world.credit(metro("M-1"))) == ["credited"]


def test_points_are_floored_per_day_not_per_event(database: Database) -> None:
    world = World(database)
    outcomes = world.credit(*[metro(f"M-{n}", distance_m=1000 + n) for n in range(5)])
    grams = sum(outcome.co2e_mg for outcome in outcomes) // 1000
    assert world.points() == sum(outcome.points for outcome in outcomes) == grams // 100


def test_closing_a_month_makes_reductions_final(database: Database) -> None:
    world = World(database)
    world.credit(metro("M-1", at="2026-10-20T08:00:00+08:00"), backfill=True)
    world.close_month(date(2026, 10, 1))
    [late] = world.credit(metro("M-2", at="2026-10-20T09:00:00+08:00"), backfill=True)
    assert late.status == "credited"
    assert world.grams() == 2 * 388_440
