"""Tokens over HTTP: how they are got, and how each wrong one is refused."""

import base64
from typing import Any

import pytest

from carbon_credit.api.partners.oauth import ACCESS_TOKEN, CITIZEN_ID, TOKEN_EXCHANGE, TOKENS_A_MINUTE
from carbon_credit.api.standing import STANDING_HOLDS
from carbon_credit.identity.operations import revoke_credential, set_party_status
from carbon_credit.kernel import clock
from carbon_credit.kernel.unit_of_work import unit_of_work
from tests.api.conftest import HOME, Town


def ask(town: Town, form: dict[str, str], **headers: str) -> Any:
    return town.client.post("/v1/oauth/token", data=form, headers=headers)


def basic(client_id: str, secret: str) -> str:
    return "Basic " + base64.b64encode(f"{client_id}:{secret}".encode()).decode()


def test_a_token_for_a_secret_in_the_form_or_in_basic(town: Town) -> None:
    client_id, secret = town.clients["partner"]
    form = {"grant_type": "client_credentials", "client_id": client_id, "client_secret": secret}
    by_form = ask(town, form)
    by_basic = ask(town, {"grant_type": "client_credentials"}, Authorization=basic(client_id, secret))
    for answer in (by_form, by_basic):
        assert answer.status_code == 200
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.json["token_type"] == "Bearer"
        token = answer.json["access_token"]
        read = town.client.get("/v1/programmes", headers={"Authorization": f"bearer {token}"})
        assert [item["code"] for item in read.json["items"]] == [HOME]


def test_scopes_narrow_a_token(town: Town) -> None:
    client_id, secret = town.clients["partner"]
    form = {"grant_type": "client_credentials", "scope": "events:read"}
    answer = ask(town, form, Authorization=basic(client_id, secret))
    assert answer.json["scope"] == "events:read"
    refused = town.client.get(
        "/v1/programmes", headers={"Authorization": f"Bearer {answer.json['access_token']}"}
    )
    assert (refused.status_code, refused.json["code"]) == (403, "scope-missing")


WRONG_REQUESTS = {
    "wrong secret": ({"client_secret": "x"}, 401, "credential-refused", "invalid_client"),
    "unknown client": ({"client_id": "cc_x"}, 401, "credential-refused", "invalid_client"),
    "no secret": ({"client_secret": None}, 400, "grant-incomplete", "invalid_request"),
    "no grant": ({"grant_type": None}, 400, "fields-invalid", "invalid_request"),
    "unknown grant": ({"grant_type": "password"}, 400, "fields-invalid", "unsupported_grant_type"),
    "scope of another role": ({"scope": "batches:write"}, 400, "scope-unknown", "invalid_scope"),
    "exchange without subject": ({"grant_type": TOKEN_EXCHANGE}, 400, "grant-incomplete", "invalid_request"),
}


@pytest.mark.parametrize("kind", WRONG_REQUESTS)
def test_a_wrong_request_is_a_problem_that_oauth_clients_understand(town: Town, kind: str) -> None:
    changes, status, code, word = WRONG_REQUESTS[kind]
    client_id, secret = town.clients["partner"]
    form = {"grant_type": "client_credentials", "client_id": client_id, "client_secret": secret} | changes
    answer = ask(town, {name: value for name, value in form.items() if value is not None})
    assert (answer.status_code, answer.json["code"], answer.json["error"]) == (status, code, word)
    assert answer.mimetype == "application/problem+json"
    assert answer.json["error_description"] == answer.json["detail"]
    assert ("WWW-Authenticate" in answer.headers) == (status == 401)
    assert secret not in answer.text


@pytest.mark.parametrize(
    "value", ["Basic !!!", "Basic " + base64.b64encode(b"nocolon").decode(), "Basic w6k="]
)
def test_a_basic_credential_that_is_none_is_refused(town: Town, value: str) -> None:
    answer = ask(town, {"grant_type": "client_credentials"}, Authorization=value)
    assert answer.status_code == 400


def exchange(town: Town, who: str, citizen: str, **more: str) -> Any:
    form = {
        "grant_type": TOKEN_EXCHANGE,
        "subject_token": str(town.citizens[citizen]),
        "subject_token_type": CITIZEN_ID,
        "actor_token": town.tokens[who],
        "actor_token_type": ACCESS_TOKEN,
    }
    return ask(town, {**form, **more})


def test_a_partner_gets_a_short_token_for_a_citizen_that_it_linked(town: Town) -> None:
    answer = exchange(town, "partner", "citizen")
    assert answer.status_code == 200, answer.text
    assert answer.json["issued_token_type"] == ACCESS_TOKEN
    assert answer.json["expires_in"] == 900
    account = town.client.get(
        "/v1/me/account", headers={"Authorization": f"Bearer {answer.json['access_token']}"}
    )
    assert account.json["citizen_id"] == str(town.citizens["citizen"])


@pytest.mark.parametrize(
    ("who", "citizen", "code"),
    [
        ("partner 2", "citizen", "citizen-not-found"),
        ("partner", "away citizen", "citizen-not-found"),
        ("merchant", "citizen", "scope-missing"),
        ("citizen", "citizen", "scope-missing"),
    ],
)
def test_nobody_else_gets_a_citizens_token(town: Town, who: str, citizen: str, code: str) -> None:
    answer = exchange(town, who, citizen)
    assert (answer.status_code, answer.json["code"]) == (400, code)


def test_a_citizen_gets_no_scope_of_a_partner(town: Town) -> None:
    assert exchange(town, "partner", "citizen", scope="events:write").json["error"] == "invalid_scope"
    assert exchange(town, "partner", "citizen", scope="account:read").json["scope"] == "account:read"


def test_revocation_and_suspension_end_tokens_within_seconds(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert town.get("partner", "/v1/programmes").status_code == 200
    assert town.get("partner", "/v1/programmes?cursor=abc").json["code"] == "cursor-invalid"
    assert town.get("citizen", "/v1/me/account").status_code == 200
    with unit_of_work(town.database) as session:
        revoke_credential(session, client_id=town.clients["partner"][0], now=town.now)
        set_party_status(session, party_id=town.parties["merchant"], active=False)
    later = clock.now() + STANDING_HOLDS
    monkeypatch.setattr(clock, "now", lambda: later)
    for who, address in (
        ("partner", "/v1/programmes"),
        ("citizen", "/v1/me/account"),
        ("merchant", "/v1/merchant/offers"),
    ):
        answer = town.get(who, address)
        assert (answer.status_code, answer.json["code"]) == (401, "caller-suspended")
    assert town.get("merchant 2", "/v1/merchant/offers").status_code == 200


@pytest.mark.parametrize(
    "value", [None, "", "Bearer", "Bearer ", "Basic abc", "Token abc", "Bearer a b", "Bearer x.y.z"]
)
def test_no_token_and_no_tokens_are_refused(town: Town, value: str | None) -> None:
    headers = {} if value is None else {"Authorization": value}
    answer = town.client.get("/v1/programmes", headers=headers)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Bearer ")
    assert answer.json["code"] in ("token-missing", "token-malformed")


def test_an_expired_token_is_refused(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    later = clock.now().replace(year=town.now.year + 1)
    monkeypatch.setattr(clock, "now", lambda: later)
    answer = town.get("partner", "/v1/programmes")
    assert (answer.status_code, answer.json["code"]) == (401, "token-expired")


def test_guessing_is_slowed_down_without_shutting_others_out(town: Town) -> None:
    client_id, _ = town.clients["partner"]
    form = {"grant_type": "client_credentials", "client_id": client_id, "client_secret": "guess"}
    # A minute may end in between; two windows' worth and one is refused in any case.
    answers = [ask(town, form) for _ in range(2 * TOKENS_A_MINUTE + 1)]
    assert answers[0].status_code == 401
    refused = next(answer for answer in answers if answer.status_code == 429)
    assert refused.json["code"] == "rate-limited"
    assert 0 < int(refused.headers["Retry-After"]) <= 60
    other = {"grant_type": "client_credentials"}
    assert ask(town, other, Authorization=basic(*town.clients["merchant"])).status_code == 200
