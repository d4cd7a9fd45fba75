"""What a fund or a subsidy promises is set aside by the piece, and what is left of it returns."""

import uuid
from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from carbon_credit.kernel.ids import new_id
from carbon_credit.kernel.unit_of_work import transact, unit_of_work
from carbon_credit.ledger import operations as ledger
from carbon_credit.ledger.accounts import FEN, AccountKey
from carbon_credit.ledger.entries import Transfer
from carbon_credit.ledger.errors import InsufficientBalance
from carbon_credit.redemption import offers
from carbon_credit.redemption.errors import OfferExhausted, OfferInvalid, OfferState
from carbon_credit.redemption.offering import stock
from carbon_credit.redemption.offering.errors import BudgetExhausted
from tests.redemption.conftest import LATER, PROGRAMME, Mall
from tests.redemption.test_races import race

FUND = AccountKey(PROGRAMME, FEN, "programme.fund")


def pay_in(mall: Mall, fen: int) -> None:
    bank = AccountKey(PROGRAMME, FEN, "bank")
    with unit_of_work(mall.database) as session:
        ledger.post(
            session, transfers=[Transfer(new_id(), "fund.add", bank, FUND, fen, mall.now)], now=mall.now
        )


def budget_of(offer: uuid.UUID) -> AccountKey:
    return AccountKey(PROGRAMME, FEN, "offer.budget", offer)


def money(mall: Mall, offer: uuid.UUID) -> tuple[int, int]:
    """Fen in the fund, and set aside for the offer."""
    return mall.balance(FUND).available, mall.balance(budget_of(offer)).available


def act(mall: Mall, deed: Callable[[Session], object]) -> None:
    transact(mall.database, deed)


def test_pieces_that_the_fund_pays_for_are_covered(mall: Mall) -> None:
    pay_in(mall, 2_600)
    offer = mall.offer(pieces=3, funding="fund")
    assert money(mall, offer) == (1_100, 1_500)
    with pytest.raises(BudgetExhausted) as refused, unit_of_work(mall.database) as session:
        stock.add_stock(session, programme=PROGRAMME, offer_id=offer, pieces=3, now=mall.now)
    assert refused.value.details == {"lacking_fen": 400}
    assert mall.stock(offer) == (3, 0, 0)
    act(
        mall,
        lambda session: stock.remove_stock(
            session, programme=PROGRAMME, offer_id=offer, pieces=2, now=mall.now
        ),
    )
    assert money(mall, offer) == (2_100, 500)
    assert mall.stock(offer) == (1, 0, 0)
    mall.audit()


def test_what_is_held_cannot_be_taken_out(mall: Mall) -> None:
    pay_in(mall, 500)
    offer = mall.offer(pieces=1, funding="fund")
    mall.reserve(mall.citizen({LATER: 100}), offer)
    with pytest.raises(InsufficientBalance), unit_of_work(mall.database) as session:
        stock.remove_stock(session, programme=PROGRAMME, offer_id=offer, pieces=1, now=mall.now)
    assert money(mall, offer) == (0, 500)


def test_closing_returns_what_nobody_holds_and_winding_up_the_rest(mall: Mall) -> None:
    pay_in(mall, 2_000)
    offer = mall.offer(pieces=4, funding="fund")
    used, held = (mall.reserve(mall.citizen({LATER: 100}), offer) for _ in range(2))
    mall.consume(used.code)
    act(
        mall,
        lambda session: offers.close_offer(session, programme=PROGRAMME, offer_id=offer, now=mall.now),
    )
    # One is with a citizen, one was consumed and is not settled with its merchant yet.
    assert money(mall, offer) == (1_000, 1_000)
    assert mall.stock(offer) == (0, 1, 1)
    assert wind_up(mall) == 0
    mall.later(days=2)
    assert mall.sweep() == 1
    assert held.state == "held"
    assert wind_up(mall) == 0  # a till may undo for some minutes
    mall.later(hours=1)
    assert wind_up(mall) == 1
    assert wind_up(mall) == 0
    assert money(mall, offer) == (1_500, 500)
    assert mall.stock(offer) == (0, 0, 1)
    settle(mall, offer, 500)
    assert money(mall, offer) == (1_500, 0)
    mall.audit()


def test_an_offer_whose_time_is_over_is_closed_and_gives_back(mall: Mall) -> None:
    pay_in(mall, 500)
    offer = mall.offer(pieces=1, funding="fund", closes_at=mall.now + timedelta(hours=1))
    mall.later(hours=1)
    assert wind_up(mall) == 1
    assert mall.look(offer).state == "closed"
    assert money(mall, offer) == (500, 0)
    with pytest.raises(OfferState), unit_of_work(mall.database) as session:
        stock.add_stock(session, programme=PROGRAMME, offer_id=offer, pieces=1, now=mall.now)


def test_what_was_settled_is_not_owed_any_more(mall: Mall) -> None:
    pay_in(mall, 1_000)
    offer = mall.offer(pieces=2, funding="fund")
    mall.consume(mall.reserve(mall.citizen({LATER: 100}), offer).code)
    settle(mall, offer, 500)
    act(
        mall,
        lambda session: offers.close_offer(session, programme=PROGRAMME, offer_id=offer, now=mall.now),
    )
    assert money(mall, offer) == (500, 0)


def test_a_fund_is_never_overdrawn_by_those_who_add_at_once(mall: Mall) -> None:
    pay_in(mall, 2_500)
    made = [mall.offer(pieces=0, funding="fund") for _ in range(2)]

    def add(offer: uuid.UUID) -> object:
        return transact(
            mall.database,
            lambda session: stock.add_stock(
                session, programme=PROGRAMME, offer_id=offer, pieces=1, now=mall.now
            ),
        )

    results = race(*[lambda offer=offer: add(offer) for offer in made * 5])  # type: ignore[misc]
    assert sum(isinstance(one, BudgetExhausted) for one in results) == 5, results
    assert mall.balance(FUND).available == 0
    assert sum(mall.stock(offer)[0] for offer in made) == 5
    mall.audit()


def test_closing_and_taking_at_once_leaves_nothing_uncovered(mall: Mall) -> None:
    pay_in(mall, 5_000)
    offer = mall.offer(pieces=10, funding="fund")
    citizens = [mall.citizen({LATER: 100}) for _ in range(6)]

    def close() -> None:
        act(
            mall,
            lambda session: offers.close_offer(session, programme=PROGRAMME, offer_id=offer, now=mall.now),
        )

    takers = [lambda who=who: mall.reserve(who, offer) for who in citizens]  # type: ignore[misc]
    results = race(*takers[:3], close, *takers[3:])
    left, held, given = mall.stock(offer)
    assert (left, given) == (0, 0)
    assert money(mall, offer) == (5_000 - 500 * held, 500 * held), results
    mall.audit()


def test_an_unfunded_offer_moves_no_money(mall: Mall) -> None:
    offer = mall.offer(pieces=3)
    with pytest.raises(OfferInvalid), unit_of_work(mall.database) as session:
        stock.remove_stock(session, programme=PROGRAMME, offer_id=offer, pieces=0, now=mall.now)
    act(
        mall,
        lambda session: offers.close_offer(session, programme=PROGRAMME, offer_id=offer, now=mall.now),
    )
    assert money(mall, offer) == (0, 0)
    assert mall.stock(offer) == (0, 0, 0)


def test_the_last_piece_is_gone_for_the_next_one(mall: Mall) -> None:
    pay_in(mall, 500)
    offer = mall.offer(pieces=1, funding="fund")
    mall.reserve(mall.citizen({LATER: 100}), offer)
    with pytest.raises(OfferExhausted):
        mall.reserve(mall.citizen({LATER: 100}), offer)


@pytest.mark.parametrize(
    "change",
    [
        "funding = 'subsidy'",
        "funding = 'nobody'",
        "points_price = 0",
        "value_fen = 0",
        "kind = 'neutralise'",
        "kind = 'subsidy'",
        "kind = 'goods', percent_off = 10",
        "percent_off = 100",
        "percent_off = 10, partial_use = (1 = 1)",
        "kind = 'goods', partial_use = (1 = 1)",
        "stocked = (1 = 0)",
        "min_spend_fen = -1",
        "per_day_limit = 0",
        "per_month_limit = 0",
        "replenish_pieces = 0",
        "kind = 'code_pool', replenish_pieces = 5",
    ],
)
def test_the_database_refuses_offers_that_cannot_be(mall: Mall, change: str) -> None:
    mall.offer()
    with pytest.raises(IntegrityError), unit_of_work(mall.database) as session:
        session.execute(text(f"UPDATE offer SET {change}"))


def wind_up(mall: Mall) -> int:
    return transact(mall.database, lambda session: stock.wind_up(session, now=mall.now, limit=10))


def settle(mall: Mall, offer: uuid.UUID, fen: int) -> None:
    """As the month's settlement does."""
    payable = AccountKey(PROGRAMME, FEN, "merchant.payable", mall.merchant)
    with unit_of_work(mall.database) as session:
        transfer = Transfer(new_id(), "merchant.accrue", budget_of(offer), payable, fen, mall.now)
        ledger.post(session, transfers=[transfer], now=mall.now)
