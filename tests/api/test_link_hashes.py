"""Hashes of enrolled cards, for partners that send only their rows."""

from carbon_credit.identity.matching import match_digest
from tests.api.conftest import Town


def keys(town: Town, who: str = "partner", kind: str = "transit-card") -> list[dict[str, str]]:
    told = town.get(who, f"/v1/partner/match-keys?kind={kind}").get_json()
    assert told["complete"]
    found = told["keys"]
    assert isinstance(found, list)
    return found


def test_a_partner_finds_its_own_cards(town: Town) -> None:
    (key,) = keys(town)
    told = town.get("partner", "/v1/partner/link-hashes?kind=transit-card").get_json()
    assert told["key_id"] == key["id"]
    ours = [match_digest(bytes.fromhex(key["key"]), f"CARD-{number}").hex for number in range(2)]
    assert told["items"] == sorted(ours)
    assert told["next_cursor"] is None
    page = town.get("partner", "/v1/partner/link-hashes?kind=transit-card&limit=1").get_json()
    rest = town.get("partner", f"/v1/partner/link-hashes?kind=transit-card&cursor={page['next_cursor']}")
    assert page["items"] + rest.get_json()["items"] == told["items"]
    assert town.get("partner", "/v1/partner/link-hashes?kind=phone").get_json()["items"] == []


def test_nobody_finds_those_of_others(town: Town) -> None:
    for who in ("partner 2", "away partner"):
        told = town.get(who, "/v1/partner/link-hashes?kind=transit-card").get_json()
        ours = town.get("partner", "/v1/partner/link-hashes?kind=transit-card").get_json()["items"]
        assert set(told["items"]).isdisjoint(ours)
    assert keys(town, "away partner")[0]["key"] != keys(town)[0]["key"]
    assert keys(town, kind="phone")[0]["key"] != keys(town)[0]["key"]


def test_an_unknown_key_and_a_cursor_of_another_list_are_refused(town: Town) -> None:
    asked = "/v1/partner/link-hashes?kind=transit-card"
    assert town.get("partner", f"{asked}&key_id={'0' * 16}").get_json()["code"] == "match-key-unknown"
    assert town.get("partner", f"{asked}&cursor=nonsense").get_json()["code"] == "cursor-invalid"
    assert town.get("partner", "/v1/partner/link-hashes").status_code == 422


def test_a_credential_has_the_scope_only_where_it_was_named(town: Town) -> None:
    client_id, secret = town.clients["partner"]
    form = {"grant_type": "client_credentials", "client_id": client_id, "client_secret": secret}
    told = town.client.post("/v1/oauth/token", data=form).get_json()
    assert "links:match" not in told["scope"].split()
    headers = {"Authorization": f"Bearer {told['access_token']}"}
    answer = town.client.get("/v1/partner/match-keys?kind=transit-card", headers=headers)
    assert (answer.status_code, answer.get_json()["code"]) == (403, "scope-missing")
