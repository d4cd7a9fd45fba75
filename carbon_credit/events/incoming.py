"""The wire form of an event, read strictly: unknown fields, floats and naive times are refused."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated
from uuid import UUID

import msgspec

from carbon_credit.events.errors import EventInvalid
from carbon_credit.kernel.clock import microseconds
from carbon_credit.kernel.digest import keyed_digest, keyed_digests, typed_json
from carbon_credit.kernel.structs import learned

Code = Annotated[str, msgspec.Meta(min_length=1, max_length=32, pattern=r"^[a-z][a-z0-9.-]*$")]
ExternalId = Annotated[str, msgspec.Meta(min_length=1, max_length=128, pattern=r"^[^\x00-\x1f\x7f]+$")]
Instant = Annotated[datetime, msgspec.Meta(tz=True)]
Milligrams = Annotated[int, msgspec.Meta(ge=0, le=2**53)]

FUTURE_TOLERANCE = timedelta(minutes=5)


class LinkRef(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An external id of the citizen: a transit card, a phone, a bike account, a meter."""

    kind: Code
    value: ExternalId


class CitizenRef(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Either the platform's id of the citizen or a linked external id."""

    id: UUID | None = None
    link: LinkRef | None = None


class IncomingEvent(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One event as a partner reports it. `data`: integers and texts, by activity type.

    `declared_mg` is the partner's own figure: kept and compared, never credited.
    """

    id: ExternalId
    type: Code
    occurred_at: Instant
    citizen: CitizenRef
    data: dict[str, int | str]
    revision: Annotated[int, msgspec.Meta(ge=1, le=2**31 - 1)] = 1
    ended_at: Instant | None = None
    declared_mg: Milligrams | None = None


_DECODER = msgspec.json.Decoder(IncomingEvent)


def read_event(payload: object) -> IncomingEvent:
    """`payload` (decoded JSON) as an event. Raises EventInvalid naming the field."""
    try:
        event = msgspec.convert(payload, learned(IncomingEvent))
    except msgspec.ValidationError as error:
        raise EventInvalid(why=_field_of_data(payload, str(error)) or str(error)) from error
    return _checked(event)


def decode_event(text: bytes) -> IncomingEvent:
    """The event that `text`, one JSON object, says. Raises EventInvalid, as `read_event` does."""
    try:
        return _checked(_DECODER.decode(text))
    except msgspec.DecodeError as error:
        try:
            payload = msgspec.json.decode(text)
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise EventInvalid(why=f"this is no JSON: {error}") from error
        return read_event(payload)


def _checked(event: IncomingEvent) -> IncomingEvent:
    """What the types cannot say."""
    # Beyond these years calendars and databases end; no reading of a meter lies there.
    if not 2000 <= event.occurred_at.year < 2200:
        raise EventInvalid(why="the year is not between 2000 and 2199 - at `$.occurred_at`")
    if event.ended_at is not None and not 2000 <= event.ended_at.year < 2200:
        raise EventInvalid(why="the year is not between 2000 and 2199 - at `$.ended_at`")
    if (event.citizen.id is None) == (event.citizen.link is None):
        raise EventInvalid(why="citizen needs exactly one of `id` and `link` - at `$.citizen`")
    if event.ended_at is not None and event.ended_at < event.occurred_at:
        raise EventInvalid(why="it ends before it begins - at `$.ended_at`")
    if event.occurred_at.tzinfo is not UTC:
        # The instant is what counts; in one zone it is compared and written at a third of the time.
        return IncomingEvent(
            event.id,
            event.type,
            event.occurred_at.astimezone(UTC),
            event.citizen,
            event.data,
            event.revision,
            event.ended_at and event.ended_at.astimezone(UTC),
            event.declared_mg,
        )
    return event


def _field_of_data(payload: object, told: str) -> str | None:
    """What is wrong in `data`, by the name of the field, where msgspec says only that something is."""
    data = payload.get("data") if isinstance(payload, Mapping) else None
    if not isinstance(data, Mapping) or "`$.data[" not in told:
        return None
    for name, value in data.items():
        # Also true, null, lists: none of them is a quantity or a word.
        if type(value) not in (int, str):
            return f"Expected a whole number (no decimal point) or text - at `$.data.{str(name)[:64]}`"
    return None


def require_past(event: IncomingEvent, *, now: datetime) -> None:
    """Raises EventInvalid where the event lies in the future by more than the tolerance."""
    latest = event.ended_at or event.occurred_at
    if latest > now and latest > now + FUTURE_TOLERANCE:
        raise EventInvalid(
            why="it lies in the future; check the clock and the time zone - at `$.occurred_at`"
        )


def claim_key(key: bytes, *, partner_id: UUID, event_id: str) -> UUID:
    """The keyed digest under which (partner, event id) is claimed."""
    return claim_keys(key, partner_id=partner_id, event_ids=(event_id,))[0]


def claim_keys(key: bytes, *, partner_id: UUID, event_ids: Sequence[str]) -> list[UUID]:
    """`claim_key` of each of a partner's ids, in their order."""
    return keyed_digests(key, ("event-claim", partner_id.hex), event_ids)


def content_digest(key: bytes, event: IncomingEvent) -> UUID:
    """Keyed digest of what the event says, whatever the order of its fields or its time zone."""
    who = event.citizen
    parts: Mapping[str, object] = {
        "type": event.type,
        "from": microseconds(event.occurred_at),
        "to": microseconds(event.ended_at) if event.ended_at else None,
        "citizen": who.id.hex if who.id else None,
        "link": [who.link.kind, who.link.value] if who.link else None,
        "data": event.data,
        "declared_mg": event.declared_mg,
    }
    return keyed_digest(key, "event-content", typed_json(parts).decode())
