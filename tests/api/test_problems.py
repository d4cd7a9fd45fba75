"""Every error is a problem: readable, in two languages, with what belongs to its status."""

import logging
from typing import Any

import orjson
import pytest

from carbon_credit.api.citizens import account
from carbon_credit.api.errors import _STATUS, status_of
from carbon_credit.api.field_messages import in_chinese
from carbon_credit.api.public import health
from carbon_credit.kernel.errors import Busy, CarbonError
from carbon_credit.kernel.paging import MAX_LIMIT
from tests.api.conftest import Town

JSON = {"Content-Type": "application/json"}


def refused(answer: Any, status: int, code: str) -> dict[str, Any]:
    assert (answer.status_code, answer.json["code"]) == (status, code), answer.text
    assert answer.mimetype == "application/problem+json"
    assert answer.json["type"] == f"urn:carbon-credit:problem:{code}"
    assert answer.json["status"] == status
    assert answer.json["title"]
    found: dict[str, Any] = answer.json
    return found


def test_an_unknown_address(town: Town) -> None:
    for address in ("/", "/v1", "/v1/nothing", "/v1//events", "/v1/citizens/no-uuid", "/docs/../app.py"):
        refused(town.get(None, address), 404, "route-unknown")


def test_an_unknown_method_says_which_are_known(town: Town) -> None:
    answer = town.call("partner", "PATCH", "/v1/events")
    refused(answer, 405, "method-unsupported")
    assert answer.headers["Allow"] == "OPTIONS, POST"
    address = f"/v1/citizens/{town.citizens['citizen']}/mandate"
    answer = town.get("partner", address)
    refused(answer, 405, "method-unsupported")
    assert answer.headers["Allow"] == "DELETE, OPTIONS, PUT"


BODIES = {
    "empty": b"",
    "cut off": b'{"links": [',
    "not utf-8": b'{"a": "\xff"}',
    "utf-16": '{"a": 1}'.encode("utf-16"),
    "byte order mark": b"\xef\xbb\xbf{}",
    "lone surrogate": b'{"a": "\\ud800"}',
    "not a number": b'{"a": NaN}',
    "two documents": b"{} {}",
    "nested beyond reason": b"[" * 100_000 + b"]" * 100_000,
    "comments": b'{"a": 1 /* one */}',
}


@pytest.mark.parametrize("address", ["/v1/citizens", "/v1/events", "/v1/events/batch"])
@pytest.mark.parametrize("kind", BODIES)
def test_a_body_that_is_no_json(town: Town, address: str, kind: str) -> None:
    refused(town.post("partner", address, data=BODIES[kind], headers=JSON), 400, "body-malformed")


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"Content-Type": "application/json; charset=gbk"},
        {"Content-Type": "application/json", "Content-Encoding": "gzip"},
    ],
)
def test_another_media_type(town: Town, headers: dict[str, str]) -> None:
    problem = refused(
        town.post("partner", "/v1/citizens", data=b"{}", headers=headers), 415, "media-type-unsupported"
    )
    assert "application/json" in problem["detail"]


def test_a_body_over_the_limit(town: Town) -> None:
    town.app.config["MAX_CONTENT_LENGTH"] = 1000
    for address in ("/v1/citizens", "/v1/events", "/v1/events/batch"):
        answer = town.post("partner", address, data=b"[" + b" " * 2000 + b"]", headers=JSON)
        assert refused(answer, 413, "body-too-large")["details"] == {"limit": 1000}


def test_wrong_fields_are_named_one_by_one(town: Town) -> None:
    body = {
        "links": [{"kind": "passport", "value": ""}],
        "mandate": {"text_version": "1", "share_percent": 70.0, "given_at": "2026-01-01T00:00:00"},
        "surname": "x",
    }
    problem = refused(town.post("partner", "/v1/citizens", body), 422, "fields-invalid")
    assert {error["pointer"] for error in problem["errors"]} == {
        "/links/0/kind",
        "/links/0/value",
        "/mandate/share_percent",
        "/mandate/given_at",
        "/surname",
    }
    refused(town.post("partner", "/v1/citizens", []), 422, "fields-invalid")
    refused(town.post("partner", "/v1/citizens", "text"), 422, "fields-invalid")


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        f"limit={MAX_LIMIT + 1}",
        "limit=1.0",
        "limit=١",
        "limit=1&limit=2",
        "limit=",
        "cursor=",
        "cursor=$",
        "page=2",
    ],
)
def test_a_wrong_query_names_its_parameter(town: Town, query: str) -> None:
    problem = refused(town.get("citizen", f"/v1/me/reductions?{query}"), 422, "fields-invalid")
    assert problem["errors"][0]["pointer"] == query.split("=")[0]


@pytest.mark.parametrize("cursor", ["abc", "W10", "WyJhIl0", "WzFd", "bnVsbA", "WyJhIiwiYiJd", "a" * 500])
def test_a_cursor_of_someones_own_making_is_refused(town: Town, cursor: str) -> None:
    for who, address in (
        ("citizen", "/v1/me/reductions"),
        ("citizen", "/v1/me/statement"),
        ("citizen", "/v1/me/vouchers"),
        ("citizen", "/v1/offers"),
        ("merchant", "/v1/merchant/consumptions"),
        ("operator", "/v1/periods"),
        ("operator", "/v1/batches"),
    ):
        answer = town.get(who, f"{address}?cursor={cursor}")
        assert answer.status_code == 422, answer.text
        assert answer.json["code"] == "cursor-invalid"


def test_the_language_is_the_readers(town: Town) -> None:
    for accepted, expected in (
        ("zh-CN,zh;q=0.9,en;q=0.5", "该地址不存在"),
        ("zh", "该地址不存在"),
        ("en", "There is nothing"),
        ("fr", "There is nothing"),
        ("", "There is nothing"),
        ("en;q=0.3, zh;q=0.8", "该地址不存在"),
    ):
        answer = town.get(None, "/v1/nothing", headers={"Accept-Language": accepted})
        assert answer.json["detail"].startswith(expected), accepted
        assert "Accept-Language" in answer.headers["Vary"]
    body = {"links": [], "mandate": {"share_percent": 1.5, "text_version": 7}, "x": 1}
    answer = town.post("partner", "/v1/citizens", body, headers={"Accept-Language": "zh"})
    assert answer.status_code == 422
    for error in answer.json["errors"]:
        assert not error["detail"].isascii(), error


def test_sentences_that_are_not_known_stay_as_they_are() -> None:
    assert in_chinese("Must be one of: a, b.") == "必须是以下之一：a, b。"
    assert in_chinese("Something new.") == "Something new."


def test_what_is_busy_says_when_to_come_again(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    def busy(_database: object) -> None:
        raise Busy

    monkeypatch.setattr(health.schema, "require_head", busy)
    answer = town.get(None, "/readyz")
    refused(answer, 503, "busy")
    assert int(answer.headers["Retry-After"]) > 0


def test_what_nobody_expected_tells_nothing(
    town: Town, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("the secret is 42")

    monkeypatch.setattr(account, "citizen_totals", broken)
    with caplog.at_level(logging.ERROR):
        answer = town.get("citizen", "/v1/me/account")
    refused(answer, 500, "internal")
    assert "42" not in answer.text
    assert "the secret is 42" in caplog.text
    assert town.tokens["citizen"] not in caplog.text


def test_every_category_has_a_status() -> None:
    assert {status_of(category) for category in CarbonError.__subclasses__()} <= set(_STATUS.values())
    assert all(category in _STATUS for category in CarbonError.__subclasses__())


def test_headers_that_every_answer_carries(town: Town) -> None:
    for answer in (town.get(None, "/healthz"), town.get(None, "/nothing"), town.get(None, "/docs")):
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
        assert "Strict-Transport-Security" not in answer.headers
    assert town.get(None, "/healthz").headers["Cache-Control"] == "no-store"


def test_the_documentation_needs_nothing_from_outside(town: Town) -> None:
    page = town.get(None, "/docs").text
    assert "http" not in page
    for line in page.splitlines():
        for name in ("swagger-ui.css", "swagger-ui-bundle.js", "start.js", "favicon-32x32.png"):
            if f"/docs/{name}" in line:
                assert town.get(None, f"/docs/{name}").status_code == 200
    policy = town.get(None, "/docs").headers["Content-Security-Policy"]
    assert "script-src 'self';" in policy
    assert orjson.loads(town.get(None, "/openapi.json").data)["openapi"] == "3.1.0"
