"""Lots and debts: what is taken back and was spent is owed, and later grants pay it first."""

import uuid
from collections.abc import Sequence
from datetime import date, timedelta

import pytest

from carbon_credit.kernel.ids import new_id, random_id
from carbon_credit.kernel.unit_of_work import unit_of_work
from carbon_credit.ledger import operations, points, queries
from carbon_credit.ledger.accounts import POINTS, AccountKey
from carbon_credit.ledger.audit import audit
from carbon_credit.ledger.errors import DebtOverpaid, TransferInvalid
from carbon_credit.ledger.expiry import expire_lots
from carbon_credit.ledger.points import PointsGrant, PointsTakeBack, PointsWriteOff

from .conftest import LOT, Books
from .test_races import race

SOON, LATE = date(2027, 1, 31), date(2028, 1, 31)


def grant(books: Books, *items: tuple[uuid.UUID, int, date]) -> None:
    given = [PointsGrant(citizen, n, lot, new_id(), books.now) for citizen, n, lot in items]
    with unit_of_work(books.database) as session:
        points.grants(session, items=given, programme=books.programme, now=books.now)


def take_back(books: Books, *items: tuple[uuid.UUID, int, date | None], valid_on: date | None = None) -> None:
    taken = [PointsTakeBack(citizen, n, new_id(), books.now, lot) for citizen, n, lot in items]
    with unit_of_work(books.database) as session:
        points.take_backs(session, items=taken, programme=books.programme, now=books.now, valid_on=valid_on)


def state(books: Books, citizen: uuid.UUID | None = None) -> tuple[dict[date, int], int]:
    """What is in the lots, and what is owed."""
    citizen = citizen or books.citizen
    with unit_of_work(books.database, read_only=True) as session:
        lots = queries.lots(session, programme=books.programme, citizen_id=citizen)
        dues = points.dues(session, programme=books.programme, citizen_ids=[citizen])
        assert audit(session) == []
    return {lot.expiry: lot.available for lot in lots}, dues.get(citizen, 0)


def test_points_go_into_the_lot(books: Books) -> None:
    grant(books, (books.citizen, 3, SOON), (books.citizen, 4, SOON), (books.citizen, 5, LATE))
    assert state(books) == ({SOON: 7, LATE: 5}, 0)


def test_taking_back_empties_the_lot_it_went_to_first_then_the_soonest(books: Books) -> None:
    grant(books, (books.citizen, 10, SOON), (books.citizen, 10, LOT), (books.citizen, 10, LATE))
    take_back(books, (books.citizen, 14, LATE))
    assert state(books) == ({SOON: 6, LOT: 10}, 0)
    take_back(books, (books.citizen, 7, None))
    assert state(books) == ({LOT: 9}, 0)


def test_what_was_spent_is_owed_and_paid_by_later_grants(books: Books) -> None:
    grant(books, (books.citizen, 10, LOT))
    books.post(books.redeem(7))
    take_back(books, (books.citizen, 10, LOT))
    assert state(books) == ({}, 7)
    grant(books, (books.citizen, 4, LOT))
    assert state(books) == ({}, 3)
    grant(books, (books.citizen, 1, LOT), (books.citizen, 5, LATE))
    assert state(books) == ({LATE: 3}, 0)


def test_what_is_on_hold_is_not_taken_back(books: Books) -> None:
    grant(books, (books.citizen, 10, LOT))
    books.hold(hold := books.redeem(6))
    take_back(books, (books.citizen, 10, LOT))
    assert state(books) == ({}, 6)
    books.release(hold.id)
    assert state(books) == ({LOT: 6}, 6)


def test_lots_past_their_day_are_left_to_their_expiry(books: Books) -> None:
    grant(books, (books.citizen, 10, SOON), (books.citizen, 10, LATE))
    take_back(books, (books.citizen, 15, None), valid_on=SOON + timedelta(days=1))
    assert state(books) == ({SOON: 10}, 5)


def test_many_citizens_at_once(books: Books) -> None:
    citizens = [random_id() for _ in range(60)]
    grant(books, *((citizen, i + 1, LOT) for i, citizen in enumerate(citizens)))
    take_back(books, *((citizen, 30, LOT) for citizen in citizens))
    for i in (0, 28, 29, 30, 59):
        left, owed = max(i + 1 - 30, 0), max(30 - i - 1, 0)
        assert state(books, citizens[i]) == ({LOT: left} if left else {}, owed)


def test_nothing_and_less_than_nothing_are_refused(books: Books) -> None:
    for number in (0, -3, 1.5):
        with pytest.raises(TransferInvalid):
            grant(books, (books.citizen, number, LOT))  # type: ignore[arg-type]
        with pytest.raises(TransferInvalid):
            take_back(books, (books.citizen, number, None))  # type: ignore[arg-type]


def expire(books: Books, on: date, limit: int = 100, since: date | None = None) -> int:
    with unit_of_work(books.database) as session:
        return expire_lots(
            session,
            programme=books.programme,
            on=on,
            since=since,
            now=books.now,
            effective_at=books.now,
            limit=limit,
        )


def test_lots_expire_after_their_day_in_portions(books: Books) -> None:
    citizens: Sequence[uuid.UUID] = [random_id() for _ in range(5)]
    grant(books, *((citizen, 10, SOON) for citizen in citizens), (citizens[0], 1, LATE))
    assert expire(books, SOON) == 0
    after = SOON + timedelta(days=1)
    assert [expire(books, after, limit=3) for _ in range(3)] == [3, 2, 0]
    assert state(books, citizens[0]) == ({LATE: 1}, 0)


def test_a_hold_keeps_its_points_over_the_expiry(books: Books) -> None:
    grant(books, (books.citizen, 10, LOT))
    books.hold(hold := books.redeem(4))
    after = LOT + timedelta(days=1)
    assert expire(books, after) == 1
    books.settle(hold.id, amounts={hold.id: 3})
    assert state(books) == ({LOT: 1}, 0)  # released into an expired lot
    assert expire(books, after) == 1
    assert state(books) == ({}, 0)


def test_one_run_too_many_changes_nothing_and_holds_are_left_alone(books: Books) -> None:
    citizens = [random_id() for _ in range(150)]  # past the size from which PostgreSQL is sent a COPY
    grant(books, *((citizen, n + 1, LOT) for n, citizen in enumerate(citizens)))
    books.hold(books.transfer("points.redeem", books.lot(owner=citizens[9]), books.till(), 4))
    books.hold(books.transfer("points.redeem", books.lot(owner=citizens[0]), books.till(), 1))
    after = LOT + timedelta(days=1)
    assert [expire(books, after, limit=1000) for _ in range(2)] == [149, 0]
    assert books.balance(books.lot(owner=citizens[9])).posted == 4
    assert books.balance(expired_key(books)).posted == sum(range(1, 151)) - 5
    assert state(books, citizens[149]) == ({}, 0)


def test_lots_that_ended_long_ago_are_looked_at_only_when_asked(books: Books) -> None:
    grant(books, (books.citizen, 10, SOON), (books.citizen, 5, LOT))
    after = LOT + timedelta(days=1)
    assert [expire(books, after, since=since) for since in (after, LOT, LOT, None)] == [0, 1, 0, 1]


def test_a_lot_that_somebody_works_on_is_left_to_the_next_run(postgresql_books: Books) -> None:
    books, other = postgresql_books, random_id()
    grant(books, (books.citizen, 10, SOON), (other, 7, SOON))
    with unit_of_work(books.database) as session:
        operations.post(
            session,
            transfers=[books.transfer("points.redeem", books.lot(SOON), books.till(), 3)],
            now=books.now,
        )
        assert expire(books, LOT) == 1
    assert books.balance(expired_key(books)).posted == 7
    assert expire(books, LOT) == 1
    assert books.balance(expired_key(books)).posted == 14


def test_runs_at_once_expire_each_lot_once(postgresql_books: Books) -> None:
    books = postgresql_books
    grant(books, *((random_id(), 10, SOON) for _ in range(300)))
    assert race([lambda: expire(books, LOT, limit=120) for _ in range(4)]) == {"done": 4}
    while expire(books, LOT):
        pass
    assert books.balance(expired_key(books)).posted == 3000


def test_what_is_owed_is_written_off_and_no_more(books: Books) -> None:
    take_back(books, (books.citizen, 10, None))

    def write_off(points_: int) -> None:
        item = PointsWriteOff(books.citizen, points_, new_id(), books.now)
        with unit_of_work(books.database) as session:
            points.write_offs(session, items=[item], programme=books.programme, now=books.now)

    with pytest.raises(DebtOverpaid):
        write_off(11)
    write_off(4)
    assert state(books) == ({}, 6)
    loss = AccountKey(books.programme, POINTS, "programme.points_loss")
    assert books.balance(loss).posted == -4


def expired_key(books: Books) -> AccountKey:
    return AccountKey(books.programme, POINTS, "programme.expired")


def test_grants_and_take_backs_at_once_neither_lose_nor_overpay(books: Books) -> None:
    citizens = [random_id() for _ in range(20)]
    take_back(books, *((citizen, 50, None) for citizen in citizens))
    up, down = citizens, citizens[::-1]
    deeds = [
        lambda: grant(books, *((c, 30, LOT) for c in up)),
        lambda: grant(books, *((c, 30, LOT) for c in down)),
        lambda: take_back(books, *((c, 10, None) for c in up)),
        lambda: take_back(books, *((c, 10, None) for c in down)),
    ]
    assert race(deeds) == {"done": 4}
    for citizen in citizens:
        lots, owed = state(books, citizen)
        assert sum(lots.values()) - owed == -50 + 60 - 20
