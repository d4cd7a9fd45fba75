"""Who paid for the points, for operators over HTTP."""

from tests.api.conftest import Town


def test_operators_read_it_over_http_and_nobody_else(town: Town) -> None:
    answer = town.get("operator", "/v1/reports/funding?month=2026-11-01")
    assert (answer.status_code, answer.json["holds"], answer.json["lines"]) == (200, True, [])
    assert answer.json["programme"] == "x-gd-sz"
    assert town.get("away operator", "/v1/reports/funding?month=2026-11-01").json["programme"] == "x-gd-gz"
    for who in ("merchant", "partner", "citizen", "verifier"):
        assert town.get(who, "/v1/reports/funding?month=2026-11-01").status_code == 403
