"""The outbox: told if and only if it happened, each row taken by one."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

import orjson
import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from carbon_credit.kernel.bulk import together
from carbon_credit.kernel.db import Database
from carbon_credit.kernel.outbox import MAX_DATA_BYTES, Notice, Outgoing, emit, emit_all, take
from carbon_credit.kernel.unit_of_work import transact, unit_of_work

NOW = datetime(2026, 11, 21, 4, 0, tzinfo=UTC)
MERCHANT, PIECE = UUID(int=1), UUID(int=2)


@pytest.fixture(autouse=True)
def nothing_to_tell(kept: Database) -> None:
    with unit_of_work(kept) as session:
        session.execute(sa.delete(Outgoing))


def tell(session: Session, **data: Any) -> UUID:
    return emit(
        session,
        programme="x-a",
        audience=MERCHANT,
        type="redemption.consumed",
        subject_id=PIECE,
        data=data,
        now=NOW,
    )


def notices(count: int) -> list[Notice]:
    return [Notice("x-a", MERCHANT, "redemption.expired", UUID(int=n), {"n": n}) for n in range(count)]


def taken(database: Database, limit: int = 1000) -> list[Outgoing]:
    return transact(database, lambda session: take(session, limit=limit))


def test_what_was_written_is_taken_once(kept: Database) -> None:
    told = transact(
        kept, lambda s: tell(s, fen=1200, at=NOW, day=date(2026, 11, 21), offer_id=UUID(int=7), store=None)
    )
    [row] = taken(kept)
    assert (row.id, row.programme, row.audience, row.type) == (told, "x-a", MERCHANT, "redemption.consumed")
    assert (row.subject_id, row.created_at) == (PIECE, NOW)
    assert orjson.loads(row.data) == {
        "fen": 1200,
        "at": "2026-11-21T04:00:00Z",
        "day": "2026-11-21",
        "offer_id": str(UUID(int=7)),
        "store": None,
    }
    assert taken(kept) == []


def test_what_did_not_happen_is_not_told(kept: Database) -> None:
    with unit_of_work(kept, read_only=True) as session:  # which is rolled back
        tell(session)
    assert taken(kept) == []


def test_what_was_taken_and_not_written_down_is_taken_again(kept: Database) -> None:
    told = transact(kept, tell)
    with unit_of_work(kept, read_only=True) as session:  # which is rolled back
        assert [row.id for row in take(session, limit=10)] == [told]
    assert [row.id for row in taken(kept)] == [told]


def test_gathered_with_the_other_writes(kept: Database) -> None:
    def deed(session: Session) -> UUID:
        with together(session):
            return tell(session, fen=1)

    told = transact(kept, deed)
    assert [row.id for row in taken(kept)] == [told]


@pytest.mark.parametrize("count", [0, 1, 99, 250])
def test_many_keep_their_order(kept: Database, count: int) -> None:
    ids = transact(kept, lambda session: emit_all(session, notices=notices(count), now=NOW))
    first, rest = taken(kept, limit=100), taken(kept)
    assert len(first) == min(count, 100)
    assert [row.id for row in first + rest] == ids == sorted(ids)
    assert [row.subject_id.int for row in first + rest] == list(range(count))


def test_too_much_is_refused(kept: Database) -> None:
    with pytest.raises(ValueError, match="tell an id"), unit_of_work(kept) as session:
        tell(session, text="x" * MAX_DATA_BYTES)


def test_a_row_is_never_changed(kept: Database) -> None:
    transact(kept, tell)
    with unit_of_work(kept, read_only=True) as session, pytest.raises(DBAPIError, match="never changed"):
        session.execute(sa.update(Outgoing).values(data="{}"))
    assert [orjson.loads(row.data) for row in taken(kept)] == [{}]


def test_takers_at_once_have_each_row_once(kept: Database) -> None:
    ids = transact(kept, lambda session: emit_all(session, notices=notices(200), now=NOW))
    ready = threading.Barrier(4)

    def run(_number: int) -> list[UUID]:
        ready.wait()
        found: list[UUID] = []
        while rows := taken(kept, limit=7):
            found += [row.id for row in rows]
        return found

    with ThreadPoolExecutor(4) as pool:
        parts = list(pool.map(run, range(4)))
    left = [
        row.id for row in taken(kept)
    ]  # passed over while another had it, and that one found nothing more
    assert sorted([row_id for part in parts for row_id in part] + left) == ids
