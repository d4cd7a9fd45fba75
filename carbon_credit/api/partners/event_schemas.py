"""The wire form of events and of what became of them."""

from typing import Any

from marshmallow import ValidationError, fields

from carbon_credit.api.fields import PLAIN, Day, Flag, Id, Instant, QueryFlag, Text, Whole, Word
from carbon_credit.api.schemas import Answer, Strict

STATUSES = ("credited", "accepted", "held", "rejected", "duplicate", "stale", "invalid", "withdrawn")
OUTCOMES = ("credited", "held", "rejected", "withdrawn", "waiting")
_DUE = "Of an event that is accepted and waits: from when on it is credited (T+n)."
_CODE = r"^[a-z][a-z0-9.-]*$"

METRO = {
    "id": "M-2026-11-21-000017",
    "revision": 1,
    "type": "metro.ride",
    "occurred_at": "2026-11-21T08:03:11+08:00",
    "ended_at": "2026-11-21T08:36:02+08:00",
    "citizen": {"link": {"kind": "transit-card", "value": "6221880012345678"}},
    "data": {"origin": "珠江新城", "destination": "番禺广场", "distance_m": 20248},
}
WALK = {
    "id": "W-2026-11-21-7",
    "type": "walk",
    "occurred_at": "2026-11-21T00:00:00+08:00",
    "citizen": {"id": "6f1c2b3d-4e5f-4a6b-8c7d-9e0f1a2b3c4d"},
    "data": {"count": 6212},
}
CLOUDEVENT = {
    "specversion": "1.0",
    "id": "M-2026-11-21-000017",
    "source": "urn:metro-app",
    "type": "metro.ride",
    "time": "2026-11-21T08:03:11+08:00",
    "data": {
        "citizen": {"link": {"kind": "transit-card", "value": "6221880012345678"}},
        "data": {"distance_m": 20248},
    },
}


class EventLink(Strict):
    """An outer id that a citizen is linked to."""

    kind = Text(longest=32, pattern=_CODE, required=True, metadata={"example": "transit-card"})
    value = Text(longest=128, required=True, metadata={"example": "6221880012345678"})


class EventCitizen(Strict):
    """Whose event it is: either the platform's id, or a link. Exactly one."""

    id = Id(allow_none=True)
    link = fields.Nested(EventLink, allow_none=True)


class Quantity(fields.Field[Any]):
    """A whole number or a text; a fraction cannot be said."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(metadata={"type": ["integer", "string"]}, **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        if isinstance(value, bool) or not isinstance(value, int | str):
            raise ValidationError("Not a whole number or a text.")
        return value


class EventIn(Strict):
    """One event: activity data as it happened. An amount of carbon is compared, never credited.

    `data` depends on `type`; all quantities are whole numbers with the unit in the name (`distance_m`,
    `energy_wh`, `duration_s`, `count`). A correction has the same id and a higher revision.
    """

    id = Text(longest=128, required=True, pattern=PLAIN, metadata={"description": "The partner's own id."})
    revision = Whole(minimum=1, maximum=2**31 - 1, metadata={"default": 1})
    type = Text(longest=32, pattern=_CODE, required=True)
    occurred_at = Instant(required=True)
    ended_at = Instant(allow_none=True)
    citizen = fields.Nested(EventCitizen, required=True)
    data = fields.Dict(keys=fields.String(), values=Quantity(), required=True)
    declared_mg = Whole(
        maximum=2**53,
        allow_none=True,
        metadata={"description": "The partner's own figure, in mg CO2e: kept and compared, never credited."},
    )


class CloudEventIn(Strict):
    """CloudEvents 1.0, structured. `id` and `type` are the event's, `time` is `occurred_at`.

    `data` holds the other members of an event. The partner comes from the token, so `source` is not read.
    Extension attributes are allowed and not read.
    """

    specversion = Word("1.0", required=True)
    id = Text(longest=128, required=True)
    source = Text(longest=1024, required=True)
    type = Text(longest=32, pattern=_CODE, required=True)
    time = Instant()
    datacontenttype = Word("application/json")
    dataschema = Text(longest=1024)
    subject = Text(longest=1024)
    data = fields.Dict(keys=fields.String(), required=True)


class EventsQuery(Strict):
    """How to handle what is sent."""

    dry_run = QueryFlag(
        load_default=False,
        metadata={"description": "`true`: say what would happen, and do nothing.", "example": "false"},
    )


class EventPart(Answer):
    """One part of a period that was divided by days: at midnight where the methodology version, the year
    or the occupant of the meter changes. A part without `reduction_id` is not credited, for `reason`."""

    reduction_id = Id(
        required=True, allow_none=True, metadata={"example": "0192f3c1-7a52-7b61-9d3e-0f6a1c2b3d4e"}
    )
    starts_on = Day(required=True, data_key="from", metadata={"example": "2026-12-16"})
    ends_before = Day(
        required=True,
        data_key="to",
        metadata={"description": "The first day that is not in it.", "example": "2027-01-01"},
    )
    vintage = Whole(required=True, metadata={"description": "Year of the activity.", "example": 2026})
    co2e_mg = Whole(required=True, metadata={"description": "What counts now.", "example": 947606})
    reason = fields.String(required=True, allow_none=True, metadata={"example": None})


class EventOutcome(Answer):
    """What became of one event. `co2e_mg` counts now; on a duplicate `first` is the first outcome."""

    id = fields.String(required=True, allow_none=True, metadata={"example": "M-2026-11-21-000017"})
    status = Word(*STATUSES, required=True, metadata={"example": "credited"})
    revision = Whole(required=True, metadata={"example": 1})
    reason = fields.String(required=True, allow_none=True, metadata={"example": None})
    detail = fields.String(required=True, allow_none=True, metadata={"example": None})
    retryable = Flag(
        required=True, metadata={"description": "The same id may be sent again later.", "example": False}
    )
    first = Word(*OUTCOMES, required=True, allow_none=True, metadata={"example": None})
    reduction_id = Id(
        required=True, allow_none=True, metadata={"example": "0192f3c1-7a52-7b61-9d3e-0f6a1c2b3d4e"}
    )
    gross_mg = Whole(
        minimum=-(2**63),
        required=True,
        metadata={
            "description": "Before caps; below zero where it is set off against other results.",
            "example": 947606,
        },
    )
    co2e_mg = Whole(required=True, metadata={"description": "What counts now.", "example": 947606})
    points = Whole(required=True, metadata={"description": "Granted with this event.", "example": 9})
    points_withheld = Whole(
        required=True,
        metadata={"description": "Due, and beyond the programme's budget of points.", "example": 0},
    )
    use = Word("credit", "points", "display", required=True, allow_none=True, metadata={"example": "credit"})
    grade = Word(
        "official",
        "published",
        "secondary",
        "assumed",
        required=True,
        allow_none=True,
        metadata={"example": "published"},
    )
    sandbox = Flag(required=True, metadata={"description": "Graded below `published`.", "example": False})
    cap_code = fields.String(required=True, allow_none=True, metadata={"example": None})
    methodology = fields.String(required=True, allow_none=True, metadata={"example": "sz-public-transit/v1"})
    digest = fields.String(required=True, allow_none=True, metadata={"example": "9f2b" * 16})
    condition = fields.String(
        required=True,
        allow_none=True,
        metadata={"description": "Of `not-eligible`: the condition's name.", "example": None},
    )
    parts = fields.List(
        fields.Nested(EventPart),
        required=True,
        metadata={"description": "Of a divided period; the figures above are their sums.", "example": []},
    )
    due_at = Instant(required=True, allow_none=True, metadata={"description": _DUE, "example": None})


class EventOutcomes(Answer):
    """One outcome for each event, in the order in which they were sent."""

    dry_run = Flag(required=True, metadata={"example": False})
    counts = fields.Dict(
        keys=fields.String(), values=Whole(), required=True, metadata={"example": {"credited": 1}}
    )
    outcomes = fields.List(fields.Nested(EventOutcome), required=True)


class EventState(Answer):
    """What is remembered of an event, and what it counts for now."""

    id = fields.String(required=True, metadata={"example": "M-2026-11-21-000017"})
    revision = Whole(required=True, metadata={"example": 1})
    outcome = Word(*OUTCOMES, required=True, metadata={"example": "credited"})
    due_at = Instant(required=True, allow_none=True, metadata={"description": _DUE, "example": None})
    reason = fields.String(required=True, allow_none=True, metadata={"example": None})
    retryable = Flag(required=True, metadata={"example": False})
    claimed_at = Instant(required=True, metadata={"example": "2026-11-21T00:40:00Z"})
    reduction_id = Id(
        required=True, allow_none=True, metadata={"example": "0192f3c1-7a52-7b61-9d3e-0f6a1c2b3d4e"}
    )
    co2e_mg = Whole(required=True, metadata={"example": 947606})
    cap_code = fields.String(required=True, allow_none=True, metadata={"example": None})
    methodology = fields.String(required=True, allow_none=True, metadata={"example": "sz-public-transit/v1"})
    sandbox = Flag(required=True, metadata={"example": False})
    parts = fields.List(fields.Nested(EventPart), required=True, metadata={"example": []})
