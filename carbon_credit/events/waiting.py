"""Events that are accepted and not credited yet: their programme credits some days after (T+n).

The claim says `waiting`, so that a conflict is told at once and nothing can be counted twice. What was
reported lies beside it until then, sealed, because it names a card; when the event is credited, refused
or withdrawn the row is gone. Rows are written and deleted under the lock of their claim, and never
locked before it.
"""

from collections.abc import Collection, Sequence
from datetime import date, datetime
from typing import cast
from uuid import UUID

import msgspec
from sqlalchemy import Table, delete, func, select
from sqlalchemy.orm import Session

from carbon_credit.events.incoming import IncomingEvent, decode_event
from carbon_credit.events.models import EventWaiting
from carbon_credit.kernel.bulk import append_rows, one_of
from carbon_credit.kernel.db import keys_of
from carbon_credit.kernel.sealing import seal, unseal

_WAITING = cast(Table, EventWaiting.__table__)
_COLUMNS = tuple(column.name for column in _WAITING.columns)
_PURPOSE = "event-waiting"


class Waiting(msgspec.Struct, frozen=True):
    """An accepted event. `first_day`, `last_day`: business days on which it will count; both included."""

    claim_key: UUID
    programme: str
    partner_id: UUID
    first_day: date
    last_day: date
    due_at: datetime
    received_at: datetime
    event: IncomingEvent


def keep(session: Session, *, waiting: Sequence[Waiting]) -> None:
    """Keep them until they are due, in the place of what was kept under their claims."""
    forget(session, claim_keys=[one.claim_key for one in waiting])
    keys = keys_of(session)
    rows = [
        (
            one.claim_key,
            one.programme,
            one.partner_id,
            one.first_day,
            one.last_day,
            one.due_at,
            one.received_at,
            seal(keys, msgspec.json.encode(one.event), purpose=_PURPOSE, belongs_to=one.claim_key.bytes),
        )
        for one in sorted(waiting, key=lambda one: one.claim_key)
    ]
    append_rows(session, _WAITING, _COLUMNS, rows)


def forget(session: Session, *, claim_keys: Collection[UUID]) -> None:
    """Delete what is kept under these claims."""
    if claim_keys:
        session.execute(delete(_WAITING).where(one_of(session, _WAITING.c.claim_key, claim_keys)))


def due(session: Session, *, now: datetime, limit: int) -> list[Waiting]:
    """Up to `limit` events whose time has come, those due for longest first. Nothing is locked."""
    statement = (
        select(_WAITING)
        .where(_WAITING.c.due_at <= now)
        .order_by(_WAITING.c.due_at, _WAITING.c.claim_key)
        .limit(limit)
    )
    return [_opened(session, row._mapping) for row in session.execute(statement)]


def received_at(session: Session, *, claim_keys: Collection[UUID]) -> dict[UUID, datetime]:
    """When those of them that wait were received first."""
    if not claim_keys:
        return {}
    statement = select(_WAITING.c.claim_key, _WAITING.c.received_at).where(
        one_of(session, _WAITING.c.claim_key, claim_keys)
    )
    return {key: instant for key, instant in session.execute(statement)}  # noqa: C416


def due_at(session: Session, *, claim_key: UUID) -> datetime | None:
    """When the event of that claim is due; None where it does not wait."""
    return session.scalar(select(_WAITING.c.due_at).where(_WAITING.c.claim_key == claim_key))


def waiting_on(session: Session, *, programme: str, day: date) -> tuple[int, datetime | None]:
    """How many events wait that will count on the business day `day`, and when the last of them is due."""
    statement = select(func.count(), func.max(_WAITING.c.due_at)).where(
        _WAITING.c.programme == programme, _WAITING.c.first_day <= day, _WAITING.c.last_day >= day
    )
    count, last = session.execute(statement).one()
    return count, last


def _opened(session: Session, row: object) -> Waiting:
    fields = dict(cast("dict[str, object]", row))
    key = cast(UUID, fields["claim_key"])
    sealed = cast(bytes, fields.pop("sealed"))
    text = unseal(keys_of(session), sealed, purpose=_PURPOSE, belongs_to=key.bytes)
    return Waiting(**fields, event=decode_event(text))  # type: ignore[arg-type]
