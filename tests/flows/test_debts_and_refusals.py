"""What goes wrong: points spent before the ride was withdrawn, and everything that is refused."""

import base64
import json
from datetime import date, timedelta
from typing import Any

import jwt
import pytest

from carbon_credit.kernel.db import Database
from carbon_credit.kernel.unit_of_work import unit_of_work
from carbon_credit.ledger.accounts import POINTS, AccountKey
from carbon_credit.ledger.queries import balances
from tests.api.conftest import Town, build
from tests.flows.conftest import LEDGER, findings, hold_a_voucher, rows
from tests.world import World, metro


def owed(world: World) -> int:
    key = AccountKey(world.programme, POINTS, "citizen.points_due", world.citizens[0])
    with unit_of_work(world.database, read_only=True) as session:
        found = balances(session, keys=[key])
        return -found[key].posted if key in found else 0


def test_points_that_were_spent_become_a_debt_that_later_rides_pay(database: Database) -> None:
    world = World(database)
    world.credit(metro("M-1"), metro("M-2"))
    assert world.points() == 7, "776.88 g"
    hold_a_voucher(world, points=7).consume(world)
    world.withdraw("M-1")
    world.withdraw("M-2")
    assert (world.grams(), owed(world), world.points()) == (0, 7, -7)
    assert findings(database) == []
    world.credit(metro("M-3", at="2026-11-19T08:00:00+08:00"))
    assert (owed(world), world.points()) == (4, -4), "three points of the new ride went to the debt"
    world.credit(*[metro(f"M-{n}", at="2026-11-18T08:00:00+08:00") for n in (4, 5)])
    assert (owed(world), world.points()) == (0, 3)
    assert world.grams() == 3 * 388_440
    world.close(date(2026, 11, 18), date(2026, 11, 19), date(2026, 11, 20))
    assert (owed(world), world.points()) == (0, 3)
    assert findings(database) == []


def wrong_events(town: Town) -> dict[str, tuple[bytes, str, int, str]]:
    """Name -> body, content type, status and code of the answer."""
    good = {
        "id": "BAD-1",
        "type": "metro.ride",
        "occurred_at": (town.now - timedelta(days=1)).isoformat(),
        "citizen": {"link": {"kind": "transit-card", "value": "CARD-0"}},
        "data": {"distance_m": 8300, "distance_source": "gates"},
    }

    def event(**changes: Any) -> bytes:
        return json.dumps(good | changes).encode()

    def data(**changes: Any) -> bytes:
        return event(data=good["data"] | changes)  # type: ignore[operator]

    own = "application/json"
    future = (town.now + timedelta(days=1)).isoformat()
    return {
        "malformed JSON": (b'{"id": "BAD-1",', own, 400, "body-malformed"),
        "another encoding": (event().decode().encode("utf-16"), own, 400, "body-malformed"),
        "no JSON type": (event(), "text/csv", 415, "media-type-unsupported"),
        "unknown type": (event(type="teleport.ride"), own, 422, "event-invalid"),
        "missing field": (event(data=None), own, 422, "event-invalid"),
        "a field too much": (event(grams=388), own, 422, "event-invalid"),
        "out of bounds": (data(distance_m=10**9), own, 422, "event-invalid"),
        "a fraction": (data(distance_m=8300.5), own, 422, "event-invalid"),
        "a float that is whole": (data(distance_m=8300.0), own, 422, "event-invalid"),
        "another unit": (event(data={"distance_km": 8}), own, 422, "event-invalid"),
        "no time zone": (event(occurred_at="2026-11-20T08:00:00"), own, 422, "event-invalid"),
        "the future": (event(occurred_at=future), own, 422, "event-invalid"),
        "over the limit": (b" " * (town.runtime.settings.max_body_bytes + 1), own, 413, "body-too-large"),
    }


def test_what_is_wrong_gets_its_own_error_and_changes_nothing(database: Database) -> None:
    town = build(database)
    before = rows(database)
    for name, (body, kind, status, code) in wrong_events(town).items():
        answer = town.call("partner", "POST", "/v1/events", data=body, content_type=kind)
        assert (answer.status_code, answer.json.get("code")) == (status, code), (name, answer.text)
        assert answer.mimetype == "application/problem+json"
        assert len(answer.json["detail"]) > 10, name
    assert rows(database) == before


def test_a_stranger_is_refused_as_an_outcome_and_the_books_stay(database: Database) -> None:
    town = build(database)
    before = rows(database, *LEDGER)
    stranger = {
        "id": "S-1",
        "type": "metro.ride",
        "occurred_at": (town.now - timedelta(days=1)).isoformat(),
        "citizen": {"link": {"kind": "transit-card", "value": "CARD-OF-A-STRANGER"}},
        "data": {"distance_m": 8300, "distance_source": "gates"},
    }
    answer = town.post("partner", "/v1/events", stranger)
    assert (answer.status_code, answer.json["status"], answer.json["reason"]) == (200, "rejected", "unlinked")
    assert rows(database, *LEDGER) == before
    for name, found in rows(database).items():
        assert "STRANGER" not in repr(found), f"{name} holds what it may not"


def forged_tokens(town: Town) -> dict[str, str]:
    good = town.tokens["partner"]
    head, body, signature = good.split(".")
    claims = jwt.decode(good, options={"verify_signature": False})
    public = town.client.get("/.well-known/jwks.json").json["keys"][0]["x"]
    raw = base64.urlsafe_b64decode(public + "=" * (-len(public) % 4))
    none = base64.urlsafe_b64encode(b'{"alg":"none","typ":"JWT"}').rstrip(b"=").decode()
    bent = base64.urlsafe_b64encode(json.dumps(claims | {"role": "operator"}).encode()).rstrip(b"=").decode()
    return {
        "alg none": f"{none}.{body}.",
        "HS256 with the public key": jwt.encode(claims, raw, algorithm="HS256"),
        "another body": f"{head}.{bent}.{signature}",
        "no signature": f"{head}.{body}.",
        "not a token": "x",
    }


def test_a_forged_token_does_nothing(database: Database) -> None:
    town = build(database)
    before = rows(database)
    ride = {
        "id": "F-1",
        "type": "metro.ride",
        "occurred_at": (town.now - timedelta(days=1)).isoformat(),
        "citizen": {"link": {"kind": "transit-card", "value": "CARD-0"}},
        "data": {"distance_m": 8300, "distance_source": "gates"},
    }
    for name, token in forged_tokens(town).items():
        town.tokens["forger"] = token
        answer = town.post("forger", "/v1/events", ride)
        assert answer.status_code == 401, (name, answer.text)
        assert "WWW-Authenticate" in answer.headers
    assert rows(database) == before
    assert town.post("partner", "/v1/events", ride).json["status"] == "credited"
    assert rows(database) != before


@pytest.mark.parametrize("amount", [1.5, 100.0, "100", True, None])
def test_a_quantity_that_is_not_whole_cannot_be_said(sqlite_database: Database, amount: Any) -> None:
    world = World(sqlite_database)
    [outcome] = world.credit({**metro("M-1"), "data": {"distance_m": amount, "distance_source": "gates"}})
    assert outcome.status == "invalid"
    assert world.grams() == 0
