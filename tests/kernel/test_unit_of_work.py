"""One transaction: all or nothing, again where the database asks for it, Busy where it gives up."""

import threading
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.orm import Session

from carbon_credit.kernel import db
from carbon_credit.kernel.bulk import append_rows
from carbon_credit.kernel.db import Database, is_postgresql, keys_of
from carbon_credit.kernel.errors import Busy, DatabaseUnavailable
from carbon_credit.kernel.settings import Settings
from carbon_credit.kernel.unit_of_work import ATTEMPTS, dry_run, transact, unit_of_work
from tests.kernel.conftest import SHELF

NAMES = ("id", "pieces", "grams", "open")
ONE, TWO = uuid.UUID(int=1), uuid.UUID(int=2)


def put(session: Session, *ids: uuid.UUID) -> None:
    append_rows(session, SHELF, NAMES, [(one, 0, 0, False) for one in ids])


def add(session: Session, row_id: uuid.UUID, by: int = 1) -> None:
    session.execute(sa.update(SHELF).where(SHELF.c.id == row_id).values(pieces=SHELF.c.pieces + by))


def pieces(database: Database) -> dict[int, int]:
    with unit_of_work(database, read_only=True) as session:
        return {row.id.int: row.pieces for row in session.execute(sa.select(SHELF.c.id, SHELF.c.pieces))}


def test_what_a_block_did_is_there_when_it_ends(kept: Database) -> None:
    with unit_of_work(kept) as session:
        put(session, ONE)
    assert pieces(kept) == {1: 0}


@pytest.mark.parametrize("error", [ValueError("no"), KeyboardInterrupt(), SystemExit(1)])
def test_what_a_block_did_is_gone_when_it_raises(kept: Database, error: BaseException) -> None:
    def begin_and_fail() -> None:
        with unit_of_work(kept) as session:
            put(session, ONE)
            raise error

    with pytest.raises(type(error)):
        begin_and_fail()
    assert pieces(kept) == {}


def test_a_refused_statement_takes_everything_with_it(kept: Database) -> None:
    with pytest.raises(IntegrityError):
        transact(kept, lambda session: [put(session, ONE), put(session, ONE)])
    assert pieces(kept) == {}
    with unit_of_work(kept) as session:
        put(session, ONE)
    assert pieces(kept) == {1: 0}


def test_what_a_reader_writes_is_never_kept(kept: Database) -> None:
    with unit_of_work(kept, read_only=True) as session:
        put(session, ONE)
    assert pieces(kept) == {}


def test_a_reader_sees_one_moment(kept: Database) -> None:
    with unit_of_work(kept) as session:
        put(session, ONE)
    with unit_of_work(kept, read_only=True) as reader:
        count = sa.select(sa.func.sum(SHELF.c.pieces))
        assert reader.scalar(count) == 0
        with unit_of_work(kept) as session:
            add(session, ONE, 5)
        assert reader.scalar(count) == 0
    assert pieces(kept) == {1: 5}


def test_a_dry_run_says_what_would_be_and_leaves_nothing(kept: Database) -> None:
    with unit_of_work(kept) as session:
        put(session, ONE)

        def deed() -> int | None:
            put(session, TWO)
            return session.scalar(sa.select(sa.func.count()).select_from(SHELF))

        assert dry_run(session, deed) == 2
    assert pieces(kept) == {1: 0}


def test_the_session_knows_its_keys_and_its_database(kept: Database) -> None:
    with unit_of_work(kept) as session:
        assert keys_of(session) == kept.settings.keys
        assert is_postgresql(session) == (not kept.settings.embedded)
    with Session(kept.engine) as stranger, pytest.raises((TypeError, KeyError)):
        keys_of(stranger)


def test_four_threads_reading_and_writing_lose_nothing(kept: Database) -> None:
    with unit_of_work(kept) as session:
        put(session, ONE)

    def read_then_write(session: Session) -> None:
        seen = session.scalar(sa.select(SHELF.c.pieces).where(SHELF.c.id == ONE).with_for_update())
        session.execute(sa.update(SHELF).where(SHELF.c.id == ONE).values(pieces=(seen or 0) + 1))

    def work(_: int) -> None:
        for _round in range(100):
            transact(kept, read_then_write)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    assert pieces(kept) == {1: 400}


def test_of_two_in_a_deadlock_both_get_through(postgresql: Database) -> None:
    with unit_of_work(postgresql) as session:
        put(session, ONE, TWO)
    met = threading.Barrier(2, timeout=20)
    attempts: list[int] = []

    def deed(session: Session, first: uuid.UUID, then: uuid.UUID) -> None:
        attempts.append(1)
        add(session, first)
        if len(attempts) <= 2:
            met.wait()
        add(session, then)

    with ThreadPoolExecutor(2) as pool:
        one = pool.submit(transact, postgresql, lambda session: deed(session, ONE, TWO))
        two = pool.submit(transact, postgresql, lambda session: deed(session, TWO, ONE))
        one.result(30)
        two.result(30)
    assert pieces(postgresql) == {1: 2, 2: 2}
    assert len(attempts) == 3, "one of them was told to begin again"


def test_a_serialization_failure_is_tried_again(postgresql: Database) -> None:
    with unit_of_work(postgresql) as session:
        put(session, ONE)
    attempts: list[int] = []

    def deed(session: Session) -> None:
        session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
        attempts.append(1)
        session.execute(sa.select(SHELF)).all()
        if len(attempts) == 1:
            transact(postgresql, lambda other: add(other, ONE))
        add(session, ONE)

    transact(postgresql, deed)
    assert len(attempts) == 2
    assert pieces(postgresql) == {1: 2}


def test_after_some_attempts_the_refusal_is_told(postgresql: Database) -> None:
    attempts: list[int] = []

    def deed(session: Session) -> None:
        attempts.append(1)
        session.execute(
            sa.text("DO $$ BEGIN RAISE EXCEPTION 'again' USING ERRCODE = 'serialization_failure'; END $$")
        )

    with pytest.raises(DBAPIError, match="again"):
        transact(postgresql, deed)
    assert len(attempts) == ATTEMPTS


def test_other_refusals_are_not_tried_again(kept: Database) -> None:
    attempts: list[int] = []

    def deed(session: Session) -> None:
        attempts.append(1)
        put(session, ONE, ONE)

    with pytest.raises(IntegrityError):
        transact(kept, deed)
    assert attempts == [1]


def test_who_waits_too_long_is_told_that_it_is_busy(
    kept: Database, with_timeout: Callable[[Database, int], Database]
) -> None:
    with unit_of_work(kept) as session:
        put(session, ONE)
    impatient = with_timeout(kept, 1)
    with unit_of_work(kept) as session:
        add(session, ONE)
        with pytest.raises(Busy), unit_of_work(impatient) as other:
            add(other, ONE)
    with unit_of_work(impatient) as other:
        add(other, ONE)
    assert pieces(kept) == {1: 2}


def test_a_reader_never_waits_for_a_writer(
    kept: Database, with_timeout: Callable[[Database, int], Database]
) -> None:
    impatient = with_timeout(kept, 1)
    with unit_of_work(kept) as session:
        put(session, ONE)
        assert pieces(impatient) == {}


def test_where_there_is_no_server_that_is_said(base_settings: Settings) -> None:
    nowhere = Database(
        replace(base_settings, database_url="postgresql+psycopg://nobody@127.0.0.1:9/none?connect_timeout=2")
    )
    with pytest.raises(DatabaseUnavailable), unit_of_work(nowhere, read_only=True) as session:
        session.execute(sa.text("SELECT 1"))


def test_a_connection_that_is_cut_is_said_and_the_next_one_works(postgresql: Database) -> None:
    def deed(session: Session) -> None:
        put(session, ONE)
        own = session.scalar(sa.text("SELECT pg_backend_pid()"))
        with unit_of_work(postgresql) as other:
            other.execute(sa.text("SELECT pg_terminate_backend(:pid)"), {"pid": own})
        put(session, TWO)

    with pytest.raises(DatabaseUnavailable):
        transact(postgresql, deed)
    assert pieces(postgresql) == {}


@pytest.mark.parametrize("trusted_s", [0, 5])
def test_connections_that_were_cut_while_idle_are_replaced(
    postgresql: Database, monkeypatch: pytest.MonkeyPatch, trusted_s: int
) -> None:
    """Looked at, or asked, before they are used: who comes next notices nothing."""
    monkeypatch.setattr(db, "_TRUSTED_S", trusted_s)

    def pid(session: Session) -> int:
        return int(session.scalar(sa.text("SELECT pg_backend_pid()")) or 0)

    with unit_of_work(postgresql) as one, unit_of_work(postgresql) as two:
        own = [pid(one), pid(two)]
    cut = sa.text("SELECT pg_terminate_backend(:pid, 5000)")
    other = Database(postgresql.settings)
    with unit_of_work(other) as session:
        assert all(session.scalar(cut, {"pid": one}) for one in own)
    other.dispose()
    with unit_of_work(postgresql) as one, unit_of_work(postgresql) as two:
        assert not {pid(one), pid(two)} & set(own)


def test_a_connection_is_used_again(postgresql: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    for trusted_s in (0, 5):
        monkeypatch.setattr(db, "_TRUSTED_S", trusted_s)
        found = set()
        for _ in range(3):
            with unit_of_work(postgresql) as session:
                found.add(session.scalar(sa.text("SELECT pg_backend_pid()")))
        assert len(found) == 1
