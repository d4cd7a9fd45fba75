"""A write that arrives twice takes effect once and answers the same."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from carbon_credit.api import partners
from carbon_credit.kernel.db import Database
from tests.api.conftest import Town, build

KEY = {"Idempotency-Key": "7f0c3a52-first"}


def body(number: int) -> dict[str, Any]:
    return {"links": [{"kind": "phone", "value": f"1390000{number:04d}"}]}


def test_the_first_answer_comes_back_and_is_flagged(any_town: Town) -> None:
    first = any_town.post("partner", "/v1/citizens", body(1), headers=KEY)
    again = any_town.post("partner", "/v1/citizens", body(1), headers=KEY)
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.data == again.data
    assert "Idempotency-Replayed" not in first.headers
    assert again.headers["Idempotency-Replayed"] == "true"


def test_another_body_or_address_under_the_key_is_refused(town: Town) -> None:
    town.post("partner", "/v1/citizens", body(1), headers=KEY)
    other = town.post("partner", "/v1/citizens", body(2), headers=KEY)
    assert (other.status_code, other.json["code"]) == (422, "idempotency-conflict")
    address = f"/v1/citizens/{town.citizens['citizen']}/consents/metro"
    elsewhere = town.call("partner", "DELETE", address, headers=KEY)
    assert (elsewhere.status_code, elsewhere.json["code"]) == (422, "idempotency-conflict")


def test_a_key_belongs_to_its_caller(town: Town) -> None:
    town.post("partner", "/v1/citizens", body(1), headers=KEY)
    mine = town.post("partner 2", "/v1/citizens", body(2), headers=KEY)
    assert mine.status_code == 201
    assert "Idempotency-Replayed" not in mine.headers


def test_an_error_is_not_remembered(town: Town) -> None:
    address = f"/v1/citizens/{town.citizens['citizen']}/mandate"
    wrong = town.call(
        "partner", "PUT", address, json={"text_version": "1", "share_percent": 101}, headers=KEY
    )
    assert wrong.status_code == 422
    missing = town.call("partner 2", "DELETE", address, headers=KEY)
    assert missing.status_code == 404
    right = town.call("partner", "PUT", address, json={"text_version": "1", "share_percent": 99}, headers=KEY)
    assert right.status_code == 200


@pytest.mark.parametrize("key", ["", "a b", "é", "x" * 129])
def test_a_key_that_is_none_is_refused(town: Town, key: str) -> None:
    answer = town.post("partner", "/v1/citizens", body(1), headers={"Idempotency-Key": key})
    assert (answer.status_code, answer.json["code"]) == (422, "idempotency-key-invalid")


def test_twenty_at_once_do_it_once(any_town: Town) -> None:
    def ask(_: int) -> Any:
        return any_town.post("partner", "/v1/citizens", body(1), headers=KEY)

    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(ask, range(20)))
    assert {answer.status_code for answer in answers} == {201}, [answer.text for answer in answers][:3]
    assert len({answer.data for answer in answers}) == 1
    assert sum("Idempotency-Replayed" not in answer.headers for answer in answers) == 1


def test_while_the_first_still_runs_the_second_is_told_so(
    postgresql_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    impatient = Database(replace(postgresql_database.settings, lock_timeout_s=1))
    town = build(impatient)
    running, go_on = threading.Event(), threading.Event()
    original = partners.citizens.register_citizens

    def slow(*args: Any, **more: Any) -> Any:
        running.set()
        assert go_on.wait(20)
        return original(*args, **more)

    monkeypatch.setattr(partners.citizens, "register_citizens", slow)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(town.post, "partner", "/v1/citizens", body(1), headers=KEY)
        assert running.wait(10)
        second = town.post("partner", "/v1/citizens", body(1), headers=KEY)
        go_on.set()
        assert first.result().status_code == 201
    assert (second.status_code, second.json["code"]) == (409, "idempotency-in-progress")
    third = town.post("partner", "/v1/citizens", body(1), headers=KEY)
    assert third.headers["Idempotency-Replayed"] == "true"
    impatient.dispose()
