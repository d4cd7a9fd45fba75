"""Points over HTTP: what is pending and what ends, for who has them; what is outstanding, for operators."""

from datetime import timedelta

from carbon_credit.kernel.clock import business_day
from carbon_credit.kernel.unit_of_work import unit_of_work
from carbon_credit.ledger import points as ledger_points
from carbon_credit.ledger.points import PointsGrant

from .conftest import AWAY, HOME, Town

ZONE = "Asia/Shanghai"


def grant(town: Town, points: int, days: int, programme: str = HOME, who: str = "citizen") -> str:
    lot = business_day(town.now, ZONE) + timedelta(days=days)
    item = PointsGrant(town.citizens[who], points, lot, None, town.now)
    with unit_of_work(town.database) as session:
        ledger_points.grants(session, items=[item], programme=programme, now=town.now)
    return lot.isoformat()


def test_lots_that_are_over_are_not_available(town: Town) -> None:
    grant(town, 30, -1)
    today, later = grant(town, 5, 0), grant(town, 7, 90)
    points = town.get("citizen", "/v1/me/account").json["points"]
    assert points["available"] == 12
    assert points["next_expiry"] == {"expires_on": today, "points": 5}
    assert [lot["expires_on"] for lot in points["lots"]] == [today, later]
    assert points["pending"] == []


def test_operators_read_what_is_outstanding_in_their_own_programme(town: Town) -> None:
    grant(town, 30, 400)
    grant(town, 99, 400, AWAY, "away citizen")
    month = business_day(town.now, ZONE).isoformat()
    found = town.get("operator", f"/v1/reports/points?month={month}").json
    assert (found["granted"], found["outstanding"], found["holds"], found["ended"]) == (30, 30, True, False)
    assert found["programme"] == HOME
    assert {check["difference"] for check in found["checks"]} == {0}
    assert (found["history"], found["expected_breakage"], found["worth"]) == (None, None, None)
    assert town.get("operator", "/v1/reports/points?month=2026").status_code == 422
    assert town.get("merchant", f"/v1/reports/points?month={month}").status_code == 403
