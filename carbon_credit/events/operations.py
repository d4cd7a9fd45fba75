"""Claiming event ids and recording events: the claim and what follows share one transaction."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import Enum
from typing import cast
from uuid import UUID

from msgspec import Struct
from sqlalchemy import Table, delete, select, update
from sqlalchemy.orm import Session

from carbon_credit.events.errors import EventNotFound, EventNotWithdrawable
from carbon_credit.events.models import Event, EventClaim, EventDetail
from carbon_credit.kernel.bulk import append_rows, insert_new, one_of
from carbon_credit.kernel.db import keys_of
from carbon_credit.kernel.digest import row_mac

_CLAIM = cast(Table, EventClaim.__table__)
_EVENT = cast(Table, Event.__table__)
_DETAIL = cast(Table, EventDetail.__table__)
_CLAIM_COLUMNS = tuple(column.name for column in _CLAIM.columns)
_EVENT_COLUMNS = tuple(column.name for column in _EVENT.columns)


class Claim(Struct, frozen=True, gc=False):
    """What a partner's event id is claimed for. `outcome`: credited, held or rejected."""

    claim_key: UUID
    partner_id: UUID
    revision: int
    content_digest: UUID
    outcome: str
    reason: str | None
    retryable: bool
    event_id: UUID | None


class Standing(Enum):
    """How a claim met what was there before."""

    NEW = "new"  # first of its id
    AGAIN = "again"  # refused before for a reason that may have passed
    SUPERSEDES = "supersedes"  # a higher revision
    REPLAY = "replay"  # same revision, same content
    CONFLICT = "conflict"  # same revision, other content
    STALE = "stale"  # a lower revision


@dataclass(frozen=True, slots=True)
class Claimed:
    """The standing of a claim, and the claim that was there before, if any."""

    standing: Standing
    before: Claim | None


class NewEvent(Struct, frozen=True, gc=False):
    """An event to be recorded. `quantities`: canonical JSON. `detail`: JSON to be deleted later."""

    id: UUID
    programme: str
    partner_id: UUID
    claim_key: UUID
    revision: int
    activity_type: str
    citizen_id: UUID
    occurred_at: datetime
    ended_at: datetime | None
    received_at: datetime
    business_day: date
    quantities: str
    tier: str
    declared_mg: int | None
    content_digest: UUID
    detail: str | None
    delete_detail_after: date


def claim(session: Session, *, claims: Sequence[Claim], now: datetime) -> dict[UUID, Claimed]:
    """Claim each key once. Keys must be distinct. Rows are locked in key order until the end.

    NEW, AGAIN and SUPERSEDES are recorded as given; the other standings leave the row as it was.
    """
    ordered = sorted(claims, key=lambda claim: claim.claim_key)
    rows = [(*_columns(claim), now) for claim in ordered]
    new = insert_new(session, _CLAIM, _CLAIM_COLUMNS, rows, "claim_key")
    known = [claim.claim_key for claim in ordered if claim.claim_key not in new]
    before = _locked(session, known)
    result = {}
    for wanted in ordered:
        old = before.get(wanted.claim_key)
        standing = Standing.NEW if old is None else _standing(wanted, old)
        result[wanted.claim_key] = Claimed(standing, old)
        if standing in (Standing.AGAIN, Standing.SUPERSEDES):
            _replace(session, wanted)
    return result


def record(session: Session, *, events: Sequence[NewEvent], now: datetime) -> None:
    """Append the events, and their details where they have any."""
    key = keys_of(session).mac
    rows = []
    for event in events:
        row = (
            event.id,
            event.programme,
            event.partner_id,
            event.claim_key,
            event.revision,
            event.activity_type,
            event.citizen_id,
            event.occurred_at,
            event.ended_at,
            event.received_at,
            now,
            event.business_day,
            event.quantities,
            event.tier,
            event.declared_mg,
            event.content_digest,
        )
        rows.append((*row, row_mac(key, "event", *row)))
    append_rows(session, _EVENT, _EVENT_COLUMNS, rows)
    details = [(event.id, event.detail, event.delete_detail_after) for event in events if event.detail]
    append_rows(session, _DETAIL, ("event_id", "body", "delete_after"), details)


def withdraw(session: Session, *, claim_key: UUID, external_id: str) -> UUID:
    """Turn a credited claim into a withdrawn one; the id of its event.

    Raises EventNotFound, EventNotWithdrawable. Of two at once, one wins and the other is told.
    """
    row = _locked(session, [claim_key]).get(claim_key)
    if row is None:
        raise EventNotFound(id=external_id)
    if row.outcome != "credited" or row.event_id is None:
        raise EventNotWithdrawable(id=external_id, outcome=row.outcome)
    session.execute(update(EventClaim).where(EventClaim.claim_key == claim_key).values(outcome="withdrawn"))
    return row.event_id


def delete_details(session: Session, *, today: date, limit: int) -> int:
    """Delete up to `limit` event details whose time is over; how many there were."""
    due = select(EventDetail.event_id).where(EventDetail.delete_after < today).limit(limit)
    return session.execute(delete(EventDetail).where(EventDetail.event_id.in_(due))).rowcount  # type: ignore[attr-defined,no-any-return]


def _columns(claim: Claim) -> tuple[object, ...]:
    return (
        claim.claim_key,
        claim.partner_id,
        claim.revision,
        claim.content_digest,
        claim.outcome,
        claim.reason,
        claim.retryable,
        claim.event_id,
    )


def _locked(session: Session, keys: Collection[UUID]) -> dict[UUID, Claim]:
    if not keys:
        return {}
    statement = (
        select(*(_CLAIM.c[name] for name in _CLAIM_COLUMNS if name != "claimed_at"))
        .where(one_of(session, _CLAIM.c.claim_key, keys))
        .order_by(_CLAIM.c.claim_key)
        .with_for_update()
    )
    return {row.claim_key: Claim(**row._mapping) for row in session.execute(statement)}


def _standing(wanted: Claim, old: Claim) -> Standing:
    if wanted.revision < old.revision:
        return Standing.STALE
    if wanted.revision > old.revision:
        return Standing.SUPERSEDES
    if wanted.content_digest != old.content_digest:
        return Standing.CONFLICT
    return Standing.AGAIN if old.retryable else Standing.REPLAY


def _replace(session: Session, claim: Claim) -> None:
    session.execute(
        update(EventClaim)
        .where(EventClaim.claim_key == claim.claim_key)
        .values(
            revision=claim.revision,
            content_digest=claim.content_digest,
            outcome=claim.outcome,
            reason=claim.reason,
            retryable=claim.retryable,
            event_id=claim.event_id,
        )
    )
