"""Endpoints of a merchant or partner. Another party's endpoint is not found."""

from typing import Any
from uuid import UUID

from marshmallow import fields, validate

from carbon_credit.api.auth import access
from carbon_credit.api.fields import Id, Instant, Text, Whole, Word
from carbon_credit.api.operation import Call, reads, writes
from carbon_credit.api.schemas import Answer, Strict, page_of
from carbon_credit.identity.scopes import MERCHANT, PARTNER
from carbon_credit.kernel.paging import Page
from carbon_credit.webhooks.addresses import MAX_URL, Outlet
from carbon_credit.webhooks.errors import (
    WebhookDisabled,
    WebhookNotFound,
    WebhookSecretsTooMany,
    WebhookTooMany,
    WebhookUrlRefused,
    WebhookUrlTaken,
)
from carbon_credit.webhooks.operations import (
    MAX_OVERLAP_S,
    NewSecret,
    change_endpoint,
    create_endpoint,
    delete_endpoint,
    rotate_secret,
    send_test,
)
from carbon_credit.webhooks.queries import EndpointRecord, endpoint, endpoints_of
from carbon_credit.webhooks.types import EVERYTHING, TYPES

OWNERS = access(MERCHANT, PARTNER, scope="webhooks:write")
_ID = {"example": "0192f3c1-7a52-7b61-9d3e-0f6a1c2b3f01"}
_URL = {
    "description": "https, a public name or number, port 443, 8443 or 80.",
    "example": "https://shop.example.com/hooks/carbon",
}
_DAY_S = 86400


def _types(**more: Any) -> fields.List[str]:
    return fields.List(
        Word(EVERYTHING, *TYPES),
        validate=validate.Length(min=1, max=len(TYPES) + 1),
        metadata={
            "description": 'What it wants to be told; `["*"]` for all.',
            "example": ["redemption.consumed", "statement.issued"],
        },
        **more,
    )


class WebhookIn(Strict):
    """Where to, and what."""

    url = Text(longest=MAX_URL, required=True, metadata=_URL)
    types = _types(required=True)
    note = Text(longest=120, load_default=None, allow_none=True, metadata={"example": "收银系统"})


class WebhookChange(Strict):
    """What is to change; the rest stays."""

    url = Text(longest=MAX_URL, metadata=_URL)
    types = _types()
    note = Text(longest=120, metadata={"example": "收银系统"})
    state = Word(
        *("active", "disabled"),
        metadata={
            "description": "`active` begins afresh, whatever was wrong before.",
            "example": "active",
        },
    )


class WebhookSecretShown(Answer):
    """A secret in force, without itself."""

    id = Id(required=True, metadata=_ID)
    created_at = Instant(required=True, metadata={"example": "2026-11-21T05:00:00Z"})
    ends_at = Instant(
        required=True,
        allow_none=True,
        metadata={"description": "Until then it signs as well; null: the current one.", "example": None},
    )


class Webhook(Answer):
    """An endpoint. `failures` in a row since `failing_since`; while it fails it rests until `rests_until`."""

    id = Id(required=True, metadata=_ID)
    url = fields.String(required=True, metadata=_URL)
    types = fields.List(fields.String(), required=True, metadata={"example": ["redemption.consumed"]})
    note = fields.String(required=True, allow_none=True, metadata={"example": "收银系统"})
    state = Word("active", "disabled", required=True, metadata={"example": "active"})
    disabled_at = Instant(required=True, allow_none=True, metadata={"example": None})
    disabled_reason = fields.String(
        required=True,
        allow_none=True,
        metadata={
            "description": "`owner`: by PATCH; `gone`: it answered 410; `failing`: three days of failures.",
            "example": None,
        },
    )
    failures = Whole(required=True, metadata={"example": 0})
    failing_since = Instant(required=True, allow_none=True, metadata={"example": None})
    rests_until = Instant(required=True, allow_none=True, metadata={"example": None})
    created_at = Instant(required=True, metadata={"example": "2026-11-21T05:00:00Z"})
    secrets = fields.List(fields.Nested(WebhookSecretShown), required=True)


class WebhookWithSecret(Webhook):
    """An endpoint and its new secret, which is shown this once."""

    secret = fields.String(
        required=True, metadata={"example": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo="}
    )


class RotationIn(Strict):
    """How long the secrets before it sign as well, in seconds."""

    overlap_s = Whole(maximum=MAX_OVERLAP_S, load_default=_DAY_S, metadata={"example": _DAY_S})


class WebhookDeleted(Answer):
    """What is no more."""

    id = Id(required=True, metadata=_ID)


class WebhookTest(Answer):
    """The message that is on its way."""

    message_id = Id(required=True, metadata={"example": "0192f3c1-7a52-7b61-9d3e-0f6a1c2b3f02"})


# An answer under an Idempotency-Key is stored, and a secret must not be: these two take none.
@writes(
    allowed=OWNERS,
    takes=WebhookIn,
    answer=WebhookWithSecret,
    status=201,
    raises=(WebhookUrlRefused, WebhookUrlTaken, WebhookTooMany),
    keyed=False,
)
def create_webhook(call: Call) -> dict[str, Any]:
    """Register an endpoint. Its secret is in this answer and nowhere else."""
    made = create_endpoint(
        call.session,
        programme=call.caller.programme,
        party_id=call.caller.id,
        created_by=call.caller.client_id,
        outlet=_outlet(call),
        now=call.now,
        **call.body,
    )
    return _with_secret(call, made)


@writes(
    allowed=OWNERS,
    takes=RotationIn,
    answer=WebhookWithSecret,
    status=201,
    raises=(WebhookNotFound, WebhookSecretsTooMany),
    keyed=False,
)
def rotate_webhook_secret(call: Call, webhook_id: UUID) -> dict[str, Any]:
    """Give an endpoint another secret. Those before it sign as well for a while."""
    made = rotate_secret(
        call.session,
        party_id=call.caller.id,
        endpoint_id=webhook_id,
        overlap_s=call.body["overlap_s"],
        now=call.now,
    )
    return _with_secret(call, made)


@reads(allowed=OWNERS, answer=page_of(Webhook))
def list_webhooks(call: Call) -> Page[EndpointRecord]:
    """List your endpoints, oldest first. There are at most twenty."""
    found = endpoints_of(call.session, party_id=call.caller.id, now=call.now)
    return Page(items=found, next_cursor=None)


@reads(allowed=OWNERS, answer=Webhook, raises=(WebhookNotFound,))
def get_webhook(call: Call, webhook_id: UUID) -> EndpointRecord:
    """Get an endpoint: what it is told, and how it does."""
    return _one(call, webhook_id)


@writes(
    allowed=OWNERS,
    takes=WebhookChange,
    answer=Webhook,
    raises=(WebhookNotFound, WebhookUrlRefused, WebhookUrlTaken),
)
def change_webhook(call: Call, webhook_id: UUID) -> EndpointRecord:
    """Change an endpoint, disable it, or begin afresh with one that was disabled."""
    change_endpoint(
        call.session,
        party_id=call.caller.id,
        endpoint_id=webhook_id,
        outlet=_outlet(call),
        now=call.now,
        **call.body,
    )
    return _one(call, webhook_id)


@writes(allowed=OWNERS, answer=WebhookDeleted, raises=(WebhookNotFound,))
def delete_webhook(call: Call, webhook_id: UUID) -> dict[str, Any]:
    """Delete an endpoint. Nothing more is sent to it, and what waits is dropped."""
    delete_endpoint(call.session, party_id=call.caller.id, endpoint_id=webhook_id)
    return {"id": webhook_id}


@writes(allowed=OWNERS, answer=WebhookTest, status=202, raises=(WebhookNotFound, WebhookDisabled))
def send_test_webhook(call: Call, webhook_id: UUID) -> dict[str, Any]:
    """Have a test message sent to an endpoint, whatever it wants to be told."""
    message_id = send_test(call.session, party_id=call.caller.id, endpoint_id=webhook_id, now=call.now)
    return {"message_id": message_id}


def _outlet(call: Call) -> Outlet:
    settings = call.runtime.settings
    return Outlet(settings.production, settings.webhook_hosts)


def _one(call: Call, endpoint_id: UUID) -> EndpointRecord:
    return endpoint(call.session, party_id=call.caller.id, endpoint_id=endpoint_id, now=call.now)


def _with_secret(call: Call, made: NewSecret) -> dict[str, Any]:
    record = _one(call, made.endpoint_id)
    return {name: getattr(record, name) for name in record.__dataclass_fields__} | {"secret": made.secret}
