"""What a partner sends is read strictly, and each refusal names its field."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from carbon_credit.events.errors import EventInvalid
from carbon_credit.events.incoming import (
    FUTURE_TOLERANCE,
    claim_key,
    content_digest,
    read_event,
    require_past,
)

KEY = bytes(range(32))
SENT: dict[str, Any] = {
    "id": "M-1",
    "type": "metro.ride",
    "occurred_at": "2026-11-20T08:00:00+08:00",
    "ended_at": "2026-11-20T08:30:00+08:00",
    "citizen": {"link": {"kind": "transit-card", "value": "CARD-0"}},
    "data": {"distance_m": 8300, "origin": "福田"},
    "declared_mg": 388_440,
}
PERSON = "0192f3c1-7a52-7b61-9d3e-0f6a1c2b3d50"


def digest(**changes: Any) -> UUID:
    return content_digest(KEY, read_event({**SENT, **changes}))


def test_an_event_is_read_as_it_was_sent() -> None:
    event = read_event(SENT)
    assert (event.id, event.revision, event.declared_mg) == ("M-1", 1, 388_440)
    assert event.occurred_at == datetime(2026, 11, 20, 0, 0, tzinfo=UTC)
    assert event.data == {"distance_m": 8300, "origin": "福田"}


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"id": ""}, "$.id"),
        ({"id": 7}, "$.id"),
        ({"id": "M" * 129}, "$.id"),
        ({"id": "M\n1"}, "$.id"),
        ({"type": "Metro ride"}, "$.type"),
        ({"type": None}, "$.type"),
        ({"revision": 0}, "$.revision"),
        ({"revision": "1"}, "$.revision"),
        ({"revision": 2**31}, "$.revision"),
        ({"occurred_at": "2026-11-20T08:00:00"}, "$.occurred_at"),
        ({"occurred_at": 1_700_000_000}, "$.occurred_at"),
        ({"occurred_at": "1999-12-31T23:59:59Z"}, "$.occurred_at"),
        ({"occurred_at": "2200-01-01T00:00:00Z", "ended_at": None}, "$.occurred_at"),
        ({"ended_at": "tomorrow"}, "$.ended_at"),
        ({"ended_at": "2026-11-20T07:59:59+08:00"}, "$.ended_at"),
        ({"ended_at": "2200-01-01T00:00:00Z"}, "$.ended_at"),
        ({"citizen": {}}, "$.citizen"),
        ({"citizen": {"id": PERSON, **SENT["citizen"]}}, "$.citizen"),
        ({"citizen": {"id": "somebody"}}, "$.citizen.id"),
        ({"citizen": {"link": {"kind": "transit-card", "value": ""}}}, "$.citizen.link.value"),
        ({"citizen": {"name": "Li"}}, "$.citizen"),
        ({"declared_mg": -1}, "$.declared_mg"),
        ({"declared_mg": 1.5}, "$.declared_mg"),
        ({"data": [1]}, "$.data"),
        ({"data": None}, "$.data"),
        ({"co2e_mg": 1}, "`co2e_mg`"),
    ],
)
def test_a_wrong_shape_is_named_by_its_field(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(EventInvalid) as refused:
        read_event({**SENT, **changes})
    assert f"{field.strip('`')}`" in refused.value.message("en")


@pytest.mark.parametrize("name", ["id", "type", "occurred_at", "citizen", "data"])
def test_a_field_that_is_not_there_is_named(name: str) -> None:
    sent = {key: value for key, value in SENT.items() if key != name}
    with pytest.raises(EventInvalid, match=f"`{name}`"):
        read_event(sent)


@pytest.mark.parametrize("sent", [None, [], "event", 7, [SENT]])
def test_what_is_no_object_is_refused(sent: object) -> None:
    with pytest.raises(EventInvalid, match="Expected `object`"):
        read_event(sent)


@pytest.mark.parametrize("value", [1.5, 8300.0, True, None, [1], {"m": 1}])
def test_a_value_that_is_no_whole_number_or_text_is_named_by_its_field(value: object) -> None:
    with pytest.raises(EventInvalid) as refused:
        read_event({**SENT, "data": {"origin": "福田", "distance_m": value}})
    said = refused.value.message("en")
    assert "whole number" in said
    assert "`$.data.distance_m`" in said
    assert "8300" not in said, "an answer never holds what was sent"


def test_a_mistake_elsewhere_is_not_blamed_on_data() -> None:
    with pytest.raises(EventInvalid, match=r"\$\.revision"):
        read_event({**SENT, "revision": 0, "data": {"distance_m": 1}})


def test_what_ends_in_the_future_is_refused() -> None:
    event = read_event(SENT)
    assert event.ended_at is not None
    require_past(event, now=event.ended_at - FUTURE_TOLERANCE)
    with pytest.raises(EventInvalid, match="future"):
        require_past(event, now=event.ended_at - FUTURE_TOLERANCE - timedelta(seconds=1))


def test_a_digest_does_not_depend_on_order_or_time_zone() -> None:
    backwards = dict(reversed(SENT.items()))
    backwards["data"] = dict(reversed(SENT["data"].items()))
    assert content_digest(KEY, read_event(backwards)) == digest()
    utc = {"occurred_at": "2026-11-20T00:00:00Z", "ended_at": "2026-11-19T19:30:00-05:00"}
    assert digest(**utc) == digest()
    # The id and the revision are the claim's, not the content's.
    assert digest(id="M-2", revision=2) == digest()


@pytest.mark.parametrize(
    "changes",
    [
        {"type": "bus.ride"},
        {"occurred_at": "2026-11-20T08:00:00.001+08:00"},
        {"ended_at": None},
        {"citizen": {"link": {"kind": "transit-card", "value": "CARD-1"}}},
        {"citizen": {"id": PERSON}},
        {"data": {"distance_m": 8301, "origin": "福田"}},
        {"data": {"distance_m": "8300", "origin": "福田"}},
        {"data": {"distance_m": 8300}},
        {"declared_mg": None},
        {"declared_mg": 0},
    ],
)
def test_a_digest_depends_on_all_that_is_said(changes: dict[str, Any]) -> None:
    assert digest(**changes) != digest()


def test_keys_differ_by_partner_event_and_installation() -> None:
    one, other = UUID(int=1), UUID(int=2)
    key = claim_key(KEY, partner_id=one, event_id="M-1")
    assert claim_key(KEY, partner_id=one, event_id="M-1") == key
    differing = {
        claim_key(KEY, partner_id=other, event_id="M-1"),
        claim_key(KEY, partner_id=one, event_id="M-2"),
        claim_key(bytes(32), partner_id=one, event_id="M-1"),
    }
    assert len(differing | {key}) == 4
    assert content_digest(bytes(32), read_event(SENT)) != digest()
