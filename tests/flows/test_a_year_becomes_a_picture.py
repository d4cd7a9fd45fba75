"""A citizen rides for a week, the year is closed: over HTTP it comes as figures, pages and a picture."""

import io
import struct
from datetime import date

import pytest
from pypdf import PdfReader

from carbon_credit.factory import application
from carbon_credit.identity.operations import issue_credential
from carbon_credit.kernel import clock
from carbon_credit.kernel.db import Database
from carbon_credit.kernel.unit_of_work import transact
from carbon_credit.sweeps import SWEEPS
from carbon_credit.tasks import run_sweep
from tests.api.conftest import Town
from tests.flows.conftest import findings, hold_a_voucher
from tests.world import World, metro

YEAR = 2025
BASE = f"/v1/me/reports/{YEAR}"


@pytest.fixture
def town(database: Database) -> Town:
    """Twelve people who stand on a board; eight days of one of them; nothing is closed yet."""
    world = World(database, people=12)
    days = [date(YEAR, 12, number) for number in range(1, 9)]
    world.credit(*(metro(f"M-{day.day}", at=f"{day}T08:00:00+08:00") for day in days), backfill=True)
    others = [metro(f"O-{n}", person=n, at=f"{days[0]}T09:00:00+08:00") for n in range(1, 12)]
    world.credit(*others, backfill=True)
    hold_a_voucher(world, points=9).consume(world)
    found = Town(application(database.settings, database), database, clock.now())
    found.parties["partner"] = world.partner
    issued = transact(database, lambda s: issue_credential(s, party_id=world.partner, now=world.now))
    found.clients["partner"] = (issued.client_id, issued.secret)
    for number, citizen_id in enumerate(world.citizens):
        name = "citizen" if number == 0 else f"citizen {number}"
        found.citizens[name] = citizen_id
        found.token(name, role="citizen", subject=citizen_id, programme=world.programme, actor=world.partner)
        body = {"district": "440304", "nickname": f"骑手{number}"}
        assert found.call(name, "PUT", "/v1/me/leaderboard", json=body).status_code == 200
    return found


def close(town: Town) -> None:
    """The year with all its days; then the sweeps that follow."""
    world = World.__new__(World)
    world.__dict__.update(database=town.database, programme="x-gd-sz", now=clock.now())
    world.close_year(date(YEAR, 1, 1))
    for name in ("medals", "boards"):
        run_sweep(town.database, SWEEPS[name])


def test_a_year_becomes_a_picture(town: Town) -> None:
    open_year = town.get("citizen", BASE).json
    assert (open_year["closed"], open_year["provisional_mg"]) == (False, 8 * 388_440)
    close(town)
    year = town.get("citizen", BASE).json
    assert (year["closed"], year["rehearsal"], year["provisional_mg"]) == (True, True, 0)
    assert year["whose"] == {
        "own_mg": 8 * 388_440,
        "passed_on_mg": 0,
        "retired_mg": 0,
        "partner_mg": 0,
        "claimed_mg": 8 * 388_440,
        "counted_mg": 8 * 388_440,
    }
    assert [one["co2e_mg"] for one in year["months"]] == [0] * 11 + [8 * 388_440]
    assert [(one["scene"], one["events"], one["grade"]) for one in year["scenes"]] == [
        ("metro", 8, "published")
    ]
    assert [one["title_zh"] for one in year["medals"]] == ["初次地铁", "连续七天"]
    kilowatt_hours = year["likenesses"][0]
    assert kilowatt_hours["tenths"] == 8 * 388_440 * 10 // 530_600
    assert (kilowatt_hours["data_year"], kilowatt_hours["sandbox"]) == (2023, True)
    assert "公告" in kilowatt_hours["source"]

    pages = town.get("citizen", f"{BASE}/report.pdf?language=zh")
    assert (pages.status_code, pages.mimetype) == (200, "application/pdf")
    said = "".join(page.extract_text() for page in PdfReader(io.BytesIO(pages.data)).pages)
    for words in (f"{YEAR} 年度碳减排报告", "本年度已关账", "连续七天", "3.10 千克"):
        assert words in said
    card = town.get("citizen", f"{BASE}/card.png?language=zh")
    assert (card.status_code, card.mimetype) == (200, "image/png")
    assert struct.unpack(">II", card.data[16:24]) == (1080, 1440)
    assert card.data == town.get("citizen", f"{BASE}/card.png?language=zh").data
    drawing = town.get("citizen", f"{BASE}/card.svg?language=en")
    assert drawing.mimetype == "image/svg+xml"
    assert "Reductions that are mine" in drawing.text
    assert findings(town.database) == []


def test_medals_and_boards_over_http_each_citizen_their_own(town: Town) -> None:
    early = town.get("citizen", "/v1/leaderboards")
    assert (early.status_code, early.json["code"]) == (404, "board-not-found")
    close(town)
    medals = {one["code"]: one for one in town.get("citizen", "/v1/me/medals").json["items"]}
    assert medals["week-in-row"]["earned_on"] == f"{YEAR}-12-07"
    assert (medals["metro-100"]["progress"], medals["metro-100"]["earned_on"]) == (8, None)
    other = {one["code"]: one for one in town.get("citizen 3", "/v1/me/medals").json["items"]}
    assert other["week-in-row"]["earned_on"] is None

    board = town.get("citizen", "/v1/leaderboards").json
    assert (board["month"], board["final"], board["ranked"]) == (f"{YEAR}-12-01", True, 12)
    assert board["own"] == {"place": 1, "nickname": "骑手0", "co2e_mg": 8 * 388_440}
    assert [one["place"] for one in board["places"]] == [1] + [2] * 11
    assert town.call("citizen 5", "DELETE", "/v1/me/leaderboard").json == {"on_board": False}
    again = town.call("citizen 5", "DELETE", "/v1/me/leaderboard")
    assert (again.status_code, again.json["code"]) == (404, "not-on-board")
    assert "骑手5" not in town.get("citizen", f"/v1/leaderboards?month={YEAR}-12-24").text
    for number in (6, 7):
        town.call(f"citizen {number}", "DELETE", "/v1/me/leaderboard")
    hidden = town.get("citizen", "/v1/leaderboards?district=440304").json
    assert (hidden["shown"], hidden["ranked"], hidden["places"], hidden["own"]) == (False, None, [], None)
    refused = town.call(
        "citizen", "PUT", "/v1/me/leaderboard", json={"district": "440304", "nickname": "13800138000"}
    )
    assert (refused.status_code, refused.json["code"]) == (422, "nickname-invalid")
    chinese = town.get("citizen", "/v1/me/reports/2099", headers={"Accept-Language": "zh"})
    assert (chinese.status_code, chinese.json["code"]) == (404, "report-year-not-found")
    assert "2099" in chinese.json["detail"]
