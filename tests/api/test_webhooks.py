"""Webhooks over HTTP, with a receiver on the reference library; what another party sees; what is stored."""

import uuid
from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa

from carbon_credit.kernel import clock
from carbon_credit.kernel.outbox import emit
from carbon_credit.kernel.unit_of_work import transact, unit_of_work
from carbon_credit.sweeps.webhooks import tell_endpoints
from tests.api.conftest import HOME, Town
from tests.webhooks.conftest import LOOPBACK, Receiver, hands, listen

__all__ = ["listen"]
Listen = Callable[[], Receiver]


def ok(answer: Any, status: int = 200) -> Any:
    assert answer.status_code == status, answer.text
    return answer.json


def register(town: Town, receiver: Receiver, who: str = "merchant", **more: Any) -> dict[str, Any]:
    made = ok(town.post(who, "/v1/webhooks", {"url": receiver.url, "types": ["*"]} | more), 201)
    receiver.secrets.append(made["secret"])
    assert isinstance(made, dict)
    return made


def happen(town: Town, who: str = "merchant") -> str:
    told = {"programme": HOME, "audience": town.parties[who], "type": "redemption.consumed"}
    made = transact(
        town.database,
        lambda s: emit(s, subject_id=uuid.UUID(int=7), data={"value_fen": 500}, now=clock.now(), **told),
    )
    return str(made)


def tell(town: Town) -> int:
    return tell_endpoints(hands(town.database, clock.now), LOOPBACK)


@pytest.mark.parametrize("who", ["merchant", "partner"])
def test_from_registration_to_a_message_that_the_reference_library_accepts(
    any_town: Town, listen: Listen, who: str
) -> None:
    town, receiver = any_town, listen()
    made = register(town, receiver, who, types=["redemption.consumed"], note="till")
    assert (made["state"], made["types"], made["note"]) == ("active", ["redemption.consumed"], "till")
    message = happen(town, who)
    assert tell(town) == 1
    assert receiver.got[0].told["data"]["value_fen"] == 500
    address = f"/v1/webhooks/{made['id']}"
    (listed,) = ok(town.get(who, f"{address}/messages"))["items"]
    assert (listed["message_id"], listed["state"], listed["outcome"]) == (message, "delivered", "delivered")
    whole = ok(town.get(who, f"{address}/messages/{message}"))
    assert whole["body"].encode() == receiver.got[0].body
    assert [(one["attempt"], one["status"]) for one in whole["tries"]] == [(1, 204)]
    assert ok(town.post(who, f"{address}/messages/{message}/replay")) == {"messages": 1}
    tested = ok(town.post(who, f"{address}/test"), 202)["message_id"]
    span = {"since": "2026-01-01T00:00:00Z", "until": "2099-01-01T00:00:00Z", "delivered_too": True}
    assert ok(town.post(who, f"{address}/replays", span)) == {"messages": 1}
    assert tell(town) == 2
    assert sorted(str(got.id) for got in receiver.got) == sorted([message, message, tested])


def test_a_secret_is_shown_once_and_stands_nowhere(town: Town, listen: Listen) -> None:
    receiver = listen()
    key = {"Idempotency-Key": "again-and-again"}
    wanted = {"url": receiver.url, "types": ["*"]}
    made = ok(town.post("merchant", "/v1/webhooks", wanted, headers=key), 201)
    again = town.post("merchant", "/v1/webhooks", wanted, headers=key)
    assert (again.status_code, again.json["code"]) == (409, "webhook-url-taken")
    address = f"/v1/webhooks/{made['id']}"
    new = ok(town.post("merchant", f"{address}/secret", {"overlap_s": 60}, headers=key), 201)
    assert new["secret"] != made["secret"]
    assert [one["ends_at"] is None for one in new["secrets"]] == [False, True]
    secrets = [one["secret"] for one in (made, new)]
    shown = town.get("merchant", address).text + town.get("merchant", "/v1/webhooks").text
    with unit_of_work(town.database, read_only=True) as session:
        stored = "".join(
            repr(session.execute(sa.text(f"SELECT * FROM {table}")).all())
            for table in ("webhook_endpoint", "webhook_secret", "idempotency_record", "webhook_message")
        )
    for secret in secrets:
        assert secret not in shown
        assert secret.removeprefix("whsec_") not in stored


def test_of_another_party_nothing_is_found(town: Town, listen: Listen) -> None:
    receiver = listen()
    made = register(town, receiver)
    message = happen(town)
    tell(town)
    address = f"/v1/webhooks/{made['id']}"
    span = {"since": "2026-01-01T00:00:00Z", "until": "2099-01-01T00:00:00Z"}
    for who in ("merchant 2", "partner", "away merchant"):
        assert ok(town.get(who, "/v1/webhooks"))["items"] == []
        for method, path, body in (
            ("GET", "", None),
            ("PATCH", "", {"state": "disabled"}),
            ("DELETE", "", None),
            ("POST", "/secret", {}),
            ("POST", "/test", None),
            ("GET", "/messages", None),
            ("GET", f"/messages/{message}", None),
            ("POST", f"/messages/{message}/replay", None),
            ("POST", "/replays", span),
        ):
            answer = town.call(who, method, address + path, **({"json": body} if body is not None else {}))
            assert (answer.status_code, answer.json["code"]) == (404, "webhook-not-found"), (who, path)
    assert ok(town.get("merchant", address))["state"] == "active"


def test_changing_disabling_and_deleting(town: Town, listen: Listen) -> None:
    receiver = listen()
    address = f"/v1/webhooks/{register(town, receiver)['id']}"
    changed = ok(town.call("merchant", "PATCH", address, json={"types": ["payment.sent"], "note": "x"}))
    assert (changed["types"], changed["note"], changed["url"]) == (["payment.sent"], "x", receiver.url)
    disabled = ok(town.call("merchant", "PATCH", address, json={"state": "disabled"}))
    assert (disabled["state"], disabled["disabled_reason"]) == ("disabled", "owner")
    refused = town.post("merchant", f"{address}/test")
    assert (refused.status_code, refused.json["code"]) == (409, "webhook-disabled")
    assert ok(town.call("merchant", "PATCH", address, json={"state": "active"}))["disabled_at"] is None
    assert ok(town.call("merchant", "DELETE", address)) == {"id": address.rpartition("/")[2]}
    assert town.get("merchant", address).status_code == 404


@pytest.mark.parametrize(
    "url",
    [
        *("http://shop.example.com/", "https://10.0.0.1/", "https://169.254.169.254/latest", "https://db/"),
        *(
            "https://2130706433/",
            "https://[::ffff:127.0.0.1]/",
            "https://a:b@shop.example.com/",
            "javascript:1",
        ),
        *("https://shop.example.com:22/", "https://shop.example.com/#a", "file:///etc/passwd"),
    ],
)
def test_an_address_within_is_refused_in_both_languages(town: Town, url: str) -> None:
    for language in ("en", "zh"):
        answer = town.post(
            "merchant",
            "/v1/webhooks",
            {"url": url, "types": ["*"]},
            headers={"Accept-Language": language},
        )
        assert (answer.status_code, answer.json["code"]) == (422, "webhook-url-refused")
    assert answer.json["detail"].startswith("无法向该地址发送消息")


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"url": "https://shop.example.com/"},
        {"url": "https://shop.example.com/", "types": []},
        {"url": "https://shop.example.com/", "types": ["redemption.*"]},
        {"url": "https://shop.example.com/" + "x" * 500, "types": ["*"]},
        {"url": "https://shop.example.com/", "types": ["*"], "secret": "whsec_mine"},
    ],
)
def test_what_is_no_endpoint_is_refused(town: Town, body: dict[str, Any]) -> None:
    answer = town.post("merchant", "/v1/webhooks", body)
    assert (answer.status_code, answer.json["code"]) == (422, "fields-invalid")


def test_the_log_is_paged_and_filtered(town: Town, listen: Listen) -> None:
    receiver = listen()
    address = f"/v1/webhooks/{register(town, receiver)['id']}"
    told = [happen(town) for _ in range(5)]
    receiver.answer = lambda number: (410 if number == 4 else 200, b"", {})
    tell(town)
    first = ok(town.get("merchant", f"{address}/messages?limit=3"))
    rest = ok(town.get("merchant", f"{address}/messages?limit=3&cursor={first['next_cursor']}"))
    assert rest["next_cursor"] is None
    assert sorted(one["message_id"] for one in first["items"] + rest["items"]) == sorted(told)
    failed = ok(town.get("merchant", f"{address}/messages?state=failed"))["items"]
    assert [one["outcome"] for one in failed] == ["status-410"]


def test_an_operator_sees_what_fails_in_the_own_programme(town: Town, listen: Listen) -> None:
    receiver, fine = listen(), listen()
    receiver.answer = lambda _number: (500, b"no", {})
    made = register(town, receiver)
    register(town, fine)
    happen(town)
    assert ok(town.get("operator", "/v1/webhook-troubles"))["items"] == []
    tell(town)
    (trouble,) = ok(town.get("operator", "/v1/webhook-troubles"))["items"]
    assert (trouble["id"], trouble["failures"], trouble["waiting"]) == (made["id"], 1, 1)
    assert trouble["party_id"] == str(town.parties["merchant"])
    assert "secret" not in str(trouble)
    assert ok(town.get("away operator", "/v1/webhook-troubles"))["items"] == []
