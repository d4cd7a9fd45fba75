"""Reads: a party's endpoints, what was sent to one, and which ones fail."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from carbon_credit.kernel.bulk import one_of
from carbon_credit.webhooks.errors import WebhookMessageNotFound, WebhookNotFound
from carbon_credit.webhooks.models import (
    WebhookAttempt,
    WebhookDelivery,
    WebhookEndpoint,
    WebhookMessage,
    WebhookSecret,
    WebhookSubscription,
)

KEPT_DAYS = 30


@dataclass(frozen=True, slots=True)
class SecretRecord:
    """A secret in force, without itself. `ends_at` None: the current one."""

    id: UUID
    created_at: datetime
    ends_at: datetime | None


@dataclass(frozen=True, slots=True)
class EndpointRecord:
    """An endpoint as its owner sees it. `failures`: in a row, since `failing_since`."""

    id: UUID
    programme: str
    party_id: UUID
    url: str
    note: str | None
    types: tuple[str, ...]
    state: str
    disabled_at: datetime | None
    disabled_reason: str | None
    failures: int
    failing_since: datetime | None
    rests_until: datetime | None
    created_at: datetime
    secrets: tuple[SecretRecord, ...]


@dataclass(frozen=True, slots=True)
class DeliveryRecord:
    """A message on its way to an endpoint, or there. `next_at`: of the next attempt, while there is one."""

    id: UUID
    message_id: UUID
    type: str
    subject_id: UUID
    state: str
    attempts: int
    outcome: str | None
    next_at: datetime | None
    created_at: datetime
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class AttemptRecord:
    """One attempt that was recorded."""

    number: int
    attempted_at: datetime
    duration_ms: int
    status: int | None
    outcome: str
    excerpt: str | None


@dataclass(frozen=True, slots=True)
class MessageRecord:
    """One message to one endpoint, byte for byte, with its attempts."""

    delivery: DeliveryRecord
    body: bytes
    attempts: tuple[AttemptRecord, ...]


@dataclass(frozen=True, slots=True)
class TroubledRecord:
    """An endpoint that fails or is disabled, for the operator: whose it is, and how much waits for it."""

    id: UUID
    party_id: UUID
    url: str
    state: str
    disabled_reason: str | None
    disabled_at: datetime | None
    failures: int
    failing_since: datetime | None
    waiting: int


def endpoints_of(session: Session, *, party_id: UUID, now: datetime) -> list[EndpointRecord]:
    """All endpoints of a party, oldest first."""
    wanted = select(WebhookEndpoint).where(
        WebhookEndpoint.party_id == party_id, WebhookEndpoint.state != "deleted"
    )
    return _records(session, session.scalars(wanted.order_by(WebhookEndpoint.id)).all(), now)


def endpoint(session: Session, *, party_id: UUID, endpoint_id: UUID, now: datetime) -> EndpointRecord:
    """One endpoint of the party. Raises WebhookNotFound."""
    row = session.get(WebhookEndpoint, endpoint_id)
    if row is None or row.party_id != party_id or row.state == "deleted":
        raise WebhookNotFound
    return _records(session, [row], now)[0]


def deliveries(
    session: Session,
    *,
    endpoint_id: UUID,
    states: Collection[str] = (),
    before: UUID | None = None,
    limit: int,
) -> list[DeliveryRecord]:
    """What was sent to an endpoint, newest first."""
    wanted = (
        select(WebhookDelivery, WebhookMessage.type, WebhookMessage.subject_id)
        .join(WebhookMessage, WebhookMessage.id == WebhookDelivery.message_id)
        .where(WebhookDelivery.endpoint_id == endpoint_id)
        .order_by(WebhookDelivery.id.desc())
        .limit(limit)
    )
    if states:
        wanted = wanted.where(WebhookDelivery.state.in_(states))
    if before is not None:
        wanted = wanted.where(WebhookDelivery.id < before)
    return [_delivery(row, kind, subject_id) for row, kind, subject_id in session.execute(wanted)]


def message(session: Session, *, endpoint_id: UUID, message_id: UUID) -> MessageRecord:
    """One message to one endpoint. Raises WebhookMessageNotFound."""
    wanted = (
        select(WebhookDelivery, WebhookMessage)
        .join(WebhookMessage, WebhookMessage.id == WebhookDelivery.message_id)
        .where(WebhookDelivery.endpoint_id == endpoint_id, WebhookDelivery.message_id == message_id)
    )
    found = session.execute(wanted).first()
    if found is None:
        raise WebhookMessageNotFound(days=KEPT_DAYS)
    row, told = found
    attempts = select(WebhookAttempt).where(WebhookAttempt.delivery_id == row.id)
    return MessageRecord(
        delivery=_delivery(row, told.type, told.subject_id),
        body=told.body,
        attempts=tuple(
            AttemptRecord(
                number=one.number,
                attempted_at=one.attempted_at,
                duration_ms=one.duration_ms,
                status=one.status,
                outcome=one.outcome,
                excerpt=one.excerpt,
            )
            for one in session.scalars(attempts.order_by(WebhookAttempt.number))
        ),
    )


def troubled(session: Session, *, programme: str, after: UUID | None, limit: int) -> list[TroubledRecord]:
    """The endpoints of a programme that fail or were disabled, by id."""
    wanted = select(WebhookEndpoint).where(
        WebhookEndpoint.programme == programme,
        or_(
            WebhookEndpoint.state == "disabled",
            (WebhookEndpoint.state == "active") & WebhookEndpoint.failing_since.is_not(None),
        ),
    )
    if after is not None:
        wanted = wanted.where(WebhookEndpoint.id > after)
    rows = session.scalars(wanted.order_by(WebhookEndpoint.id).limit(limit)).all()
    if not rows:
        return []
    waiting = (
        select(WebhookDelivery.endpoint_id, func.count())
        .where(one_of(session, WebhookDelivery.endpoint_id, [row.id for row in rows]))
        .where(WebhookDelivery.state.in_(("waiting", "sending")))
        .group_by(WebhookDelivery.endpoint_id)
    )
    counts: dict[UUID, int] = {row[0]: row[1] for row in session.execute(waiting)}
    return [
        TroubledRecord(
            id=row.id,
            party_id=row.party_id,
            url=row.url,
            state=row.state,
            disabled_reason=row.disabled_reason,
            disabled_at=row.disabled_at,
            failures=row.failures,
            failing_since=row.failing_since,
            waiting=counts.get(row.id, 0),
        )
        for row in rows
    ]


def _records(session: Session, rows: Sequence[WebhookEndpoint], now: datetime) -> list[EndpointRecord]:
    if not rows:
        return []
    ids = [row.id for row in rows]
    types: dict[UUID, list[str]] = defaultdict(list)
    wanted = select(WebhookSubscription.endpoint_id, WebhookSubscription.type)
    mine = wanted.where(one_of(session, WebhookSubscription.endpoint_id, ids))
    for endpoint_id, kind in session.execute(mine.order_by(WebhookSubscription.type)):
        types[endpoint_id].append(kind)
    secrets: dict[UUID, list[SecretRecord]] = defaultdict(list)
    in_force = (
        select(WebhookSecret)
        .where(one_of(session, WebhookSecret.endpoint_id, ids))
        .where(or_(WebhookSecret.ends_at.is_(None), WebhookSecret.ends_at > now))
    )
    for secret in session.scalars(in_force.order_by(WebhookSecret.id)):
        secrets[secret.endpoint_id].append(SecretRecord(secret.id, secret.created_at, secret.ends_at))
    return [
        EndpointRecord(
            id=row.id,
            programme=row.programme,
            party_id=row.party_id,
            url=row.url,
            note=row.note,
            types=tuple(types[row.id]),
            state=row.state,
            disabled_at=row.disabled_at,
            disabled_reason=row.disabled_reason,
            failures=row.failures,
            failing_since=row.failing_since,
            rests_until=row.rests_until,
            created_at=row.created_at,
            secrets=tuple(secrets[row.id]),
        )
        for row in rows
    ]


def _delivery(row: WebhookDelivery, kind: str, subject_id: UUID) -> DeliveryRecord:
    return DeliveryRecord(
        id=row.id,
        message_id=row.message_id,
        type=kind,
        subject_id=subject_id,
        state=row.state,
        attempts=row.attempts,
        outcome=row.outcome,
        next_at=row.next_at if row.ended_at is None else None,
        created_at=row.created_at,
        ended_at=row.ended_at,
    )
