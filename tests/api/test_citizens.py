"""Citizens over HTTP: a partner reaches those that it linked, and no others."""

import uuid
from typing import Any

import pytest

from tests.api.conftest import Town

BODY: dict[str, Any] = {
    "links": [{"kind": "transit-card", "value": "6221-1"}, {"kind": "phone", "value": "13800000001"}],
    "consents": [{"scene": "metro", "text_version": "2026-1", "given_at": "2026-01-01T08:00:00+08:00"}],
    "mandate": {"text_version": "2026-1", "share_percent": 70},
}


def test_a_citizen_with_links_consents_and_a_mandate(any_town: Town) -> None:
    made = any_town.post("partner", "/v1/citizens", BODY)
    assert made.status_code == 201, made.text
    assert "6221-1" not in made.text
    assert [consent["scene"] for consent in made.json["consents"]] == ["metro"]
    assert made.json["consents"][0]["given_at"] == "2026-01-01T00:00:00Z"
    assert made.json["mandate"]["share_percent"] == 70
    read = any_town.get("partner", f"/v1/citizens/{made.json['id']}")
    assert read.json == made.json


def test_a_taken_link_is_a_conflict_and_registers_nobody(town: Town) -> None:
    assert town.post("partner", "/v1/citizens", BODY).status_code == 201
    again = town.post("partner 2", "/v1/citizens", {"links": [BODY["links"][1]]})
    assert (again.status_code, again.json["code"]) == (409, "link-taken")
    assert "13800000001" not in again.text
    fresh = {"links": [{"kind": "openid", "value": "o-1"}, BODY["links"][0]]}
    assert town.post("partner", "/v1/citizens", fresh).status_code == 409
    assert town.post("partner", "/v1/citizens", {"links": [fresh["links"][0]]}).status_code == 201


def test_a_link_is_added(town: Town) -> None:
    address = f"/v1/citizens/{town.citizens['citizen']}/links"
    added = town.post("partner", address, {"kind": "phone", "value": "139"})
    assert (added.status_code, added.json["state"]) == (201, "confirmed")
    assert town.post("partner", address, {"kind": "phone", "value": "139"}).status_code == 409


def test_consents_come_and_go(town: Town) -> None:
    address = f"/v1/citizens/{town.citizens['citizen']}/consents/metro"
    ended = town.call("partner", "DELETE", address)
    assert ended.status_code == 200
    assert ended.json["withdrawn_at"] is not None
    again = town.call("partner", "DELETE", address)
    assert (again.status_code, again.json["code"]) == (404, "nothing-to-withdraw")
    earlier = {"text_version": "2026-1", "given_at": ended.json["given_at"]}
    undone = town.call("partner", "PUT", address, json=earlier)
    assert (undone.status_code, undone.json["code"]) == (409, "consent-overlaps")
    given = town.call("partner", "PUT", address, json={"text_version": "2026-2"})
    assert given.status_code == 200
    assert given.json["withdrawn_at"] is None
    repeated = town.call("partner", "PUT", address, json={"text_version": "2026-2"})
    assert repeated.json == given.json


def test_a_scene_that_the_programme_has_not_is_refused(town: Town) -> None:
    address = f"/v1/citizens/{town.citizens['citizen']}/consents/flying"
    answer = town.call("partner", "PUT", address, json={"text_version": "2026-1"})
    assert (answer.status_code, answer.json["code"]) == (422, "scene-not-in-programme")
    body = {**BODY, "consents": [{"scene": "flying", "text_version": "1"}]}
    assert town.post("partner", "/v1/citizens", body).json["code"] == "scene-not-in-programme"


def test_the_mandate_comes_and_goes(town: Town) -> None:
    address = f"/v1/citizens/{town.citizens['citizen']}/mandate"
    changed = town.call("partner", "PUT", address, json={"text_version": "2026-2", "share_percent": 80})
    assert changed.json["share_percent"] == 80
    assert town.call("partner", "DELETE", address).status_code == 200
    assert town.call("partner", "DELETE", address).status_code == 404
    assert town.get("partner", address.removesuffix("/mandate")).json["mandate"] is None


@pytest.mark.parametrize("share", [-1, 101, 1.0, "70", True, None, 1e2])
def test_a_share_is_a_whole_percent(town: Town, share: Any) -> None:
    address = f"/v1/citizens/{town.citizens['citizen']}/mandate"
    answer = town.call("partner", "PUT", address, json={"text_version": "1", "share_percent": share})
    assert (answer.status_code, answer.json["code"]) == (422, "fields-invalid")


@pytest.mark.parametrize("who", ["partner 2", "away partner"])
def test_anothers_citizen_is_not_found(town: Town, who: str) -> None:
    one = f"/v1/citizens/{town.citizens['citizen']}"
    terms = {"text_version": "1"}
    answers = [
        town.get(who, one),
        town.post(who, f"{one}/links", {"kind": "phone", "value": "1"}),
        town.call(who, "PUT", f"{one}/consents/metro", json=terms),
        town.call(who, "DELETE", f"{one}/consents/metro"),
        town.call(who, "PUT", f"{one}/mandate", json={**terms, "share_percent": 1}),
        town.call(who, "DELETE", f"{one}/mandate"),
    ]
    nobody = town.get(who, f"/v1/citizens/{uuid.uuid4()}")
    assert {(answer.status_code, answer.json["code"]) for answer in [*answers, nobody]} == {
        (404, "citizen-not-found")
    }
    assert town.get("partner", one).json["mandate"]["share_percent"] == 70


def test_a_consent_in_the_future_is_refused(town: Town) -> None:
    address = f"/v1/citizens/{town.citizens['citizen 2']}/consents/metro"
    body = {"text_version": "9", "given_at": "2099-01-01T00:00:00Z"}
    answer = town.call("partner", "PUT", address, json=body)
    assert (answer.status_code, answer.json["code"]) == (422, "given-in-future")
