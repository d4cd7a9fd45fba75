"""Offers that end before their last month is settled: money is where it will be needed, then it goes back."""

import uuid
from datetime import UTC, datetime, timedelta

import pytest

from carbon_credit.kernel.unit_of_work import unit_of_work
from carbon_credit.ledger.accounts import FEN, AccountKey
from carbon_credit.redemption import offers
from carbon_credit.redemption.models import Offer
from carbon_credit.redemption.offering import stock
from carbon_credit.settlement.issuing.leftovers import return_leftovers
from carbon_credit.settlement.issuing.posting import due_key
from tests.redemption.conftest import PROGRAMME
from tests.settlement.conftest import DECEMBER, DECEMBER_BEGINS, FUND, JANUARY, Market

IN_JANUARY = datetime(2027, 1, 5, tzinfo=UTC)


def budget(offer: uuid.UUID) -> AccountKey:
    return AccountKey(PROGRAMME, FEN, "offer.budget", offer)


def money(market: Market, offer: uuid.UUID) -> tuple[int, int]:
    """Fen in the fund, and set aside for the offer."""
    return market.balance(FUND).available, market.balance(budget(offer)).available


def owed(market: Market, offer: uuid.UUID) -> int:
    with unit_of_work(market.database, read_only=True) as session:
        return stock.owed_fen(session, offer=session.get_one(Offer, offer), now=market.now)


def close(market: Market, offer: uuid.UUID) -> None:
    market.act(
        lambda session: offers.close_offer(session, programme=PROGRAMME, offer_id=offer, now=market.now)
    )


def wind_up(market: Market) -> int:
    return market.act(lambda session: stock.wind_up(session, now=market.now, limit=10))


def give_back(market: Market) -> None:
    market.act(lambda session: return_leftovers(session, merchant_id=market.tea, now=market.now))


def empty_the_fund(market: Market) -> None:
    """All that is left of it is set aside for something else."""
    left = market.balance(FUND).available
    market._money("offer.reserve", FUND, budget(market.offer(value_fen=1)), left)


def undone_after_the_month(market: Market, offer: uuid.UUID) -> None:
    """A use of the last minute of November that the till undoes in December."""
    market.now = DECEMBER_BEGINS - timedelta(minutes=1)
    code, _ = market.sell(offer)[0]
    market.later(minutes=3)
    market.undo(code)


@pytest.mark.parametrize("by", ["closing", "winding up"])
def test_a_settled_use_that_was_undone_gives_back_nothing_that_is_not_there(market: Market, by: str) -> None:
    offer = market.funded(pieces=2)
    undone_after_the_month(market, offer)
    assert market.issued(now=DECEMBER_BEGINS + timedelta(minutes=4)).payable_fen == 500
    market.later(days=2)
    assert market.sweep() == 1  # the voucher ran out, and its piece is in stock again
    # One of two times 500 is with the merchant, and nobody can ask for it.
    assert owed(market, offer) == -500
    assert money(market, offer) == (9_999_000, 500)
    market.audit()
    if by == "closing":
        close(market, offer)
        market.later(hours=2)
    else:
        market.later(days=198)
    assert wind_up(market) == 1
    assert money(market, offer) == (9_999_500, 0)
    market.audit()
    # The merchant gives it back: at first it owes it, then another offer brings it.
    carried = market.issued(DECEMBER)
    assert (carried.undone_fen, carried.carried_fen) == (500, 500)
    give_back(market)
    assert money(market, offer) == (9_999_500, 0)
    other = market.funded(pieces=2)
    market.now = max(market.now, IN_JANUARY)
    market.sell(other, 2)
    month = market.now.date().replace(day=1)
    assert market.issued(month).payable_fen == 500
    assert market.balance(due_key(PROGRAMME, market.tea)).posted == 0
    give_back(market)
    # All of the first offer's money is back; of the other's two pieces the merchant has the money.
    assert money(market, offer) == (9_999_000, 0)
    assert money(market, other) == (9_999_000, 0)
    market.audit()


def test_what_was_used_before_an_offer_ended_is_paid_from_its_own_budget(market: Market) -> None:
    offer = market.funded(pieces=3)
    market.sell(offer)
    market.later(hours=2)
    close(market, offer)
    assert wind_up(market) == 1
    assert money(market, offer) == (9_999_500, 500)
    empty_the_fund(market)
    assert market.issued().payable_fen == 500
    give_back(market)
    assert money(market, offer) == (0, 0)
    market.audit()


def test_a_use_that_goes_on_a_statement_before_its_undoing_is_covered(market: Market) -> None:
    offer = market.funded(pieces=2, voucher_ttl_s=300)
    market.sell(offer)
    undone_after_the_month(market, offer)
    market.later(hours=2)
    assert market.sweep() == 1
    close(market, offer)
    market.later(hours=2)
    assert wind_up(market) == 1
    empty_the_fund(market)
    # November has both uses, December the undoing.
    assert market.issued(now=market.now).payable_fen == 1_000
    give_back(market)
    assert money(market, offer) == (0, 0)
    assert market.issued(DECEMBER).carried_fen == 500
    market.audit()


def test_what_was_kept_for_nothing_goes_back_when_all_is_settled(market: Market) -> None:
    offer, own = market.funded(pieces=3), market.offer(value_fen=300)
    market.sell(offer)
    market.sell(own)
    code, _ = market.sell(offer)[0]
    market.undo(code)
    market.later(days=2)
    assert market.sweep() == 1
    close(market, offer)
    close(market, own)
    market.later(hours=2)
    assert wind_up(market) == 2
    # Kept for the use, and for the one that was undone: it may be on a statement before that.
    assert money(market, offer) == (9_999_000, 1_000)
    give_back(market)
    assert money(market, offer) == (9_999_000, 1_000)
    assert market.issued().payable_fen == 500
    assert money(market, offer) == (9_999_000, 500)
    for _ in range(2):
        give_back(market)
        assert money(market, offer) == (9_999_500, 0)
    market.audit()


def test_what_an_answer_gives_and_takes_passes_the_offers_budget(market: Market) -> None:
    offer = market.funded(pieces=1)
    market.sell(offer)
    first = market.issued()
    market.answer(market.dispute(first.id, offer).id, 200)
    assert money(market, offer) == (9_999_300, 0)
    second = market.issued(DECEMBER)
    assert (second.payable_fen, money(market, offer)) == (200, (9_999_300, 0))
    assert owed(market, offer) == 0
    close(market, offer)
    assert wind_up(market) == 1
    give_back(market)
    assert money(market, offer) == (9_999_300, 0)
    market.audit()


def test_a_piece_that_came_back_is_paid_with_what_its_merchant_gives_back(market: Market) -> None:
    offer = market.funded(pieces=1)
    undone_after_the_month(market, offer)
    market.issued(now=DECEMBER_BEGINS + timedelta(minutes=4))
    market.later(days=2)
    assert market.sweep() == 1
    assert market.issued(DECEMBER).carried_fen == 500
    market.now = IN_JANUARY
    # The piece can be had again, and its money is what the merchant owes.
    assert (market.stock(offer)[0], money(market, offer)[1]) == (1, 0)
    market.sell(offer)
    third = market.issued(JANUARY)
    assert (third.used_fen, third.payable_fen, third.carried_fen) == (500, 0, 0)
    assert money(market, offer)[1] == 0
    market.audit()
