"""The unit of work: the only place that commits or rolls back.

An edge (a view, a task, a command) opens one, calls one verb, and leaves. Verbs take the session
and never end the transaction, so a claim and its effect are always committed together.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import psycopg
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from carbon_credit.kernel.db import Database
from carbon_credit.kernel.errors import Busy, DatabaseUnavailable

T = TypeVar("T")

ATTEMPTS = 6
# COPY speaks to the driver directly, so its errors come without SQLAlchemy's wrapping.
DATABASE_ERRORS = (DBAPIError, psycopg.Error)
_AGAIN = {"40001", "40P01"}  # serialization failure, deadlock: nothing was done, try the same again
_LOCKED = {"55P03", "57014"}  # lock or statement timeout


@contextmanager
def unit_of_work(database: Database, *, read_only: bool = False) -> Iterator[Session]:
    """One transaction: committed when the block ends, rolled back when it raises.

    Raises Busy where a lock could not be had in `lock_timeout_s`, DatabaseUnavailable where the
    database cannot be reached.
    """
    session = database.read_session() if read_only else database.write_session()
    try:
        with plain_errors():
            yield session
            if read_only:
                session.rollback()
            else:
                session.commit()
    except BaseException:
        session.rollback()
        raise
    finally:
        session.close()


@contextmanager
def plain_errors() -> Iterator[None]:
    """Turns what the database says about locks and lost connections into errors of our own tree."""
    try:
        yield
    except DATABASE_ERRORS as error:
        if is_locked(error):
            raise Busy from error
        if _is_unreachable(error):
            raise DatabaseUnavailable from error
        raise


def transact(database: Database, deed: Callable[[Session], T]) -> T:
    """Run `deed` in a unit of work, again where the database asks for it. The deed must be pure
    but for the session: everything it did before is rolled back."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            with unit_of_work(database) as session:
                return deed(session)
        except DATABASE_ERRORS as error:
            if _state(error) not in _AGAIN or attempt == ATTEMPTS:
                raise
    raise AssertionError("unreachable")


def is_locked(error: Exception) -> bool:
    """Whether the database gave up waiting for a lock."""
    return _state(error) in _LOCKED or "database is locked" in str(getattr(error, "orig", error))


def is_stuck(error: Exception) -> bool:
    """Whether a lock was not had, or each of two waited for the other: what was meant can be tried again."""
    return is_locked(error) or _state(error) in _AGAIN


def _is_unreachable(error: Exception) -> bool:
    # PostgreSQL says nothing where there is no connection; 08: it broke, 57P: the server is going down.
    told = getattr(error, "orig", error)
    state = _state(error)
    lost = isinstance(told, psycopg.OperationalError) and state is None
    return lost or (state or "").startswith(("08", "57P", "53300"))


def _state(error: Exception) -> str | None:
    return getattr(getattr(error, "orig", error), "sqlstate", None)


def dry_run(session: Session, deed: Callable[[], T]) -> T:
    """What `deed` returns, after all that it did in the database was taken back."""
    savepoint = session.begin_nested()
    try:
        return deed()
    finally:
        savepoint.rollback()
