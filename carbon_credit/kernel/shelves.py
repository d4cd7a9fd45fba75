"""Moving a partition to another tablespace while everybody reads it (PostgreSQL).

`ALTER TABLE … SET TABLESPACE` locks readers out until all is copied, and whoever reads every month waits
with them: a citizen's totals, for an hour. So the rows are copied beside the partition, indexes are made
anew, and then the copy takes its place: a lock of a moment. Writers of the partition (a month that is over
has hardly any) wait for the copy or are told to try again.

Rows are copied frozen: whoever began to read before the exchange, and opens the table only after it, must
find them. All of it is one transaction: after a crash the partition is where it was.
"""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from carbon_credit.kernel.bulk import lock_alone
from carbon_credit.kernel.db import is_postgresql
from carbon_credit.kernel.errors import Broken, Busy
from carbon_credit.kernel.partitions import Partition, refuse_truncate
from carbon_credit.kernel.unit_of_work import is_stuck

OpenReader = Callable[[], AbstractContextManager[Session]]
Progress = Callable[[int], None]

_WAIT_S = 2  # for a lock: whoever comes after waits as long
_PAUSE_S = 3  # between two attempts to take the partition's place
_ATTEMPTS = 1200  # an hour: an audit or a backup may hold the table as long
_LONG_S = 10  # who has been at it for so long will not be done within _WAIT_S
_PORTION = 1 << 20  # bytes

# That of the database takes its tables without more ado.
_USABLE = """SELECT has_tablespace_privilege(s.oid, 'CREATE') OR s.oid = d.dattablespace
    FROM pg_tablespace s JOIN pg_database d ON d.datname = current_database()
    WHERE s.spcname = :name AND s.spcname <> 'pg_global'"""
# 0 stands for the tablespace of the database.
_ELSEWHERE = """SELECT DISTINCT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
    LEFT JOIN pg_index x ON x.indrelid = c.oid
    JOIN pg_class part ON part.oid = c.oid OR part.oid = x.indexrelid
    JOIN pg_database d ON d.datname = current_database()
    JOIN pg_tablespace s ON s.oid = coalesce(nullif(part.reltablespace, 0), d.dattablespace)
    WHERE c.relkind = 'r' AND c.relnamespace = current_schema()::regnamespace AND s.spcname <> :tablespace"""
_PLACE = "SELECT set_config('default_tablespace', :tablespace, true)"
_SHAPE = """SELECT pg_get_expr(relpartbound, oid) AS bounds, pg_get_partition_constraintdef(oid) AS holds,
    pg_total_relation_size(oid) AS bytes FROM pg_class WHERE oid = CAST(:name AS regclass)"""
_INDEXES = """SELECT c.relname AS name, x.indisprimary AS is_primary, x.indisunique AS is_unique,
    substring(pg_get_indexdef(c.oid) FROM ' USING .*') AS rest
    FROM pg_index x JOIN pg_class c ON c.oid = x.indexrelid
    WHERE x.indrelid = CAST(:name AS regclass) ORDER BY c.relname"""
_LONG_HOLDERS = """SELECT count(*) FROM pg_locks l JOIN pg_stat_activity a USING (pid)
    WHERE l.granted AND l.locktype = 'relation' AND a.pid <> pg_backend_pid()
    AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND l.relation IN (CAST(:table AS regclass), CAST(:name AS regclass))
    AND a.xact_start < clock_timestamp() - make_interval(secs => :long)"""


@dataclass(frozen=True, slots=True)
class Moved:
    """A partition that was moved: rows, and bytes with indexes before and after (new indexes are denser)."""

    partition: str
    rows: int
    bytes_before: int
    bytes_after: int


def is_usable(session: Session, tablespace: str) -> bool | None:
    """Whether tables can be put there; None where there is no such tablespace."""
    return session.scalar(text(_USABLE), {"name": tablespace}) if is_postgresql(session) else None


def elsewhere(session: Session, tablespace: str) -> set[str]:
    """The partitions that lie, with any of their indexes, in another tablespace."""
    return set(session.scalars(text(_ELSEWHERE), {"tablespace": tablespace}))


def move_partition(
    session: Session,
    *,
    partition: Partition,
    tablespace: str,
    open_reader: OpenReader,
    progress: Progress | None = None,
) -> Moved:
    """Move one partition with its indexes. `progress` hears how many rows were copied.

    `open_reader` gives a second session, which sees what was committed when it first reads. Raises (as
    Busy, at the edge) where the partition is being written to, or somebody reads it for more than an hour.
    """
    name, moving = partition.name, f"{partition.table}_moving"
    _run(session, f"SET LOCAL lock_timeout = '{_WAIT_S}s'", "SET LOCAL statement_timeout = 0")
    lock_alone(session, "shelves")
    _run(session, f"LOCK TABLE {name} IN SHARE MODE")
    session.execute(text(_PLACE), {"tablespace": tablespace})
    shape = session.execute(text(_SHAPE), {"name": name}).one()
    _run(
        session,
        f"CREATE TABLE {moving} (LIKE {name} INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING STORAGE)",
        # What the partition's place asks is known before, so that nothing is read while all wait.
        f"ALTER TABLE {moving} ADD CONSTRAINT {moving}_holds CHECK {shape.holds}",
    )
    rows = _copy(session, name, moving, open_reader, progress)
    indexes = _index(session, name, moving)
    refuse_truncate(session, partition.table, moving)
    _run(session, f"ANALYZE {moving}")
    _exchange(session, partition, moving, shape.bounds, indexes)
    after = session.execute(text(_SHAPE), {"name": name}).one()
    return Moved(name, rows, int(shape.bytes), int(after.bytes))


def _copy(
    session: Session, name: str, moving: str, open_reader: OpenReader, progress: Progress | None
) -> int:
    """All rows as the server writes them; how many."""
    with open_reader() as reader:
        source = reader.connection().connection.driver_connection.cursor()  # type: ignore[union-attr]
        target = session.connection().connection.driver_connection.cursor()  # type: ignore[union-attr]
        with (
            source.copy(f"COPY {name} TO STDOUT (FORMAT BINARY)") as given,
            target.copy(f"COPY {moving} FROM STDIN (FORMAT BINARY, FREEZE)") as taken,
        ):
            held, size = [], 0
            for row in given:  # the server sends each row by itself
                held.append(bytes(row))
                size += len(row)
                if size >= _PORTION:
                    taken.write(b"".join(held))
                    if progress is not None:
                        progress(len(held))
                    held, size = [], 0
            taken.write(b"".join(held))
        if progress is not None and held:
            progress(len(held) - 1)  # the last one only says that this is the end
        if source.rowcount != target.rowcount:
            raise Broken(why=f"{name} gave {source.rowcount} rows and {target.rowcount} were copied")
        return int(target.rowcount)


def _index(session: Session, name: str, moving: str) -> list[tuple[str, str]]:
    """Make the indexes of the copy; pairs of their name now and the one that they shall have."""
    names = []
    for number, index in enumerate(session.execute(text(_INDEXES), {"name": name}).all()):
        built = f"{moving}_{number}"
        unique = "UNIQUE " if index.is_unique else ""
        _run(session, f"CREATE {unique}INDEX {built} ON {moving}{index.rest}")
        if index.is_primary:
            _run(session, f"ALTER TABLE {moving} ADD CONSTRAINT {built} PRIMARY KEY USING INDEX {built}")
        names.append((built, str(index.name)))
    return names


def _exchange(
    session: Session, partition: Partition, moving: str, bounds: str, indexes: list[tuple[str, str]]
) -> None:
    """Put the copy in the place of the partition, and drop that."""
    table, name = partition.table, partition.name
    steps = (
        f"LOCK TABLE ONLY {table} IN ACCESS EXCLUSIVE MODE",
        f"ALTER TABLE {table} DETACH PARTITION {name}",
        f"DROP TABLE {name}",
        f"ALTER TABLE {moving} RENAME TO {name}",
        *(f"ALTER INDEX {built} RENAME TO {wanted}" for built, wanted in indexes),
        f"ALTER TABLE {table} ATTACH PARTITION {name} {bounds}",
        f"ALTER TABLE {name} DROP CONSTRAINT {moving}_holds",
    )
    for _attempt in range(_ATTEMPTS):
        # Everybody queues behind whoever waits for this lock: it is asked for only where it can be had.
        held = {"table": table, "name": name, "long": _LONG_S}
        if not session.scalar(text(_LONG_HOLDERS), held):
            try:
                with session.begin_nested():
                    _run(session, *steps)
                return
            except DBAPIError as error:
                if not is_stuck(error):
                    raise
        time.sleep(_PAUSE_S)
    raise Busy


def _run(session: Session, *statements: str) -> None:
    for statement in statements:
        session.connection().exec_driver_sql(statement)
