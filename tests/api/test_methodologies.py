"""The methodology office over HTTP: a draft is uploaded, published by two, confirmed by two, and governs."""

import base64
from typing import Any

import pytest
from werkzeug.test import TestResponse

from carbon_credit.identity.operations import create_party, issue_credential
from carbon_credit.kernel.unit_of_work import unit_of_work
from tests.api.conftest import AWAY, Town
from tests.catalogue.conftest import ID, package

VERSION = f"/v1/methodologies/{ID}/v1"
STEP = f"/v1/methodologies/{ID}/versions/v1"
DOCUMENT = base64.b64encode(b"%PDF-1.7 the official document").decode()


@pytest.fixture
def office(town: Town) -> Town:
    """The town with two operators of the real programme, Anna and Boris."""
    for name in ("Anna", "Boris"):
        add_operator(town, name, "gd-sz")
    return town


def add_operator(town: Town, name: str, programme: str) -> None:
    with unit_of_work(town.database) as session:
        party = create_party(session, programme=programme, role="operator", name=name, now=town.now)
        issued = issue_credential(session, party_id=party.id, now=town.now)
    town.parties[name], town.clients[name] = party.id, (issued.client_id, issued.secret)
    town.token(name, role="operator", subject=party.id, programme=programme)


def upload(town: Town, who: str = "Anna", **more: Any) -> TestResponse:
    files = {name: data.decode() for name, data in package(**more).items()}
    return town.post(who, "/v1/methodologies", {"files": files})


def approve(town: Town, who: str, version: str = "v1") -> TestResponse:
    digest = town.get(who, f"/v1/methodologies/{ID}/{version}").json["digest"]
    return town.post(who, f"/v1/methodologies/{ID}/versions/{version}/publication", {"digest": digest})


def finding(**more: str) -> dict[str, str]:
    return {
        "part": "parameters.RF[0]",
        "stated": "46.8",
        "document": "Official document",
        "document_number": "No. 12",
        "clause": "Table 3",
        "file": DOCUMENT,
    } | more


def test_from_a_draft_to_an_official_version(office: Town) -> None:
    draft = upload(office)
    assert (draft.status_code, draft.json["state"], draft.json["published_for"]) == (201, "draft", None)
    first = approve(office, "Anna")
    assert (first.status_code, first.json["done"]) == (200, False)
    again = approve(office, "Anna")
    assert (again.status_code, again.json["code"]) == (409, "second-operator-needed")
    assert "another operator" in again.json["detail"]
    second = approve(office, "Boris")
    assert (second.json["done"], second.json["version"]["state"]) == (True, "published")

    for who, grade in (("Anna", "published"), ("Boris", "official")):
        told = office.post(who, f"{STEP}/confirmations", finding())
        assert (told.status_code, told.json["grade"]) == (200, grade), told.text
    assert told.json["draft"]["version"] == "v2"
    for who in ("Anna", "Boris"):
        step = approve(office, who, "v2")
    assert step.json["version"]["supersedes"] == "v1"

    shown = office.get("verifier", VERSION).json
    assert [one["counts"] for one in shown["approvals"]] == [True, True]
    assert {one["file_sha256"] for one in shown["confirmations"]} == {
        shown["confirmations"][0]["file_sha256"]
    }
    assert len(shown["confirmations"][0]["file_sha256"]) == 64
    assert shown["confirmations"][0]["document_number"] == "No. 12"
    assert {"part": "parameters.RF[0]", "stated": "46.8", "grade": "published"} in shown["parts"]
    listed = office.get("operator", "/v1/methodologies?limit=200").json["items"]
    assert {one["version"] for one in listed if one["methodology_id"] == ID} == {"v1", "v2"}


def test_the_same_key_is_the_same_act(office: Town) -> None:
    upload(office)
    digest = office.get("Anna", VERSION).json["digest"]
    key = {"Idempotency-Key": "k-1"}
    first = office.post("Anna", f"{STEP}/publication", {"digest": digest}, headers=key)
    again = office.post("Anna", f"{STEP}/publication", {"digest": digest}, headers=key)
    assert first.json == again.json
    assert again.headers["Idempotency-Replayed"] == "true"


def test_what_was_read_is_what_is_approved(office: Town) -> None:
    upload(office)
    digest = office.get("Anna", VERSION).json["digest"]
    upload(office, value="46.7")
    told = office.post("Anna", f"{STEP}/publication", {"digest": digest})
    assert (told.status_code, told.json["code"]) == (409, "draft-changed")


def test_a_rehearsal_s_operators_publish_for_rehearsals(office: Town) -> None:
    add_operator(office, "Second", AWAY)
    upload(office, "away operator")
    for who in ("away operator", "operator"):  # of two programmes: they do not count together
        assert not approve(office, who).json["done"]
    step = approve(office, "Second")
    assert (step.json["done"], step.json["version"]["published_for"]) == (True, "rehearsal")
    assert AWAY.startswith("x-")


def test_retiring(office: Town) -> None:
    upload(office)
    for who in ("Anna", "Boris"):
        approve(office, who)
    first = office.post("Anna", f"{STEP}/retirement", {"reason": "wrong"})
    assert (first.json["done"], first.json["version"]["state"]) == (False, "published")
    second = office.post("Boris", f"{STEP}/retirement", {"reason": "wrong"})
    assert (second.json["done"], second.json["version"]["state"]) == (True, "retired")


def test_refusals_say_what_and_what_to_do(office: Town) -> None:
    assert office.post("Anna", f"{STEP}/publication", {"digest": "0" * 64}).status_code == 404
    files = {name: data.decode() for name, data in package().items()}
    broken = files | {"methodology.yaml": files["methodology.yaml"].replace("unit: gCO2e", "unit: furlong")}
    told = office.post("Anna", "/v1/methodologies", {"files": broken})
    assert (told.status_code, told.json["code"]) == (422, "unit-unknown")
    assert told.json["details"]["line"] > 1
    assert office.post("Anna", "/v1/methodologies", {"files": files | {"x.txt": "x"}}).status_code == 422
    upload(office)
    assert office.get("Anna", VERSION).json["warnings"] == []
    for who in ("Anna", "Boris"):
        approve(office, who)
    other = office.post(
        "Anna", f"{STEP}/confirmations", finding(stated="46.7"), headers={"Accept-Language": "zh"}
    )
    assert (other.status_code, other.json["code"]) == (422, "stated-value-differs")
    assert "46.8" in other.json["detail"]
    assert "46.7" in other.json["detail"]
    bare = office.post("Anna", f"{STEP}/confirmations", finding(file="not base64!"))
    assert (bare.status_code, bare.json["code"]) == (422, "file-not-base64")
    taken = upload(office, value="46.7")
    assert (taken.status_code, taken.json["code"]) == (409, "version-taken")


def test_a_draft_that_cannot_be_published_says_why(office: Town) -> None:
    upload(office, review_by="2020-01-01")
    assert any("RF" in one for one in office.get("Anna", VERSION).json["warnings"])
    told = approve(office, "Anna")
    assert (told.status_code, told.json["code"]) == (422, "not-publishable")


def test_only_operators(office: Town) -> None:
    for who in ("partner", "verifier", "merchant", "citizen", "buyer"):
        assert office.post(who, "/v1/methodologies", {"files": {"methodology.yaml": "x"}}).status_code == 403
