"""T+n over HTTP: 202 with the place where it is told, and from then on like any other event."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from carbon_credit.kernel.clock import business_day, day_bounds
from carbon_credit.kernel.db import Database
from carbon_credit.kernel.unit_of_work import transact
from carbon_credit.quantification.maturing import credit_due
from carbon_credit.sweeps import SWEEPS
from carbon_credit.tasks import run_sweep
from tests.api.conftest import Town, build
from tests.quantification.cities import NOTE, library

ZONE = "Asia/Shanghai"
TERMS = [{"activity_types": ["metro.ride"], "after_days": 2, **NOTE}]


@pytest.fixture
def town(database: Database, tmp_path: Path) -> Iterator[Town]:
    """A town that credits metro rides two days after."""
    away = tmp_path / "away"
    root = library(tmp_path / "library", (), {"crediting": TERMS})
    away.mkdir()
    profile = (root / "programmes" / "x-gd-sz.yaml").read_text(encoding="utf-8")
    (root / "programmes" / "x-gd-gz.yaml").write_text(
        profile.replace("code: x-gd-sz", "code: x-gd-gz"), encoding="utf-8"
    )
    other = Database(replace(database.settings, methodologies_dir=root))
    yield build(other)
    other.dispose()


def ride(town: Town, name: str, **changes: Any) -> dict[str, Any]:
    return {
        "id": name,
        "type": "metro.ride",
        "occurred_at": (town.now - timedelta(hours=1)).isoformat(),
        "citizen": {"link": {"kind": "transit-card", "value": "CARD-0"}},
        "data": {"distance_m": 8300},
        **changes,
    }


def test_a_ride_is_accepted_and_told_of_where_the_answer_says(town: Town) -> None:
    sent = ride(town, "M/1 ü")
    told = town.post("partner", "/v1/events", sent)
    assert (told.status_code, told.json["status"], told.json["co2e_mg"]) == (202, "accepted", 0)
    address = told.headers["Location"]
    assert address == "/v1/events/M%2F1%20%C3%BC"
    day = business_day(town.now - timedelta(hours=1), ZONE) + timedelta(days=2)
    due, _ = day_bounds(day, ZONE)
    state = town.get("partner", address)
    assert (state.json["outcome"], state.json["retryable"]) == ("waiting", False)
    assert state.json["due_at"] == told.json["due_at"]
    assert state.json["due_at"] == f"{due:%Y-%m-%dT%H:%M:%SZ}"
    again = town.post("partner", "/v1/events", sent)
    assert (again.status_code, again.json["status"]) == (202, "accepted")
    other = town.post("partner", "/v1/events", sent | {"data": {"distance_m": 8301}})
    assert (other.status_code, other.json["code"]) == (422, "event-conflict")
    assert run_sweep(town.database, SWEEPS["waiting"]) == 0
    assert transact(town.database, lambda session: credit_due(session, now=due, limit=10)) == 1
    later = town.get("partner", address)
    assert (later.json["outcome"], later.json["co2e_mg"], later.json["due_at"]) == ("credited", 388_440, None)
    repeated = town.post("partner", "/v1/events", sent)
    assert (repeated.status_code, repeated.json["status"]) == (200, "duplicate")


def test_in_a_batch_each_is_told_by_itself(town: Town) -> None:
    old = ride(town, "M-2", occurred_at=(town.now - timedelta(days=5)).isoformat())
    nobody = ride(town, "M-3", citizen={"link": {"kind": "transit-card", "value": "CARD-99"}})
    told = town.post("partner", "/v1/events/batch", [ride(town, "M-1"), old, nobody])
    assert told.status_code == 200
    assert told.json["counts"] == {"accepted": 1, "credited": 1, "rejected": 1}
    tried = town.post("partner", "/v1/events?dry_run=true", ride(town, "M-4"))
    assert (tried.status_code, tried.json["status"]) == (200, "accepted")
    assert town.get("partner", "/v1/events/M-4").status_code == 404


def test_it_can_be_taken_back_before_it_counts(town: Town) -> None:
    town.post("partner", "/v1/events", ride(town, "M-1"))
    assert town.post("partner", "/v1/events/M-1/withdrawal").json["status"] == "withdrawn"
    assert town.get("partner", "/v1/events/M-1").json["outcome"] == "withdrawn"
    later = town.now + timedelta(days=3)
    assert transact(town.database, lambda session: credit_due(session, now=later, limit=10)) == 0
    told = town.post("partner", "/v1/events/M-1/withdrawal")
    assert (told.status_code, told.json["code"]) == (409, "event-not-withdrawable")


def test_a_day_with_waiting_events_is_not_closed(town: Town) -> None:
    """Yesterday is over, and what happened on it is credited from tomorrow on."""
    yesterday = business_day(town.now, ZONE) - timedelta(days=1)
    start, _ = day_bounds(yesterday, ZONE)
    sent = ride(town, "M-1", occurred_at=(start + timedelta(hours=12)).isoformat())
    assert town.post("partner", "/v1/events", sent).status_code == 202
    told = town.post("operator", "/v1/periods", {"kind": "day", "starts_on": yesterday.isoformat()})
    assert (told.status_code, told.json["code"]) == (409, "events-waiting"), told.text


def test_the_account_shows_points_that_are_pending(town: Town) -> None:
    told = town.post("partner", "/v1/events", ride(town, "M-1", data={"distance_m": 20_000})).json
    points = town.get("citizen", "/v1/me/account").json["points"]
    assert points["pending"] == [{"points": 9, "due_at": told["due_at"]}]
    assert points["available"] == 0
