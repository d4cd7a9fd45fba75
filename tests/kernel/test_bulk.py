"""Bulk writes: one row and thousands the same way, on both databases, alone and against others."""

import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, IntegrityError

from carbon_credit.kernel.bulk import (
    add_to_rows,
    append_rows,
    insert_new,
    lock_alone,
    lock_shared,
    one_of,
    rows_by,
    set_in_rows,
    together,
    write_gathered,
)
from carbon_credit.kernel.db import Database
from carbon_credit.kernel.errors import Busy
from carbon_credit.kernel.unit_of_work import DATABASE_ERRORS, transact, unit_of_work
from tests.kernel.conftest import LABEL, SHELF

COLUMNS = tuple(column.name for column in SHELF.columns)
FULL = (
    "架子 'one'; -- \\N \t",
    2**62,
    -(2**62),
    b"\x00\xff\\",
    datetime(2026, 11, 21, 23, 59, 59, 999_999, tzinfo=UTC),
    date(2024, 2, 29),
    True,
)
EMPTY = (None, 0, 0, None, None, None, False)


def row(number: int, *, pieces: int = 0, grams: int = 0) -> tuple[Any, ...]:
    return (uuid.UUID(int=number), f"n{number}", pieces, grams, None, None, None, False)


def rows_of(database: Database, table: sa.Table = SHELF) -> list[tuple[Any, ...]]:
    with unit_of_work(database, read_only=True) as session:
        return [tuple(found) for found in session.execute(sa.select(table).order_by(*table.primary_key))]


@pytest.mark.parametrize("count", [1, 2, 49, 50, 2_000])
def test_rows_come_back_as_they_were_appended(kept: Database, count: int) -> None:
    rows = [(uuid.UUID(int=n), *(FULL if n % 2 else EMPTY)) for n in range(count)]
    with unit_of_work(kept) as session:
        append_rows(session, SHELF, COLUMNS, rows)
    assert rows_of(kept) == rows


@pytest.mark.parametrize("count", [1, 2_000])
def test_only_some_columns_in_another_order(kept: Database, count: int) -> None:
    with unit_of_work(kept) as session:
        append_rows(
            session,
            SHELF,
            ("open", "grams", "pieces", "id"),
            [(True, n, 2 * n, uuid.UUID(int=n)) for n in range(count)],
        )
    assert rows_of(kept)[-1] == (uuid.UUID(int=count - 1), None, 2 * count - 2, count - 1, *[None] * 3, True)


def test_an_instant_of_another_zone_is_stored_as_the_same_instant(kept: Database) -> None:
    at = datetime(2026, 11, 21, 7, 0, tzinfo=timezone(timedelta(hours=8)))
    for count in (1, 60):
        with unit_of_work(kept) as session:
            session.execute(SHELF.delete())
            rows = [(uuid.UUID(int=n), 0, 0, at, False) for n in range(count)]
            append_rows(session, SHELF, ("id", "pieces", "grams", "filled_at", "open"), rows)
        assert {found[5] for found in rows_of(kept)} == {datetime(2026, 11, 20, 23, 0, tzinfo=UTC)}


def test_nothing_to_write_is_nothing_written(kept: Database) -> None:
    with unit_of_work(kept) as session:
        append_rows(session, SHELF, COLUMNS, [])
        assert insert_new(session, SHELF, COLUMNS, [], "id") == set()
        assert add_to_rows(session, SHELF, "id", ["pieces"], []) == 0
    assert rows_of(kept) == []


@pytest.mark.parametrize("count", [2, 200])
def test_a_conflict_or_a_broken_rule_writes_none_of_the_rows(kept: Database, count: int) -> None:
    twice = [*(row(n) for n in range(count)), row(0)]
    broken = [*(row(n) for n in range(count)), row(count, pieces=-1)]
    for rows in (twice, broken):
        with pytest.raises(DATABASE_ERRORS), unit_of_work(kept) as session:
            append_rows(session, SHELF, COLUMNS, rows)
        assert rows_of(kept) == []


@pytest.mark.parametrize("count", [1, 2_000])
def test_only_what_is_new_is_inserted(kept: Database, count: int) -> None:
    old = [row(n, grams=1) for n in range(0, count, 3)]
    with unit_of_work(kept) as session:
        append_rows(session, SHELF, COLUMNS, old)
        found = insert_new(session, SHELF, COLUMNS, [row(n, grams=2) for n in range(count)], "id")
    assert found == {uuid.UUID(int=n) for n in range(count) if n % 3}
    assert [one[3] for one in rows_of(kept)] == [2 if n % 3 else 1 for n in range(count)]


def test_the_first_of_two_alike_in_one_call_is_inserted(kept: Database) -> None:
    with unit_of_work(kept) as session:
        found = insert_new(session, SHELF, COLUMNS, [row(1, grams=1), row(1, grams=2), row(2)], "id")
    assert found == {uuid.UUID(int=1), uuid.UUID(int=2)}
    assert [one[3] for one in rows_of(kept)] == [1, 0]


def test_a_key_of_two_columns_is_new_where_either_differs(kept: Database) -> None:
    names = ("aisle", "number", "text")
    with unit_of_work(kept) as session:
        append_rows(session, LABEL, names, [("a", 1, "old"), ("b", 2, "old")])
        found = insert_new(
            session,
            LABEL,
            names,
            [("a", 1, "new"), ("a", 2, "new"), ("b", 1, "new"), ("b", 2, "new")],
            "number",
        )
    assert found == {1, 2}
    expected = [("a", 1, "old"), ("a", 2, "new"), ("b", 1, "new"), ("b", 2, "old")]
    assert rows_of(kept, LABEL) == expected


def test_a_rule_that_is_not_the_key_is_still_a_rule(kept: Database) -> None:
    with pytest.raises(IntegrityError), unit_of_work(kept) as session:
        insert_new(session, SHELF, COLUMNS, [row(1, pieces=-1)], "id")


@pytest.mark.parametrize("count", [1, 2_000])
def test_amounts_are_added_to_the_rows_that_are_there(kept: Database, count: int) -> None:
    with unit_of_work(kept) as session:
        append_rows(session, SHELF, COLUMNS, [row(n, pieces=10, grams=n) for n in range(count)])
        changes = [(uuid.UUID(int=n), -n % 10, 2**40) for n in range(count)]
        assert add_to_rows(session, SHELF, "id", ["pieces", "grams"], changes) == count
        assert add_to_rows(session, SHELF, "id", ["pieces"], [(uuid.UUID(int=10**9), 1)]) == 0
    assert [one[2:4] for one in rows_of(kept)] == [(10 + -n % 10, n + 2**40) for n in range(count)]


def test_an_amount_that_breaks_a_rule_changes_no_row(kept: Database) -> None:
    with unit_of_work(kept) as session:
        append_rows(session, SHELF, COLUMNS, [row(n, pieces=5) for n in range(100)])
    changes = [(uuid.UUID(int=n), 1 if n < 99 else -6) for n in range(100)]
    with pytest.raises(DBAPIError), unit_of_work(kept) as session:
        add_to_rows(session, SHELF, "id", ["pieces"], changes)
    assert {one[2] for one in rows_of(kept)} == {5}


@pytest.mark.parametrize("count", [0, 1, 2_000])
def test_one_of_takes_any_number_of_values(kept: Database, count: int) -> None:
    with unit_of_work(kept) as session:
        append_rows(session, SHELF, COLUMNS, [row(n) for n in range(2_100)])
        wanted = [uuid.UUID(int=n) for n in range(count)]
        by_id = sa.select(sa.func.count()).where(one_of(session, SHELF.c.id, wanted))
        by_name = sa.select(sa.func.count()).where(
            one_of(session, SHELF.c.name, [f"n{n}" for n in range(count)])
        )
        assert session.scalar(by_id) == session.scalar(by_name) == count


def test_two_connections_with_overlapping_keys_get_each_key_once(kept: Database) -> None:
    ready = threading.Barrier(2)
    halves = [range(600), range(300, 900)]

    def insert(numbers: range) -> set[uuid.UUID]:
        ready.wait()
        new = set()
        for start in range(numbers.start, numbers.stop, 100):
            rows = [row(n) for n in range(start, start + 100)]
            new |= transact(kept, lambda session, rows=rows: insert_new(session, SHELF, COLUMNS, rows, "id"))
        return new

    with ThreadPoolExecutor(2) as pool:
        one, other = pool.map(insert, halves)
    assert one & other == set()
    assert len(one) + len(other) == len(rows_of(kept)) == 900


def test_who_comes_second_waits_and_learns_that_the_key_was_taken(postgresql: Database) -> None:
    first_inserted, second_asked = threading.Event(), threading.Event()

    def second() -> set[uuid.UUID]:
        first_inserted.wait(10)
        with unit_of_work(postgresql) as session:
            second_asked.set()
            return insert_new(session, SHELF, COLUMNS, [row(1), row(2)], "id")

    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(second)
        with unit_of_work(postgresql) as session:
            assert insert_new(session, SHELF, COLUMNS, [row(1)], "id") == {uuid.UUID(int=1)}
            first_inserted.set()
            second_asked.wait(10)
            with pytest.raises(TimeoutError):
                waiting.result(timeout=0.3)
        assert waiting.result(timeout=10) == {uuid.UUID(int=2)}


def test_amounts_added_from_two_connections_are_all_there(kept: Database) -> None:
    with unit_of_work(kept) as session:
        append_rows(session, SHELF, COLUMNS, [row(n) for n in range(20)])

    def add(_: int) -> None:
        changes = [(uuid.UUID(int=n), 1) for n in range(20)]
        for _round in range(10):
            transact(kept, lambda session: add_to_rows(session, SHELF, "id", ["pieces"], changes))

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(add, range(3)))
    assert {one[2] for one in rows_of(kept)} == {30}


def test_a_name_is_held_together_or_alone(postgresql: Database, with_timeout: Any) -> None:
    impatient = with_timeout(postgresql, 1)
    with unit_of_work(postgresql) as session:
        lock_shared(session, "day 1", "day 2")
        with unit_of_work(impatient) as other:
            lock_shared(other, "day 1")
            lock_alone(other, "day 3")
        with pytest.raises(Busy), unit_of_work(impatient) as other:
            lock_alone(other, "day 2")
    with unit_of_work(impatient) as other:
        lock_alone(other, "day 2")


@pytest.mark.parametrize("count", [1, 300])
def test_values_are_set_in_the_rows_that_are_there(kept: Database, count: int) -> None:
    with unit_of_work(kept) as session:
        append_rows(session, SHELF, COLUMNS, [row(n) for n in range(count + 1)])
        values = [(uuid.UUID(int=n), None if n % 2 else f"set {n}", n, FULL[4]) for n in range(count)]
        absent = (uuid.UUID(int=10**9), "nowhere", 1, None)
        set_in_rows(session, SHELF, "id", ("name", "pieces", "filled_at"), [*values, absent])
        set_in_rows(session, SHELF, "id", ("name",), [])
    *found, untouched = rows_of(kept)
    assert [(one[0], one[1], one[2], one[5]) for one in found] == values
    assert untouched == row(count)


@pytest.mark.parametrize("count", [1, 300])
def test_rows_are_read_by_their_key(kept: Database, count: int) -> None:
    rows = [(uuid.UUID(int=n), *(FULL if n % 2 else EMPTY)) for n in range(count)]
    with unit_of_work(kept) as session:
        append_rows(session, SHELF, COLUMNS, rows)
        wanted = [uuid.UUID(int=n) for n in range(0, count + 50, 3)]
        for lock in (False, True):
            found = rows_by(session, SHELF, COLUMNS, "id", wanted, order="id", lock=lock)
            assert found == [one for one in rows if one[0].int % 3 == 0]
        some = rows_by(session, SHELF, ("open", "id"), "id", wanted, where="pieces > 0", order="id DESC")
        assert some == [(True, one[0]) for one in reversed(rows) if one[0].int % 6 == 3]
        assert rows_by(session, SHELF, COLUMNS, "id", []) == []


def test_a_row_that_was_read_locked_waits_for_nobody_and_others_wait_for_it(postgresql: Database) -> None:
    with unit_of_work(postgresql) as session:
        append_rows(session, SHELF, COLUMNS, [row(1)])
    with ThreadPoolExecutor(1) as pool:
        with unit_of_work(postgresql) as session:
            rows_by(session, SHELF, ("id",), "id", [uuid.UUID(int=1)], lock=True)

            def add(session: Any) -> int:
                return add_to_rows(session, SHELF, "id", ["pieces"], [(uuid.UUID(int=1), 1)])

            later = pool.submit(transact, postgresql, add)
            with pytest.raises(TimeoutError):
                later.result(timeout=0.5)
        assert later.result(timeout=20) == 1


@pytest.mark.parametrize("count", [1, 30, 150])
def test_what_is_gathered_is_written_at_the_end_all_or_nothing(kept: Database, count: int) -> None:
    added = [(uuid.UUID(int=n), 1, n) for n in range(count)]
    labels = [("a", n, f"label {n}") for n in range(count)]
    with unit_of_work(kept) as session:
        append_rows(session, SHELF, COLUMNS, [row(n) for n in range(count)])
        with together(session), together(session):
            append_rows(session, LABEL, ("aisle", "number", "text"), labels)
            add_to_rows(session, SHELF, "id", ["pieces", "grams"], added)
            append_rows(session, SHELF, COLUMNS, [row(count + n, grams=7) for n in range(count)])
            append_rows(session, LABEL, ("aisle", "number", "text"), [])
        with together(session):
            pass
    assert rows_of(kept, LABEL) == labels
    assert [one[2:4] for one in rows_of(kept)] == [(1, n) for n in range(count)] + [(0, 7)] * count
    more = [("b", n, "new") for n in range(count)]
    with (  # noqa: PT012  the error comes where the block ends
        pytest.raises(DATABASE_ERRORS),
        unit_of_work(kept) as session,
        together(session),
    ):
        append_rows(session, LABEL, ("aisle", "number", "text"), more)
        append_rows(session, SHELF, COLUMNS, [row(0)])
    assert rows_of(kept, LABEL) == labels


def test_what_was_gathered_can_be_written_before_it_is_read(kept: Database) -> None:
    with unit_of_work(kept) as session, together(session):
        append_rows(session, SHELF, COLUMNS, [row(1)])
        write_gathered(session)
        assert rows_by(session, SHELF, ("pieces",), "id", [uuid.UUID(int=1)]) == [(0,)]
        add_to_rows(session, SHELF, "id", ["pieces"], [(uuid.UUID(int=1), 5)])
    assert rows_of(kept)[0][2] == 5
    with unit_of_work(kept) as session:
        write_gathered(session)


def test_a_row_that_is_added_to_twice_gets_both(kept: Database) -> None:
    with unit_of_work(kept) as session:
        append_rows(session, SHELF, COLUMNS, [row(1)])
        with together(session):
            add_to_rows(session, SHELF, "id", ["pieces"], [(uuid.UUID(int=1), 5)])
            add_to_rows(session, SHELF, "id", ["pieces"], [(uuid.UUID(int=1), 7)])
    assert rows_of(kept)[0][2] == 12


def test_after_an_error_nothing_is_left_gathered(kept: Database) -> None:
    with unit_of_work(kept) as session:
        with pytest.raises(ZeroDivisionError), together(session):  # noqa: PT012  what was gathered before it
            append_rows(session, SHELF, COLUMNS, [row(1)])
            raise ZeroDivisionError
        append_rows(session, SHELF, COLUMNS, [row(2)])
    assert 2 in {one[0].int for one in rows_of(kept)}
