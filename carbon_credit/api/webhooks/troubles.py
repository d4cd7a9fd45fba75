"""What an operator sees: endpoints of the programme that fail. Neither secrets nor messages."""

from marshmallow import fields

from carbon_credit.api.auth import access
from carbon_credit.api.fields import Id, Instant, Whole, Word
from carbon_credit.api.operation import Call, reads
from carbon_credit.api.schemas import Answer, PageQuery, page_of
from carbon_credit.identity.scopes import OPERATOR
from carbon_credit.kernel.paging import Page, cut, id_position
from carbon_credit.webhooks.queries import TroubledRecord, troubled

_OPERATORS = access(OPERATOR, scope="webhooks:read")


class WebhookTrouble(Answer):
    """An endpoint that fails or was disabled. `waiting`: messages that it has not got."""

    id = Id(required=True, metadata={"example": "0192f3c1-7a52-7b61-9d3e-0f6a1c2b3f01"})
    party_id = Id(required=True, metadata={"example": "0192f3c1-7a52-7b61-9d3e-0f6a1c2b3a01"})
    url = fields.String(required=True, metadata={"example": "https://shop.example.com/hooks/carbon"})
    state = Word("active", "disabled", required=True, metadata={"example": "disabled"})
    disabled_reason = fields.String(required=True, allow_none=True, metadata={"example": "failing"})
    disabled_at = Instant(required=True, allow_none=True, metadata={"example": "2026-11-21T05:00:00Z"})
    failures = Whole(required=True, metadata={"example": 40})
    failing_since = Instant(required=True, allow_none=True, metadata={"example": "2026-11-18T05:00:00Z"})
    waiting = Whole(required=True, metadata={"example": 12})


@reads(allowed=_OPERATORS, query=PageQuery, answer=page_of(WebhookTrouble))
def list_webhook_troubles(call: Call) -> Page[TroubledRecord]:
    """List the endpoints of the programme that fail or were disabled."""
    limit = call.query["limit"]
    after = id_position(call.query.get("cursor"))
    rows = troubled(call.session, programme=call.caller.programme, after=after, limit=limit + 1)
    return cut(rows, limit, lambda row: [str(row.id)])
