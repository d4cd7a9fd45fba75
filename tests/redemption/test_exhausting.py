"""A merchant is told that nothing is left of an offer: once each time, whoever was turned away after it."""

import uuid

import pytest

from carbon_credit.kernel.unit_of_work import transact
from carbon_credit.redemption.errors import OfferExhausted
from carbon_credit.redemption.offering import stock
from carbon_credit.redemption.offering.exhausting import note_exhausted
from carbon_credit.redemption.offers import close_offer
from tests.redemption.conftest import LATER, PROGRAMME, Mall
from tests.redemption.test_races import race


def note(mall: Mall, limit: int = 10) -> int:
    return transact(mall.database, lambda session: note_exhausted(session, now=mall.now, limit=limit))


def exhausted(mall: Mall) -> list[uuid.UUID]:
    return [subject for what, subject in mall.told() if what == "offer.exhausted"]


def test_the_last_piece_is_told_of_once_however_many_come_after_it(mall: Mall) -> None:
    offer, other = mall.offer(pieces=2), mall.offer(pieces=1)
    citizen = mall.citizen({LATER: 1000})
    mall.reserve(citizen, offer)
    assert note(mall) == 0
    mall.reserve(citizen, offer)
    for _ in range(3):
        with pytest.raises(OfferExhausted):
            mall.reserve(citizen, offer)
    assert (note(mall), note(mall)) == (1, 0)
    assert exhausted(mall) == [offer]
    mall.consume(mall.reserve(citizen, other).code)
    assert (note(mall), exhausted(mall)) == (1, [other])
    mall.consume(mall.vouchers(citizen)[-1].code)  # it is no more gone than before
    assert note(mall) == 0


def test_what_came_back_and_goes_again_is_told_again(mall: Mall) -> None:
    offer, citizen = mall.offer(pieces=1), mall.citizen({LATER: 1000})
    held = mall.reserve(citizen, offer)
    assert note(mall) == 1
    mall.cancel(citizen, held.id)
    assert note(mall) == 0
    mall.reserve(citizen, offer)
    assert note(mall) == 1
    # Filled up and gone again before any sweep has looked.
    mall.add(offer, 1)
    mall.reserve(citizen, offer)
    assert (note(mall), note(mall)) == (1, 0)
    assert exhausted(mall) == [offer] * 3


def test_what_nobody_took_and_what_is_over_is_not_told_of(mall: Mall) -> None:
    mall.offer(pieces=0)
    mall.offer(stocked=False, kind="donation", value_fen=0)
    taken_out, closed = mall.offer(pieces=2), mall.offer(pieces=1)
    mall.reserve(mall.citizen({LATER: 100}), closed)
    transact(
        mall.database,
        lambda session: stock.remove_stock(
            session, programme=PROGRAMME, offer_id=taken_out, pieces=2, now=mall.now
        ),
    )
    transact(
        mall.database,
        lambda session: close_offer(session, programme=PROGRAMME, offer_id=closed, now=mall.now),
    )
    assert (note(mall), exhausted(mall)) == (0, [])


def test_sweeps_at_once_tell_each_merchant_once(mall: Mall) -> None:
    offers = [mall.offer(pieces=1) for _ in range(6)]
    citizen = mall.citizen({LATER: 1000})
    for offer in offers:
        mall.reserve(citizen, offer)
    results = race(*[lambda: note(mall, limit=2)] * 4)
    while done := note(mall, limit=2):
        results.append(done)
    assert sum(results) == 6, results
    assert sorted(exhausted(mall)) == sorted(offers)


def test_those_who_race_for_the_last_piece_make_one_message(mall: Mall) -> None:
    offer = mall.offer(pieces=2)
    citizens = [mall.citizen({LATER: 100}) for _ in range(6)]
    takers = [lambda who=who: mall.reserve(who, offer) for who in citizens]  # type: ignore[misc]
    results = race(*takers, lambda: note(mall), lambda: note(mall))
    assert sum(isinstance(one, OfferExhausted) for one in results) == 4, results
    note(mall)
    assert exhausted(mall) == [offer]
