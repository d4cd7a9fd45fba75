"""A key, its effect and its answer: in one transaction, once."""

import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from carbon_credit.kernel.db import Database
from carbon_credit.kernel.errors import Busy
from carbon_credit.kernel.idempotency import (
    KEEP_FOR,
    Answer,
    IdempotencyConflict,
    IdempotencyRecord,
    forget,
    once,
)
from carbon_credit.kernel.unit_of_work import transact, unit_of_work

NOW = datetime(2026, 11, 21, 4, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def no_records(kept: Database) -> None:
    with unit_of_work(kept) as session:
        session.execute(sa.delete(IdempotencyRecord))


def ask(
    database: Database,
    key: str = "k1",
    *,
    caller: str = "partner:1",
    request_hash: str = "a" * 64,
    now: datetime = NOW,
    deed: Callable[[], tuple[int, bytes]] = lambda: (201, b'{"done":1}'),
) -> Answer:
    return transact(
        database,
        lambda session: once(session, caller=caller, key=key, request_hash=request_hash, now=now, deed=deed),
    )


def records(database: Database) -> int:
    with unit_of_work(database, read_only=True) as session:
        return session.scalar(sa.select(sa.func.count()).select_from(IdempotencyRecord)) or 0


def test_the_second_time_the_first_answer_is_given_again(kept: Database) -> None:
    done: list[int] = []

    def deed() -> tuple[int, bytes]:
        done.append(1)
        return 201, '{"n":"一"}'.encode()

    assert ask(kept, deed=deed) == Answer(201, '{"n":"一"}'.encode(), replayed=False)
    assert ask(kept, deed=deed) == Answer(201, '{"n":"一"}'.encode(), replayed=True)
    assert done == [1]


def test_another_body_under_the_same_key_is_refused(kept: Database) -> None:
    ask(kept)
    with pytest.raises(IdempotencyConflict):
        ask(kept, request_hash="b" * 64)
    assert ask(kept).replayed


def test_a_key_belongs_to_its_caller(kept: Database) -> None:
    ask(kept)
    assert not ask(kept, caller="partner:2", request_hash="b" * 64).replayed
    assert not ask(kept, "k2").replayed


def test_a_deed_that_fails_leaves_its_key_free(kept: Database) -> None:
    def fail() -> tuple[int, bytes]:
        raise ValueError("not enough")

    with pytest.raises(ValueError, match="not enough"):
        ask(kept, deed=fail)
    assert records(kept) == 0
    assert not ask(kept).replayed


def test_many_at_once_do_it_once(kept: Database) -> None:
    ready = threading.Barrier(8)
    done: list[int] = []

    def deed() -> tuple[int, bytes]:
        done.append(1)
        return 200, b"{}"

    def run(_: int) -> Answer:
        ready.wait()
        return ask(kept, deed=deed)

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(run, range(8)))
    assert Counter(answer.replayed for answer in answers) == {True: 7, False: 1}
    assert {(answer.status, answer.body) for answer in answers} == {(200, b"{}")}
    assert done == [1]


def test_who_waits_too_long_for_the_first_is_told_that_it_is_busy(
    kept: Database, with_timeout: Callable[[Database, int], Database]
) -> None:
    impatient = with_timeout(kept, 1)

    def slow() -> tuple[int, bytes]:
        with pytest.raises(Busy):
            ask(impatient)
        return 200, b"{}"

    assert not ask(kept, deed=slow).replayed
    assert ask(impatient).replayed


def test_records_are_forgotten_after_three_days_and_not_before(kept: Database) -> None:
    ask(kept, "old", now=NOW - KEEP_FOR - timedelta(microseconds=1))
    ask(kept, "young", now=NOW - KEEP_FOR)
    assert transact(kept, lambda session: forget(session, now=NOW, limit=10)) == 1
    assert ask(kept, "young").replayed
    assert not ask(kept, "old").replayed


def test_forgetting_goes_on_in_portions(kept: Database) -> None:
    with unit_of_work(kept) as session:
        session.add_all(
            IdempotencyRecord(
                caller=f"c{n % 7}", key=f"k{n}", request_hash="", status=200, body=b"", created_at=NOW
            )
            for n in range(5_100)
        )
    later = NOW + timedelta(days=4)
    portions = [transact(kept, lambda session: forget(session, now=later, limit=5_000)) for _ in range(3)]
    assert portions == [5_000, 100, 0]
    assert records(kept) == 0
