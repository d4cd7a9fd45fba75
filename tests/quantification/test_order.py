"""After closing, balances do not depend on the order in which events arrived."""

import random
from datetime import date, timedelta
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from carbon_credit.kernel.db import Database
from carbon_credit.kernel.unit_of_work import transact, unit_of_work
from carbon_credit.ledger.audit import audit as audit_ledger
from carbon_credit.offsets.ended import take_back_ended
from carbon_credit.quantification.audit import audit as audit_reductions
from carbon_credit.quantification.errors import DaysOpen, PeriodClosed, PeriodNotOver
from carbon_credit.sweeps import SWEEPS
from tests.quantification.cities import assert_books, cap, city, reading, riding, saving
from tests.quantification.test_overflow import overflow
from tests.world import World, metro

THE_19TH, THE_20TH = date(2026, 11, 19), date(2026, 11, 20)
PEOPLE = 40


def rides_around_midnight(person: int) -> list[dict[str, Any]]:
    """Nine rides of one citizen: eight on the 20th, whose cap is six, one a millisecond before it."""

    def ride(number: int, at: str, distance_m: int) -> dict[str, Any]:
        return metro(f"P{person}-{number}", person=person, at=at, distance_m=distance_m)

    return [
        ride(0, "2026-11-19T23:59:59.999+08:00", 40_000),
        ride(1, "2026-11-20T00:00:00+08:00", 11_000),
        # The same instant twice: the tie is broken by what no arrival can change.
        ride(2, "2026-11-20T07:00:00+08:00", 12_340),
        ride(3, "2026-11-20T07:00:00+08:00", 23_450),
        *(ride(n, f"2026-11-20T{n + 4:02d}:00:00+08:00", n * 3_330) for n in range(4, 9)),
    ]


# The first six of the 20th count whatever came first, and the ride of the 19th on its own day.
EXPECTED_M = 40_000 + 11_000 + 12_340 + 23_450 + (4 + 5 + 6) * 3_330
EXPECTED_MG = EXPECTED_M * 468 // 10


def test_every_order_and_every_batching_ends_the_same(database: Database) -> None:
    world = World(database, people=PEOPLE)
    draw = random.Random(20261121)
    for person in range(PEOPLE):
        rides = rides_around_midnight(person)
        draw.shuffle(rides)
        while rides:
            size = draw.randint(1, len(rides))
            world.credit(*rides[:size])
            rides = rides[size:]
    before = {world.grams(person) for person in range(PEOPLE)}
    assert len(before) > 1, "arrival should matter while the day is open, or this test shows nothing"
    world.close(THE_19TH, THE_20TH)
    assert {world.grams(person) for person in range(PEOPLE)} == {EXPECTED_MG}
    day_points = [40_000 * 468 // 10 // 100_000, (EXPECTED_M - 40_000) * 468 // 10 // 100_000]
    assert {world.points(person) for person in range(PEOPLE)} == {sum(day_points)}
    for person in range(PEOPLE):
        first, *_, last = world.credit(*rides_around_midnight(person)[1:])
        assert (first.status, first.cap_code, last.cap_code, last.co2e_mg) == (
            "duplicate",
            None,
            "cap-events",
            0,
        )
    with unit_of_work(database, read_only=True) as session:
        assert audit_ledger(session) == []
        assert audit_reductions(session, progress=lambda _: None) == []


def test_a_withdrawal_on_an_open_day_frees_the_cap(database: Database) -> None:
    world = World(database)
    rides = rides_around_midnight(0)
    world.credit(*rides)
    world.withdraw("P0-1")
    world.close(THE_19TH, THE_20TH)
    assert world.grams() == (EXPECTED_M - 11_000 + 7 * 3_330) * 468 // 10


def test_an_event_after_its_day_was_closed_counts_within_what_is_left(database: Database) -> None:
    world = World(database)
    world.credit(*[metro(f"M-{n}", distance_m=1_000) for n in range(5)])
    world.close(THE_20TH)
    late, too_many = world.credit(
        metro("L-1", distance_m=2_000), metro("L-2", at="2026-11-20T09:00:00+08:00", distance_m=2_000)
    )
    assert (late.co2e_mg, late.cap_code) == (93_600, None)
    assert (too_many.co2e_mg, too_many.cap_code) == (0, "cap-events")
    with unit_of_work(database, read_only=True) as session:
        rows = session.execute(text("SELECT business_day, accounting_day FROM reduction")).all()
    assert sum(str(row.accounting_day) == "2026-11-21" for row in rows) == 2


def test_periods_close_once_and_only_when_they_are_over(database: Database) -> None:
    world = World(database)
    world.close(THE_20TH)
    with pytest.raises(PeriodClosed):
        world.close(THE_20TH)
    with pytest.raises(PeriodNotOver):
        world.close(date(2026, 11, 21))
    with pytest.raises(PeriodNotOver):
        world.close_month(date(2026, 11, 1))


def test_a_month_closes_after_its_days(database: Database) -> None:
    world = World(database)
    with pytest.raises(DaysOpen):
        world.close_only_month(date(2026, 10, 1))
    world.close_month(date(2026, 10, 1))
    with pytest.raises(PeriodClosed):
        world.close_only_month(date(2026, 10, 1))


def test_grams_withdrawn_after_their_month_was_closed_go_back_by_sweep(database: Database) -> None:
    world = World(database)
    at = "2026-10-20T08:00:00+08:00"
    world.credit(metro("M-1", at=at), metro("M-2", at=at), backfill=True)
    world.close_month(date(2026, 10, 1))
    world.withdraw("M-1")
    # The month is closed: whether a batch holds the grams is decided by who knows the batches.
    assert world.grams() == 2 * 388_440
    assert transact(database, lambda session: take_back_ended(session, now=world.now, limit=10)) == 1
    assert world.grams() == 388_440
    assert transact(database, lambda session: take_back_ended(session, now=world.now, limit=10)) == 0
    with unit_of_work(database, read_only=True) as session:
        assert audit_ledger(session) == []
        assert audit_reductions(session, progress=lambda _: None) == []


def test_a_points_grant_that_was_taken_out_is_named(database: Database) -> None:
    world = World(database)
    world.credit(metro("M-1", distance_m=40_000))
    remove = ["DROP TRIGGER transfer_no_delete"]
    if not database.settings.embedded:
        remove = ["ALTER TABLE transfer DISABLE TRIGGER USER"]
    with unit_of_work(database) as session:
        for statement in [*remove, "DELETE FROM transfer WHERE code = 'points.grant'"]:
            session.execute(text(statement))
        session.execute(text("UPDATE account SET credits_posted = 0 WHERE kind = 'citizen.points'"))
    with unit_of_work(database, read_only=True) as session:
        found = audit_reductions(session, progress=lambda _: None)
    assert [finding.rule for finding in found] == ["points-posted"]


def test_a_closed_month_has_opening_balances_once_its_rows_are_sealed(database: Database) -> None:
    world = World(database)
    world.credit(metro("M-1", at="2026-10-20T08:00:00+08:00"), backfill=True)
    world.close_month(date(2026, 10, 1))
    count = text("SELECT count(*) FROM account_opening")
    later = world.now + timedelta(days=400)
    for _ in range(2):
        for name in ("seal", "openings"):
            transact(database, lambda session, name=name: SWEEPS[name].batch(session, later, 10_000))
    with unit_of_work(database, read_only=True) as session:
        assert session.scalar(count) == 4  # both sources, the citizen's grams, the citizen's points
        assert audit_ledger(session, full=True) == []


@pytest.mark.long
def test_all_5040_orders_of_seven_rides_end_the_same(database: Database) -> None:
    orders = list(permutations(range(1, 8)))
    world = World(database, people=len(orders))
    rides = {person: rides_around_midnight(person) for person in range(len(orders))}
    for turn in range(-1, 7):  # first the ride of the day before, then each person's order, ride by ride
        events = [rides[person][order[turn] if turn >= 0 else 0] for person, order in enumerate(orders)]
        for start in range(0, len(events), 1_000):
            world.credit(*events[start : start + 1_000])
    world.close(THE_19TH, THE_20TH)
    sums = text("SELECT credits_posted - debits_posted FROM account WHERE kind = :kind")
    with unit_of_work(database, read_only=True) as session:
        grams = list(session.scalars(sums, {"kind": "citizen.reductions"}))
        points = list(session.scalars(sums, {"kind": "citizen.points"}))
    assert grams == [EXPECTED_MG] * len(orders)
    assert len(points) == len(orders)
    assert len(set(points)) == 1


DAYS = [date(2026, 11, day) for day in (16, 17, 18)]
GROUP, EACH = 30, 14
RIDING, DAILY = riding("riding", within_s=120), saving("daily", netting="day")
OF_A_DAY = [
    cap("activity-day", events=3, activity_type="metro.ride"),
    cap("scene-day", mg=90_000, scene="metro"),
    cap("person-day", mg=100_000),
]
# Rules that reach over days; rules of a day alone; shares of a platform, of which a late ride may get a part.
CITIES: dict[str, dict[str, Any]] = {
    "year": {
        "methods": [RIDING, saving("monthly", netting="month")],
        "caps": [*OF_A_DAY, cap("person-year", mg=240_000)],
    },
    "day": {"methods": [RIDING, DAILY], "caps": OF_A_DAY},
    "shares": {
        "methods": [RIDING, DAILY],
        "caps": OF_A_DAY,
        "overflow": [overflow("citizen-month", 120_000)],
    },
}


def busy_days(draw: random.Random) -> list[tuple[int, date, dict[str, Any]]]:
    """(person, day, event) of a group: rides near each other, some records of one trip, electricity above
    and below the baseline."""
    found = []
    for person in range(GROUP):
        for number in range(EACH):
            day, minute = draw.choice(DAYS), draw.randrange(7 * 60, 9 * 60)
            at = f"{day}T{minute // 60:02d}:{minute % 60:02d}:{draw.randrange(60):02d}.{number:03d}+08:00"
            if draw.random() < 0.25:
                event = reading(f"E-{number}", draw.randrange(25_000), at=at)
            else:
                event = metro(f"M-{number}", at=at, distance_m=draw.randint(200, 9_000))
            found.append((person, day, event))
    return found


def of_group(group: int, person: int, event: dict[str, Any]) -> dict[str, Any]:
    """The same event of another group's person."""
    who = group * GROUP + person
    card = {"link": {"kind": "transit-card", "value": f"CARD-{who}"}}
    return event | {"id": f"{who}-{event['id']}", "citizen": card}


@pytest.mark.parametrize("rules", CITIES)
def test_three_orders_over_several_days_end_the_same(database: Database, tmp_path: Path, rules: str) -> None:
    """Three groups of people do the same, and it arrives in three orders; some of it comes late."""
    draw = random.Random(20261116)
    events = busy_days(draw)
    late = [index for index, (_, day, _) in enumerate(events) if day == DAYS[0] and draw.random() < 0.3]
    with city(database, tmp_path, people=3 * GROUP, **CITIES[rules]) as world:
        arriving = [(group, index) for group in range(3) for index in range(len(events)) if index not in late]
        draw.shuffle(arriving)
        while arriving:
            portion = [arriving.pop() for _ in range(min(len(arriving), draw.randint(1, 80)))]
            told = world.credit(*[_one(events, group, index) for group, index in portion])
            assert {one.status for one in told} == {"credited"}
        before = [[world.grams(group * GROUP + person) for person in range(GROUP)] for group in range(3)]
        assert before[0] != before[1], "arrival should matter while the days are open"
        world.close(DAYS[0])
        for group in range(3):
            draw.shuffle(late)
            for start in range(0, len(late), 25):
                world.credit(*[_one(events, group, index) for index in late[start : start + 25]])
        before = [[world.grams(group * GROUP + person) for person in range(GROUP)] for group in range(3)]
        assert before[0] != before[1], "arrival should matter while the day of arrival is open"
        world.close(*DAYS[1:])
        world.now += timedelta(days=2)
        world.close(date(2026, 11, 21))  # on which the late ones came
        ends = [
            [
                (world.grams(group * GROUP + person), world.points(group * GROUP + person))
                for person in range(GROUP)
            ]
            for group in range(3)
        ]
        assert ends[0] == ends[1] == ends[2]
        assert len(set(ends[0])) > 8
        assert_books(world)


def _one(events: list[tuple[int, date, dict[str, Any]]], group: int, index: int) -> dict[str, Any]:
    person, _, event = events[index]
    return of_group(group, person, event)
