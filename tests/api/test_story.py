"""The main job over HTTP, as the people do it: ride, earn, redeem, batch, verify, register, check."""

import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from typing import Any

import pytest

from carbon_credit.identity.operations import create_party, issue_credential
from carbon_credit.kernel.unit_of_work import unit_of_work
from carbon_credit.ledger.audit import audit
from carbon_credit.ledger.points import PointsGrant, grants
from carbon_credit.quantification.closing import close_day, open_days
from carbon_credit.verifier.check import check_dossier
from tests.api.conftest import HOME, Town


def last_month(town: Town) -> date:
    return (town.now.date().replace(day=1) - timedelta(days=15)).replace(day=1)


def meter_reading(town: Town, number: int, saved_wh: int) -> dict[str, Any]:
    day = last_month(town) + timedelta(days=number)
    return {
        "id": f"E-{number}",
        "type": "electricity.period",
        "occurred_at": f"{day.isoformat()}T12:00:00+08:00",
        "citizen": {"link": {"kind": "transit-card", "value": "CARD-0"}},
        "data": {"baseline_wh": saved_wh, "energy_wh": 0, "reading_source": "meter"},
    }


def close_last_month(town: Town) -> None:
    month = last_month(town)
    with unit_of_work(town.database) as session:
        for day in open_days(session, programme=HOME, month=month)[1:]:
            close_day(session, programme=HOME, day=day, now=town.now, closed_by="test")
    # The first day and the month are closed as an operator does it.
    for kind in ("day", "month"):
        body = {"kind": kind, "starts_on": month.isoformat()}
        closed = town.post("operator", "/v1/periods", body)
        assert closed.status_code == 201, closed.text
        again = town.post("operator", "/v1/periods", body)
        assert (again.status_code, again.json["code"]) == (409, "period-closed")


def grant_points(town: Town, points: int) -> None:
    lot = town.now.date() + timedelta(days=400)
    item = PointsGrant(town.citizens["citizen"], points, lot, None, town.now)
    with unit_of_work(town.database) as session:
        grants(session, items=[item], programme=HOME, now=town.now)


def offer_body(town: Town, **changes: Any) -> dict[str, Any]:
    return {
        "title_zh": "五元茶饮券",
        "title_en": "Tea, 5 yuan",
        "points_price": 100,
        "value_fen": 500,
        "voucher_ttl_s": 3600,
        "opens_at": (town.now - timedelta(days=1)).isoformat(),
        "closes_at": (town.now + timedelta(days=30)).isoformat(),
        **changes,
    }


def approved_offer(town: Town, pieces: int = 5) -> str:
    made = town.post("merchant", "/v1/merchant/offers", offer_body(town))
    assert (made.status_code, made.json["state"]) == (201, "draft"), made.text
    offer_id = str(made.json["id"])
    assert (
        town.post("merchant", f"/v1/merchant/offers/{offer_id}/stock", {"pieces": pieces}).status_code == 200
    )
    assert town.get("citizen", "/v1/offers").json["items"] == []
    assert town.post("operator", f"/v1/offers/{offer_id}/approval").json["state"] == "approved"
    return offer_id


def test_from_a_meter_reading_to_serial_numbers(any_town: Town) -> None:
    town = any_town
    sent = town.post(
        "partner", "/v1/events/batch", [meter_reading(town, number, 2_000_000) for number in range(2)]
    )
    assert sent.json["counts"] == {"credited": 2}, sent.text
    provisional = town.get("citizen", "/v1/me/account").json["co2e"]
    assert provisional["provisional_mg"] == 1_767_600_000
    close_last_month(town)
    account = town.get("citizen", "/v1/me/account").json
    assert account["co2e"] == {
        "provisional_mg": 0,
        "confirmed_mg": 1_767_600_000,
        "passed_on_mg": 0,
        "retired_mg": 0,
        "own_mg": 1_767_600_000,
    }
    listed = town.get("citizen", "/v1/me/reductions?limit=1").json
    rest = town.get("citizen", f"/v1/me/reductions?cursor={listed['next_cursor']}").json
    assert len(listed["items"] + rest["items"]) == 2
    assert rest["next_cursor"] is None
    one = listed["items"][0]
    explained = town.get("citizen", f"/v1/reductions/{one['id']}/explanation").json
    assert explained["replayed"] is True
    assert explained["trace"]["reduction_mg"] == one["gross_mg"]
    for who in ("citizen 2", "away citizen"):
        assert town.get(who, f"/v1/reductions/{one['id']}/explanation").status_code == 404

    batch_id = registered_batch(town)
    passed = town.get("citizen", "/v1/me/account").json["co2e"]
    assert (passed["passed_on_mg"], passed["own_mg"]) == (1_000_000_000, 767_600_000)
    read = town.get("operator", f"/v1/batches/{batch_id}").json
    (serials,) = read["serials"]
    assert serials["first"] == serials["last"]
    public = town.get(None, f"/v1/public/serials/{serials['first']}").json
    assert (public["batch_id"], public["rehearsal"]) == (batch_id, True)
    assert town.get(None, f"/v1/public/serials/{serials['first'][:-1]}9").status_code == 404
    totals = town.get(None, f"/v1/public/programmes/{HOME}/totals").json
    assert (totals["reductions"], totals["co2e_mg"]) == (2, 1_767_600_000)
    trial = town.get("operator", "/v1/audit").json
    assert [asset["difference"] for asset in trial["assets"]] == [0, 0]
    with unit_of_work(town.database) as session:
        assert audit(session) == []


def registered_batch(town: Town) -> str:
    month = last_month(town)
    following = (month + timedelta(days=32)).replace(day=1)
    period = {"starts_on": month.isoformat(), "ends_before": following.isoformat()}
    project = town.post(
        "operator",
        "/v1/projects",
        {
            "code": "homes",
            "name_zh": "居民节电",
            "name_en": "Saving at home",
            "owner": "居民",
            "applicant": "运营方",
            "boundary_zh": "深圳",
            "boundary_en": "Shenzhen",
            "methodology_id": "household-electricity",
            "activity_types": ["electricity.period"],
            "crediting_from": "2020-01-01",
            "crediting_to": "2099-01-01",
        },
    )
    assert project.status_code == 201, project.text
    address = f"/v1/projects/{project.json['id']}/preview"
    preview = town.get("operator", address, query_string={"methodology_version": "v1", **period}).json
    assert preview["tonnes"] >= 1
    opened = town.post(
        "operator",
        "/v1/batches",
        {"project_id": project.json["id"], "methodology_version": "v1", **period},
    )
    assert (opened.status_code, opened.json["state"]) == (201, "open"), opened.text
    batch = f"/v1/batches/{opened.json['id']}"
    assert town.post("operator", f"{batch}/freezing").json["code"] == "batch-empty"
    assert town.get("operator", f"{batch}/dossier?edition=exchange").json["code"] == "batch-not-frozen"
    assert town.post("operator", f"{batch}/filling", {"most_tonnes": 1}).status_code == 200
    assert town.post("operator", f"{batch}/freezing").json["state"] == "frozen"
    early = town.get("verifier", f"{batch}/dossier?edition=verifier")
    assert (early.status_code, early.json["code"]) == (404, "batch-not-found"), "nobody has taken it on"
    _verify(town, opened.json["id"])
    assert town.post("operator", f"{batch}/application", {"document": "A-1"}).json["state"] == "applied"
    assert town.post("operator", f"{batch}/registration").json["state"] == "registered"
    _check_dossiers(town, batch)
    return str(opened.json["id"])


def _verify(town: Town, batch_id: str) -> None:
    take = {"batch_id": batch_id}
    assert town.post("away verifier", "/v1/verifications", take).json["code"] == "batch-not-found"
    assert town.post("verifier", "/v1/verifications", take).json["state"] == "under_verification"
    assert town.post("verifier 2", "/v1/verifications", take).json["code"] == "batch-not-found"
    statement = {"statement": "S-1"}
    address = f"/v1/verifications/{batch_id}"
    assert town.post("verifier 2", f"{address}/statement", statement).status_code == 404
    finding = town.post("verifier", f"{address}/corrections", {"finding": "line 3"})
    assert finding.json["state"] == "corrections_requested"
    assert town.post("verifier", "/v1/verifications", take).json["state"] == "under_verification"
    assert town.post("verifier", f"{address}/statement", statement).json["state"] == "verified"
    assert len(town.get("verifier", "/v1/verifications").json["items"]) == 1
    assert town.get("verifier 2", "/v1/verifications").json["items"] == []


def _check_dossiers(town: Town, batch: str) -> None:
    key = town.get(None, "/.well-known/dossier-key.pem").data
    for edition in ("verifier", "exchange"):
        sent = town.get("operator", f"{batch}/dossier?edition={edition}", buffered=True)
        assert (sent.status_code, sent.mimetype) == (200, "application/zip")
        assert sent.content_length == len(sent.data)
        again = town.get("verifier", f"{batch}/dossier?edition={edition}", buffered=True)
        assert again.data == sent.data
        found = check_dossier(sent.data, public_key=key)
        assert found.difference is None, found
    # The leaves are for the verifier who has taken the batch on; to another the batch is unknown.
    foreign = town.get("verifier 2", f"{batch}/dossier?edition=verifier")
    unknown = town.get("verifier 2", f"/v1/batches/{uuid.uuid4()}/dossier?edition=verifier")
    assert (foreign.status_code, foreign.json["code"]) == (404, "batch-not-found")
    assert foreign.json["detail"] == unknown.json["detail"]
    assert town.get("verifier 2", f"{batch}/dossier?edition=exchange", buffered=True).status_code == 200


def test_points_become_tea(any_town: Town) -> None:
    town = any_town
    grant_points(town, 250)
    offer_id = approved_offer(town)
    (shown,) = town.get("citizen", "/v1/offers", headers={"Accept-Language": "zh"}).json["items"]
    assert (shown["title"], shown["left"]) == ("五元茶饮券", 5)
    held = town.post("citizen", "/v1/redemptions", {"offer_id": offer_id}, headers={"Idempotency-Key": "r1"})
    assert (held.status_code, held.json["state"]) == (201, "held"), held.text
    again = town.post("citizen", "/v1/redemptions", {"offer_id": offer_id}, headers={"Idempotency-Key": "r1"})
    assert again.json == held.json
    points = town.get("citizen", "/v1/me/account").json["points"]
    assert (points["available"], points["held"]) == (150, 100)

    code = held.json["code"]
    for who in ("merchant 2", "away merchant"):
        foreign = town.post(who, f"/v1/merchant/vouchers/{code}/consumption")
        assert (foreign.status_code, foreign.json["code"]) == (404, "voucher-not-found")
    mistyped = town.post("merchant", "/v1/merchant/vouchers/AAAA-AAAA-AAAAB/consumption")
    assert (mistyped.status_code, mistyped.json["code"]) == (422, "voucher-invalid")
    used = town.post("merchant", f"/v1/merchant/vouchers/{code.lower()}/consumption")
    assert (used.status_code, used.json["value_fen"]) == (200, 500)
    twice = town.post("merchant", f"/v1/merchant/vouchers/{code}/consumption")
    assert (twice.status_code, twice.json["code"]) == (409, "voucher-consumed")
    assert len(town.get("merchant", "/v1/merchant/consumptions").json["items"]) == 1
    assert town.get("merchant 2", "/v1/merchant/consumptions").json["items"] == []

    second = town.post("citizen", "/v1/redemptions", {"offer_id": offer_id}).json
    address = f"/v1/redemptions/{second['id']}/cancellation"
    for who in ("citizen 2", "away citizen"):
        assert town.post(who, address).json["code"] == "redemption-not-found"
    assert town.post("citizen", address).json["state"] == "cancelled"
    assert town.post("citizen", address).json["code"] == "voucher-cancelled"
    states = [item["state"] for item in town.get("citizen", "/v1/me/vouchers").json["items"]]
    assert states == ["cancelled", "consumed"]
    lines = town.get("citizen", "/v1/me/statement?asset=points").json["items"]
    assert sum(line["change"] for line in lines) == 150
    assert town.get("citizen", "/v1/me/account").json["points"]["available"] == 150


def test_twenty_redemptions_of_all_points_succeed_once(any_town: Town) -> None:
    grant_points(any_town, 100)
    offer_id = approved_offer(any_town, pieces=50)

    def redeem(_: int) -> Any:
        return any_town.post("citizen", "/v1/redemptions", {"offer_id": offer_id})

    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(redeem, range(20)))
    codes = sorted(answer.json.get("code", "") for answer in answers if answer.status_code != 201)
    assert codes == ["insufficient-balance"] * 19
    assert any_town.get("citizen", "/v1/me/account").json["points"]["held"] == 100


def test_offers_of_others_are_not_found(town: Town) -> None:
    offer_id = approved_offer(town)
    for who, address in (
        ("merchant 2", f"/v1/merchant/offers/{offer_id}/closing"),
        ("away merchant", f"/v1/merchant/offers/{offer_id}/closing"),
        ("away operator", f"/v1/offers/{offer_id}/closing"),
        ("away operator", f"/v1/offers/{offer_id}/approval"),
    ):
        answer = town.post(who, address)
        assert (answer.status_code, answer.json["code"]) == (404, "offer-not-found")
    foreign = town.post("away citizen", "/v1/redemptions", {"offer_id": offer_id})
    assert (foreign.status_code, foreign.json["code"]) == (404, "offer-not-found")
    body = offer_body(town, merchant_id=str(town.parties["away merchant"]))
    assert town.post("operator", "/v1/offers", body).status_code == 404
    assert town.post("operator", f"/v1/offers/{offer_id}/closing").json["state"] == "closed"


def test_a_sandbox_batch_is_refused_outside_rehearsal(any_town: Town) -> None:
    town = any_town
    with unit_of_work(town.database) as session:
        party = create_party(session, programme="gd-sz", role="operator", name="real", now=town.now)
        issued = issue_credential(session, party_id=party.id, now=town.now)
    town.clients["real operator"] = (issued.client_id, issued.secret)
    town.token("real operator", role="operator", subject=party.id, programme="gd-sz")
    project = {
        "code": "homes",
        "name_zh": "居民节电",
        "name_en": "Saving at home",
        "owner": "居民",
        "applicant": "运营方",
        "boundary_zh": "深圳",
        "boundary_en": "Shenzhen",
        "methodology_id": "household-electricity",
        "activity_types": ["electricity.period"],
        "crediting_from": "2020-01-01",
        "crediting_to": "2099-01-01",
    }
    made = town.post("real operator", "/v1/projects", project)
    assert made.status_code == 201, made.text
    batch = {
        "project_id": made.json["id"],
        "methodology_version": "v1",
        "starts_on": "2026-01-01",
        "ends_before": "2026-02-01",
    }
    refused = town.post("real operator", "/v1/batches", batch)
    assert (refused.status_code, refused.json["code"]) == (409, "sandbox-batch-refused")
    elsewhere = town.post("operator", "/v1/batches", {**batch, "project_id": str(uuid.uuid4())})
    assert elsewhere.status_code == 404
    assert town.get("operator", f"/v1/projects/{made.json['id']}").status_code == 404


@pytest.mark.parametrize("amount", [1.5, 100.0, "100", True, -1, 2**63])
def test_no_amount_but_a_whole_one_can_be_said(town: Town, amount: Any) -> None:
    for field in ("points_price", "value_fen", "voucher_ttl_s", "per_citizen_limit"):
        answer = town.post("merchant", "/v1/merchant/offers", offer_body(town, **{field: amount}))
        assert (answer.status_code, answer.json["code"]) == (422, "fields-invalid"), (field, answer.text)
    assert town.get("merchant", "/v1/merchant/offers").json["items"] == []
