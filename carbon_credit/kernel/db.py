"""The database: one engine, the declarative base, portable column types, and dialect set-up.

SQLite runs in WAL with foreign keys on, and writers begin with BEGIN IMMEDIATE: a plain BEGIN
that turns into a write later fails with "database is locked" under concurrency.
"""

import select
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy import DateTime, Dialect, MetaData, TypeDecorator, create_engine, event
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import InvalidatePoolError
from sqlalchemy.orm import DeclarativeBase, Session, sessionmaker

from carbon_credit.kernel import wire
from carbon_credit.kernel.clock import elapsed_s
from carbon_credit.kernel.keys import Keys
from carbon_credit.kernel.settings import Settings

_USED_AT = "used at"
# A pooled connection is asked whether it still works when it was idle for longer. Before that it is enough
# to look, without a round trip, whether the server has closed it: a single event has few round trips.
_TRUSTED_S = 5


class Base(DeclarativeBase):
    """Declarative base. Constraint names are fixed, so that migrations can name them."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


class UtcDateTime(TypeDecorator[datetime]):
    """An aware instant, in UTC. timestamptz on PostgreSQL, sortable text on SQLite."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("an instant without a time zone cannot be stored")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Database:
    """The engine and the makers of sessions. `session.info["keys"]` carries the secrets down."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.engine = _engine(settings)
        # A reader sees one moment, however many statements it takes: an audit must not find the middle
        # of somebody's work. On SQLite every transaction is like that.
        moment = {} if settings.embedded else {"isolation_level": "REPEATABLE READ"}
        self.read_engine = self.engine.execution_options(read_only=True, **moment)
        info = {"keys": settings.keys}
        self.write_session = sessionmaker(self.engine, expire_on_commit=False, info=info)
        self.read_session = sessionmaker(self.read_engine, expire_on_commit=False, info=info)

    def dispose(self) -> None:
        """Close all pooled connections."""
        self.engine.dispose()


def keys_of(session: Session) -> Keys:
    """The installation's secrets, as given to the database that opened `session`."""
    keys = session.info["keys"]
    if not isinstance(keys, Keys):
        raise TypeError("this session was not opened by kernel.db.Database")
    return keys


def is_postgresql(session: Session) -> bool:
    """True on PostgreSQL, false on SQLite: for the few statements that differ."""
    return session.get_bind().dialect.name == "postgresql"


def _engine(settings: Settings) -> Engine:
    if settings.embedded:
        return _sqlite_engine(settings)
    lock_ms = settings.lock_timeout_s * 1000
    engine = create_engine(
        settings.database_url,
        pool_use_lifo=True,  # the connection used last knows our statements and has its caches warm
        pool_size=10,
        max_overflow=20,
        hide_parameters=True,  # they may be personal, and errors are logged
        connect_args={"options": f"-c timezone=UTC -c lock_timeout={lock_ms}"},
    )

    @event.listens_for(engine, "connect")
    def on_connect(connection: Any, record: Any) -> None:
        wire.prepare(connection)
        record.info[_USED_AT] = elapsed_s()

    @event.listens_for(engine, "checkin")
    def on_checkin(_connection: Any, record: Any) -> None:
        record.info[_USED_AT] = elapsed_s()

    @event.listens_for(engine, "checkout")
    def on_checkout(connection: Any, record: Any, _proxy: Any) -> None:
        trusted = elapsed_s() - record.info[_USED_AT] < _TRUSTED_S
        if (not trusted or _has_news(connection)) and not _answers(connection):
            raise InvalidatePoolError

    return engine


def _has_news(connection: psycopg.Connection[Any]) -> bool:
    """Whether something has come for an idle connection, which nobody asked: mostly that it has ended."""
    if connection.closed:
        return True
    idle = select.poll()
    idle.register(connection.fileno(), select.POLLIN)
    return bool(idle.poll(0))


def _answers(connection: psycopg.Connection[Any]) -> bool:
    try:
        connection.autocommit = True
        connection.execute("")
        connection.autocommit = False
    except psycopg.Error:
        return False
    return True


def _sqlite_engine(settings: Settings) -> Engine:
    path = settings.database_url.removeprefix("sqlite:///")
    if path and path != ":memory:":
        Path(path).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(
        settings.database_url,
        hide_parameters=True,
        connect_args={"timeout": settings.lock_timeout_s, "check_same_thread": False},
    )

    @event.listens_for(engine, "connect")
    def on_connect(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # we say BEGIN ourselves
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute("PRAGMA synchronous=NORMAL")
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.execute("PRAGMA recursive_triggers=ON")
        cursor.execute("PRAGMA wal_autocheckpoint=16000")
        cursor.close()

    @event.listens_for(engine, "begin")
    def on_begin(connection: Connection) -> None:
        read_only = connection.get_execution_options().get("read_only", False)
        connection.exec_driver_sql("BEGIN" if read_only else "BEGIN IMMEDIATE")

    return engine
