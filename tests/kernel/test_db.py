"""What the database layer promises: instants in UTC, and the set-up of both dialects."""

import uuid
from datetime import UTC, datetime, timedelta, timezone

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import StatementError

from carbon_credit.kernel.db import Database
from carbon_credit.kernel.unit_of_work import unit_of_work
from tests.kernel.conftest import SHELF

ID = uuid.UUID(int=1)


def store(database: Database, instant: datetime | None) -> None:
    row = {"id": ID, "pieces": 0, "grams": 0, "open": True, "filled_at": instant}
    with unit_of_work(database) as session:
        session.execute(SHELF.insert(), row)


def read(database: Database) -> datetime | None:
    with unit_of_work(database, read_only=True) as session:
        return session.scalar(sa.select(SHELF.c.filled_at))


@pytest.mark.parametrize(
    "instant",
    [
        datetime(2026, 11, 21, 4, 5, 6, 789_012, tzinfo=UTC),
        datetime(2026, 11, 21, 0, 0, tzinfo=timezone(timedelta(hours=8))),
        datetime(1999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
        None,
    ],
)
def test_an_instant_comes_back_as_the_same_instant_in_utc(kept: Database, instant: datetime | None) -> None:
    store(kept, instant)
    found = read(kept)
    assert found == instant
    assert found is None or found.tzinfo is UTC


def test_an_instant_without_a_zone_is_refused(kept: Database) -> None:
    with pytest.raises((StatementError, ValueError), match="without a time zone"):
        store(kept, datetime(2026, 11, 21))  # noqa: DTZ001  what is refused
    with (
        pytest.raises((StatementError, ValueError), match="without a time zone"),
        unit_of_work(kept, read_only=True) as session,
    ):
        session.execute(sa.select(SHELF).where(SHELF.c.filled_at > datetime(2026, 11, 21)))  # noqa: DTZ001


def test_instants_compare_as_instants(kept: Database) -> None:
    store(kept, datetime(2026, 11, 21, 0, 30, tzinfo=timezone(timedelta(hours=8))))
    with unit_of_work(kept, read_only=True) as session:
        before = sa.select(sa.func.count()).where(SHELF.c.filled_at < datetime(2026, 11, 20, 17, tzinfo=UTC))
        assert session.scalar(before) == 1


def test_sqlite_is_set_up_for_many(sqlite_database: Database) -> None:
    with unit_of_work(sqlite_database) as session:
        told = {
            name: session.scalar(sa.text(f"PRAGMA {name}"))
            for name in ("journal_mode", "foreign_keys", "synchronous", "recursive_triggers")
        }
    assert told == {"journal_mode": "wal", "foreign_keys": 1, "synchronous": 1, "recursive_triggers": 1}


def test_postgresql_speaks_utc_and_waits_for_locks_only_so_long(module_postgresql: Database) -> None:
    with unit_of_work(module_postgresql) as session:
        assert session.scalar(sa.text("SHOW timezone")) == "UTC"
        assert session.scalar(sa.text("SHOW lock_timeout")) == "5s"
    with unit_of_work(module_postgresql, read_only=True) as session:
        assert session.scalar(sa.text("SHOW transaction_isolation")) == "repeatable read"
