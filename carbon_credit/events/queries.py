"""Reads of events and claims."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from uuid import UUID

import orjson
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from carbon_credit.events.errors import EventNotFound
from carbon_credit.events.incoming import claim_key
from carbon_credit.events.models import Event, EventClaim, EventDetail
from carbon_credit.events.waiting import due_at
from carbon_credit.kernel.bulk import one_of
from carbon_credit.kernel.db import keys_of


@dataclass(frozen=True, slots=True)
class ClaimRecord:
    """What is remembered of a partner's event id. `due_at`: from when on it is credited, where it waits."""

    revision: int
    outcome: str
    reason: str | None
    retryable: bool
    event_id: UUID | None
    claimed_at: datetime
    due_at: datetime | None


@dataclass(frozen=True, slots=True)
class EventRecord:
    """An accepted event; `quantities` and `details` decoded."""

    id: UUID
    activity_type: str
    citizen_id: UUID
    occurred_at: datetime
    ended_at: datetime | None
    received_at: datetime
    business_day: date
    tier: str
    quantities: dict[str, int | str]
    details: dict[str, str]


@dataclass(frozen=True, slots=True)
class StandingEvent:
    """An accepted event that counts now."""

    id: UUID
    claim_key: UUID
    citizen_id: UUID
    activity_type: str
    business_day: date
    ended_at: datetime | None
    quantities: dict[str, int | str]


def claim_of(session: Session, *, partner_id: UUID, external_id: str) -> ClaimRecord:
    """What became of the partner's event. Raises EventNotFound."""
    key = claim_key(keys_of(session).mac, partner_id=partner_id, event_id=external_id)
    row = session.get(EventClaim, key)
    if row is None:
        raise EventNotFound(id=external_id)
    return ClaimRecord(
        revision=row.revision,
        outcome=row.outcome,
        reason=row.reason,
        retryable=row.retryable and row.outcome != "waiting",
        event_id=row.event_id,
        claimed_at=row.claimed_at,
        due_at=due_at(session, claim_key=key) if row.outcome == "waiting" else None,
    )


@dataclass(frozen=True, slots=True)
class Received:
    """Events that a partner reported in a period, by what became of them; `reason` of rejected ones."""

    partner_id: UUID
    outcome: str
    reason: str | None
    events: int


def received_between(
    session: Session, *, partner_ids: Collection[UUID], start: datetime, end: datetime
) -> list[Received]:
    """The claims made from `start` until before `end`, each once, by their outcome now."""
    if not partner_ids:
        return []
    keys = (EventClaim.partner_id, EventClaim.outcome, EventClaim.reason)
    statement = (
        select(*keys, func.count())
        .where(
            EventClaim.claimed_at >= start,
            EventClaim.claimed_at < end,
            one_of(session, EventClaim.partner_id, partner_ids),
        )
        .group_by(*keys)
    )
    found = [Received(*row) for row in session.execute(statement)]
    return sorted(found, key=lambda one: (one.partner_id, one.outcome, one.reason or ""))


def standing_between(
    session: Session,
    *,
    programme: str,
    citizen_ids: Collection[UUID],
    activity_types: Collection[str],
    first: date,
    last: date,
) -> list[StandingEvent]:
    """Events of these citizens that stand, neither withdrawn nor superseded, by business day (both
    included)."""
    # The index holds instants, and business days lie within a day of them, wherever the programme is.
    margin = timedelta(days=1)
    rows = session.execute(
        select(
            Event.id,
            Event.claim_key,
            Event.citizen_id,
            Event.activity_type,
            Event.business_day,
            Event.ended_at,
            Event.quantities,
        )
        .join(EventClaim, EventClaim.claim_key == Event.claim_key)
        .where(
            one_of(session, Event.citizen_id, citizen_ids),
            Event.occurred_at >= datetime.combine(first - margin, time(), UTC),
            Event.occurred_at < datetime.combine(last + 2 * margin, time(), UTC),
            Event.business_day.between(first, last),
            one_of(session, Event.activity_type, activity_types),
            Event.programme == programme,
            EventClaim.event_id == Event.id,
            EventClaim.outcome == "credited",
        )
    )
    return [
        StandingEvent(
            id=row.id,
            claim_key=row.claim_key,
            citizen_id=row.citizen_id,
            activity_type=row.activity_type,
            business_day=row.business_day,
            ended_at=row.ended_at,
            quantities=orjson.loads(row.quantities),
        )
        for row in rows
    ]


def event_by_id(session: Session, *, event_id: UUID) -> EventRecord | None:
    """The event with its details, as far as they are still kept."""
    row = session.get(Event, event_id)
    if row is None:
        return None
    detail = session.get(EventDetail, event_id)
    return EventRecord(
        id=row.id,
        activity_type=row.activity_type,
        citizen_id=row.citizen_id,
        occurred_at=row.occurred_at,
        ended_at=row.ended_at,
        received_at=row.received_at,
        business_day=row.business_day,
        tier=row.tier,
        quantities=orjson.loads(row.quantities),
        details=orjson.loads(detail.body) if detail else {},
    )


def quantities_of(session: Session, *, event_ids: Collection[UUID]) -> dict[UUID, dict[str, int | str]]:
    """The quantities of each event."""
    if not event_ids:
        return {}
    statement = select(Event.id, Event.quantities).where(one_of(session, Event.id, event_ids))
    return {event_id: orjson.loads(text) for event_id, text in session.execute(statement)}


def claim_keys_of(session: Session, *, event_ids: Collection[UUID]) -> dict[UUID, UUID]:
    """The claim key of each event: an order among them that no arrival can change."""
    if not event_ids:
        return {}
    statement = select(Event.id, Event.claim_key).where(one_of(session, Event.id, event_ids))
    return {key: value for key, value in session.execute(statement)}  # noqa: C416


def times_of(session: Session, *, event_ids: Collection[UUID]) -> dict[UUID, tuple[datetime, datetime]]:
    """From when to when each event lasted; to the same instant where it has no end."""
    if not event_ids:
        return {}
    columns = (Event.id, Event.occurred_at, Event.ended_at)
    rows = session.execute(select(*columns).where(one_of(session, Event.id, event_ids)))
    return {event_id: (start, end or start) for event_id, start, end in rows}
