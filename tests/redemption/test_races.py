"""Many at once, on real connections: one wins, the others are told, the books hold."""

import threading
from collections import Counter
from collections.abc import Callable
from datetime import date
from typing import Any

from carbon_credit.kernel.errors import CarbonError
from carbon_credit.ledger.errors import InsufficientBalance
from carbon_credit.redemption.errors import (
    LimitReached,
    OfferExhausted,
    VoucherCancelled,
    VoucherConsumed,
    VoucherExpired,
)

from .conftest import HOUR, LATER, Mall


def race(*deeds: Callable[[], Any]) -> list[Any]:
    """What each deed returned, or the refusal it met; all are let go at the same moment."""
    gate = threading.Barrier(len(deeds))
    results: list[Any] = [None] * len(deeds)

    def run(place: int, deed: Callable[[], Any]) -> None:
        gate.wait()
        try:
            results[place] = deed()
        except CarbonError as error:
            results[place] = error
        except BaseException as error:  # what no caller should ever see
            results[place] = ("broke", error)

    threads = [threading.Thread(target=run, args=(place, deed)) for place, deed in enumerate(deeds)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def kinds(results: list[Any]) -> Counter[type]:
    return Counter(type(result) for result in results)


def test_twenty_redemptions_of_a_hundred_points_from_a_hundred(mall: Mall) -> None:
    offer, citizen = mall.offer(pieces=50), mall.citizen({LATER: 100})
    results = race(*[lambda: mall.reserve(citizen, offer)] * 20)
    won = [result for result in results if not isinstance(result, CarbonError)]
    assert len(won) == 1, results
    assert kinds(results)[InsufficientBalance] == 19
    assert mall.points(citizen).available == 0
    assert mall.points(citizen).debits_pending == 100
    assert mall.stock(offer) == (49, 1, 0)
    mall.audit()
    mall.consume(won[0].code)
    mall.audit()


def test_two_at_once_who_can_both_pay_both_get_one(mall: Mall) -> None:
    # Both see the same lot end soonest; the second must go on to the next instead of failing.
    offer = mall.offer()
    citizen = mall.citizen({LATER: 100, date(2026, 12, 31): 100})
    results = race(*[lambda: mall.reserve(citizen, offer)] * 2)
    assert [result.state for result in results] == ["held", "held"]
    mall.audit()


def test_a_limit_holds_against_one_who_clicks_ten_times(mall: Mall) -> None:
    offer, citizen = mall.offer(pieces=50, per_citizen_limit=2), mall.citizen({LATER: 5000})
    results = race(*[lambda: mall.reserve(citizen, offer)] * 10)
    assert kinds(results)[LimitReached] == 8, results
    assert mall.stock(offer) == (48, 2, 0)
    mall.audit()


def test_the_last_pieces(mall: Mall) -> None:
    offer = mall.offer(pieces=5)
    citizens = [mall.citizen({LATER: 100}) for _ in range(15)]
    results = race(*[lambda citizen=citizen: mall.reserve(citizen, offer) for citizen in citizens])
    assert kinds(results)[OfferExhausted] == 10, results
    assert mall.stock(offer) == (0, 5, 0)
    # Who got none has not paid.
    assert sum(mall.points(citizen).available for citizen in citizens) == 1000
    mall.audit()


def test_consume_and_cancel_at_once(mall: Mall) -> None:
    offer, citizen = mall.offer(), mall.citizen({LATER: 600})
    for _ in range(6):
        held = mall.reserve(citizen, offer)
        results = race(
            lambda held=held: mall.consume(held.code), lambda held=held: mall.cancel(citizen, held.id)
        )
        lost = [result for result in results if isinstance(result, CarbonError)]
        assert [type(error) for error in lost] in ([VoucherConsumed], [VoucherCancelled]), results
    _, held_pieces, given = mall.stock(offer)
    assert held_pieces == 0
    assert mall.till().posted == given * 100
    assert mall.points(citizen).available == 600 - given * 100
    mall.audit()


def test_one_voucher_at_ten_tills(mall: Mall) -> None:
    offer, citizen = mall.offer(), mall.citizen({LATER: 100})
    held = mall.reserve(citizen, offer)
    results = race(*[lambda: mall.consume(held.code)] * 10)
    assert kinds(results)[VoucherConsumed] == 9, results
    assert mall.till().posted == 100
    mall.audit()


def test_the_till_and_the_sweep_at_the_last_moment(mall: Mall) -> None:
    # The till read its clock just before the end, the sweep just after: one of them is right.
    offer, citizen = mall.offer(voucher_ttl_s=HOUR), mall.citizen({LATER: 600})
    for _ in range(6):
        held = mall.reserve(citizen, offer)
        before = mall.later(minutes=59)
        after = mall.later(minutes=1)
        consumed, swept = race(
            lambda held=held, now=before: mall.consume(held.code, now=now),
            lambda now=after: mall.sweep(now=now),
        )
        # A sweep may pass over a row that the till is at; then there was nothing for it to do.
        assert swept == (1 if isinstance(consumed, VoucherExpired) else 0), (consumed, swept)
    _, held_pieces, given = mall.stock(offer)
    assert held_pieces == 0
    assert mall.points(citizen).available == 600 - given * 100
    mall.audit()


def test_sweeps_share_the_work(mall: Mall) -> None:
    offer = mall.offer(pieces=50, voucher_ttl_s=HOUR)
    citizens = [mall.citizen({LATER: 1000}) for _ in range(4)]
    for citizen in citizens:
        for _ in range(8):
            mall.reserve(citizen, offer)
    mall.later(hours=1)

    def sweep() -> int:
        done = 0
        while swept := mall.sweep(limit=5):
            done += swept
        return done

    # A sweep may end while others still hold rows that it passed over, but all rows are done once.
    assert sum(race(*[sweep] * 4)) == 32
    assert mall.stock(offer) == (50, 0, 0)
    assert [mall.points(citizen).available for citizen in citizens] == [1000] * 4
    mall.audit()


def test_reserve_cancel_and_sweep_of_many_do_not_block_each_other(mall: Mall) -> None:
    offer, other = mall.offer(pieces=100, voucher_ttl_s=HOUR), mall.offer(pieces=100)
    citizens = [mall.citizen({LATER: 1000, date(2026, 12, 31): 50}) for _ in range(3)]
    for citizen in citizens:
        for _ in range(3):
            mall.reserve(citizen, offer)
    mall.later(hours=1)

    def shop(citizen: Any) -> int:
        for _ in range(4):
            mall.cancel(citizen, mall.reserve(citizen, other).id)
        return 4

    results = race(
        *[lambda citizen=citizen: shop(citizen) for citizen in citizens], *[lambda: mall.sweep(limit=3)] * 3
    )
    assert results[:3] == [4, 4, 4]
    while mall.sweep():
        pass
    assert [mall.points(citizen).available for citizen in citizens] == [1000] * 3
    assert mall.stock(other) == (100, 0, 0)
    mall.audit()
