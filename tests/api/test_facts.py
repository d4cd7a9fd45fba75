"""Facts and meters over HTTP: who may state them, who reads them, and what they change."""

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from carbon_credit.factory import application
from carbon_credit.identity.operations import issue_credential
from carbon_credit.kernel import clock
from carbon_credit.kernel.db import Database
from carbon_credit.kernel.unit_of_work import unit_of_work
from tests.api.conftest import HOME, Town
from tests.quantification.household import METER, Homes, reading, two_versions

FACT = {"value": "no", "from": "2024-01-01", "tier": "measured", "source": "Grid company's list"}
METER_IN = {"kind": METER[0], "value": METER[1], "from": "2024-01-01"}


@pytest.fixture
def homes(sqlite_database: Database, tmp_path: Path) -> Iterator[Homes]:
    world = Homes(sqlite_database, two_versions(tmp_path / "methodologies"))
    yield world
    world.database.dispose()


@pytest.fixture
def town(homes: Homes) -> Town:
    """The partner that linked two citizens, another partner, an operator."""
    town = Town(application(homes.database.settings, homes.database), homes.database, clock.now())
    town.parties = {"partner": homes.partner} | {
        name: homes.party(role, name) for name, role in (("partner 2", "partner"), ("operator", "operator"))
    }
    with unit_of_work(homes.database) as session:
        for name, party_id in town.parties.items():
            issued = issue_credential(session, party_id=party_id, now=town.now)
            town.clients[name] = (issued.client_id, issued.secret)
    for name, party_id in town.parties.items():
        town.token(name, role=name.split()[0], subject=party_id, programme=HOME)
    for name, citizen_id in zip(("citizen", "citizen 2"), homes.citizens, strict=True):
        town.citizens[name] = citizen_id
        town.token(name, role="citizen", subject=citizen_id, programme=HOME, actor=homes.partner)
    return town


def facts(town: Town, name: str = "pv-owner", who: str = "citizen") -> str:
    return f"/v1/citizens/{town.citizens[who]}/facts/{name}"


def put(town: Town, who: str, address: str, json: Any) -> Any:
    return town.call(who, "PUT", address, json=json)


def post(town: Town, who: str, address: str, json: Any) -> Any:
    return town.post(who, address, json)


def get(town: Town, who: str, address: str) -> Any:
    return town.get(who, address)


def test_a_fact_is_stated_read_by_the_citizen_and_decides(town: Town) -> None:
    post(town, "operator", f"/v1/citizens/{town.citizens['citizen']}/meters", METER_IN)
    event = reading("E-1", "2026-03-10", "2026-03-11", 0, baseline_wh=1_000)
    first = post(town, "partner", "/v1/events", event)
    assert (first.json["reason"], first.json["retryable"]) == ("fact-missing", True)
    assert "The fact: pv-owner" in first.json["detail"]
    stated = put(town, "partner", facts(town), FACT)
    assert stated.status_code == 200, stated.text
    assert (stated.json["name"], stated.json["value"], stated.json["to"]) == ("pv-owner", "no", None)
    assert stated.json["recorded_by"] == f"partner:{town.parties['partner']}"
    credited = post(town, "partner", "/v1/events", event)
    assert (credited.json["status"], credited.json["co2e_mg"]) == ("credited", 500_000)
    put(town, "operator", facts(town), {**FACT, "value": "yes", "from": "2026-03-11"})
    later = post(
        town, "partner", "/v1/events", reading("E-2", "2026-03-11", "2026-03-12", 0, baseline_wh=1_000)
    )
    assert (later.json["reason"], later.json["condition"]) == ("not-eligible", "no-pv")
    own = get(town, "citizen", "/v1/me/facts").json
    assert [(one["value"], one["from"]) for one in own["facts"]] == [
        ("no", "2024-01-01"),
        ("yes", "2026-03-11"),
    ]
    assert [one["kind"] for one in own["occupancies"]] == [METER[0]]
    assert METER[1] not in get(town, "citizen", "/v1/me/facts").text
    assert get(town, "operator", f"/v1/citizens/{town.citizens['citizen']}/facts").json == own
    assert get(town, "citizen 2", "/v1/me/facts").json["facts"] == []


def test_parts_are_told_when_sent_again_and_when_asked_for(town: Town) -> None:
    put(town, "operator", facts(town), FACT)
    post(town, "partner", f"/v1/citizens/{town.citizens['citizen']}/meters", METER_IN)
    month = reading("E-1", "2026-06-16", "2026-07-16", 300_000, baseline_wh=400_000)
    first = post(town, "partner", "/v1/events", month).json
    assert [(part["from"], part["to"], part["vintage"], part["co2e_mg"]) for part in first["parts"]] == [
        ("2026-06-16", "2026-07-01", 2026, 25_000_000),
        ("2026-07-01", "2026-07-16", 2026, 20_000_000),
    ]
    again = post(town, "partner", "/v1/events", month).json
    state = get(town, "partner", "/v1/events/E-1").json
    assert first["parts"] == again["parts"] == state["parts"]
    assert first["co2e_mg"] == again["co2e_mg"] == state["co2e_mg"] == 45_000_000


@pytest.mark.parametrize(
    ("who", "name", "changed", "code"),
    [
        ("partner", "income", {}, "fact-unknown"),
        ("partner", "pv-owner", {"value": "perhaps"}, "fact-value-wrong"),
        ("partner", "pv-owner", {"value": "No"}, "fields-invalid"),
        ("partner", "pv-owner", {"to": "2024-01-01"}, "span-empty"),
        ("partner", "pv-owner", {"tier": "assumed"}, "fields-invalid"),
        ("partner", "pv-owner", {"from": "yesterday"}, "fields-invalid"),
        ("partner 2", "pv-owner", {}, "citizen-not-found"),
    ],
)
def test_what_is_wrong_is_named(town: Town, who: str, name: str, changed: Any, code: str) -> None:
    answer = put(town, who, facts(town, name), FACT | changed)
    assert answer.json["code"] == code
    assert get(town, "citizen", "/v1/me/facts").json["facts"] == []


def test_a_partner_needs_consent_to_state_anything(town: Town, homes: Homes) -> None:
    stranger = homes.linked(("phone", "13900000000"))
    for method, address, body in (
        ("PUT", f"/v1/citizens/{stranger}/facts/pv-owner", FACT),
        ("POST", f"/v1/citizens/{stranger}/meters", METER_IN),
        ("GET", f"/v1/citizens/{stranger}/facts", None),
    ):
        answer: Any = town.call("partner", method, address, **({"json": body} if body else {}))
        assert (answer.status_code, answer.json["code"]) == (403, "no-consent-to-state")
    nobody: Any = town.call("operator", "PUT", f"/v1/citizens/{uuid.UUID(int=1)}/facts/pv-owner", json=FACT)
    assert nobody.json["code"] == "citizen-not-found"


def test_a_meter_that_is_taken_is_told(town: Town) -> None:
    address = "/v1/citizens/{}/meters"
    first = post(town, "partner", address.format(town.citizens["citizen"]), METER_IN | {"to": "2026-05-01"})
    assert (first.status_code, first.json["to"]) == (201, "2026-05-01")
    taken = post(
        town, "partner", address.format(town.citizens["citizen 2"]), METER_IN | {"from": "2026-04-01"}
    )
    assert (taken.status_code, taken.json["code"]) == (409, "occupancy-taken")
    free = post(
        town, "partner", address.format(town.citizens["citizen 2"]), METER_IN | {"from": "2026-05-01"}
    )
    assert free.status_code == 201
