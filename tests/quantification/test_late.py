"""What comes for closed days, months and years, or leaves them: settled with the day on which it came."""

import random
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, text

from carbon_credit.events.incoming import claim_key
from carbon_credit.kernel.db import Database, keys_of
from carbon_credit.kernel.unit_of_work import transact, unit_of_work
from carbon_credit.quantification.operations import credit, withdraw_known
from carbon_credit.sweeps import SWEEPS
from tests.quantification.cities import assert_books, cap, city, net_by_person, reading, saving
from tests.quantification.test_year import BY_TIER, THE_YEAR, adjustments, state, used
from tests.world import World, metro

COMES = datetime(2027, 1, 10, 4, 0, tzinfo=UTC)
SETTLES = datetime(2027, 1, 12, 4, 0, tzinfo=UTC)
ARRIVAL = date(2027, 1, 10)


def settle(world: World) -> None:
    """Close the day on which the late ones came."""
    world.now = SETTLES
    world.close(ARRIVAL)


def test_a_late_result_below_zero_takes_back_what_a_closed_year_gave(
    database: Database, tmp_path: Path
) -> None:
    with city(database, tmp_path, methods=[saving("yearly", netting="year")], people=2, now=COMES) as world:
        world.credit(*used(2, d0105=4_000, d0610=7_000))
        world.close_year(THE_YEAR)
        world.credit(reading("L-1", 15_000, at="2026-07-20T12:00:00+08:00"))
        assert net_by_person(world) == [9_000, 9_000]  # nothing is known of it before its own day is closed
        settle(world)
        assert net_by_person(world) == [4_000, 9_000]
        assert sorted(adjustments(world)) == [
            (-3_000, "netting", "2027-01-10"),
            (-2_000, "netting", "2027-01-10"),
        ]
        with unit_of_work(world.database, read_only=True) as session:
            [row] = session.execute(
                text("SELECT credited_mg, corrected_mg FROM period WHERE starts_on = '2027-01-10'")
            ).all()
            [year] = session.execute(text("SELECT credited_mg FROM period WHERE kind = 'year'")).all()
        assert (row.credited_mg, row.corrected_mg, year.credited_mg) == (-5_000, -5_000, 18_000)
        assert_books(world)


def test_a_withdrawal_from_a_closed_month_is_netted_too(database: Database, tmp_path: Path) -> None:
    with city(database, tmp_path, methods=[saving("monthly", netting="month")], now=COMES) as world:
        world.credit(*used(1, d1205=4_000, d1206=7_000, d1207=14_000))
        world.close_month(date(2026, 12, 1))
        assert net_by_person(world) == [5_000]
        world.withdraw("E-0-d1206")  # of its 3,000 nothing was left; without it the month is worth 2,000
        settle(world)
        assert net_by_person(world) == [2_000]
        assert_books(world)


def test_conditions_of_a_closed_year_are_decided_for_what_comes_after_it(
    database: Database, tmp_path: Path
) -> None:
    with city(database, tmp_path, methods=[BY_TIER], people=3, now=COMES) as world:
        state(world, 0, "second")
        world.close_year(THE_YEAR)
        told = world.credit(*used(3, d1201=4_000))
        assert [one.status for one in told] == ["credited"] * 3
        state(world, 1, "third")
        settle(world)
        assert net_by_person(world) == [6_000, 0, 6_000]
        assert adjustments(world) == [(-6_000, "ineligible", "2027-01-10")]
        with unit_of_work(world.database, read_only=True) as session:
            decided = session.execute(text("SELECT reason, accounting_day FROM reduction_revision")).all()
        assert {(row.reason, str(row.accounting_day)) for row in decided} == {("decided", "2027-01-10")}
        assert_books(world)


def test_a_year_that_is_full_has_nothing_left_for_late_events(database: Database, tmp_path: Path) -> None:
    with city(database, tmp_path, caps=[cap("person-year", mg=5_000)], now=COMES) as world:
        world.credit(reading("A", 0, at="2026-12-30T12:00:00+08:00", baseline_wh=4_000))
        world.close_year(THE_YEAR)
        first, more = world.credit(
            reading("L-1", 0, at="2026-06-01T12:00:00+08:00", baseline_wh=4_000),
            reading("L-2", 0, at="2026-05-01T12:00:00+08:00", baseline_wh=4_000),
        )
        assert (first.co2e_mg + more.co2e_mg, more.cap_code) == (5_000 - world_before(world), "cap-year")
        settle(world)
        assert world.grams() == 5_000
        assert_books(world)


def world_before(world: World) -> int:
    """What had counted when the year was closed."""
    with unit_of_work(world.database, read_only=True) as session:
        return int(session.scalar(text("SELECT credited_mg FROM period WHERE kind = 'year'")) or 0)


def test_late_events_have_what_the_citys_day_left_in_canonical_order(
    database: Database, tmp_path: Path
) -> None:
    now = datetime(2026, 11, 21, 4, 0, tzinfo=UTC)
    with city(database, tmp_path, caps=[cap("programme-day", mg=100_000)], people=4, now=now) as world:
        world.credit(metro("M-0", at="2026-11-16T08:00:00+08:00", distance_m=1_000))
        world.close(date(2026, 11, 16))
        for person, at in ((3, "07:30"), (1, "07:00"), (2, "06:00")):
            world.credit(
                metro(f"L-{person}", person=person, at=f"2026-11-16T{at}:00+08:00", distance_m=1_000)
            )
        world.now = now + timedelta(days=2)
        world.close(date(2026, 11, 21))
        assert net_by_person(world) == [46_800, 6_400, 46_800, 0]
        assert_books(world)


@pytest.mark.parametrize(("until", "code"), [("day", "closed-period"), ("year", None), (None, None)])
def test_a_programme_may_take_nothing_for_closed_periods(
    database: Database, tmp_path: Path, until: str | None, code: str | None
) -> None:
    window = {"late_days": 400, "ahead_s": 300, "detail_days": 180, "until_closed": until}
    with city(database, tmp_path, events=window) as world:
        world.close(date(2026, 11, 16))
        told = world.credit(
            metro("L-1", at="2026-11-16T08:00:00+08:00"), metro("L-2", at="2026-11-17T08:00:00+08:00")
        )
        assert [one.reason for one in told] == [code, None]


def test_each_scene_has_its_own_window(database: Database, tmp_path: Path) -> None:
    window = {
        "late_days": 10,
        "ahead_s": 300,
        "detail_days": 180,
        "backfill_days": 30,
        "scenes": [{"scene": "bus", "late_days": 3, "backfill_days": 5}],
    }

    def at(day: int) -> str:
        return f"2026-11-{day:02d}T08:00:00+08:00"

    with city(database, tmp_path, events=window) as world:
        live = [metro(f"M-{day}", at=at(day)) for day in (10, 11)]
        live += [metro(f"B-{day}", at=at(day)) | {"type": "bus.ride"} for day in (17, 18)]
        assert [one.reason for one in world.credit(*live)] == ["outside-window", None] * 2
        filed = [metro("F-1", at="2026-10-21T08:00:00+08:00"), metro("F-2", at="2026-10-22T08:00:00+08:00")]
        filed += [metro(f"G-{day}", at=at(day)) | {"type": "bus.ride"} for day in (15, 16)]
        told = world.credit(*filed, backfill=True)
        assert [one.reason for one in told] == ["outside-window", None] * 2


def statements_of(world: World, deed: Any) -> int:
    """How many statements a deed takes, in its own transaction."""
    seen = [0]

    def count(*_: object) -> None:
        seen[0] += 1

    event.listen(world.database.engine, "before_cursor_execute", count)
    try:
        transact(world.database, deed)
    finally:
        event.remove(world.database.engine, "before_cursor_execute", count)
    return seen[0]


def test_thousands_of_corrections_of_closed_periods_take_few_statements(
    database: Database, tmp_path: Path
) -> None:
    people, draw = 50, random.Random(1)
    now = datetime(2026, 11, 21, 4, 0, tzinfo=UTC)
    caps = [cap("person-day", mg=1_500_000)]
    with city(database, tmp_path, people=people, caps=caps, now=now) as world:
        events = [
            metro(
                f"M-{n}",
                person=n % people,
                at=f"2026-10-{1 + n % 28:02d}T{7 + n // 280 % 14:02d}:{n % 60:02d}:00+08:00",
                distance_m=draw.randint(1_000, 9_000),
            )
            for n in range(2_000)
        ]
        told = world.credit(*events, backfill=True)
        world.close_month(date(2026, 10, 1))
        before = sum(net_by_person(world))
        revised = [
            one | {"revision": 2, "data": {"distance_m": 500, "distance_source": "gates"}}
            for one in events[:1_000]
        ]
        keys = _claim_keys(world, [one["id"] for one in events[1_000:]])

        def correct(session: Any) -> None:
            outcomes = credit(
                session,
                programme=world.programme,
                partner_id=world.partner,
                payloads=revised,
                now=world.now,
                backfill=True,
            )
            assert {one.status for one in outcomes} == {"credited"}

        def withdraw(session: Any) -> None:
            found = withdraw_known(
                session, programme=world.programme, partner_id=world.partner, claim_keys=keys, now=world.now
            )
            assert found == 1_000

        assert before == sum(one.co2e_mg for one in told)
        assert statements_of(world, correct) < 200
        assert statements_of(world, withdraw) < 100
        ended = SWEEPS["ended"]
        for _ in range(2):
            assert statements_of(world, lambda session: ended.batch(session, world.now, 1_000)) < 100
        assert sum(net_by_person(world)) == 1_000 * 23_400
        with unit_of_work(world.database, read_only=True) as session:
            days = session.scalars(text("SELECT DISTINCT accounting_day FROM reduction_adjustment")).all()
            [october] = session.execute(text("SELECT credited_mg FROM period WHERE kind = 'month'")).all()
        assert [str(day) for day in days] == ["2026-11-21"]
        assert october.credited_mg == before
        assert_books(world)


def _claim_keys(world: World, ids: list[str]) -> list[Any]:
    with unit_of_work(world.database, read_only=True) as session:
        mac = keys_of(session).mac
        return [claim_key(mac, partner_id=world.partner, event_id=one) for one in ids]
