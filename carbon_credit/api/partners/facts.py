"""What methodologies ask about citizens and households: facts, and who lives behind a meter.

A partner states it of citizens that it linked and that consent to it; an operator of any.
"""

import uuid
from typing import Any

from marshmallow import fields

from carbon_credit.api.auth import access
from carbon_credit.api.fields import Day, Id, Instant, Text, Word
from carbon_credit.api.operation import Call, reads, writes
from carbon_credit.api.schemas import Answer, Strict
from carbon_credit.catalogue.queries import programme_rules
from carbon_credit.identity.errors import (
    CitizenNotFound,
    FactUnknown,
    FactValueWrong,
    LinkValueInvalid,
    OccupancyTaken,
    SpanEmpty,
)
from carbon_credit.identity.facts import FactStatement, facts_of, state_facts
from carbon_credit.identity.links import MAX_VALUE_LENGTH
from carbon_credit.identity.occupancy import METER_KINDS, occupancies_of, state_occupancy
from carbon_credit.identity.queries import citizen, consents_of, is_linked_by
from carbon_credit.identity.scopes import OPERATOR, PARTNER
from carbon_credit.kernel.errors import Forbidden

_STATES = access(PARTNER, OPERATOR, scope="citizens:write")
TIERS = ("measured", "derived", "declared")
_WORD = r"^[a-z0-9]+(-[a-z0-9]+)*$"


class NoConsentToState(Forbidden):
    code = "no-consent-to-state"
    en = "The citizen has no consent to this partner in force. Record the consent first."
    zh = "该用户没有对该数据提供方的有效同意。请先登记同意。"


class FactIn(Strict):
    """What is so, from which day on. It takes the place of what was stated for those days before."""

    value = Text(
        longest=64,
        pattern=_WORD,
        required=True,
        allow_none=True,
        metadata={"description": "A word or a date; null: nothing is known.", "example": "yes"},
    )
    from_day = Day(required=True, data_key="from", metadata={"example": "2026-07-01"})
    to_day = Day(
        data_key="to",
        allow_none=True,
        load_default=None,
        metadata={"description": "The first day on which it no longer is so; none: until further notice."},
    )
    tier = Word(*TIERS, required=True, metadata={"description": "How it is known.", "example": "measured"})
    source = Text(
        longest=500,
        required=True,
        metadata={"description": "The record or document that says so.", "example": "Grid connection record"},
    )


class Fact(Answer):
    """Something that is known of a citizen or household on certain days."""

    name = fields.String(required=True, metadata={"example": "pv-owner"})
    value = fields.String(required=True, allow_none=True, metadata={"example": "yes"})
    from_day = Day(required=True, data_key="from", metadata={"example": "2026-07-01"})
    to_day = Day(required=True, data_key="to", allow_none=True, metadata={"example": None})
    tier = fields.String(required=True, metadata={"example": "measured"})
    source = fields.String(required=True, metadata={"example": "Grid connection record"})
    recorded_by = fields.String(required=True, metadata={"example": f"partner:{uuid.UUID(int=1)}"})
    recorded_at = Instant(required=True, metadata={"example": "2026-07-02T00:00:00Z"})


class OccupancyIn(Strict):
    """A meter that counts for the citizen. Only a keyed digest of its number is kept."""

    kind = Word(*METER_KINDS, required=True, metadata={"example": "electricity-meter"})
    value = Text(longest=MAX_VALUE_LENGTH, required=True, metadata={"example": "0310012345678"})
    from_day = Day(required=True, data_key="from", metadata={"example": "2026-07-01"})
    to_day = Day(
        data_key="to",
        allow_none=True,
        load_default=None,
        metadata={"description": "The first day on which it no longer counts; none: until further notice."},
    )


class Occupancy(Answer):
    """Days on which a meter counts for the citizen. Which meter it is cannot be read back."""

    id = Id(required=True, metadata={"example": "0192f3c1-7a52-7b61-9d3e-0f6a1c2b3d4e"})
    kind = Word(*METER_KINDS, required=True, metadata={"example": "electricity-meter"})
    citizen_id = Id(required=True, metadata={"example": "6f1c2b3d-4e5f-4a6b-8c7d-9e0f1a2b3c4d"})
    from_day = Day(required=True, data_key="from", metadata={"example": "2026-07-01"})
    to_day = Day(required=True, data_key="to", allow_none=True, metadata={"example": None})
    recorded_at = Instant(required=True, metadata={"example": "2026-07-02T00:00:00Z"})


class Facts(Answer):
    """Everything that was stated, in the order in which it was recorded. For one name and day the last
    statement holds."""

    citizen_id = Id(required=True, metadata={"example": "6f1c2b3d-4e5f-4a6b-8c7d-9e0f1a2b3c4d"})
    facts = fields.List(fields.Nested(Fact), required=True)
    occupancies = fields.List(fields.Nested(Occupancy), required=True)


@writes(
    allowed=_STATES,
    takes=FactIn,
    answer=Fact,
    raises=(CitizenNotFound, NoConsentToState, FactUnknown, FactValueWrong, SpanEmpty),
)
def state_fact(call: Call, citizen_id: uuid.UUID, name: str) -> object:
    """State a fact that a methodology of the programme asks for. What was credited before stays."""
    _require_allowed(call, citizen_id)
    statement = FactStatement(citizen_id=citizen_id, name=name, **call.body)
    rules = programme_rules(call.session, programme=call.caller.programme)
    (record,) = state_facts(
        call.session, rules=rules, facts=[statement], recorded_by=call.caller.key, now=call.now
    )
    return record


@writes(
    allowed=_STATES,
    takes=OccupancyIn,
    answer=Occupancy,
    status=201,
    raises=(CitizenNotFound, NoConsentToState, LinkValueInvalid, SpanEmpty, OccupancyTaken),
)
def state_meter(call: Call, citizen_id: uuid.UUID) -> object:
    """State from when a meter counts for the citizen. An open occupancy of before ends on that day.

    The same citizen and first day again changes the last day.
    """
    _require_allowed(call, citizen_id)
    caller = call.caller
    return state_occupancy(
        call.session,
        programme=caller.programme,
        link=(call.body["kind"], call.body["value"]),
        citizen_id=citizen_id,
        from_day=call.body["from_day"],
        to_day=call.body["to_day"],
        recorded_by=caller.key,
        partner_id=caller.id if caller.role == PARTNER else None,
        now=call.now,
    )


@reads(allowed=_STATES, answer=Facts, raises=(CitizenNotFound, NoConsentToState))
def list_facts(call: Call, citizen_id: uuid.UUID) -> dict[str, Any]:
    """Read what was stated about a citizen."""
    _require_allowed(call, citizen_id)
    return facts_about(call, citizen_id)


def facts_about(call: Call, citizen_id: uuid.UUID) -> dict[str, Any]:
    """What `Facts` shows of a citizen."""
    return {
        "citizen_id": citizen_id,
        "facts": facts_of(call.session, citizen_ids=[citizen_id]).get(citizen_id, []),
        "occupancies": occupancies_of(call.session, citizen_id=citizen_id),
    }


def _require_allowed(call: Call, citizen_id: uuid.UUID) -> None:
    caller = call.caller
    citizen(call.session, programme=caller.programme, citizen_id=citizen_id)
    if caller.role != PARTNER:
        return
    if not is_linked_by(call.session, citizen_id=citizen_id, partner_id=caller.id):
        raise CitizenNotFound
    consents = consents_of(call.session, citizen_ids=[citizen_id], partner_id=caller.id)
    if not any(span.covers(call.now) for span in consents.get(citizen_id, ())):
        raise NoConsentToState
