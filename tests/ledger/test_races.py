"""Real threads with real connections: what one account can give is given once."""

import threading
import uuid
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from carbon_credit.kernel.errors import CarbonError
from carbon_credit.kernel.ids import random_id
from carbon_credit.kernel.unit_of_work import transact, unit_of_work
from carbon_credit.ledger import operations
from carbon_credit.ledger.accounts import Balance
from carbon_credit.ledger.audit import audit
from carbon_credit.ledger.errors import InsufficientBalance

from .conftest import Books


def race(deeds: Sequence[Callable[[], object]]) -> Counter[str]:
    """Start all deeds at the same moment; how many ended with which error code ("done": none)."""
    gate = threading.Barrier(len(deeds))

    def run(deed: Callable[[], object]) -> str:
        gate.wait()
        try:
            deed()
        except CarbonError as error:
            return error.code
        return "done"

    with ThreadPoolExecutor(len(deeds)) as pool:
        return Counter(pool.map(run, deeds))


def _is_sound(books: Books) -> None:
    with unit_of_work(books.database, read_only=True) as session:
        assert audit(session) == []


@pytest.mark.parametrize("two_phase", [False, True])
def test_twenty_take_a_hundred_from_a_hundred(books: Books, two_phase: bool) -> None:
    books.post(books.grant(100))
    verb = books.hold if two_phase else books.post
    takes = [books.redeem(100) for _ in range(20)]
    outcomes = race([lambda take=take: verb(take) for take in takes])  # type: ignore[misc]
    assert outcomes == {"done": 1, "insufficient-balance": 19}
    assert books.available(books.lot()) == 0
    _is_sound(books)


def test_fifty_post_the_same_transfer(books: Books) -> None:
    transfer = books.credit(100)
    assert race([lambda: books.post(transfer)] * 20) == {"done": 20}
    assert books.balance(books.reductions()) == Balance(credits_posted=100)
    _is_sound(books)


def test_settling_and_releasing_at_once_one_wins(books: Books) -> None:
    for _ in range(8):
        before = books.balance(books.till()).posted
        books.post(books.grant(10))
        books.hold(hold := books.redeem(10))
        ends = [lambda h=hold: books.settle(h.id), lambda h=hold: books.release(h.id)]  # type: ignore[misc]
        assert race(ends) == {"done": 1, "hold-resolved": 1}
        assert books.balance(books.till()).posted - before in (0, 10)
    assert books.balance(books.lot()).debits_pending == 0
    _is_sound(books)


def test_the_sweep_and_a_release_at_once_give_back_once(books: Books) -> None:
    books.post(books.grant(80))
    holds = [books.redeem(10, books.now) for _ in range(8)]
    books.hold(*holds)
    deeds: list[Callable[[], object]] = [lambda h=hold: books.release(h.id) for hold in holds]  # type: ignore[misc]
    outcomes = race([*deeds, books.expire, books.expire])
    assert outcomes["done"] + outcomes["hold-resolved"] == 10
    assert books.balance(books.lot()) == Balance(credits_posted=80)
    _is_sound(books)


def test_a_transfer_is_reversed_once_by_many(books: Books) -> None:
    books.post(transfer := books.credit(100), books.credit(10_000))

    def undo() -> None:
        with unit_of_work(books.database) as session:
            operations.reverse(
                session,
                transfer_ids=[transfer.id],
                code="reduction.revoke",
                now=books.now,
                effective_at=books.now,
            )

    assert race([undo] * 10) == {"done": 1, "reversal-exceeded": 9}
    assert books.available(books.reductions()) == 10_000


@pytest.mark.parametrize("opened", [False, True])
def test_batches_in_opposite_order_do_not_deadlock(postgresql_books: Books, opened: bool) -> None:
    books = postgresql_books
    owners = [random_id() for _ in range(200)]
    if opened:
        books.post(*(books.credit(1, owner) for owner in owners))

    def batch(order: Sequence[uuid.UUID]) -> Callable[[], None]:
        return lambda: books.post(*(books.credit(1, owner) for owner in order))  # no retry here

    for _ in range(5):
        assert race([batch(owners), batch(owners[::-1]), batch(owners[100:] + owners[:100])]) == {"done": 3}
    assert books.balance(books.reductions(owners[0])).posted == 15 + opened


def test_money_is_neither_made_nor_lost_under_load(books: Books) -> None:
    """Threads that grant, spend, hold and give back at once; afterwards the audit finds nothing."""
    books.post(books.grant(500))

    def work() -> None:
        for _ in range(6):
            hold = books.redeem(40)
            try:
                transact(books.database, lambda s, h=hold: operations.hold(s, transfers=[h], now=books.now))  # type: ignore[misc]
            except InsufficientBalance:
                books.post(books.grant(35))
                continue
            (books.settle if hold.id.int % 2 else books.release)(hold.id)

    assert race([work] * 4) == {"done": 4}
    with unit_of_work(books.database, read_only=True) as session:
        assert audit(session) == []
