"""What was sent to an endpoint, and sending it again."""

from typing import Any
from uuid import UUID

from marshmallow import fields

from carbon_credit.api.fields import Flag, Id, Instant, Whole, Word
from carbon_credit.api.operation import Call, reads, writes
from carbon_credit.api.schemas import Answer, PageQuery, Strict, page_of
from carbon_credit.api.webhooks.endpoints import OWNERS
from carbon_credit.kernel.paging import Page, cut, id_position
from carbon_credit.webhooks.errors import WebhookMessageNotFound, WebhookNotFound, WebhookReplayTooLarge
from carbon_credit.webhooks.operations import replay_message, replay_span
from carbon_credit.webhooks.queries import DeliveryRecord, deliveries, endpoint, message

_STATES = ("waiting", "sending", "delivered", "failed")


class WebhookMessage(Answer):
    """A message to an endpoint. `waiting` for `next_at`, `sending`, `delivered`, or `failed` for good."""

    message_id = Id(required=True, metadata={"example": "0192f3c1-7a52-7b61-9d3e-0f6a1c2b3f02"})
    type = fields.String(required=True, metadata={"example": "redemption.consumed"})
    subject_id = Id(
        required=True,
        metadata={"description": "What it is about.", "example": "0192f3c1-7a52-7b61-9d3e-0f6a1c2b3d41"},
    )
    state = Word(*_STATES, required=True, metadata={"example": "waiting"})
    attempts = Whole(required=True, metadata={"example": 1})
    outcome = fields.String(
        required=True,
        allow_none=True,
        metadata={
            "description": "Of the last attempt: `delivered`, `status-500`, `timeout`, `connection-failed`, "
            "`tls-failed`, `name-not-found`, `address-refused`, `answer-unreadable`.",
            "example": "status-500",
        },
    )
    next_at = Instant(required=True, allow_none=True, metadata={"example": "2026-11-21T05:00:05Z"})
    created_at = Instant(required=True, metadata={"example": "2026-11-21T05:00:00Z"})
    ended_at = Instant(required=True, allow_none=True, metadata={"example": None})


class WebhookAttempt(Answer):
    """One attempt, counted from 1. One that is missing was cut off, and nobody knows how it ended."""

    attempt = Whole(required=True, minimum=1, attribute="number", metadata={"example": 1})
    attempted_at = Instant(required=True, metadata={"example": "2026-11-21T05:00:00Z"})
    duration_ms = Whole(required=True, metadata={"example": 87})
    status = Whole(required=True, allow_none=True, metadata={"example": 500})
    outcome = fields.String(required=True, metadata={"example": "status-500"})
    excerpt = fields.String(
        required=True,
        allow_none=True,
        metadata={"description": "The first characters of the answer.", "example": "Internal Server Error"},
    )


class WebhookMessageWhole(WebhookMessage):
    """A message with its body and all attempts."""

    body = fields.String(
        required=True,
        metadata={"description": "The bytes that are signed.", "example": '{"type":"redemption.consumed"}'},
    )
    tries = fields.List(fields.Nested(WebhookAttempt), required=True)


class MessagesQuery(PageQuery):
    """Which, and where to read."""

    state = Word(*_STATES, metadata={"example": "failed"})


class ReplayIn(Strict):
    """What happened in [since, until)."""

    since = Instant(required=True, metadata={"example": "2026-11-21T00:00:00Z"})
    until = Instant(required=True, metadata={"example": "2026-11-22T00:00:00Z"})
    delivered_too = Flag(
        load_default=False,
        metadata={"description": "Also what the endpoint has got already.", "example": False},
    )


class Replayed(Answer):
    """How many messages are sent again."""

    messages = Whole(required=True, metadata={"example": 17})


@reads(allowed=OWNERS, query=MessagesQuery, answer=page_of(WebhookMessage), raises=(WebhookNotFound,))
def list_webhook_messages(call: Call, webhook_id: UUID) -> Page[DeliveryRecord]:
    """List what was sent to an endpoint, newest first. Messages are kept for 30 days."""
    _require_own(call, webhook_id)
    limit, state = call.query["limit"], call.query.get("state")
    rows = deliveries(
        call.session,
        endpoint_id=webhook_id,
        states=(state,) if state else (),
        before=id_position(call.query.get("cursor")),
        limit=limit + 1,
    )
    return cut(rows, limit, lambda row: [str(row.id)])


@reads(allowed=OWNERS, answer=WebhookMessageWhole, raises=(WebhookNotFound, WebhookMessageNotFound))
def get_webhook_message(call: Call, webhook_id: UUID, message_id: UUID) -> dict[str, Any]:
    """Get a message to an endpoint, with its body and what became of each attempt."""
    _require_own(call, webhook_id)
    found = message(call.session, endpoint_id=webhook_id, message_id=message_id)
    shown = {name: getattr(found.delivery, name) for name in DeliveryRecord.__dataclass_fields__}
    return {**shown, "body": found.body.decode(), "tries": found.attempts}


@writes(allowed=OWNERS, answer=Replayed, raises=(WebhookNotFound, WebhookMessageNotFound))
def replay_webhook_message(call: Call, webhook_id: UUID, message_id: UUID) -> dict[str, Any]:
    """Send one message again, under the same id. 0: it is being sent at this moment."""
    sent = replay_message(
        call.session,
        party_id=call.caller.id,
        endpoint_id=webhook_id,
        message_id=message_id,
        now=call.now,
    )
    return {"messages": sent}


@writes(allowed=OWNERS, takes=ReplayIn, answer=Replayed, raises=(WebhookNotFound, WebhookReplayTooLarge))
def replay_webhook_span(call: Call, webhook_id: UUID) -> dict[str, Any]:
    """Send again what an endpoint wants of a span and did not get; or all of it."""
    sent = replay_span(
        call.session, party_id=call.caller.id, endpoint_id=webhook_id, now=call.now, **call.body
    )
    return {"messages": sent}


def _require_own(call: Call, endpoint_id: UUID) -> None:
    endpoint(call.session, party_id=call.caller.id, endpoint_id=endpoint_id, now=call.now)
