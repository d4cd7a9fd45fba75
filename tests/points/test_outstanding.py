"""The report of a month's end: it is what the ledger holds, and it expects nothing without a history."""

import random
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from uuid import UUID

from sqlalchemy import text

from carbon_credit.kernel.clock import business_day
from carbon_credit.kernel.unit_of_work import unit_of_work
from carbon_credit.ledger import points as ledger_points
from carbon_credit.ledger.accounts import POINTS
from carbon_credit.ledger.points import PointsTakeBack, PointsWriteOff
from carbon_credit.ledger.queries import lots as lots_of
from carbon_credit.ledger.queries import totals
from carbon_credit.points.outstanding import History, Movements, Outstanding, YearOfExpiry, outstanding_of
from carbon_credit.redemption.worth import Worth
from tests.redemption.conftest import PROGRAMME, Mall

NOVEMBER, DECEMBER, JANUARY = date(2026, 11, 1), date(2026, 12, 1), date(2027, 1, 1)
SOON, LATE = date(2026, 12, 31), date(2028, 12, 31)


def report(mall: Mall, month: date) -> Outstanding:
    with unit_of_work(mall.database, read_only=True) as session:
        return outstanding_of(session, programme=PROGRAMME, month=month, now=mall.now)


def take_back(mall: Mall, citizen: UUID, points: int, write_off: int = 0) -> None:
    with unit_of_work(mall.database) as session:
        back = PointsTakeBack(citizen, points, None, mall.now)
        ledger_points.take_backs(session, items=[back], programme=PROGRAMME, now=mall.now)
        if write_off:
            lost = PointsWriteOff(citizen, write_off, None, mall.now)
            ledger_points.write_offs(session, items=[lost], programme=PROGRAMME, now=mall.now)


def usable(mall: Mall, citizen: UUID) -> int:
    """Points in lots that are not over."""
    today = business_day(mall.now, "Asia/Shanghai")
    with unit_of_work(mall.database, read_only=True) as session:
        found = lots_of(session, programme=PROGRAMME, citizen_id=citizen)
    return sum(lot.available for lot in found if lot.expiry >= today)


def test_a_programme_without_points_expects_nothing(mall: Mall) -> None:
    found = report(mall, NOVEMBER)
    assert found.holds
    assert (found.opening, found.outstanding, found.held, found.owed, found.years) == (0, 0, 0, 0, ())
    assert (found.history, found.expected_use, found.expected_breakage) == (None, None, None)
    assert (found.worth, found.offers, found.value_fen(100), found.ended) == (None, None, None, False)


def test_a_month_says_what_came_and_what_is_left(mall: Mall) -> None:
    rich, poor = mall.citizen({SOON: 250, LATE: 100}), mall.citizen({SOON: 40})
    tea = mall.offer(points_price=100, value_fen=500, voucher_ttl_s=100 * 24 * 3600, pieces=9)
    mall.offer(points_price=300, value_fen=900, pieces=1)
    mall.consume(mall.reserve(rich, tea).code)
    mall.reserve(rich, tea)  # on hold over the month's end
    take_back(mall, poor, 50, write_off=4)
    november = report(mall, NOVEMBER)
    assert november.movements == Movements(granted=390, spent=100, taken_back=40, fell_due=10, written_off=4)
    assert (november.opening, november.outstanding, november.held, november.owed) == (0, 250, 100, 6)
    assert november.years == (YearOfExpiry(2026, 150, 100), YearOfExpiry(2028, 100, 0))
    assert november.history is None
    assert november.worth == Worth(100, 500)
    assert november.offers == (Worth(300, 900), Worth(100, 500))
    assert november.value_fen(november.outstanding) == 1250

    mall.now = datetime(2026, 12, 20, tzinfo=UTC)
    mall.grant(poor, 10, LATE)
    mall.now = datetime(2027, 1, 1, 4, tzinfo=UTC)  # lots of 2026 are over
    assert report(mall, DECEMBER).over == 50
    assert mall.sweep_lots() == 1
    december = report(mall, DECEMBER)
    assert december.opening == november.outstanding
    assert december.movements == Movements(granted=4, recovered=6)
    assert (december.outstanding, december.over, december.ended) == (254, 50, True)
    january = report(mall, JANUARY)
    assert january.movements == Movements(expired=50)
    assert january.history == History(date(2026, 12, 31), spent=100, expired=50)
    # 204 are left, 100 of them in a lot that is over but held for a voucher.
    assert (january.outstanding, january.held, january.over) == (204, 100, 0)
    assert (january.expected_breakage, january.expected_use) == (68, 136)
    assert january.value_fen(january.expected_use) == 680
    assert all(one.holds for one in (december, january))
    mall.audit()


def test_what_is_recorded_later_changes_no_month_that_is_over(mall: Mall) -> None:
    citizen = mall.citizen({SOON: 250, LATE: 100})
    offer = mall.offer(points_price=100, value_fen=500, pieces=9)
    mall.consume(mall.reserve(citizen, offer).code)
    before = report(mall, NOVEMBER)
    mall.now = datetime(2026, 12, 3, tzinfo=UTC)
    mall.consume(mall.reserve(citizen, mall.offer(pieces=5)).code)
    take_back(mall, citizen, 30)
    mall.grant(citizen, 7, SOON)
    after = report(mall, NOVEMBER)
    assert (after.ended, before.ended) == (True, False)
    assert (after.movements, after.outstanding, after.years) == (
        before.movements, before.outstanding, before.years,
    )  # fmt: skip
    assert after.holds


def test_months_follow_each_other_and_are_what_the_ledger_holds(mall: Mall) -> None:
    """Random acts over five months: each opens where the last one closed, and the last is the ledger."""
    chance = random.Random(5)
    citizens = [mall.citizen() for _ in range(4)]
    offer = mall.offer(points_price=30, value_fen=100, voucher_ttl_s=40 * 24 * 3600, pieces=500,
                       closes_at=mall.now + timedelta(days=400))  # fmt: skip
    lots = [date(2026, 12, 31), date(2027, 1, 31), date(2027, 3, 31), LATE]
    for _ in range(60):
        citizen = chance.choice(citizens)
        mall.grant(citizen, chance.randint(10, 90), chance.choice(lots))
        if chance.random() < 0.6 and usable(mall, citizen) >= 30:
            held = mall.reserve(citizen, offer)
            if (end := chance.choice(["consume", "cancel", "leave"])) == "consume":
                mall.consume(held.code)
            elif end == "cancel":
                mall.cancel(citizen, held.id)
        if chance.random() < 0.3:
            take_back(mall, citizen, chance.randint(1, 60))
        mall.later(hours=chance.randint(1, 110))
        mall.sweep()
        mall.sweep_lots()
    months, month = [], NOVEMBER
    while month <= mall.now.date():
        months.append(report(mall, month))
        month = (month + timedelta(days=32)).replace(day=1)
    assert len(months) > 4
    assert all(one.holds for one in months)
    for earlier, later in pairwise(months):
        assert (later.opening, later.owed_before) == (earlier.outstanding, earlier.owed)
    last = months[-1]
    with unit_of_work(mall.database, read_only=True) as session:
        kinds = totals(session, programme=PROGRAMME, asset=POINTS)
    assert last.outstanding == kinds["citizen.points"].posted
    assert last.held == kinds["citizen.points"].debits_pending
    assert last.owed == -kinds["citizen.points_due"].posted
    assert sum(one.outstanding for one in last.years) == last.outstanding
    moved = {
        name: sum(getattr(one.movements, name) for one in months) for name in ("expired", "spent", "refunded")
    }
    assert moved["expired"] == kinds["programme.expired"].posted
    assert moved["spent"] - moved["refunded"] == kinds["merchant.points"].posted
    assert moved["expired"] > 0


def test_a_balance_that_was_changed_shows(mall: Mall) -> None:
    mall.citizen({LATE: 100})
    assert report(mall, NOVEMBER).holds
    with unit_of_work(mall.database) as session:
        session.execute(text("UPDATE account SET credits_posted = credits_posted + 1 WHERE lot <> ''"))
    broken = report(mall, NOVEMBER)
    assert not broken.holds
    assert {one.name for one in broken.checks if one.difference} == {"balances", "lots-that-differ"}
