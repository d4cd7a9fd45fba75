"""Offers of other kinds over HTTP: pools, donations, budgets and subsidies, each for its own role."""

from datetime import timedelta
from typing import Any

from carbon_credit.kernel.unit_of_work import unit_of_work
from carbon_credit.ledger.points import PointsGrant, grants
from tests.api.conftest import HOME, Town

CSV = {"Content-Type": "text/csv"}


def terms(town: Town, **more: Any) -> dict[str, Any]:
    return {
        "title_zh": "券",
        "title_en": "Something",
        "points_price": 10,
        "value_fen": 500,
        "voucher_ttl_s": 86_400,
        "opens_at": (town.now - timedelta(hours=1)).isoformat(),
        "closes_at": (town.now + timedelta(days=30)).isoformat(),
        **more,
    }


def rich(town: Town, points: int = 1000) -> None:
    lot = (town.now + timedelta(days=300)).date()
    item = PointsGrant(town.citizens["citizen"], points, lot, None, town.now)
    with unit_of_work(town.database) as session:
        grants(session, items=[item], programme=HOME, now=town.now)


def offered(town: Town, who: str, pieces: int = 0, **more: Any) -> str:
    address = "/v1/offers" if who == "operator" else "/v1/merchant/offers"
    made = town.post(who, address, terms(town, **more))
    assert made.status_code == 201, made.text
    number = made.json["id"]
    assert town.post("operator", f"/v1/offers/{number}/approval").status_code == 200
    if pieces:
        added = town.post("operator", f"/v1/offers/{number}/stock", {"pieces": pieces})
        assert added.status_code == 200, added.text
    return str(number)


def test_a_pool_from_upload_to_code(town: Town) -> None:
    rich(town)
    offer = offered(town, "merchant", kind="code_pool")
    codes = f"/v1/merchant/offers/{offer}/codes"
    added = town.call("merchant", "POST", codes, data=b"code\nTEA-1\nTEA-2\n", headers=CSV)
    assert (added.status_code, added.json) == (201, {"unused": 2, "given": 0, "withdrawn": 0})
    again = town.post("merchant", codes, ["NEW", "TEA-1"])
    assert (again.status_code, again.json["code"]) == (422, "codes-refused")
    assert again.json["details"]["lines"] == [{"line": 2, "why": "in-pool"}]
    assert "TEA-1" not in again.text
    assert town.get("merchant 2", codes).status_code == 404
    held = town.post("citizen", "/v1/redemptions", {"offer_id": offer}).json
    assert (held["kind"], held["code"]) == ("code_pool", None)
    shown = town.post("citizen", f"/v1/redemptions/{held['id']}/code")
    assert (shown.status_code, shown.json["pool_code"]) == (200, "TEA-1")
    assert town.post("citizen 2", f"/v1/redemptions/{held['id']}/code").status_code == 404
    cancelled = town.post("citizen", f"/v1/redemptions/{held['id']}/cancellation")
    assert (cancelled.status_code, cancelled.json["code"]) == (409, "voucher-consumed")
    gone = town.post("merchant", f"{codes}/withdrawal", {"pieces": 1})
    assert gone.json["left"] == 0
    assert town.get("merchant", codes).json == {"unused": 0, "given": 1, "withdrawn": 1}


def test_a_donation_and_its_number(town: Town) -> None:
    rich(town)
    fund = offered(town, "operator", kind="donation", stocked=False, value_fen=0)
    elsewhere = town.post("citizen", "/v1/redemptions", {"offer_id": fund})
    assert (elsewhere.status_code, elsewhere.json["code"]) == (409, "offer-other-way")
    given = town.post("citizen", "/v1/me/donations", {"offer_id": fund, "points": 25})
    assert (given.status_code, given.json["points"], given.json["pieces"]) == (201, 25, 0)
    told = town.get(None, f"/v1/public/donations/{given.json['certificate_no']}")
    assert (told.status_code, told.json["points"]) == (200, 25)
    assert str(town.citizens["citizen"]) not in told.text
    assert [one["id"] for one in town.get("citizen", "/v1/me/donations").json["items"]] == [given.json["id"]]


def test_a_subsidy_from_the_budget_to_the_public_list(town: Town) -> None:
    opened = town.post(
        "operator",
        "/v1/budgets",
        {"name": "Appliances", "fiscal_year": 2026, "legal_basis": "Measures, 5", "document_number": "[1]"},
    )
    assert opened.status_code == 201, opened.text
    money = f"/v1/budgets/{opened.json['id']}"
    assert town.post("operator", f"{money}/additions", {"fen": 70_000}).json["free_fen"] == 70_000
    assert town.post("away operator", f"{money}/additions", {"fen": 1}).status_code == 404
    offer = offered(
        town,
        "operator",
        kind="subsidy",
        points_price=0,
        value_fen=30_000,
        funding="subsidy",
        budget_id=opened.json["id"],
    )
    too_many = town.post("operator", f"/v1/offers/{offer}/stock", {"pieces": 3})
    assert (too_many.status_code, too_many.json["code"]) == (409, "budget-exhausted")
    assert too_many.json["details"] == {"lacking_fen": 20_000}
    town.post("operator", f"/v1/offers/{offer}/stock", {"pieces": 2})
    back = town.post("operator", f"{money}/returns", {"fen": 10_001})
    assert (back.status_code, back.json["code"]) == (409, "budget-exhausted")
    asked = {
        "offer_id": offer,
        "document_kind": "invoice",
        "document_number": "2544 2000 1234",
        "masked_name": "王**",
    }
    mine = town.post("citizen", "/v1/me/subsidies", asked)
    assert (mine.status_code, mine.json["state"]) == (201, "applied")
    twice = town.post("citizen 2", "/v1/me/subsidies", asked)
    assert (twice.status_code, twice.json["code"]) == (409, "subsidy-document-used")
    (waiting,) = town.get("operator", "/v1/subsidies").json["items"]
    assert "citizen_id" not in waiting
    decision = f"/v1/subsidies/{waiting['id']}"
    assert town.post("away operator", f"{decision}/grant").status_code == 404
    assert town.post("operator", f"{decision}/grant").json["state"] == "granted"
    late = town.post("operator", f"{decision}/refusal", {"reason": "x"})
    assert (late.status_code, late.json["code"]) == (409, "subsidy-decided")
    assert town.post("operator", f"{decision}/payment", {"reference": "P-1"}).json["state"] == "paid"
    listed = town.get(None, f"/v1/public/programmes/{HOME}/subsidies").json["items"]
    assert [(one["name"], one["amount_fen"]) for one in listed] == [("王**", 30_000)]
    assert "2544" not in str(listed)
    town.call("citizen", "DELETE", f"/v1/me/subsidies/{waiting['id']}/name")
    assert town.get(None, f"/v1/public/programmes/{HOME}/subsidies").json["items"][0]["name"] == "***"
    assert town.get(None, "/v1/public/programmes/nowhere/subsidies").status_code == 404


def test_conditions_are_read_in_words_and_refuse_by_name(town: Town) -> None:
    rich(town)
    rule = {"rule": "events", "scene": "metro", "events": 3, "days": 30}
    offer = offered(
        town, "merchant", pieces=5, eligibility=[rule], districts=["440300"], note_en="In the shop"
    )
    (seen,) = town.get("citizen", "/v1/offers", headers={"Accept-Language": "en"}).json["items"]
    assert seen["eligibility"] == [rule]
    assert seen["conditions"] == ["at least 3 in the scene “metro” within 30 days"]
    assert (seen["districts"], seen["note"]) == (["440300"], "In the shop")
    refused = town.post("citizen", "/v1/redemptions", {"offer_id": offer})
    assert (refused.status_code, refused.json["code"]) == (409, "district-needed")
    mine = "/v1/me/district"
    assert town.get("citizen", mine).json["code"] == "district-not-stated"
    assert town.call("citizen", "PUT", mine, json={"district": "4403"}).status_code == 422
    for district, code in (("440106", "district-outside"), ("440304", "not-eligible")):
        assert town.call("citizen", "PUT", mine, json={"district": district}).json["district"] == district
        refused = town.post("citizen", "/v1/redemptions", {"offer_id": offer})
        assert (refused.status_code, refused.json["code"]) == (409, code)
    assert town.get("citizen", mine).json["district"] == "440304"
    assert town.get("citizen 2", mine).status_code == 404
    assert town.call("citizen", "DELETE", mine).json == {"stated": False}
    assert town.call("citizen", "DELETE", mine).status_code == 404
    wrong = town.post("merchant", "/v1/merchant/offers", terms(town, eligibility=[{"rule": "events"}]))
    assert (wrong.status_code, wrong.json["code"]) == (422, "offer-invalid")


def test_a_percentage_at_the_till(town: Town) -> None:
    rich(town)
    offer = offered(town, "merchant", pieces=1, percent_off=10, min_spend_fen=1_000)
    code = town.post("citizen", "/v1/redemptions", {"offer_id": offer}).json["code"]
    use = f"/v1/merchant/vouchers/{code}/consumption"
    assert town.post("merchant", use).json["code"] == "bill-needed"
    assert town.post("merchant", use, {"bill_fen": 999}).json["code"] == "bill-too-small"
    assert town.post("merchant", use, {"bill_fen": 2_345}).json["value_fen"] == 234


def test_the_fund_is_paid_in_and_read(town: Town) -> None:
    assert town.post("operator", "/v1/fund/additions", {"fen": 500}).json == {"free_fen": 500}
    assert town.get("operator", "/v1/fund").json == {"free_fen": 500}
    offer = offered(town, "merchant", pieces=1, funding="fund")
    assert town.get("operator", "/v1/fund").json == {"free_fen": 0}
    out = town.post("merchant", f"/v1/merchant/offers/{offer}/stock/withdrawal", {"pieces": 1})
    assert out.json["left"] == 0
    assert town.get("operator", "/v1/fund").json == {"free_fen": 500}
