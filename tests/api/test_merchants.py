"""Onboarding over HTTP: merchants, stores and tills, their credentials, and how each is stopped."""

import uuid
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from carbon_credit.api.auth import caller_of
from carbon_credit.api.standing import STANDING_HOLDS
from carbon_credit.identity.errors import CallerSuspended
from carbon_credit.identity.scopes import MERCHANT, SCOPES_BY_ROLE, TILL
from carbon_credit.kernel import clock
from tests.api.conftest import Town
from tests.api.test_story import approved_offer, grant_points

STORE = {"name": "天河店", "address": "天河路1号", "district": "440106"}


def ok(answer: Any, status: int = 200) -> Any:
    assert answer.status_code == status, answer.text
    return answer.json


def till_of(town: Town, merchant: str) -> str:
    """A till with a credential; its token is under the name "till"."""
    address = f"/v1/merchants/{merchant}"
    store = ok(town.post("operator", f"{address}/stores", STORE), 201)
    desk = ok(town.post("operator", f"{address}/tills", {"store_id": store["id"], "name": "1"}), 201)
    assert desk["client_ids"] == []
    town.tokens["till"] = token_of(town, f"{address}/tills/{desk['id']}/credential", "operator")
    return str(desk["id"])


def token_of(town: Town, address: str, who: str) -> str:
    """A token for a credential that `who` has issued at `address`."""
    credential = ok(town.post(who, address), 201)
    form = {"grant_type": "client_credentials"} | {k: credential[k] for k in ("client_id", "client_secret")}
    answer = ok(town.client.post("/v1/oauth/token", data=form))
    assert answer["scope"].split() == credential["scopes"]
    return str(answer["access_token"])


def test_an_operator_takes_a_merchant_in(any_town: Town) -> None:
    town = any_town
    made = ok(town.post("operator", "/v1/merchants", {"name": "珠江茶饮"}), 201)
    assert town.post("operator", "/v1/merchants", {"name": " 珠江茶饮 "}).json["code"] == "party-name-taken"
    address = f"/v1/merchants/{made['id']}"
    assert ok(town.get("operator", address)) == made
    assert made in ok(town.get("operator", "/v1/merchants"))["items"]
    town.tokens["tea"] = token_of(town, f"{address}/credentials", "operator")
    assert ok(town.get("tea", "/v1/merchant/tills"))["items"] == []
    desk = till_of(town, made["id"])
    assert [one["id"] for one in ok(town.get("tea", "/v1/merchant/tills"))["items"]] == [desk]
    assert [one["name"] for one in ok(town.get("tea", "/v1/merchant/stores"))["items"]] == ["天河店"]
    assert ok(town.get("operator", f"{address}/stores")) == ok(town.get("tea", "/v1/merchant/stores"))
    assert town.post("operator", f"{address}/stores", STORE).json["code"] == "store-name-taken"


def test_a_till_acts_as_its_merchant_with_fewer_scopes(town: Town) -> None:
    desk = till_of(town, str(town.parties["merchant"]))
    caller = caller_of(town.runtime, town.tokens["till"], now=clock.now())
    assert (caller.id, caller.till_id, caller.role) == (
        town.parties["merchant"],
        uuid.UUID(desk),
        "merchant",
    )
    assert caller.scopes == set(TILL) < set(SCOPES_BY_ROLE[MERCHANT])
    ok(town.get("till", "/v1/merchant/consumptions"))
    assert town.get("till", "/v1/merchant/offers").json["code"] == "scope-missing"
    assert town.get("till", "/v1/merchant/tills").json["code"] == "scope-missing"
    # Two tills may use the same idempotency key: they are two callers.
    own = replace(caller, till_id=None)
    assert caller.key != own.key


@pytest.mark.parametrize("what", ["merchant", "store", "till"])
def test_who_is_suspended_stops_within_two_seconds(town: Town, what: str) -> None:
    address = f"/v1/merchants/{town.parties['merchant']}"
    desk = till_of(town, str(town.parties["merchant"]))
    store = ok(town.get("operator", f"{address}/stores"))["items"][0]["id"]
    path = {"merchant": "", "store": f"/stores/{store}", "till": f"/tills/{desk}"}[what]
    now = clock.now()
    caller_of(town.runtime, town.tokens["till"], now=now)
    assert not ok(town.call("operator", "PUT", f"{address}{path}/standing", json={"active": False}))["active"]
    with pytest.raises(CallerSuspended):
        caller_of(town.runtime, town.tokens["till"], now=now + STANDING_HOLDS)
    assert STANDING_HOLDS.total_seconds() <= 2
    ok(town.call("operator", "PUT", f"{address}{path}/standing", json={"active": True}))
    caller_of(town.runtime, town.tokens["till"], now=now + 2 * STANDING_HOLDS)


def test_a_merchant_stops_its_own_till_and_gives_it_a_new_secret(town: Town) -> None:
    desk = till_of(town, str(town.parties["merchant"]))
    address = f"/v1/merchant/tills/{desk}"
    before = town.tokens["till"]
    town.tokens["till"] = token_of(town, f"{address}/credential", "merchant")
    now = clock.now() + timedelta(seconds=30)
    with pytest.raises(CallerSuspended):
        caller_of(town.runtime, before, now=now)
    caller_of(town.runtime, town.tokens["till"], now=now)
    stopped = ok(town.call("merchant", "PUT", f"{address}/standing", json={"active": False}))
    assert stopped["active"] is False
    assert town.post("merchant", f"{address}/credential").json["code"] == "till-suspended"
    for who in ("merchant 2", "away merchant"):
        assert town.post(who, f"{address}/credential").json["code"] == "till-not-found"
        assert town.call(who, "PUT", f"{address}/standing", json={"active": True}).status_code == 404


def test_a_credential_is_ended_by_an_operator(town: Town) -> None:
    merchant = town.parties["merchant"]
    client_id = town.clients["merchant"][0]
    other = town.clients["merchant 2"][0]
    for name in (client_id, other, "cc_nobody"):
        ok(town.call("operator", "DELETE", f"/v1/merchants/{merchant}/credentials/{name}"))
    later = clock.now() + timedelta(seconds=30)
    with pytest.raises(CallerSuspended):
        caller_of(town.runtime, town.tokens["merchant"], now=later)
    caller_of(town.runtime, town.tokens["merchant 2"], now=later)  # another merchant's is not touched


def test_another_programmes_merchant_or_a_partner_is_not_found(town: Town) -> None:
    till_of(town, str(town.parties["merchant"]))
    for who, party in (("away operator", "merchant"), ("operator", "partner"), ("operator", "away merchant")):
        address = f"/v1/merchants/{town.parties[party]}"
        asked = [
            town.get(who, address),
            town.get(who, f"{address}/tills"),
            town.get(who, f"{address}/stores"),
            town.post(who, f"{address}/stores", STORE),
            town.post(who, f"{address}/credentials"),
            town.call(who, "PUT", f"{address}/standing", json={"active": False}),
        ]
        assert {(one.status_code, one.json["code"]) for one in asked} == {(404, "party-not-found")}


def hold_a_voucher(town: Town) -> str:
    """A voucher of the citizen's for the merchant's offer; its code."""
    offer_id = approved_offer(town)
    grant_points(town, 100)
    return str(ok(town.post("citizen", "/v1/redemptions", {"offer_id": offer_id}), 201)["code"])


def test_uses_are_listed_by_store_till_and_day(town: Town) -> None:
    desk = till_of(town, str(town.parties["merchant"]))
    (store,) = ok(town.get("merchant", "/v1/merchant/stores"))["items"]
    voucher = hold_a_voucher(town)
    used = ok(town.post("till", f"/v1/merchant/vouchers/{voucher}/consumption"))
    assert (used["till_id"], used["store_id"]) == (desk, store["id"])

    def found(who: str, query: str) -> int:
        return len(ok(town.get(who, f"/v1/merchant/consumptions?{query}"))["items"])

    other, at = uuid.uuid4(), used["consumed_at"]
    queries = (f"till_id={desk}", f"store_id={store['id']}", f"since={at}", f"till_id={other}", f"until={at}")
    assert [found("merchant", query) for query in queries] == [1, 1, 1, 0, 0]
    assert found("till", f"till_id={other}") == 1  # a till sees its own, whatever it asks for
    assert found("merchant 2", "") == 0
