"""Reserve, consume, cancel, expire: one after another. The races are in test_races."""

import re
import uuid
from datetime import date, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from carbon_credit.identity.errors import CitizenNotFound
from carbon_credit.identity.operations import set_party_status
from carbon_credit.kernel.db import Database
from carbon_credit.kernel.unit_of_work import unit_of_work
from carbon_credit.ledger.errors import InsufficientBalance
from carbon_credit.redemption import operations, queries, voucher
from carbon_credit.redemption.errors import (
    LimitReached,
    MerchantInactive,
    OfferClosed,
    OfferExhausted,
    OfferNotFound,
    RedemptionNotFound,
    VoucherCancelled,
    VoucherConsumed,
    VoucherExpired,
    VoucherInvalid,
    VoucherNotFound,
)
from carbon_credit.redemption.offers import close_offer
from carbon_credit.redemption.till.uses import ConsumptionCursor

from .conftest import HOUR, LATER, NOW, PROGRAMME, TODAY, Mall

SOON = date(2026, 12, 31)


def test_the_whole_way(mall: Mall) -> None:
    offer, citizen = mall.offer(pieces=2), mall.citizen({LATER: 250})
    held = mall.reserve(citizen, offer)
    assert (held.state, held.points, held.value_fen) == ("held", 100, 500)
    assert held.expires_at == mall.now + timedelta(days=1)
    assert mall.points(citizen).available == 150
    assert mall.till().posted == 0
    assert mall.stock(offer) == (1, 1, 0)
    # The code is not stored, and yet shown again.
    assert mall.vouchers(citizen) == [held]

    mall.later(hours=1)
    used = mall.consume(held.code)
    assert (used.redemption_id, used.value_fen, used.consumed_at) == (held.id, 500, mall.now)
    assert (used.points, used.left_fen, used.offline, used.undone_at) == (100, 0, False, None)
    assert mall.points(citizen).available == mall.points(citizen).posted == 150
    assert mall.till().posted == 100
    assert mall.stock(offer) == (1, 0, 1)
    (shown,) = mall.vouchers(citizen)
    assert (shown.state, shown.code, shown.resolved_at) == ("consumed", None, mall.now)
    mall.audit()


def test_the_lot_that_ends_soonest_pays_first_and_gets_its_points_back(mall: Mall) -> None:
    offer = mall.offer(points_price=100)
    citizen = mall.citizen({LATER: 90, SOON: 60, TODAY: 30})
    held = mall.reserve(citizen, offer)
    left = [mall.points(citizen, lot).available for lot in (TODAY, SOON, LATER)]
    assert left == [0, 0, 80]
    mall.cancel(citizen, held.id)
    left = [mall.points(citizen, lot).available for lot in (TODAY, SOON, LATER)]
    assert left == [30, 60, 90]
    assert mall.stock(offer) == (10, 0, 0)
    mall.audit()


def test_a_lot_lasts_to_the_end_of_its_last_day_where_the_programme_lives(mall: Mall) -> None:
    offer, citizen = mall.offer(), mall.citizen({TODAY: 100})
    mall.now = NOW.replace(hour=15, minute=59)  # 23:59 in Guangzhou
    held = mall.reserve(citizen, offer)
    mall.cancel(citizen, held.id)
    assert mall.points(citizen, TODAY).available == 100
    mall.later(minutes=1)
    with pytest.raises(InsufficientBalance):  # though nothing has been swept
        mall.reserve(citizen, offer)
    assert mall.sweep_lots() == 1
    assert (mall.points(citizen, TODAY).available, mall.expired()) == (0, 100)
    mall.audit()


def test_a_hold_keeps_points_whose_lot_ends_meanwhile(mall: Mall) -> None:
    offer, citizen = mall.offer(), mall.citizen({TODAY: 100})
    held = mall.reserve(citizen, offer)
    mall.later(hours=20)
    assert mall.sweep_lots() == 0
    mall.consume(held.code)
    assert (mall.till().posted, mall.expired()) == (100, 0)
    mall.audit()


@pytest.mark.parametrize("how", ["cancel", "expire"])
def test_points_that_return_to_a_lot_that_is_over_expire_at_once(mall: Mall, how: str) -> None:
    offer, citizen = mall.offer(), mall.citizen({TODAY: 40, LATER: 100})
    held = mall.reserve(citizen, offer)
    mall.later(hours=20)
    if how == "cancel":
        mall.cancel(citizen, held.id)
    else:
        mall.later(hours=4)
        assert mall.sweep() == 1
    assert mall.points(citizen, TODAY).posted == 0
    assert mall.points(citizen, LATER).available == 100
    assert mall.expired() == 40
    assert mall.stock(offer) == (10, 0, 0)
    mall.audit()


def test_a_voucher_ends_once(mall: Mall) -> None:
    offer, citizen = mall.offer(), mall.citizen({LATER: 300})
    used, given_up, late = (mall.reserve(citizen, offer) for _ in range(3))
    mall.consume(used.code)
    mall.cancel(citizen, given_up.id)
    mall.later(hours=24)
    mall.sweep()
    ends = {used: VoucherConsumed, given_up: VoucherCancelled, late: VoucherExpired}
    for held, error in ends.items():
        with pytest.raises(error):
            mall.consume(held.code)
        with pytest.raises(error):
            mall.cancel(citizen, held.id)
    assert mall.sweep() == 0
    assert mall.till().posted == 100
    assert mall.points(citizen).available == 200
    with unit_of_work(mall.database, read_only=True) as session:
        counted = queries.counts(session, programme=PROGRAMME)
    assert counted == {"held": 0, "consumed": 1, "cancelled": 1, "expired": 1}
    mall.audit()


def test_the_refusal_says_when_in_the_programmes_time(mall: Mall) -> None:
    offer, citizen = mall.offer(), mall.citizen({LATER: 100})
    held = mall.reserve(citizen, offer)
    mall.consume(held.code)
    with pytest.raises(VoucherConsumed, match=re.escape("2026-11-21T12:00:00+08:00")) as told:
        mall.consume(held.code)
    assert "2026-11-21T12:00:00+08:00" in told.value.message("zh")
    assert held.code is not None
    assert held.code not in str(told.value)


def test_a_hold_past_its_time_is_nobodys_before_the_sweep(mall: Mall) -> None:
    offer, citizen = mall.offer(voucher_ttl_s=HOUR), mall.citizen({LATER: 100})
    held = mall.reserve(citizen, offer)
    mall.now = held.expires_at
    assert [shown.state for shown in mall.vouchers(citizen)] == ["expired"]
    with pytest.raises(VoucherExpired):
        mall.consume(held.code)
    with pytest.raises(VoucherExpired):
        mall.cancel(citizen, held.id)
    assert mall.till().posted == 0
    assert mall.sweep() == 1
    assert mall.points(citizen).available == 100
    mall.audit()


def test_the_sweep_takes_only_what_is_due_and_only_so_many(mall: Mall) -> None:
    offer, citizen = mall.offer(voucher_ttl_s=HOUR), mall.citizen({LATER: 1000})
    for _ in range(5):
        mall.reserve(citizen, offer)
        mall.later(minutes=1)
    mall.now = NOW + timedelta(hours=1, minutes=2)  # three are past
    assert [mall.sweep(limit=2), mall.sweep(limit=2), mall.sweep(limit=2)] == [2, 1, 0]
    assert mall.points(citizen).available == 800
    mall.audit()


def test_a_limit_counts_what_is_held_in_time_or_consumed(mall: Mall) -> None:
    offer = mall.offer(per_citizen_limit=2, voucher_ttl_s=HOUR)
    citizen = mall.citizen({LATER: 1000})
    mall.consume(mall.reserve(citizen, offer).code)
    second = mall.reserve(citizen, offer)
    with pytest.raises(LimitReached):
        mall.reserve(citizen, offer)
    mall.reserve(mall.citizen({LATER: 100}), offer)  # another person is not meant
    mall.cancel(citizen, second.id)
    third = mall.reserve(citizen, offer)
    mall.now = third.expires_at
    mall.reserve(citizen, offer)  # the third is past its time, swept or not
    mall.audit()


def test_refusals_take_nothing(mall: Mall) -> None:
    poor, rich = mall.citizen({LATER: 99}), mall.citizen({LATER: 200})
    offer, draft = mall.offer(pieces=1), mall.offer(approve=False)
    future = mall.offer(opens_at=NOW + timedelta(hours=1))
    with pytest.raises(InsufficientBalance):
        mall.reserve(poor, offer)
    with pytest.raises(OfferNotFound):
        mall.reserve(rich, draft)
    with pytest.raises(OfferNotFound):
        mall.reserve(rich, uuid.uuid4())
    with pytest.raises(OfferClosed):
        mall.reserve(rich, future)
    with pytest.raises(CitizenNotFound):
        mall.reserve(uuid.uuid4(), offer)
    mall.reserve(rich, offer)
    with pytest.raises(OfferExhausted):
        mall.reserve(rich, offer)
    assert (mall.points(poor).available, mall.points(rich).available) == (99, 100)
    assert mall.stock(offer) == (0, 1, 0)
    mall.audit()


def test_an_offer_closed_between_page_and_click(mall: Mall) -> None:
    offer, citizen = mall.offer(), mall.citizen({LATER: 200})
    held = mall.reserve(citizen, offer)
    with unit_of_work(mall.database) as session:
        close_offer(session, programme=PROGRAMME, offer_id=offer, now=mall.now)
    with pytest.raises(OfferClosed):
        mall.reserve(citizen, offer)
    mall.consume(held.code)  # what was given stays good


def test_a_suspended_merchant_gives_no_vouchers(mall: Mall) -> None:
    offer, citizen = mall.offer(), mall.citizen({LATER: 200})
    with unit_of_work(mall.database) as session:
        set_party_status(session, party_id=mall.merchant, active=False)
    with pytest.raises(MerchantInactive):
        mall.reserve(citizen, offer)


def test_a_closed_account_redeems_nothing(mall: Mall) -> None:
    offer, citizen = mall.offer(), mall.citizen({LATER: 200})
    with unit_of_work(mall.database) as session:
        session.execute(text("UPDATE citizen SET status = 'closed'"))
    with pytest.raises(CitizenNotFound):
        mall.reserve(citizen, offer)


def test_another_merchants_voucher_does_not_exist(mall: Mall) -> None:
    offer, citizen = mall.offer(), mall.citizen({LATER: 200})
    held = mall.reserve(citizen, offer)
    with pytest.raises(VoucherNotFound):
        mall.consume(held.code, merchant=mall.rival)
    guessed = voucher.code_of(bytes(32), redemption_id=uuid.uuid4())
    with pytest.raises(VoucherNotFound):
        mall.consume(guessed)
    with pytest.raises(VoucherInvalid):
        mall.consume(guessed[:-1])
    mall.consume(held.code)
    with pytest.raises(VoucherNotFound):  # used or not
        mall.consume(held.code, merchant=mall.rival)
    mall.audit()


def test_another_citizens_redemption_does_not_exist(mall: Mall) -> None:
    offer, citizen, stranger = mall.offer(), mall.citizen({LATER: 200}), mall.citizen()
    held = mall.reserve(citizen, offer)
    with pytest.raises(RedemptionNotFound):
        mall.cancel(stranger, held.id)
    with pytest.raises(RedemptionNotFound), unit_of_work(mall.database) as session:
        operations.cancel(session, programme="gd-sz", citizen_id=citizen, redemption_id=held.id, now=mall.now)
    assert mall.vouchers(stranger) == []


def test_consumptions_come_in_pages_and_tell_nothing_of_the_citizen(mall: Mall) -> None:
    offer, citizen = mall.offer(), mall.citizen({LATER: 1000})
    used = []
    for minutes in (0, 0, 5):  # two in the same instant
        mall.later(minutes=minutes)
        used.append(mall.consume(mall.reserve(citizen, offer).code))
    cursor, seen = None, []
    for _ in range(3):
        (found,) = mall.consumptions(after=cursor, limit=1)
        seen.append(found)
        cursor = ConsumptionCursor(found.consumed_at, found.id)
    assert mall.consumptions(after=cursor) == []
    until = mall.consumptions(until=mall.now)
    assert mall.consumptions(mall.rival) == []
    assert sorted(seen, key=lambda one: one.id) == sorted(used, key=lambda one: one.id)
    assert until == seen[:2]
    assert citizen.hex not in repr(seen).replace("-", "")


def test_vouchers_come_in_pages_newest_first(mall: Mall) -> None:
    offer, citizen = mall.offer(), mall.citizen({LATER: 300})
    made = [mall.reserve(citizen, offer).id for _ in range(3)]
    with unit_of_work(mall.database, read_only=True) as session:
        first = queries.vouchers(session, programme=PROGRAMME, citizen_id=citizen, now=NOW, limit=2)
        rest = queries.vouchers(
            session, programme=PROGRAMME, citizen_id=citizen, now=NOW, after=first[-1].id, limit=2
        )
    assert [found.id for found in first + rest] == made[::-1]


def test_no_code_lies_in_the_database(sqlite_database: Database) -> None:
    mall = Mall(sqlite_database)
    held = mall.reserve(mall.citizen({LATER: 100}), mall.offer())
    assert held.code is not None
    path = Path(sqlite_database.settings.database_url.removeprefix("sqlite:///"))
    stored = b"".join(part.read_bytes() for part in path.parent.glob(f"{path.name}*"))
    assert held.id.hex.encode() in stored
    assert held.code.encode() not in stored
    assert voucher.grouped(held.code).encode() not in stored


@pytest.mark.parametrize(
    "change",
    [
        "state = 'consumed'",
        "resolved_at = held_at",
        "state = 'lost', resolved_at = held_at",
        "points = -1",
        "expires_at = held_at",
        "merchant_id = citizen_id",
    ],
)
def test_the_database_refuses_impossible_redemptions(mall: Mall, change: str) -> None:
    mall.reserve(mall.citizen({LATER: 100}), mall.offer())
    with pytest.raises(IntegrityError), unit_of_work(mall.database) as session:
        session.execute(text(f"UPDATE redemption SET {change}"))
