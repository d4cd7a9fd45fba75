"""Events over HTTP: one and many, JSON, NDJSON and CloudEvents, dry runs, and what is wrong with them."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import orjson
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from marshmallow import ValidationError

from carbon_credit.api.partners.event_schemas import EventIn
from carbon_credit.events.errors import EventInvalid
from carbon_credit.events.incoming import read_event
from carbon_credit.kernel.unit_of_work import unit_of_work
from carbon_credit.ledger.audit import audit
from tests.api.conftest import Town

NDJSON = {"Content-Type": "application/x-ndjson"}
CLOUD = {"Content-Type": "application/cloudevents+json"}
CLOUDS = {"Content-Type": "application/cloudevents-batch+json"}


def ride(town: Town, number: int = 1, **changes: Any) -> dict[str, Any]:
    """8,300 m of Shenzhen metro yesterday: 388,440 mg."""
    event = {
        "id": f"M-{number}",
        "type": "metro.ride",
        "occurred_at": (town.now - timedelta(days=1)).isoformat(),
        "citizen": {"link": {"kind": "transit-card", "value": "CARD-0"}},
        "data": {"distance_m": 8300},
    }
    return {**event, **changes}


def cloud(event: dict[str, Any]) -> dict[str, Any]:
    inner = {name: event[name] for name in ("citizen", "data")}
    envelope = {"specversion": "1.0", "id": event["id"], "source": "urn:x", "type": event["type"]}
    return {**envelope, "time": event["occurred_at"], "data": inner, "traceparent": "00-ab"}


def grams(town: Town, who: str = "citizen") -> int:
    read = town.get(who, "/v1/me/account")
    return int(read.json["co2e"]["provisional_mg"])


def test_a_ride_is_credited_and_its_replay_is_not(any_town: Town) -> None:
    first = any_town.post("partner", "/v1/events", ride(any_town))
    assert first.status_code == 200, first.text
    assert (first.json["status"], first.json["co2e_mg"]) == ("credited", 388_440)
    again = any_town.post("partner", "/v1/events", ride(any_town))
    assert (again.json["status"], again.json["first"]) == ("duplicate", "credited")
    assert grams(any_town) == 388_440
    state = any_town.get("partner", "/v1/events/M-1")
    assert (state.json["outcome"], state.json["co2e_mg"]) == ("credited", 388_440)


def test_other_content_under_the_same_id_is_a_conflict(town: Town) -> None:
    town.post("partner", "/v1/events", ride(town))
    other = town.post("partner", "/v1/events", ride(town, data={"distance_m": 8301}))
    assert (other.status_code, other.json["code"]) == (422, "event-conflict")
    higher = town.post("partner", "/v1/events", ride(town, revision=2, data={"distance_m": 10_000}))
    assert higher.json["status"] == "credited"
    assert grams(town) == 468_000
    assert town.post("partner", "/v1/events", ride(town)).json["status"] == "stale"


def test_a_refusal_is_an_outcome_in_the_readers_language(town: Town) -> None:
    unknown = ride(town, citizen={"link": {"kind": "transit-card", "value": "CARD-NOBODY"}})
    english = town.post("partner", "/v1/events", unknown)
    chinese = town.post("partner", "/v1/events", unknown, headers={"Accept-Language": "zh"})
    assert english.status_code == 200
    assert (english.json["status"], english.json["reason"]) == ("rejected", "unlinked")
    assert english.json["retryable"] is True
    assert english.json["detail"].isascii()
    assert not chinese.json["detail"].isascii()
    assert "CARD-NOBODY" not in english.text


WRONG: dict[str, dict[str, Any]] = {
    "unknown type": {"type": "rocket.ride"},
    "missing field": {"type": "electricity.period", "data": {"reading_source": "meter"}},
    "no data": {"data": None},
    "out of bounds": {"data": {"distance_m": -1}},
    "fraction": {"data": {"distance_m": 8300.0}},
    "half a metre": {"data": {"distance_m": 0.5}},
    "text for a number": {"data": {"distance_m": "8300"}},
    "true for a number": {"data": {"distance_m": True}},
    "beyond 64 bits": {"data": {"distance_m": 2**70}},
    "wrong unit": {"data": {"distance_km": 8}},
    "in the future": {"occurred_at": "2199-01-01T00:00:00Z"},
    "no zone": {"occurred_at": "2026-11-20T08:00:00"},
    "no day": {"occurred_at": "2026-02-30T08:00:00Z"},
    "before all calendars": {"occurred_at": "0001-01-01T00:00:00+14:00"},
    "unknown member": {"partner": "someone else"},
    "both citizens": {
        "citizen": {"id": "6f1c2b3d-4e5f-4a6b-8c7d-9e0f1a2b3c4d", "link": {"kind": "a", "value": "b"}}
    },
    "no citizen": {"citizen": {}},
    "revision zero": {"revision": 0},
    "declared fraction": {"declared_mg": 1.5},
    "id with a line": {"id": "a\nb"},
    "id too long": {"id": "x" * 129},
    "ends before it begins": {"ended_at": "2020-01-01T00:00:00Z"},
}


@pytest.mark.parametrize("kind", WRONG)
def test_a_wrong_event_is_an_error_and_leaves_nothing(town: Town, kind: str) -> None:
    wrong = ride(town, **WRONG[kind])
    alone = town.post("partner", "/v1/events", wrong)
    assert (alone.status_code, alone.json["code"]) == (422, "event-invalid"), alone.text
    among = town.post("partner", "/v1/events/batch", [wrong, ride(town, 2)])
    assert among.status_code == 200
    assert [outcome["status"] for outcome in among.json["outcomes"]] == ["invalid", "credited"]
    right = town.post("partner", "/v1/events", ride(town))
    assert right.json["status"] == "credited"


def test_many_are_answered_one_by_one_in_order(any_town: Town) -> None:
    sent = [ride(any_town, number) for number in range(5)]
    batch = [*sent[:3], sent[1], {"id": "x"}, 7, *sent[3:]]
    answer = any_town.post("partner", "/v1/events/batch", batch)
    statuses = [outcome["status"] for outcome in answer.json["outcomes"]]
    assert statuses == ["credited"] * 3 + ["duplicate", "invalid", "invalid"] + ["credited"] * 2
    assert answer.json["counts"] == {"credited": 5, "duplicate": 1, "invalid": 2}
    assert grams(any_town) == 5 * 388_440
    with unit_of_work(any_town.database) as session:
        assert audit(session) == []


def test_lines_are_read_one_by_one(town: Town) -> None:
    lines = [orjson.dumps(ride(town, 1)), b"{not json", b"", orjson.dumps(ride(town, 2)), b"[1]"]
    answer = town.post("partner", "/v1/events/batch", data=b"\n".join(lines), headers=NDJSON)
    assert [outcome["status"] for outcome in answer.json["outcomes"]] == [
        "credited",
        "invalid",
        "credited",
        "invalid",
    ]
    assert answer.json["outcomes"][1]["reason"] == "body-malformed"


def test_cloudevents_say_the_same(town: Town) -> None:
    one = town.post("partner", "/v1/events", data=orjson.dumps(cloud(ride(town, 1))), headers=CLOUD)
    assert one.json["status"] == "credited", one.text
    assert town.post("partner", "/v1/events", ride(town, 1)).json["status"] == "duplicate"
    two = [cloud(ride(town, 2)), {**cloud(ride(town, 3)), "specversion": "0.3"}, "no event"]
    many = town.post("partner", "/v1/events/batch", data=orjson.dumps(two), headers=CLOUDS)
    assert [outcome["status"] for outcome in many.json["outcomes"]] == ["credited", "invalid", "invalid"]
    wrong = town.post("partner", "/v1/events", data=orjson.dumps(ride(town, 4)), headers=CLOUDS)
    assert wrong.status_code == 415


def test_the_partner_of_a_cloudevent_comes_from_the_token(town: Town) -> None:
    event = cloud(ride(town, 1)) | {"source": "urn:partner:partner"}
    answer = town.post("partner 2", "/v1/events", data=orjson.dumps(event), headers=CLOUD)
    assert answer.json["reason"] == "no-consent"


def test_a_dry_run_says_what_would_happen_and_does_nothing(any_town: Town) -> None:
    for address, body in (("/v1/events", ride(any_town)), ("/v1/events/batch", [ride(any_town)])):
        answer = any_town.post("partner", f"{address}?dry_run=true", body)
        outcome = answer.json["outcomes"][0] if "outcomes" in answer.json else answer.json
        assert (outcome["status"], outcome["co2e_mg"]) == ("credited", 388_440)
        assert outcome["reduction_id"] is None  # there is none to ask for
    twice = any_town.post("partner", "/v1/events/batch?dry_run=true", [ride(any_town)] * 2).json["outcomes"]
    assert [(one["status"], one["reduction_id"]) for one in twice] == [
        ("credited", None),
        ("duplicate", None),
    ]
    assert grams(any_town) == 0
    assert any_town.get("partner", "/v1/events/M-1").status_code == 404
    assert any_town.post("partner", "/v1/events", ride(any_town)).json["status"] == "credited"


def test_too_many_at_once(town: Town) -> None:
    object.__setattr__(town.runtime.settings, "max_batch_events", 3)
    try:
        body = [ride(town, number) for number in range(4)]
        answer = town.post("partner", "/v1/events/batch", body)
        assert (answer.status_code, answer.json["code"]) == (413, "batch-too-large")
        lines = b"\n".join(orjson.dumps(event) for event in body)
        assert town.post("partner", "/v1/events/batch", data=lines, headers=NDJSON).status_code == 413
    finally:
        object.__setattr__(town.runtime.settings, "max_batch_events", 10_000)
    assert grams(town) == 0


def test_no_events_are_no_outcomes(town: Town) -> None:
    assert town.post("partner", "/v1/events/batch", []).json["outcomes"] == []
    assert town.post("partner", "/v1/events/batch", {}).json["code"] == "body-malformed"


def test_a_withdrawn_event_gives_its_grams_back(town: Town) -> None:
    town.post("partner", "/v1/events", ride(town))
    for who in ("partner 2", "away partner"):
        assert town.post(who, "/v1/events/M-1/withdrawal").json["code"] == "event-not-found"
        assert town.get(who, "/v1/events/M-1").status_code == 404
    taken = town.post("partner", "/v1/events/M-1/withdrawal", headers={"Idempotency-Key": "k"})
    assert (taken.status_code, taken.json["status"]) == (200, "withdrawn")
    replayed = town.post("partner", "/v1/events/M-1/withdrawal", headers={"Idempotency-Key": "k"})
    assert replayed.headers["Idempotency-Replayed"] == "true"
    assert town.post("partner", "/v1/events/M-1/withdrawal").json["code"] == "event-not-withdrawable"
    assert grams(town) == 0


@pytest.mark.parametrize("event_id", ["2026/11/M-1", "a//b/", "x/withdrawal", "骑行 🚲?#%2F", "batch"])
def test_whatever_id_is_accepted_can_be_read_and_withdrawn(town: Town, event_id: str) -> None:
    assert town.post("partner", "/v1/events", ride(town, id=event_id)).json["status"] == "credited"
    address = "/v1/events/" + quote(event_id, safe="")
    assert town.get("partner", address).json["id"] == event_id
    assert town.post("partner", f"{address}/withdrawal").json["status"] == "withdrawn"
    assert town.get("partner", address).json["outcome"] == "withdrawn"


def test_fifty_posts_of_one_event_credit_it_once(any_town: Town) -> None:
    def send(_: int) -> Any:
        return any_town.post("partner", "/v1/events", ride(any_town)).json

    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(send, range(50)))
    statuses = sorted(answer["status"] for answer in answers)
    assert statuses == ["credited"] + ["duplicate"] * 49
    assert grams(any_town) == 388_440


words = st.text(max_size=8) | st.sampled_from(["metro.ride", "walk", "transit-card"])
scalars = st.none() | st.booleans() | st.integers(-3, 2**65) | st.floats(allow_nan=False) | words
instants = st.sampled_from(
    [
        "2026-11-20T08:00:00+08:00",
        "2026-11-20t00:00:00z",
        "2026-11-20T08:00:00.123456789Z",
        "1999-12-31T23:59:59Z",
        "2199-12-31T23:59:59Z",
        "2200-01-01T00:00:00Z",
        "2026-11-20T24:00:00Z",
        "2026-11-20T08:00:60Z",
        "2026-02-29T08:00:00Z",
        "2026-11-20 08:00:00Z",
        "2026-11-20T08:00:00",
        "2026-11-20T08:00:00+0800",
        "2026-11-20T08:00Z",
        "2026-11-20T08:00:00-00:00",
        "2026-11-20T08:00:00+24:00",
        "2026-11-20",
        "x",
    ]
)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    payload=st.fixed_dictionaries(
        {
            "id": words | st.just("M-1"),
            "type": words,
            "occurred_at": instants,
            "citizen": st.just({"link": {"kind": "transit-card", "value": "1"}})
            | st.fixed_dictionaries({}, optional={"id": scalars, "link": scalars}),
            "data": st.dictionaries(words, scalars, max_size=3) | scalars,
        },
        optional={"revision": scalars, "declared_mg": scalars, "ended_at": instants, "extra": scalars},
    )
)
def test_the_contract_accepts_what_the_subject_accepts(payload: dict[str, Any]) -> None:
    # The contract is written from a schema that the hot path does not run: both must agree. What is
    # sent goes through JSON first, as on the wire.
    assume(_fits(payload))
    decoded = orjson.loads(orjson.dumps(payload))
    try:
        read_event(decoded)
        read = True
    except EventInvalid as error:
        # Two rules that a schema cannot say.
        read = "exactly one of" in str(error) or "ends before" in str(error)
    try:
        EventIn().load(decoded)
        loaded = True
    except ValidationError:
        loaded = False
    assert read == loaded, decoded


def _fits(value: Any) -> bool:
    # orjson writes 64-bit integers only, and so does any JSON that it reads as integers.
    if isinstance(value, dict):
        return all(_fits(name) and _fits(inner) for name, inner in value.items())
    if isinstance(value, str):
        return not any(0xD800 <= ord(letter) <= 0xDFFF for letter in value)
    return not (isinstance(value, int) and value >= 2**64)
