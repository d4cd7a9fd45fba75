"""What a draft would do, asked over HTTP: the report of the command, for what is not too much."""

from typing import Any

import pytest
from werkzeug.test import TestResponse

from carbon_credit.api.operators import dry_runs
from tests.api.conftest import Town
from tests.catalogue.conftest import package
from tests.world import metro

ADDRESS = "/v1/methodologies/metro-test/versions/v1/dry-runs"


@pytest.fixture
def tried(town: Town) -> Town:
    """A ride of 8,300 m, and a draft of a methodology that no programme binds."""
    day = town.now.date().isoformat()
    ride = metro("M-1", at=f"{day}T00:00:00+08:00")
    told = town.post("partner", "/v1/events", ride)
    assert told.json["status"] == "credited", told.text
    files = {name: data.decode() for name, data in package(value="40").items()}
    assert town.post("operator", "/v1/methodologies", {"files": files}).status_code == 201
    return town


def ask(town: Town, period: Any = None, who: str = "operator", address: str = ADDRESS) -> TestResponse:
    period = period or f"{town.now:%Y}"
    return town.post(who, address, {"period": period})


def test_a_draft_is_tried_in_the_place_of_what_governs(tried: Town) -> None:
    told = ask(tried)
    assert told.status_code == 200, told.text
    found = told.json
    assert (found["governs"], found["hindrance"]) == (False, "it is a draft")
    assert (found["reductions"], found["old_mg"], found["new_mg"]) == (1, 388_440, 332_000)
    assert (
        found["delta_mg"] == found["scenes"][0]["delta_mg"] == found["citizen_delta_mg"]["median"] == -56_440
    )
    assert found["largest_movers"] == [{"citizen_id": str(tried.citizens["citizen"]), "delta_mg": -56_440}]
    assert found["first_day"] == f"{tried.now:%Y}-01-01"
    again = ask(tried).json
    assert again == found


def test_nothing_is_written(tried: Town) -> None:
    before = tried.get("citizen", "/v1/me/account").json
    ask(tried)
    assert tried.get("citizen", "/v1/me/account").json == before


def test_a_period_without_activity_has_no_quantiles(tried: Town) -> None:
    found = ask(tried, "2025-Q1").json
    assert (found["reductions"], found["citizen_delta_mg"], found["largest_movers"]) == (0, None, [])


def test_too_much_is_for_the_command(tried: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dry_runs, "MOST_REDUCTIONS", 0)
    told = ask(tried)
    assert (told.status_code, told.mimetype) == (413, "application/problem+json")
    assert told.json["code"] == "dry-run-too-large"
    assert "carbon-credit methodology dry-run" in told.json["detail"]


@pytest.mark.parametrize("period", ["autumn", "2026-Q5", 2026, "2026-10-05..2026-10-01", "2026-02-30"])
def test_a_period_that_is_none_is_refused(tried: Town, period: object) -> None:
    assert ask(tried, period).status_code == 422


def test_who_may_not_ask(tried: Town) -> None:
    assert ask(tried, who="partner").status_code == 403
    assert ask(tried, address=ADDRESS.replace("v1/dry", "v9/dry")).json["code"] == "methodology-not-found"
    # Another programme has no such ride.
    assert ask(tried, who="away operator").json["reductions"] == 0
