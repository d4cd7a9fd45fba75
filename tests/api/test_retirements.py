"""Neutralising over HTTP: the citizen's own grams, a certificate, and what anybody learns by its number."""

from typing import Any

from tests.api.conftest import HOME, Town
from tests.api.test_offering import offered
from tests.api.test_story import close_last_month, meter_reading, registered_batch

ADDRESS = "/v1/me/retirements"
READING_MG = 883_800_000


def terms(**more: Any) -> dict[str, Any]:
    return {"kind": "neutralise", "points_price": 0, "value_fen": 0, "stocked": False, **more}


def with_grams(town: Town) -> str:
    """Two readings of a closed month; an offer of the operator's."""
    readings = [meter_reading(town, number, 2_000_000) for number in range(2)]
    assert town.post("partner", "/v1/events/batch", readings).json["counts"] == {"credited": 2}
    found = town.get("citizen", f"{ADDRESS}/available", headers={"Accept-Language": "en"}).json
    assert found == {
        "available_mg": 0,
        "held_back": [
            {
                "reason": "not-closed",
                "text": "the day or month is not closed yet",
                "co2e_mg": 2 * READING_MG,
            }
        ],
    }
    close_last_month(town)
    return offered(town, "operator", **terms(title_zh="我家的用电", title_en="My home"))


def test_from_grams_to_a_public_certificate(any_town: Town) -> None:
    town = any_town
    offer = with_grams(town)
    assert town.get("citizen", f"{ADDRESS}/available").json["available_mg"] == 2 * READING_MG
    elsewhere = town.post("citizen", "/v1/redemptions", {"offer_id": offer})
    assert (elsewhere.status_code, elsewhere.json["code"]) == (409, "offer-other-way")
    assert elsewhere.json["details"]["address"] == ADDRESS
    body = {"offer_id": offer, "co2e_mg": 100_000_500}
    key = {"Idempotency-Key": "once"}
    done = town.post("citizen", ADDRESS, body, headers={"Accept-Language": "en", **key})
    assert done.status_code == 201, done.text
    assert (done.json["co2e_mg"], done.json["withdrawn_mg"]) == (100_000_500, 0)
    assert (done.json["purpose"], done.json["rehearsal"], done.json["programme"]) == ("My home", True, HOME)
    assert "100000.5 g of CO2e" in done.json["statement"]
    again = town.post("citizen", ADDRESS, body, headers={"Accept-Language": "en", **key})
    assert (again.json, again.headers["Idempotency-Replayed"]) == (done.json, "true")

    number = done.json["certificate_no"]
    assert number.startswith("X-")
    told = town.get(None, f"/v1/public/retirements/{number}", headers={"Accept-Language": "zh"})
    assert (told.status_code, told.json["co2e_mg"], told.json["purpose"]) == (200, 100_000_500, "我家的用电")
    assert told.json["statement"].startswith("演练")
    assert "id" not in told.json
    for secret in (str(town.citizens["citizen"]), done.json["id"], offer):
        assert secret not in told.text
    for wrong, status, code in (
        ("0000-0000-00000", 404, "retirement-not-found"),
        ("0000-0000-00001", 422, "voucher-invalid"),
    ):
        answer = town.get(None, f"/v1/public/retirements/{wrong}")
        assert (answer.status_code, answer.json["code"]) == (status, code)

    account = town.get("citizen", "/v1/me/account").json["co2e"]
    assert (account["retired_mg"], account["passed_on_mg"]) == (100_000_500, 0)
    assert account["own_mg"] == 2 * READING_MG - 100_000_500
    assert [one["id"] for one in town.get("citizen", ADDRESS).json["items"]] == [done.json["id"]]
    for who in ("citizen 2", "away citizen"):
        assert town.get(who, ADDRESS).json["items"] == []
    postings = town.get("citizen", "/v1/me/statement?asset=co2e").json["items"]
    assert (postings[0]["code"], postings[0]["change"]) == ("retire.citizen", -100_000_500)

    # What is left of it is sold, and then is no longer one's own to retire.
    registered_batch(town)
    account = town.get("citizen", "/v1/me/account").json["co2e"]
    assert (account["retired_mg"], account["passed_on_mg"]) == (100_000_500, 1_000_000_000)
    too_much = town.post("citizen", ADDRESS, {"offer_id": offer, "co2e_mg": 2 * READING_MG})
    assert (too_much.status_code, too_much.json["code"]) == (409, "grams-unavailable")
    left = 2 * READING_MG - 1_100_000_500
    assert too_much.json["details"] == {"available_mg": left}
    rest = town.post("citizen", ADDRESS, {"offer_id": offer})
    assert (rest.status_code, rest.json["co2e_mg"]) == (201, left)
    assert town.get("citizen", "/v1/me/account").json["co2e"]["own_mg"] == 0


def test_refusals_in_both_languages_and_only_ones_own_programme(town: Town) -> None:
    offer = with_grams(town)
    limited = offered(town, "operator", **terms(per_citizen_limit=1))
    assert town.post("citizen", ADDRESS, {"offer_id": limited, "co2e_mg": 1}).status_code == 201
    refused = town.post("citizen", ADDRESS, {"offer_id": limited, "co2e_mg": 1})
    assert (refused.status_code, refused.json["code"]) == (409, "limit-reached")
    for language, word in (("zh", "毫克"), ("en", "can be retired now")):
        nothing = town.post("citizen 2", ADDRESS, {"offer_id": offer}, headers={"Accept-Language": language})
        assert (nothing.status_code, nothing.json["code"]) == (409, "grams-unavailable")
        assert word in nothing.json["detail"]
    away = town.post("away citizen", ADDRESS, {"offer_id": offer})
    assert (away.status_code, away.json["code"]) == (404, "offer-not-found")
    for wrong in ({"offer_id": offer, "co2e_mg": 0}, {"offer_id": offer, "co2e_mg": 1.5}, {"co2e_mg": 1}):
        assert town.post("citizen", ADDRESS, wrong).status_code == 422
    # A merchant cannot offer it.
    proposed = town.post("merchant", "/v1/merchant/offers", {**_plain(town), **terms()})
    assert proposed.status_code in (409, 422), proposed.text


def _plain(town: Town) -> dict[str, Any]:
    return {
        "title_zh": "券",
        "title_en": "Something",
        "voucher_ttl_s": 3600,
        "opens_at": town.now.isoformat(),
        "closes_at": town.now.replace(year=town.now.year + 1).isoformat(),
    }
