"""Seals: committed rows in the order of their ids, in blocks chained by digest, off the hot path.

A row taken out of a sealed range or put into it, by whoever can switch a trigger off, breaks the block.
Any table with a UUIDv7 `id` and a `mac` can be sealed.
"""

import hashlib
import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import Table, select, text
from sqlalchemy.orm import Session

from carbon_credit.kernel.bulk import append_rows, lock_alone
from carbon_credit.kernel.clock import first_instant
from carbon_credit.kernel.db import is_postgresql, keys_of
from carbon_credit.kernel.digest import Field, row_mac
from carbon_credit.kernel.ids import first_id_at, made_at
from carbon_credit.kernel.partitions import month_after
from carbon_credit.ledger.models import SEAL, TRANSFER, SealBlock

# A row may be committed some time after its id was made. Rows with younger ids are not sealed yet.
QUIET = timedelta(minutes=10)
# On SQLite the writer is alone: a row waits for the lock at most, which is given up after seconds.
QUIET_ALONE = timedelta(seconds=15)
GENESIS = "0" * 64
COLUMNS = (
    "sealed_table",
    "number",
    "first_id",
    "last_id",
    "row_count",
    "digest",
    "previous_digest",
    "sealed_at",
    "mac",
)


def seal(
    session: Session, *, now: datetime, limit: int, table: Table = TRANSFER, quiet: timedelta | None = None
) -> int:
    """Seal up to `limit` rows of `table` as its next block; how many (0: nothing is old enough).

    Rows are old enough when their id is `quiet` older than `now` and than every running transaction. A block
    ends where its month does, so that the blocks of a month can be recomputed from its rows alone.
    """
    if quiet is None:
        quiet = quiet_of(session)
    lock_alone(session, f"seal:{table.name}")
    last = session.execute(
        select(SEAL.c.number, SEAL.c.last_id, SEAL.c.digest)
        .where(SEAL.c.sealed_table == table.name)
        .order_by(SEAL.c.number.desc())
        .limit(1)
    ).first()
    number, last_id, previous = last if last else (0, None, GENESIS)
    wanted = [table.c.id < first_id_at(_horizon(session, now=now) - quiet)]
    if last_id is not None:
        wanted.append(table.c.id > last_id)
    first_id = session.scalar(select(table.c.id).where(*wanted).order_by(table.c.id).limit(1))
    if first_id is None:
        return 0
    next_month = month_after(made_at(first_id).date().replace(day=1))
    wanted.append(table.c.id < first_id_at(first_instant(next_month)))
    rows = select(table.c.id, table.c.mac).where(*wanted)
    block = Block(previous)
    for row_id, mac in session.execute(
        rows.order_by(table.c.id).limit(limit).execution_options(yield_per=5000)
    ):
        block.add(row_id, mac)
    if block.first_id is None or block.last_id is None:
        return 0
    row = (table.name, number + 1, block.first_id, block.last_id, block.count, block.digest(), previous, now)
    append_rows(session, SEAL, COLUMNS, [(*row, seal_mac(keys_of(session).mac, row))])
    return block.count


def quiet_of(session: Session) -> timedelta:
    """How long rows rest before they are sealed."""
    return QUIET if is_postgresql(session) else QUIET_ALONE


def sealed_through(session: Session, *, table: str) -> uuid.UUID | None:
    """The last id of the last sealed block; None before the first. No row at or below it is to come."""
    statement = (
        select(SEAL.c.last_id).where(SEAL.c.sealed_table == table).order_by(SEAL.c.number.desc()).limit(1)
    )
    return session.scalar(statement)


def blocks_within(
    session: Session, *, table: str, since: uuid.UUID | None, before: uuid.UUID
) -> list[SealBlock]:
    """The blocks whose rows all have `since` <= id < `before`, in order."""
    statement = select(SealBlock).where(SealBlock.sealed_table == table, SealBlock.last_id < before)
    if since is not None:
        statement = statement.where(SealBlock.first_id >= since)
    return list(session.scalars(statement.order_by(SealBlock.number)))


class Block:
    """The digest of a block, row by row: SHA-256 over the previous digest, then each id and MAC."""

    def __init__(self, previous_digest: str) -> None:
        self._hash = hashlib.sha256(bytes.fromhex(previous_digest))
        self.first_id: uuid.UUID | None = None
        self.last_id: uuid.UUID | None = None
        self.count = 0

    def add(self, row_id: uuid.UUID, mac: bytes) -> None:
        """The next row, in the order of ids."""
        self._hash.update(row_id.bytes + mac)
        self.first_id = self.first_id or row_id
        self.last_id = row_id
        self.count += 1

    def digest(self) -> str:
        """Hexadecimal digest of the rows so far."""
        return self._hash.hexdigest()


def seal_mac(key: bytes, row: Sequence[Field]) -> bytes:
    """The MAC of a block: without the key nobody can build a chain of their own."""
    return row_mac(key, "seal_block", *row)


def _horizon(session: Session, *, now: datetime) -> datetime:
    """`now`, or the beginning of the oldest other transaction that still runs in this database."""
    if not is_postgresql(session):
        return now  # the writer is alone
    oldest = session.scalar(
        text(
            "SELECT min(xact_start) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    )
    return min(now, oldest) if oldest else now
