"""Five hundred citizens on fifty connections race for a hundred pieces: a hundred vouchers, none lost."""

import threading
import uuid
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from carbon_credit.identity.operations import register_citizens
from carbon_credit.kernel.db import Database
from carbon_credit.kernel.errors import CarbonError
from carbon_credit.kernel.unit_of_work import unit_of_work
from carbon_credit.ledger import points as ledger_points
from carbon_credit.redemption.errors import (
    OfferExhausted,
    VoucherCancelled,
    VoucherConsumed,
    VoucherExpired,
)
from tests.redemption.conftest import HOUR, LATER, PROGRAMME, Mall
from tests.redemption.test_races import race

# On SQLite writers stand in one queue, whoever they are: fewer citizens show the same.
SIZES = {"sqlite": (100, 10, 20), "postgresql": (500, 50, 100)}


def crowd(mall: Mall, number: int) -> list[uuid.UUID]:
    """Citizens with a hundred points each."""
    with unit_of_work(mall.database) as session:
        made = register_citizens(session, partner_id=mall.partner, links_of=[[]] * number, now=mall.now)
        items = [ledger_points.PointsGrant(one, 100, LATER, None, mall.now) for one in made]
        ledger_points.grants(session, items=items, programme=PROGRAMME, now=mall.now)
    return list(made)


def test_a_race_for_an_offer(mall: Mall) -> None:
    kind = "sqlite" if mall.database.settings.embedded else "postgresql"
    citizens, connections, pieces = SIZES[kind]
    offer, people = mall.offer(pieces=pieces), crowd(mall, citizens)
    settings = replace(mall.database.settings, lock_timeout_s=60)
    queue, gate, guard = list(people), threading.Barrier(connections), threading.Lock()
    codes: list[str] = []
    ends: Counter[type] = Counter()

    def run() -> None:
        # A connection of its own for each, and real ones.
        own = Mall(Database(settings), seed=False)
        gate.wait()
        while True:
            with guard:
                if not queue:
                    break
                citizen = queue.pop()
            try:
                held = own.reserve(citizen, offer)
                assert held.code is not None
                codes.append(held.code)
            except CarbonError as error:
                ends[type(error)] += 1
        own.database.dispose()

    threads = [threading.Thread(target=run) for _ in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(codes) == len(set(codes)) == pieces
    assert ends == {OfferExhausted: citizens - pieces}
    assert mall.stock(offer) == (0, pieces, 0)
    assert mall.till().credits_pending == 100 * pieces
    mall.audit()


@pytest.mark.parametrize("undone", [False, True])
def test_use_cancel_and_expiry_at_one_moment(mall: Mall, undone: bool) -> None:
    """Each with the clock by which it may: one of the three wins, and the books are of that one."""
    offer, citizen = mall.offer(voucher_ttl_s=HOUR), mall.citizen({LATER: 800})
    for _ in range(8):
        held = mall.reserve(citizen, offer)
        if undone:  # what was settled and is held again is as good as what was only held
            mall.consume(held.code)
            mall.undo(held.code)
        before, after = mall.later(minutes=59), mall.later(minutes=1)
        deeds: list[Callable[[], Any]] = [
            lambda held=held, now=before: mall.consume(held.code, now=now),
            lambda held=held, now=before: mall.cancel(citizen, held.id, now=now),
            lambda now=after: mall.sweep(now=now),
        ]
        consumed, cancelled, swept = race(*deeds)
        ended = VoucherConsumed | VoucherCancelled | VoucherExpired
        won = [not isinstance(consumed, ended), not isinstance(cancelled, ended), swept == 1]
        assert sum(won) == 1, (consumed, cancelled, swept)
        mall.later(minutes=1)
    _, held_pieces, given = mall.stock(offer)
    assert held_pieces == 0
    assert mall.points(citizen).available == 800 - 100 * given
    assert mall.till().posted == 100 * given
    mall.audit()


def test_parts_of_one_voucher_at_ten_tills(mall: Mall) -> None:
    held = mall.reserve(mall.citizen({LATER: 100}), mall.offer(partial_use=True))
    results = race(*[lambda: mall.consume(held.code, value_fen=150)] * 10)
    taken = [one for one in results if not isinstance(one, CarbonError)]
    assert [one.value_fen for one in taken] == [150, 150, 150]
    assert sorted(one.left_fen for one in taken) == [50, 200, 350]
    assert mall.till().posted == 100
    mall.audit()


def test_two_undo_one_use(mall: Mall) -> None:
    citizen, offer = mall.citizen({LATER: 500}), mall.offer()
    for _ in range(4):
        held = mall.reserve(citizen, offer)
        mall.consume(held.code)
        results = race(*[lambda held=held: mall.undo(held.code)] * 4)
        assert sum(not isinstance(one, CarbonError) for one in results) == 1, results
        mall.cancel(citizen, held.id)
    assert mall.points(citizen).available == 500
    mall.audit()
