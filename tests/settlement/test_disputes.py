"""Disputes: who may open and answer one, and where the answer's money goes."""

import threading

import pytest

from carbon_credit.kernel.errors import CarbonError
from carbon_credit.kernel.ids import new_id
from carbon_credit.ledger.errors import InsufficientBalance
from carbon_credit.settlement.errors import (
    AdjustmentUnfunded,
    AnswerForbidden,
    DisputeAnswered,
    DisputeExists,
    LineUnknown,
    StatementState,
)
from tests.settlement.conftest import DECEMBER, FUND, ISSUER, OTHER, Market


def test_an_answer_that_gives_goes_on_the_next_statement(market: Market) -> None:
    tea = market.funded()
    market.sell(tea, 2)
    first = market.issued()
    dispute = market.dispute(first.id, tea)
    assert (market.read(first.id).state, dispute.answered_at) == ("disputed", None)
    fund = market.balance(FUND)
    answered = market.answer(dispute.id, 500)
    assert (answered.adjusted_fen, answered.answered_by) == (500, OTHER)
    # Set aside at once, so that it is there when the next statement comes.
    assert market.balance(FUND).available == fund.available - 500
    assert market.read(first.id).state == "agreed"
    second = market.issued(DECEMBER)
    assert (second.opening_fen, second.adjusted_fen, second.payable_fen) == (1_000, 500, 500)
    assert second.closing_fen == market.payable() == 1_500
    (adjustment,) = market.content(second.id).adjustments
    assert (adjustment.dispute_id, adjustment.offer_id) == (dispute.id, tea)
    assert market.issue(DECEMBER) == second
    market.audit()


def test_an_answer_that_takes_is_carried_where_the_month_does_not_suffice(market: Market) -> None:
    tea = market.funded()
    market.sell(tea, 2)
    first = market.issued()
    market.answer(market.dispute(first.id, tea).id, -300)
    second = market.issued(DECEMBER)
    assert (second.adjusted_fen, second.payable_fen, second.carried_fen) == (-300, 0, 300)
    assert (second.closing_fen, market.payable()) == (700, 1_000)
    market.audit()


def test_neither_who_issued_nor_who_objects_may_answer(market: Market) -> None:
    tea = market.funded()
    market.sell(tea)
    dispute = market.dispute(market.issued().id, tea)
    for who in (ISSUER, f"merchant:{market.tea}"):
        with pytest.raises(AnswerForbidden):
            market.answer(dispute.id, 0, actor=who)
    market.answer(dispute.id, 0)
    with pytest.raises(DisputeAnswered):
        market.answer(dispute.id, 500)
    assert market.issued(DECEMBER).adjusted_fen == 0
    market.audit()


def test_each_offer_is_disputed_once_at_a_time_and_the_last_answer_ends_it(market: Market) -> None:
    tea, cake = market.funded(), market.funded(value_fen=800)
    market.sell(tea)
    market.sell(cake)
    found = market.issued()
    one, two = market.dispute(found.id, tea), market.dispute(found.id, cake)
    with pytest.raises(DisputeExists):
        market.dispute(found.id, tea)
    with pytest.raises(LineUnknown):
        market.dispute(found.id, new_id())
    market.answer(one.id, 0)
    assert market.read(found.id).state == "disputed"
    market.answer(two.id, 0)
    assert market.read(found.id).state == "agreed"
    with pytest.raises(StatementState):
        market.dispute(found.id, tea)


def test_money_is_given_only_where_there_is_some(market: Market) -> None:
    tea, own = market.funded(), market.offer(value_fen=300)
    market.sell(tea)
    market.sell(own)
    found = market.issued()
    with pytest.raises(AdjustmentUnfunded):
        market.answer(market.dispute(found.id, own).id, 100)
    dispute = market.dispute(found.id, tea)
    with pytest.raises(InsufficientBalance):
        market.answer(dispute.id, 1_000_000_000)
    assert market.answer(dispute.id, 0).adjusted_fen == 0


def test_a_statement_without_money_ends_with_the_last_answer(market: Market) -> None:
    own = market.offer(value_fen=300)
    market.sell(own)
    found = market.issued()
    market.answer(market.dispute(found.id, own).id, 0)
    assert market.read(found.id).state == "nothing_due"


def test_of_two_who_answer_at_once_one_wins(market: Market) -> None:
    tea = market.funded()
    market.sell(tea)
    dispute = market.dispute(market.issued().id, tea)
    start = threading.Barrier(2)
    outcomes: list[str] = []

    def answer(fen: int) -> None:
        start.wait()
        try:
            outcomes.append(str(market.answer(dispute.id, fen).adjusted_fen))
        except CarbonError as error:
            outcomes.append(error.code)

    threads = [threading.Thread(target=answer, args=(fen,)) for fen in (100, 200)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(outcomes) == 2
    assert "dispute-answered" in outcomes
    (won,) = set(outcomes) - {"dispute-answered"}
    assert market.issued(DECEMBER).adjusted_fen == int(won)
    market.audit()
