"""`Idempotency-Key`: a write that arrives twice takes effect once and answers the same.

The key is claimed, the effect done and the answer stored in one transaction, so there is no
moment in which one exists without the other. A key belongs to its caller and to one request body.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import LargeBinary, SmallInteger, String, delete, select, tuple_
from sqlalchemy.orm import Mapped, Session, mapped_column

from carbon_credit.kernel.bulk import insert_new
from carbon_credit.kernel.db import Base, UtcDateTime
from carbon_credit.kernel.errors import Invalid


class IdempotencyConflict(Invalid):
    code = "idempotency-conflict"
    en = "This Idempotency-Key was used for another request. Use a new key for a new request."
    zh = "该 Idempotency-Key 已用于另一请求。新请求请使用新的键。"


class IdempotencyRecord(Base):
    """One claimed key: the hash of the request, and the answer it got."""

    __tablename__ = "idempotency_record"

    caller: Mapped[str] = mapped_column(String(64), primary_key=True)
    key: Mapped[str] = mapped_column(String(128), primary_key=True)
    request_hash: Mapped[str] = mapped_column(String(64))
    status: Mapped[int] = mapped_column(SmallInteger)
    body: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)


@dataclass(frozen=True, slots=True)
class Answer:
    """What is sent back: HTTP-like status, JSON bytes, and whether it is a replay."""

    status: int
    body: bytes
    replayed: bool


def once(
    session: Session,
    *,
    caller: str,
    key: str,
    request_hash: str,
    now: datetime,
    deed: Callable[[], tuple[int, bytes]],
) -> Answer:
    """Do `deed` unless `key` was done before; then its first answer, flagged as a replay.

    A concurrent request with the same key waits for the first one (Busy after the lock timeout).
    Raises IdempotencyConflict where the key came with another request.
    """
    columns = ("caller", "key", "request_hash", "status", "body", "created_at")
    claimed = insert_new(
        session,
        IdempotencyRecord.__table__,  # type: ignore[arg-type]
        columns,
        [(caller, key, request_hash, 0, b"", now)],
        "key",
    )
    record = session.get_one(IdempotencyRecord, (caller, key))
    if not claimed:
        if record.request_hash != request_hash:
            raise IdempotencyConflict
        return Answer(status=record.status, body=record.body, replayed=True)
    record.status, record.body = deed()
    session.flush()
    return Answer(status=record.status, body=record.body, replayed=False)


KEEP_FOR = timedelta(days=3)


def forget(session: Session, *, now: datetime, limit: int) -> int:
    """Delete up to `limit` records older than three days; how many there were."""
    old = (
        select(IdempotencyRecord.caller, IdempotencyRecord.key)
        .where(IdempotencyRecord.created_at < now - KEEP_FOR)
        .limit(limit)
    )
    keys = [tuple(row) for row in session.execute(old)]
    if keys:
        wanted = tuple_(IdempotencyRecord.caller, IdempotencyRecord.key).in_(keys)
        session.execute(delete(IdempotencyRecord).where(wanted))
    return len(keys)
