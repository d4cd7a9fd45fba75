"""Offers are filled up once a month, not at midnight, and never beyond what the money covers."""

import uuid
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from carbon_credit.kernel.unit_of_work import transact, unit_of_work
from carbon_credit.ledger.accounts import FEN, AccountKey
from carbon_credit.redemption.offering.budgets import add_to_fund
from carbon_credit.redemption.offering.replenishing import SPREAD_S, due_at, replenish_due
from tests.redemption.conftest import LATER, NOW, PROGRAMME, Mall
from tests.redemption.test_races import race

ZONE = ZoneInfo("Asia/Shanghai")
DECEMBER = date(2026, 12, 1)
MIDNIGHT = datetime(2026, 11, 30, 16, tzinfo=UTC)


def fill(mall: Mall, *, limit: int = 10) -> int:
    return transact(mall.database, lambda session: replenish_due(session, now=mall.now, limit=limit))


def monthly(mall: Mall, **more: object) -> uuid.UUID:
    return mall.offer(pieces=3, replenish_pieces=5, closes_at=NOW + timedelta(days=90), **more)


def test_the_hour_follows_from_offer_and_month_alone() -> None:
    offers = [uuid.UUID(int=n) for n in range(200)]
    first = [due_at(one, DECEMBER, ZONE) for one in offers]
    assert first == [due_at(one, DECEMBER, ZONE) for one in offers]
    assert all(MIDNIGHT <= at < MIDNIGHT + timedelta(seconds=SPREAD_S) for at in first)
    assert len({at.replace(minute=0, second=0) for at in first}) == 24
    assert first != [due_at(one, date(2027, 1, 1), ZONE) - timedelta(days=31) for one in offers]


def test_it_is_filled_up_to_so_many_once_a_month(mall: Mall) -> None:
    offer = monthly(mall)
    mall.reserve(mall.citizen({LATER: 100}), offer)
    assert fill(mall) == 0  # the month in which it was made
    mall.now = due_at(offer, DECEMBER, ZONE) - timedelta(seconds=1)
    assert fill(mall) == 0
    mall.later(seconds=1)
    assert fill(mall) == 1
    assert mall.stock(offer) == (5, 1, 0)
    mall.reserve(mall.citizen({LATER: 100}), offer)
    assert fill(mall) == 0
    mall.now = datetime(2027, 1, 2, 16, tzinfo=UTC)
    assert (fill(mall), mall.stock(offer)[0]) == (1, 5)
    mall.audit()


def test_many_sweeps_at_once_fill_it_once(mall: Mall) -> None:
    offers = [monthly(mall) for _ in range(3)]
    mall.now = datetime(2026, 12, 2, 16, tzinfo=UTC)
    results = race(*[lambda: fill(mall)] * 4)
    assert sum(results) == 3, results
    assert [mall.stock(one)[0] for one in offers] == [5, 5, 5]
    mall.audit()


def test_one_that_is_full_or_closed_gets_nothing(mall: Mall) -> None:
    full = monthly(mall)
    mall.add(full, 4)
    mall.offer(pieces=1, replenish_pieces=5, closes_at=NOW + timedelta(days=5))
    draft = mall.offer(pieces=0, approve=False, replenish_pieces=5, closes_at=NOW + timedelta(days=90))
    mall.now = datetime(2026, 12, 2, 16, tzinfo=UTC)
    assert fill(mall) == 1
    assert (mall.stock(full)[0], mall.stock(draft)[0]) == (7, 0)


def test_no_more_than_the_fund_covers(mall: Mall) -> None:
    with unit_of_work(mall.database) as session:
        add_to_fund(session, programme=PROGRAMME, fen=2_700, now=mall.now)
    offer = monthly(mall, funding="fund")
    for who in [mall.citizen({LATER: 100}) for _ in range(3)]:
        mall.reserve(who, offer)
    mall.now = datetime(2026, 12, 2, 16, tzinfo=UTC)
    assert fill(mall) == 1
    assert mall.stock(offer) == (2, 3, 0)
    assert mall.balance(AccountKey(PROGRAMME, FEN, "programme.fund")).available == 200
    mall.audit()
