"""Events in. One and ten thousand take the same path; the edge only decodes and counts.

Rows are not loaded with marshmallow: the subject reads them itself, strictly and in bulk. The schemas
in `event_schemas` say the same thing for the contract, and a test holds the two together.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

import orjson
from flask import Response
from msgspec import structs
from sqlalchemy.orm import Session

from carbon_credit.api import body
from carbon_credit.api.auth import access
from carbon_credit.api.errors import BodyMalformed, language
from carbon_credit.api.gate import Overloaded
from carbon_credit.api.operation import Call, reads, writes
from carbon_credit.api.partners.event_schemas import (
    CLOUDEVENT,
    METRO,
    WALK,
    CloudEventIn,
    EventIn,
    EventOutcome,
    EventOutcomes,
    EventsQuery,
    EventState,
)
from carbon_credit.events.errors import EventConflict, EventInvalid, EventNotFound, EventNotWithdrawable
from carbon_credit.events.queries import claim_of
from carbon_credit.events.reasons import REASONS
from carbon_credit.identity.scopes import PARTNER
from carbon_credit.kernel.errors import TooLarge
from carbon_credit.kernel.unit_of_work import dry_run, transact
from carbon_credit.quantification.operations import credit, withdraw
from carbon_credit.quantification.outcomes import Outcome, OutcomePart, Present
from carbon_credit.quantification.parts import parts_of, present_parts
from carbon_credit.quantification.queries import present_by_event

_WRITE = access(PARTNER, scope="events:write")
_READ = access(PARTNER, scope="events:read")
# What a CloudEvent says in its envelope, and where an event has it.
_ENVELOPE = {"id": "id", "type": "type", "time": "occurred_at"}

_EXAMPLES = {"metro": {"value": METRO}, "walk": {"value": WALK}}
_ONE: Mapping[str, Any] = {
    body.JSON: {"schema": EventIn, "examples": _EXAMPLES},
    body.CLOUDEVENT: {"schema": CloudEventIn, "example": CLOUDEVENT},
}
_MANY: Mapping[str, Any] = {
    body.JSON: {"schema": {"type": "array", "items": EventIn}, "example": [METRO, WALK]},
    body.CLOUDEVENTS: {"schema": {"type": "array", "items": CloudEventIn}, "example": [CLOUDEVENT]},
    body.NDJSON: {"schema": {"type": "string", "description": "One event on each line."}},
}


class BatchTooLarge(TooLarge):
    code = "batch-too-large"
    en = "A batch holds at most {limit} events. Send it in smaller parts."
    zh = "一批最多 {limit} 条事件，请分批发送。"


@writes(
    allowed=_WRITE,
    content=_ONE,
    query=EventsQuery,
    answer=EventOutcome,
    plain=True,
    keyed=False,
    own_units=True,
    accepts=True,
    raises=(EventInvalid, EventConflict, Overloaded),
)
def post_event(call: Call) -> dict[str, object] | Response:
    """Report one event.

    A refusal is an outcome (200, `rejected`) and is remembered; an event that is wrong in itself is an error
    and leaves nothing behind. The same event again is answered with the first outcome and the present state.

    Where the programme credits some days after (T+n), the answer is 202 with `accepted`: the event is
    claimed, and `Location` tells when it is credited and, later, what became of it.
    """
    payload = body.parse_json(call.body)
    if body.media_type() == body.CLOUDEVENT:
        payload = _from_cloudevent(payload)
    if call.query["dry_run"]:
        (outcome,) = transact(call.runtime.database, lambda session: _credit(call, session, [payload]))
    else:
        outcome = call.runtime.groups.credit(
            programme=call.caller.programme, partner_id=call.caller.id, payload=payload, now=call.now
        )
    if outcome.error is not None:
        raise outcome.error
    if outcome.status == "accepted" and outcome.id is not None and not call.query["dry_run"]:
        return Response(
            orjson.dumps(_told(outcome), option=orjson.OPT_UTC_Z),
            status=HTTPStatus.ACCEPTED,
            mimetype=body.JSON,
            headers={"Location": f"/v1/events/{quote(outcome.id, safe='')}"},
        )
    return _told(outcome)


@writes(
    allowed=_WRITE,
    content=_MANY,
    query=EventsQuery,
    answer=EventOutcomes,
    plain=True,
    keyed=False,
    raises=(BatchTooLarge, Overloaded),
)
def post_events(call: Call) -> dict[str, object]:
    """Report many events.

    All of them are handled in one transaction, each with an outcome of its own; one that is wrong in itself
    is `invalid` and does not stop the others.
    """
    with call.runtime.batches.passed():
        payloads, unread = _payloads(call)
        waiting = iter(_credit(call, call.session, payloads))
    outcomes: list[Outcome] = []
    for place in range(len(payloads) + len(unread)):
        outcomes.append(unread[place] if place in unread else next(waiting))
    return {
        "dry_run": call.query["dry_run"],
        "counts": dict(sorted(Counter(outcome.status for outcome in outcomes).items())),
        "outcomes": [_told(outcome) for outcome in outcomes],
    }


@reads(allowed=_READ, answer=EventState, raises=(EventNotFound,))
def get_event(call: Call, event_id: str) -> dict[str, object]:
    """Read what became of an event, by the partner's own id."""
    claim = claim_of(call.session, partner_id=call.caller.id, external_id=event_id)
    # One reduction, or one for each part that the event was divided into.
    parts: Sequence[Present] = ()
    if claim.event_id is not None:
        parts = present_by_event(call.session, event_ids=[claim.event_id]).get(claim.event_id, ())
    divided = parts_of(call.session, event_ids={part.event_id for part in parts})
    present = parts[0] if parts else None
    return {
        "id": event_id,
        "revision": claim.revision,
        "outcome": claim.outcome,
        "reason": claim.reason,
        "retryable": claim.retryable,
        "claimed_at": claim.claimed_at,
        "due_at": claim.due_at,
        "reduction_id": present.reduction_id if present else None,
        "co2e_mg": sum(part.net_mg for part in parts),
        "cap_code": next((part.cap_code for part in parts if part.cap_code), None),
        "methodology": present.methodology if present else None,
        "sandbox": any(part.sandbox for part in parts),
        "parts": present_parts(parts, divided),
    }


@writes(allowed=_WRITE, answer=EventOutcome, plain=True, raises=(EventNotFound, EventNotWithdrawable))
def withdraw_event(call: Call, event_id: str) -> dict[str, object]:
    """Take an event back. Its grams and points are reversed, or never posted; the id stays used."""
    outcome = withdraw(
        call.session,
        programme=call.caller.programme,
        partner_id=call.caller.id,
        external_id=event_id,
        now=call.now,
    )
    return _told(outcome)


def _credit(call: Call, session: Session, payloads: Sequence[object]) -> list[Outcome]:
    def deed() -> list[Outcome]:
        return credit(
            session,
            programme=call.caller.programme,
            partner_id=call.caller.id,
            payloads=payloads,
            now=call.now,
        )

    return _unnamed(dry_run(session, deed)) if call.query["dry_run"] else deed()


def _unnamed(outcomes: list[Outcome]) -> list[Outcome]:
    """Outcomes of a dry run without the ids of reductions that were never made."""
    made = {one.reduction_id for one in outcomes if one.status == "credited"}
    made |= {part.reduction_id for one in outcomes if one.status == "credited" for part in one.parts}
    return [
        structs.replace(
            one,
            reduction_id=None if one.reduction_id in made else one.reduction_id,
            parts=tuple(
                structs.replace(part, reduction_id=None) if part.reduction_id in made else part
                for part in one.parts
            ),
        )
        for one in outcomes
    ]


def _payloads(call: Call) -> tuple[list[object], dict[int, Outcome]]:
    # The events of the body, and outcomes by place for lines that are no JSON.
    limit = call.runtime.settings.max_batch_events
    kind = body.media_type()
    unread: dict[int, Outcome] = {}
    if kind == body.NDJSON:
        lines = [line for line in call.body.split(b"\n") if line.strip()]
        if len(lines) > limit:
            raise BatchTooLarge(limit=limit)
        payloads = []
        for place, line in enumerate(lines):
            try:
                payloads.append(body.parse_json(line))
            except BodyMalformed as error:
                unread[place] = Outcome.invalid(None, error)
        return payloads, unread
    payloads = body.parse_json(call.body)
    if not isinstance(payloads, list):
        raise BodyMalformed(why="a batch is a JSON array, or NDJSON with its own Content-Type")
    if len(payloads) > limit:
        raise BatchTooLarge(limit=limit)
    if kind == body.CLOUDEVENTS:
        payloads = [_from_cloudevent(payload) for payload in payloads]
    return payloads, unread


def _from_cloudevent(envelope: object) -> object:
    # What is not a CloudEvent is handed on as it is, to be refused with its reason where all others are.
    if not isinstance(envelope, dict) or envelope.get("specversion") != "1.0":
        return envelope
    inner = envelope.get("data")
    if not isinstance(inner, dict):
        return envelope
    outer = {mine: envelope[name] for name, mine in _ENVELOPE.items() if name in envelope}
    return {**outer, **inner, "id": outer.get("id"), "type": outer.get("type")}


def _told(outcome: Outcome) -> dict[str, object]:
    reason = REASONS.get(outcome.reason or "")
    detail = outcome.detail_en
    if detail is not None and language() == "zh":
        detail = outcome.detail_zh
    return {
        "id": outcome.id,
        "status": outcome.status,
        "revision": outcome.revision,
        "reason": outcome.reason,
        "detail": detail,
        "retryable": reason is not None and reason.retryable,
        "first": outcome.first,
        "reduction_id": outcome.reduction_id,
        "gross_mg": outcome.gross_mg,
        "co2e_mg": outcome.co2e_mg,
        "points": outcome.points,
        "points_withheld": outcome.points_withheld,
        "use": outcome.use,
        "grade": outcome.grade,
        "sandbox": outcome.sandbox,
        "cap_code": outcome.cap_code,
        "methodology": outcome.methodology,
        "digest": outcome.digest,
        "condition": outcome.condition,
        "parts": [_part(part) for part in outcome.parts],
        "due_at": outcome.due_at,
    }


def _part(part: OutcomePart) -> dict[str, object]:
    return {
        "reduction_id": part.reduction_id,
        "from": part.starts_on,
        "to": part.ends_before,
        "vintage": part.vintage,
        "co2e_mg": part.co2e_mg,
        "reason": part.reason,
    }
