"""Reports over HTTP: an operator's own programme, the figures of the ledger, and what is refused."""

from datetime import timedelta

from tests.api.conftest import Town
from tests.world import metro


def test_an_operator_reads_the_report_of_a_day(town: Town) -> None:
    day = (town.now - timedelta(days=1)).date()
    told = town.post("partner", "/v1/events", metro("M-1", at=f"{day}T08:00:00+08:00"))
    assert told.status_code == 200, told.text
    found = town.get("operator", f"/v1/reports?kind=day&starts_on={day}")
    assert found.status_code == 200, found.text
    body = found.json
    assert (body["kind"], body["starts_on"], body["closed"], body["holds"]) == ("day", f"{day}", False, True)
    [line] = body["lines"]
    assert (line["scene"], line["partner"], line["events"], line["total_mg"]) == (
        "metro",
        "partner",
        1,
        told.json["co2e_mg"],
    )
    assert {one["name"]: one["difference"] for one in body["checks"]} == {
        "ledger-grams": 0,
        "ledger-points": 0,
    }
    month = town.get("operator", f"/v1/reports?kind=month&starts_on={day}").json
    assert month["lines"][0]["events"] == 1
    assert town.get("away operator", f"/v1/reports?kind=day&starts_on={day}").json["lines"] == []


def test_reports_are_for_operators_and_name_a_period(town: Town) -> None:
    assert town.get("partner", "/v1/reports?kind=day&starts_on=2026-11-20").status_code == 403
    assert town.get(None, "/v1/reports?kind=day&starts_on=2026-11-20").status_code == 401
    for query in ("", "?kind=week&starts_on=2026-11-20", "?kind=day", "?kind=day&starts_on=yesterday"):
        assert town.get("operator", f"/v1/reports{query}").status_code == 422
