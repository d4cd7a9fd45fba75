"""What others are to be told, written in the transaction of what happened.

A row here means: it happened, and it will be told at least once. It is a queue, not an archive: whoever
tells it takes rows out in the transaction that writes down to whom, a few seconds later. So the table
stays small and needs no months, and a rolled back or killed transaction tells nothing.

A row is written whether or not anybody listens: looking that up would cost more than the row, and who
listens may change at the same moment.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import TypeAlias
from uuid import UUID

import orjson
from sqlalchemy import String, Table, Text, Uuid, delete, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from carbon_credit.kernel.bulk import append_rows, one_of
from carbon_credit.kernel.db import Base, UtcDateTime, is_postgresql
from carbon_credit.kernel.ids import new_ids

# Flat and exact, so that it can be read in every language. No personal data: ids, fen, points, times.
Value: TypeAlias = str | int | bool | UUID | datetime | date | None
MAX_DATA_BYTES = 8 * 1024


class Outgoing(Base):
    """One thing to tell one party. `data`: a JSON object. `id` is also the id of the message."""

    __tablename__ = "outbox"

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    programme: Mapped[str] = mapped_column(String(16))
    audience: Mapped[UUID] = mapped_column(Uuid)
    type: Mapped[str] = mapped_column(String(40))
    subject_id: Mapped[UUID] = mapped_column(Uuid)
    data: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


@dataclass(frozen=True, slots=True)
class Notice:
    """What to tell the party `audience`: that `type` happened to `subject_id`, with what belongs to it."""

    programme: str
    audience: UUID
    type: str
    subject_id: UUID
    data: Mapping[str, Value]


_TABLE: Table = Outgoing.__table__  # type: ignore[assignment]
_COLUMNS = ("id", "programme", "audience", "type", "subject_id", "data", "created_at")


def emit(
    session: Session,
    *,
    programme: str,
    audience: UUID,
    type: str,
    subject_id: UUID,
    data: Mapping[str, Value],
    now: datetime,
) -> UUID:
    """Tell one party of one thing, if the caller's transaction commits; the id of the message.

    Inside `bulk.together` it costs no round trip of its own. ValueError for data beyond 8 KB.
    """
    notice = Notice(programme, audience, type, subject_id, data)
    return emit_all(session, notices=[notice], now=now)[0]


def emit_all(session: Session, *, notices: Sequence[Notice], now: datetime) -> list[UUID]:
    """`emit` of many, set-based; the ids in the same order."""
    if not notices:
        return []
    ids = new_ids(len(notices))
    rows = [
        (row_id, one.programme, one.audience, one.type, one.subject_id, _json(one.data), now)
        for row_id, one in zip(ids, notices, strict=True)
    ]
    append_rows(session, _TABLE, _COLUMNS, rows)
    return ids


def take(session: Session, *, limit: int) -> list[Outgoing]:
    """Take up to `limit` rows out, oldest first: they are the caller's to tell, once it commits.

    Rows that another taker has at the same moment are passed over.
    """
    oldest = select(Outgoing).order_by(Outgoing.id).limit(limit)
    if is_postgresql(session):
        oldest = oldest.with_for_update(skip_locked=True)
    rows = list(session.scalars(oldest))
    if rows:
        session.execute(
            delete(Outgoing).where(one_of(session, Outgoing.id, [row.id for row in rows])),
            execution_options={"synchronize_session": False},
        )
        for row in rows:
            session.expunge(row)
    return rows


def _json(data: Mapping[str, Value]) -> str:
    told = orjson.dumps(dict(data), option=orjson.OPT_SORT_KEYS | orjson.OPT_UTC_Z)
    if len(told) > MAX_DATA_BYTES:
        raise ValueError(f"a message of {len(told)} bytes: tell an id, and let the receiver ask")
    return told.decode()
