"""Claiming event ids and recording events: the claim and what follows share one transaction."""

from collections.abc import Collection, Sequence
from datetime import date, datetime
from enum import Enum
from operator import attrgetter
from typing import cast
from uuid import UUID

from msgspec import Struct, structs
from sqlalchemy import Table, delete, select, update
from sqlalchemy.orm import Session

from carbon_credit.events import waiting
from carbon_credit.events.errors import EventNotFound, EventNotWithdrawable
from carbon_credit.events.models import Event, EventClaim, EventDetail
from carbon_credit.kernel.bulk import (
    append_rows,
    append_sealed_columns,
    insert_those_new,
    rows_by,
    set_in_rows,
)
from carbon_credit.kernel.ids import made_at

_CLAIM = cast(Table, EventClaim.__table__)
_EVENT = cast(Table, Event.__table__)
_DETAIL = cast(Table, EventDetail.__table__)
_CLAIM_COLUMNS = tuple(column.name for column in _CLAIM.columns)
_EVENT_COLUMNS = tuple(column.name for column in _EVENT.columns)
_CLAIMED = tuple(name for name in _CLAIM_COLUMNS if name != "claimed_at")
_SAID = tuple(name for name in _EVENT_COLUMNS if name not in ("recorded_at", "mac"))
_said = attrgetter(*_SAID)
_REPLACED = ("revision", "content_digest", "outcome", "reason", "retryable", "event_id")


class Claim(Struct, frozen=True, gc=False):
    """What a partner's event id is claimed for. `outcome`: credited, held, waiting or rejected."""

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


class Claimed(Struct, frozen=True, gc=False):
    """The standing of a claim, the claim that was there before, if any, and the one that was `recorded`
    (as it was given, but for the revision of a correction); None where the row stayed as it was."""

    standing: Standing
    before: Claim | None
    recorded: Claim | None


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


def claim(
    session: Session, *, claims: Sequence[Claim], now: datetime, corrects: UUID | None = None
) -> dict[UUID, Claimed]:
    """Claim each key once. Keys must be distinct. Rows are locked in key order until the end.

    NEW, AGAIN and SUPERSEDES are recorded as given; the other standings leave the row as it was.
    `corrects`: who delivers says how it is now; the id of the delivery. What differs from what was known
    before it, and what was withdrawn, is a revision one higher than the known one, unless the claim's own
    is higher still.
    """
    ordered = sorted(claims, key=lambda claim: claim.claim_key.int)
    rows = [(*structs.astuple(claim), now) for claim in ordered]
    new = insert_those_new(session, _CLAIM, _CLAIM_COLUMNS, rows, "claim_key")
    if new is None:
        return {claim.claim_key: Claimed(Standing.NEW, None, claim) for claim in ordered}
    before = _locked(session, [claim.claim_key for claim in ordered if claim.claim_key not in new])
    result = {}
    replaced = []
    for wanted in ordered:
        old = before.get(wanted.claim_key)
        if old is None:
            result[wanted.claim_key] = Claimed(Standing.NEW, None, wanted)
            continue
        one = _corrected(wanted, old, corrects) if corrects else wanted
        standing = _standing(one, old)
        written = standing in (Standing.AGAIN, Standing.SUPERSEDES)
        result[wanted.claim_key] = Claimed(standing, old, one if written else None)
        if written:
            key, _partner_id, *values = structs.astuple(one)
            replaced.append((key, *values))
    set_in_rows(session, _CLAIM, "claim_key", _REPLACED, replaced)
    return result


def record(session: Session, *, events: Sequence[NewEvent], now: datetime) -> None:
    """Append the events, and their details where they have any."""
    said = dict(zip(_SAID, zip(*map(_said, events), strict=True), strict=False))
    if said:
        said["recorded_at"] = (now,) * len(events)
        append_sealed_columns(session, _EVENT, _EVENT_COLUMNS, [said[name] for name in _EVENT_COLUMNS[:-1]])
    details = [(event.id, event.detail, event.delete_detail_after) for event in events if event.detail]
    append_rows(session, _DETAIL, ("event_id", "body", "delete_after"), details)


def withdraw(session: Session, *, claim_key: UUID, external_id: str) -> UUID | None:
    """Turn a credited claim into a withdrawn one; the id of its event, None where it was only waiting.

    Raises EventNotFound, EventNotWithdrawable. Of two at once, one wins and the other is told.
    """
    row = _locked(session, [claim_key]).get(claim_key)
    if row is None:
        raise EventNotFound(id=external_id)
    if row.outcome == "waiting":
        _withdraw_waiting(session, [claim_key])
        return None
    if row.outcome != "credited" or row.event_id is None:
        raise EventNotWithdrawable(id=external_id, outcome=row.outcome)
    session.execute(update(EventClaim).where(EventClaim.claim_key == claim_key).values(outcome="withdrawn"))
    return row.event_id


def withdraw_known(
    session: Session, *, partner_id: UUID, claim_keys: Collection[UUID]
) -> tuple[list[UUID], int]:
    """Turn those of the partner's claims that are credited or waiting into withdrawn ones: the ids of the
    events that were credited, and how many were waiting.

    Claims that are unknown, refused or withdrawn already are passed over. Rows are locked in key order.
    """
    found = _locked(session, sorted(set(claim_keys)))
    credited = {
        key: one.event_id
        for key, one in found.items()
        if one.partner_id == partner_id and one.outcome == "credited" and one.event_id is not None
    }
    set_in_rows(session, _CLAIM, "claim_key", ("outcome",), [(key, "withdrawn") for key in credited])
    waited = [key for key, one in found.items() if one.partner_id == partner_id and one.outcome == "waiting"]
    _withdraw_waiting(session, waited)
    return list(credited.values()), len(waited)


def refuse_waiting(session: Session, *, claim_keys: Collection[UUID], reason: str) -> None:
    """Turn claims that wait into refused ones, for good, and delete what is kept of them."""
    for claim_key in _locked(session, claim_keys):
        values = {"outcome": "rejected", "reason": reason, "retryable": False}
        session.execute(update(EventClaim).where(EventClaim.claim_key == claim_key).values(values))
    waiting.forget(session, claim_keys=claim_keys)


def delete_details(session: Session, *, today: date, limit: int) -> int:
    """Delete up to `limit` event details whose time is over; how many there were."""
    due = select(EventDetail.event_id).where(EventDetail.delete_after < today).limit(limit)
    return session.execute(delete(EventDetail).where(EventDetail.event_id.in_(due))).rowcount  # type: ignore[attr-defined,no-any-return]


def _withdraw_waiting(session: Session, claim_keys: Collection[UUID]) -> None:
    rows = [(key, "withdrawn", False) for key in claim_keys]
    set_in_rows(session, _CLAIM, "claim_key", ("outcome", "retryable"), rows)
    waiting.forget(session, claim_keys=claim_keys)


def _locked(session: Session, keys: Collection[UUID]) -> dict[UUID, Claim]:
    rows = rows_by(session, _CLAIM, _CLAIMED, "claim_key", keys, order="claim_key", lock=True)
    return {row[0]: Claim(*row) for row in rows}


def _corrected(wanted: Claim, old: Claim, delivery: UUID) -> Claim:
    """The claim at the revision at which it corrects `old`; at that of `old` where it says the same, or
    where `old` came with the delivery or after it (which the ids tell, by the clocks of who made them)."""
    if wanted.revision > old.revision:
        return wanted
    if old.event_id is not None and made_at(old.event_id) > made_at(delivery):
        return structs.replace(wanted, revision=old.revision)
    differs = wanted.content_digest != old.content_digest or old.outcome == "withdrawn"
    return structs.replace(wanted, revision=old.revision + differs)


def _standing(wanted: Claim, old: Claim) -> Standing:
    if wanted.revision < old.revision:
        return Standing.STALE
    if wanted.revision > old.revision:
        return Standing.SUPERSEDES
    if wanted.content_digest != old.content_digest:
        return Standing.CONFLICT
    return Standing.AGAIN if old.retryable else Standing.REPLAY
