"""Closing periods over HTTP: what is not over, what is open still, and a year among the closed."""

from datetime import date, timedelta

from carbon_credit.kernel.unit_of_work import unit_of_work
from carbon_credit.quantification.periods import record_closing
from tests.api.conftest import HOME, Town

YEAR = date(2021, 1, 1)


def test_a_year_is_closed_after_its_months(town: Town) -> None:
    body = {"kind": "year", "starts_on": "2021-06-30"}
    early = town.post("operator", "/v1/periods", {"kind": "year", "starts_on": "2099-01-01"})
    assert (early.status_code, early.json["code"]) == (409, "period-not-over")
    open_still = town.post("operator", "/v1/periods", body)
    assert (open_still.status_code, open_still.json["code"]) == (409, "months-open")
    months = [("month", YEAR.replace(month=number)) for number in range(1, 13)]
    with unit_of_work(town.database) as session:
        for kind, starts_on in [("day", YEAR), ("day", YEAR + timedelta(days=1)), *months]:
            record_closing(
                session,
                programme=HOME,
                kind=kind,
                starts_on=starts_on,
                closed_by="test",
                reductions=0,
                credited_mg=0,
                corrected_mg=0,
                now=town.now,
            )
    closed = town.post("operator", "/v1/periods", body)
    assert closed.status_code == 201, closed.text
    assert (closed.json["kind"], closed.json["starts_on"]) == ("year", "2021-01-01")
    again = town.post("operator", "/v1/periods", body)
    assert (again.status_code, again.json["code"]) == (409, "period-closed")
    # The year, its first month and their first day begin together, and are on one page.
    listed = town.get("operator", "/v1/periods?limit=1").json
    assert {one["kind"] for one in listed["items"]} == {"day", "month", "year"}
    following = town.get("operator", f"/v1/periods?limit=1&cursor={listed['next_cursor']}").json
    assert [one["starts_on"] for one in following["items"]] == [(YEAR + timedelta(days=1)).isoformat()]
