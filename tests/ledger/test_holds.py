"""Two phases: a hold is posted or given back exactly once, or times out."""

from datetime import timedelta

import pytest
from msgspec.structs import replace

from carbon_credit.kernel.ids import new_id
from carbon_credit.kernel.unit_of_work import unit_of_work
from carbon_credit.ledger import operations
from carbon_credit.ledger.accounts import Balance
from carbon_credit.ledger.errors import (
    HoldExceeded,
    HoldExpired,
    HoldResolved,
    HoldUnknown,
    InsufficientBalance,
    TransferConflict,
    TransferInvalid,
)

from .conftest import Books


def test_what_is_held_is_nobodys_to_spend(books: Books) -> None:
    books.post(books.grant(100))
    books.hold(books.redeem(70))
    assert books.balance(books.lot()) == Balance(credits_posted=100, debits_pending=70)
    assert books.balance(books.till()) == Balance(credits_pending=70)
    assert books.available(books.lot()) == 30
    assert books.available(books.till()) == 0
    with pytest.raises(InsufficientBalance):
        books.hold(books.redeem(31))
    with pytest.raises(InsufficientBalance):
        books.post(books.redeem(31))


def test_settling_posts_it(books: Books) -> None:
    books.post(books.grant(100))
    books.hold(hold := books.redeem(70))
    books.settle(hold.id)
    assert books.balance(books.lot()) == Balance(credits_posted=100, debits_posted=70)
    assert books.balance(books.till()) == Balance(credits_posted=70)


def test_settling_less_releases_the_rest(books: Books) -> None:
    books.post(books.grant(100))
    books.hold(hold := books.redeem(70))
    books.settle(hold.id, amounts={hold.id: 50})
    assert books.balance(books.lot()) == Balance(credits_posted=100, debits_posted=50)
    assert books.balance(books.till()) == Balance(credits_posted=50)
    with pytest.raises(HoldResolved):
        books.settle(hold.id, amounts={hold.id: 20})


def test_more_than_held_or_nothing_cannot_be_settled(books: Books) -> None:
    books.post(books.grant(100))
    books.hold(hold := books.redeem(70))
    with pytest.raises(HoldExceeded):
        books.settle(hold.id, amounts={hold.id: 71})
    for nothing in (0, -5, 1.5):
        with pytest.raises(TransferInvalid):
            books.settle(hold.id, amounts={hold.id: nothing})  # type: ignore[dict-item]
    books.settle(hold.id)


def test_a_hold_ends_once(books: Books) -> None:
    books.post(books.grant(100))
    books.hold(first := books.redeem(10), second := books.redeem(20))
    books.release(first.id)
    books.settle(second.id)
    for hold, outcome in ((first, "released"), (second, "settled")):
        for end in (books.settle, books.release):
            with pytest.raises(HoldResolved) as refusal:
                end(hold.id)
            assert refusal.value.details == {"outcome": outcome}
    assert books.available(books.lot()) == 80
    assert books.expire() == []


def test_many_end_together_or_not_at_all(books: Books) -> None:
    books.post(books.grant(100))
    holds = [books.redeem(10) for _ in range(5)]
    books.hold(*holds)
    books.release(holds[0].id)
    with pytest.raises(HoldResolved):
        books.settle(*(hold.id for hold in holds))
    assert books.balance(books.till()) == Balance(credits_pending=40)
    books.settle(*(hold.id for hold in holds[1:]), holds[1].id)
    assert books.balance(books.till()) == Balance(credits_posted=40)


def test_an_unknown_hold_is_said_to_be_unknown(books: Books) -> None:
    books.post(grant := books.grant(1))
    for number in (new_id(), grant.id):
        with pytest.raises(HoldUnknown):
            books.settle(number)


def test_holding_twice_with_one_id_holds_once(books: Books) -> None:
    books.post(books.grant(100))
    hold = books.redeem(10, books.now + timedelta(minutes=5))
    books.hold(hold, hold)
    books.hold(hold)
    assert books.available(books.lot()) == 90
    books.settle(hold.id)
    books.hold(hold)
    assert books.available(books.lot()) == 90
    with pytest.raises(TransferConflict):  # a hold is not a posting
        books.post(replace(hold, expires_at=None))


def test_past_its_time_a_hold_cannot_be_settled_swept_or_not(books: Books) -> None:
    books.post(books.grant(100))
    books.hold(hold := books.redeem(10, books.now + timedelta(minutes=5)))
    books.later(minutes=5)
    with pytest.raises(HoldExpired):
        books.settle(hold.id)
    assert books.expire() == [hold.id]
    with pytest.raises(HoldResolved) as refusal:
        books.settle(hold.id)
    assert refusal.value.details == {"outcome": "expired"}
    assert books.balance(books.lot()) == Balance(credits_posted=100)


def test_a_refused_settlement_leaves_the_hold_as_it_was(books: Books) -> None:
    books.post(books.grant(100))
    books.hold(hold := books.redeem(10, books.now + timedelta(minutes=5)))
    books.later(minutes=6)
    with unit_of_work(books.database) as session, pytest.raises(HoldExpired):
        operations.settle(session, pending_ids=[hold.id], now=books.now)
    books.release(hold.id)
    assert books.available(books.lot()) == 100


def test_a_moment_before_its_time_it_can(books: Books) -> None:
    books.post(books.grant(100))
    books.hold(hold := books.redeem(10, books.now + timedelta(minutes=5)))
    books.later(minutes=5, microseconds=-1)
    assert books.expire() == []
    books.settle(hold.id)


def test_the_sweep_takes_the_oldest_first_and_no_more_than_its_limit(books: Books) -> None:
    books.post(books.grant(100))
    holds = [books.redeem(1, books.now + timedelta(minutes=m)) for m in (3, 1, 2, 60)]
    books.hold(*holds, books.redeem(1))
    books.later(minutes=10)
    assert set(books.expire(limit=2)) == {holds[1].id, holds[2].id}
    assert books.expire(limit=2) == [holds[0].id]
    assert books.expire(limit=2) == []
    assert books.balance(books.lot()).debits_pending == 2
