"""From the outbox to whoever listens: which endpoints are to be told."""

from collections import defaultdict
from datetime import UTC, datetime
from uuid import UUID

import orjson
from sqlalchemy import Table, select
from sqlalchemy.orm import Session

from carbon_credit.kernel import outbox
from carbon_credit.kernel.bulk import append_rows, one_of
from carbon_credit.kernel.ids import new_ids
from carbon_credit.webhooks.models import (
    WebhookDelivery,
    WebhookEndpoint,
    WebhookMessage,
    WebhookSubscription,
)
from carbon_credit.webhooks.types import EVERYTHING

_MESSAGE: Table = WebhookMessage.__table__  # type: ignore[assignment]
_MESSAGE_COLUMNS = ("id", "programme", "party_id", "type", "subject_id", "body", "created_at")
_DELIVERY: Table = WebhookDelivery.__table__  # type: ignore[assignment]
_DELIVERY_COLUMNS = (
    *("id", "message_id", "endpoint_id", "state", "attempts", "rung", "next_at", "created_at"),
)


def spread(session: Session, *, now: datetime, limit: int) -> int:
    """Take up to `limit` rows out of the outbox and write down who is to be told; how many were taken.

    A message is kept where its party has endpoints, also ones that do not want it or are disabled: they may
    ask for it later. What a party without endpoints would have been told is dropped.
    """
    taken = outbox.take(session, limit=limit)
    if not taken:
        return 0
    parties = {row.audience for row in taken}
    endpoints = (
        select(WebhookEndpoint.party_id, WebhookEndpoint.id, WebhookEndpoint.state)
        .where(one_of(session, WebhookEndpoint.party_id, parties))
        .where(WebhookEndpoint.state != "deleted")
    )
    heard: set[UUID] = set()
    active: set[UUID] = set()
    for party_id, endpoint_id, state in session.execute(endpoints):
        heard.add(party_id)
        if state == "active":
            active.add(endpoint_id)
    listeners = _listeners(session, active)
    messages = [row for row in taken if row.audience in heard]
    told = [
        (row.id, endpoint_id)
        for row in messages
        for endpoint_id in sorted(listeners[row.audience, row.type] | listeners[row.audience, EVERYTHING])
    ]
    rows = [
        (
            *(row.id, row.programme, row.audience, row.type, row.subject_id),
            body_of(
                type=row.type,
                programme=row.programme,
                subject_id=row.subject_id,
                data=row.data,
                at=row.created_at,
            ),
            row.created_at,
        )
        for row in messages
    ]
    append_rows(session, _MESSAGE, _MESSAGE_COLUMNS, rows)
    append_rows(
        session,
        _DELIVERY,
        _DELIVERY_COLUMNS,
        [
            (row_id, message_id, endpoint_id, "waiting", 0, 0, now, now)
            for row_id, (message_id, endpoint_id) in zip(new_ids(len(told)), told, strict=True)
        ],
    )
    return len(taken)


def body_of(*, type: str, programme: str, subject_id: UUID, data: str, at: datetime) -> bytes:
    """The bytes that are signed and sent: `type`, when it happened, and its data with what it is about.

    `data`: a JSON object.
    """
    told = {"programme": programme, "id": str(subject_id), **orjson.loads(data)}
    return orjson.dumps(
        {"type": type, "timestamp": at.astimezone(UTC), "data": told}, option=orjson.OPT_UTC_Z
    )


def _listeners(session: Session, active: set[UUID]) -> defaultdict[tuple[UUID, str], set[UUID]]:
    """Of (party, type): which endpoints want it."""
    found: defaultdict[tuple[UUID, str], set[UUID]] = defaultdict(set)
    if active:
        wanted = (
            select(WebhookEndpoint.party_id, WebhookSubscription.type, WebhookEndpoint.id)
            .join(WebhookSubscription, WebhookSubscription.endpoint_id == WebhookEndpoint.id)
            .where(one_of(session, WebhookEndpoint.id, active))
        )
        for party_id, kind, endpoint_id in session.execute(wanted):
            found[party_id, kind].add(endpoint_id)
    return found
