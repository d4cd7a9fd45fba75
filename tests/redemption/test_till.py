"""At the till: a voucher used in parts, and a use that is undone."""

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from carbon_credit.kernel.ids import new_id
from carbon_credit.kernel.unit_of_work import unit_of_work
from carbon_credit.ledger import operations as ledger
from carbon_credit.ledger.accounts import POINTS, AccountKey
from carbon_credit.ledger.entries import Transfer
from carbon_credit.redemption.errors import (
    ConsumptionNotFound,
    PartialUseRefused,
    UndoElsewhere,
    UndoSettled,
    UndoTooLate,
    VoucherCancelled,
    VoucherConsumed,
    VoucherExpired,
    VoucherLapsed,
    VoucherNotFound,
    VoucherTooSmall,
)
from tests.redemption.conftest import HOUR, LATER, NOW, PROGRAMME, TODAY, Mall


def card(mall: Mall, **terms: Any) -> tuple[uuid.UUID, uuid.UUID, Any]:
    """An offer of 500 fen that can be used in parts, a citizen, and a voucher of it."""
    offer, citizen = mall.offer(partial_use=True, **terms), mall.citizen({LATER: 300})
    return offer, citizen, mall.reserve(citizen, offer)


def test_a_voucher_is_used_in_parts_until_nothing_is_left(mall: Mall) -> None:
    offer, citizen, held = card(mall)
    first = mall.consume(held.code, value_fen=200)
    # The points are spent and the piece is given with the first use.
    assert (first.points, first.value_fen, first.left_fen) == (100, 200, 300)
    assert (mall.till().posted, mall.stock(offer)) == (100, (9, 0, 1))
    (shown,) = mall.vouchers(citizen)
    assert (shown.state, shown.left_fen, shown.code) == ("consumed", 300, held.code)
    mall.later(minutes=10)
    second = mall.consume(held.code, value_fen=100)
    assert (second.points, second.value_fen, second.left_fen) == (0, 100, 200)
    rest = mall.consume(held.code)
    assert (rest.value_fen, rest.left_fen) == (200, 0)
    with pytest.raises(VoucherConsumed):
        mall.consume(held.code, value_fen=1)
    (shown,) = mall.vouchers(citizen)
    assert (shown.state, shown.left_fen, shown.code) == ("consumed", 0, None)
    assert sum(one.value_fen for one in mall.consumptions()) == 500
    assert mall.till().posted == 100
    mall.audit()


def test_no_use_takes_more_than_is_left(mall: Mall) -> None:
    _, _, held = card(mall)
    with pytest.raises(VoucherTooSmall) as told:
        mall.consume(held.code, value_fen=501)
    assert told.value.details == {"left_fen": 500, "value_fen": 501}
    mall.consume(held.code, value_fen=499)
    with pytest.raises(VoucherTooSmall):
        mall.consume(held.code, value_fen=2)
    mall.audit()


def test_a_voucher_that_is_used_whole_takes_no_amount(mall: Mall) -> None:
    held = mall.reserve(mall.citizen({LATER: 100}), mall.offer())
    with pytest.raises(PartialUseRefused):
        mall.consume(held.code, value_fen=200)
    assert mall.consume(held.code, value_fen=500).left_fen == 0


def test_what_is_left_lapses_at_the_vouchers_time(mall: Mall) -> None:
    offer, citizen, held = card(mall, voucher_ttl_s=HOUR)
    mall.consume(held.code, value_fen=200)
    mall.later(hours=1)
    with pytest.raises(VoucherLapsed) as told:
        mall.consume(held.code)
    assert told.value.details["left_fen"] == 300
    assert mall.sweep() == 0
    (shown,) = mall.vouchers(citizen)
    assert (shown.state, shown.left_fen, shown.code) == ("consumed", 0, None)
    # Nothing comes back: the points were spent with the first use.
    assert (mall.points(citizen).available, mall.till().posted) == (200, 100)
    assert mall.stock(offer) == (9, 0, 1)
    mall.audit()


def test_a_partly_used_voucher_is_not_cancelled(mall: Mall) -> None:
    _, citizen, held = card(mall)
    mall.consume(held.code, value_fen=200)
    with pytest.raises(VoucherConsumed):
        mall.cancel(citizen, held.id)


def test_an_undone_use_is_as_if_it_had_not_been(mall: Mall) -> None:
    offer, citizen = mall.offer(), mall.citizen({LATER: 40, TODAY: 60})
    held = mall.reserve(citizen, offer)
    used = mall.consume(held.code)
    undone = mall.undo(held.code, now=mall.later(minutes=4))
    assert (undone.id, undone.undone_at, undone.left_fen) == (used.id, mall.now, 500)
    assert (mall.till().posted, mall.till().credits_pending) == (0, 100)
    assert mall.stock(offer) == (9, 1, 0)
    assert mall.vouchers(citizen) == [held]
    mall.audit()
    with pytest.raises(ConsumptionNotFound):
        mall.undo(held.code)
    again = mall.consume(held.code)
    assert again.id != used.id
    assert [one.undone_at is None for one in mall.consumptions()] == [False, True]
    assert (mall.till().posted, mall.points(citizen, TODAY).posted) == (100, 0)
    mall.audit()


def test_after_an_undone_use_the_citizen_may_cancel(mall: Mall) -> None:
    offer, citizen = mall.offer(), mall.citizen({LATER: 40, TODAY: 60})
    held = mall.reserve(citizen, offer)
    mall.consume(held.code)
    mall.undo(held.code)
    mall.cancel(citizen, held.id)
    assert [mall.points(citizen, lot).available for lot in (TODAY, LATER)] == [60, 40]
    with pytest.raises(VoucherCancelled):
        mall.consume(held.code)
    with pytest.raises(ConsumptionNotFound):
        mall.undo(held.code)
    mall.audit()


def test_uses_are_undone_last_first(mall: Mall) -> None:
    offer, _, held = card(mall)
    first, second = mall.consume(held.code, value_fen=200), mall.consume(held.code, value_fen=100)
    assert mall.undo(held.code).id == second.id
    assert (mall.till().posted, mall.stock(offer)) == (100, (9, 0, 1))
    assert mall.undo(held.code).id == first.id
    assert (mall.till().posted, mall.stock(offer)) == (0, (9, 1, 0))
    assert mall.consume(held.code).value_fen == 500
    mall.audit()


def test_a_use_is_undone_within_five_minutes_at_the_till_that_made_it(mall: Mall) -> None:
    held = mall.reserve(mall.citizen({LATER: 100}), mall.offer())
    till, other = mall.desk(), mall.desk("Till 2")
    used = mall.consume(held.code, till=till)
    assert (used.till_id, used.store_id is None) == (till, False)
    for elsewhere in (other, None):
        with pytest.raises(UndoElsewhere):
            mall.undo(held.code, till=elsewhere)
    mall.later(minutes=5)
    with pytest.raises(UndoTooLate) as told:
        mall.undo(held.code, till=till)
    assert told.value.details == {"until": "2026-11-21T12:05:00+08:00"}
    mall.undo(held.code, till=till, now=mall.now - timedelta(microseconds=1))
    mall.audit()


def test_a_rival_neither_uses_nor_undoes(mall: Mall) -> None:
    held = mall.reserve(mall.citizen({LATER: 100}), mall.offer())
    mall.consume(held.code)
    with pytest.raises(VoucherNotFound):
        mall.consume(held.code, merchant=mall.rival)
    mall.merchant, mall.rival = mall.rival, mall.merchant
    with pytest.raises(VoucherNotFound):
        mall.undo(held.code)


@pytest.mark.parametrize("lot", [TODAY, LATER])
def test_a_use_undone_after_the_vouchers_time_is_left_to_the_sweep(mall: Mall, lot: Any) -> None:
    # Used at the last moment before midnight, undone when voucher and lot are over.
    mall.now = datetime(2026, 11, 21, 15, 0, tzinfo=UTC)  # 23:00 in Guangzhou
    citizen, offer = mall.citizen({lot: 100}), mall.offer(voucher_ttl_s=HOUR)
    held = mall.reserve(citizen, offer)
    mall.consume(held.code, now=mall.later(minutes=59, seconds=59))
    mall.undo(held.code, now=mall.later(seconds=1))
    with pytest.raises(VoucherExpired):
        mall.consume(held.code)
    assert mall.sweep() == 1
    assert mall.points(citizen, lot).available == (100 if lot == LATER else 0)
    assert mall.expired() == (0 if lot == LATER else 100)
    assert mall.stock(offer) == (10, 0, 0)
    mall.audit()


def test_points_that_were_settled_with_the_merchant_do_not_come_back(mall: Mall) -> None:
    held = mall.reserve(mall.citizen({LATER: 100}), mall.offer())
    mall.consume(held.code)
    merchant = AccountKey(PROGRAMME, POINTS, "merchant.points", mall.merchant)
    settled = AccountKey(PROGRAMME, POINTS, "programme.settled")
    with unit_of_work(mall.database) as session:
        paid = Transfer(new_id(), "points.settle", merchant, settled, 100, mall.now)
        ledger.post(session, transfers=[paid], now=mall.now)
    with pytest.raises(UndoSettled):
        mall.undo(held.code)
    mall.audit()


INSERT = (
    "INSERT INTO consumption (id, redemption_id, programme, merchant_id, points, value_fen, consumed_at, "
    "recorded_at, offline) SELECT redemption_id, redemption_id, programme, merchant_id, 0, :fen, "
    "consumed_at, recorded_at, offline FROM consumption"
)


@pytest.mark.parametrize(("fen", "fits"), [(201, False), (200, True)])
def test_the_database_keeps_uses_within_the_value(mall: Mall, fen: int, fits: bool) -> None:
    _, _, held = card(mall)
    mall.consume(held.code, value_fen=300)
    with unit_of_work(mall.database, read_only=True) as session:
        if fits:
            session.execute(text(INSERT), {"fen": fen})
        else:
            with pytest.raises(DBAPIError, match="exceed the value"):
                session.execute(text(INSERT), {"fen": fen})


@pytest.mark.parametrize(
    "edit",
    [
        "UPDATE consumption SET value_fen = 1",
        "UPDATE consumption SET undone_at = NULL WHERE undone_at IS NOT NULL",
        "UPDATE consumption SET undone_at = recorded_at, points = 1 WHERE undone_at IS NULL",
        "DELETE FROM consumption",
    ],
)
def test_the_database_lets_a_use_only_be_undone(mall: Mall, edit: str) -> None:
    held = mall.reserve(mall.citizen({LATER: 100}), mall.offer())
    mall.consume(held.code)
    mall.undo(held.code)
    mall.consume(held.code)
    with (
        unit_of_work(mall.database, read_only=True) as session,
        pytest.raises(DBAPIError, match="undone, once"),
    ):
        session.execute(text(edit))


def test_the_time_of_use_is_at_least_that_of_the_hold(mall: Mall) -> None:
    held = mall.reserve(mall.citizen({LATER: 100}), mall.offer())
    assert mall.consume(held.code).consumed_at >= held.held_at >= NOW
