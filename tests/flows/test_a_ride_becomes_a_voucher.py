"""Over HTTP, with tokens asked for as the apps do: rides, points out of them, a voucher, tea."""

from datetime import timedelta
from typing import Any

from carbon_credit.kernel.db import Database
from tests.api.conftest import HOME, Town, build
from tests.flows.conftest import findings


def log_in(town: Town, name: str) -> None:
    """A token for the party's own client id and secret."""
    client_id, secret = town.clients[name]
    form = {"grant_type": "client_credentials", "client_id": client_id, "client_secret": secret}
    answer = town.client.post("/v1/oauth/token", data=form)
    assert answer.status_code == 200, answer.text
    town.tokens[name] = answer.json["access_token"]


def log_in_citizen(town: Town) -> None:
    """The partner's app exchanges its token for one of the citizen that it linked."""
    form = {
        "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
        "subject_token": str(town.citizens["citizen"]),
        "subject_token_type": "urn:carbon-credit:token-type:citizen-id",
        "actor_token": town.tokens["partner"],
        "actor_token_type": "urn:ietf:params:oauth:token-type:access_token",
    }
    answer = town.client.post("/v1/oauth/token", data=form)
    assert answer.status_code == 200, answer.text
    town.tokens["citizen"] = answer.json["access_token"]


def ride(town: Town, number: int) -> dict[str, Any]:
    at = town.now - timedelta(days=2, minutes=number)
    return {
        "id": f"RIDE-{number}",
        "type": "metro.ride",
        "occurred_at": at.isoformat(),
        "citizen": {"link": {"kind": "transit-card", "value": "CARD-0"}},
        "data": {"distance_m": 8300, "distance_source": "gates"},
    }


def offer_of(town: Town) -> str:
    body = {
        "title_zh": "五元茶饮券",
        "title_en": "Tea, 5 yuan",
        "points_price": 10,
        "value_fen": 500,
        "voucher_ttl_s": 3600,
        "opens_at": (town.now - timedelta(days=1)).isoformat(),
        "closes_at": (town.now + timedelta(days=30)).isoformat(),
    }
    offer_id = str(town.post("merchant", "/v1/merchant/offers", body).json["id"])
    assert town.post("merchant", f"/v1/merchant/offers/{offer_id}/stock", {"pieces": 1}).status_code == 200
    assert town.post("operator", f"/v1/offers/{offer_id}/approval").json["state"] == "approved"
    return offer_id


def test_a_ride_becomes_a_voucher(database: Database) -> None:
    town = build(database)
    town.tokens.clear()
    for name in ("partner", "merchant", "operator"):
        log_in(town, name)
    log_in_citizen(town)

    [outcome] = [town.post("partner", "/v1/events", ride(town, 0)).json]
    assert (outcome["status"], outcome["co2e_mg"], outcome["points"]) == ("credited", 388_440, 3)
    sent = town.post("partner", "/v1/events/batch", [ride(town, number) for number in range(3)]).json
    assert sent["counts"] == {"duplicate": 1, "credited": 2}
    account = town.get("citizen", "/v1/me/account").json
    assert account["co2e"]["provisional_mg"] == 3 * 388_440
    assert account["points"]["available"] == 11, "1,165.32 g in one day, floored once"

    offer_id = offer_of(town)
    held = town.post("citizen", "/v1/redemptions", {"offer_id": offer_id}).json
    assert held["state"] == "held"
    second = town.post("citizen", "/v1/redemptions", {"offer_id": offer_id})
    assert (second.status_code, second.json["code"]) == (409, "offer-exhausted")
    used = town.post("merchant", f"/v1/merchant/vouchers/{held['code']}/consumption")
    assert (used.status_code, used.json["value_fen"]) == (200, 500)

    after = town.get("citizen", "/v1/me/account").json
    assert (after["points"]["available"], after["points"]["held"]) == (1, 0)
    assert after["co2e"] == account["co2e"], "spending points never consumes grams"
    lines = town.get("citizen", "/v1/me/statement?asset=points").json["items"]
    assert sum(line["change"] for line in lines) == 1
    trial = town.get("operator", "/v1/audit").json
    assert [asset["difference"] for asset in trial["assets"]] == [0] * len(trial["assets"])
    totals = town.get(None, f"/v1/public/programmes/{HOME}/totals").json
    assert (totals["reductions"], totals["co2e_mg"]) == (3, 3 * 388_440)
    assert findings(database) == []
