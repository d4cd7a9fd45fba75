"""`report points`: tables in both languages, files, and the status that says whether the books hold."""

import csv
from datetime import timedelta
from pathlib import Path

import openpyxl
from sqlalchemy import text

from carbon_credit.kernel import clock
from carbon_credit.kernel.db import Database
from carbon_credit.kernel.unit_of_work import unit_of_work
from tests.cli.conftest import Run
from tests.world import World, metro


def test_the_points_of_a_month_are_shown_and_written(run: Run, embedded: Database, tmp_path: Path) -> None:
    world = World(embedded, now=clock.now())
    at = (world.now - timedelta(hours=2)).isoformat()
    world.credit(metro("M-1", at=at, distance_m=20_000))
    given = world.points()
    told = run("party", "add", "--programme", "x-gd-sz", "--role", "operator", "--name", "N", "--json").json
    operator = f"{told['client_id']}:{told['client_secret']}"
    month = f"{world.now:%Y-%m}"
    ask = ("report", "points", "--programme", "x-gd-sz", "--month", month)
    run(*ask).refused("--as")
    run("report", "points", "--month", month).refused("--programme")
    run("report", "--month", month).refused("--programme")
    shown = run(*ask, "--as", operator)
    assert shown.status == 0, shown.err
    assert "owed by citizens" in shown.out
    assert "Empty where there is no history" in shown.out
    chinese = run(*ask, "--as", operator, "--language", "zh")
    assert "期末余额" in chinese.out
    files = ("--csv", str(tmp_path / "p.csv"), "--xlsx", str(tmp_path / "p.xlsx"))
    done = run(*ask, "--as", operator, *files, "--json")
    assert done.status == 0
    assert (done.json["holds"], done.json["granted"], done.json["outstanding"]) == (True, given, given)
    assert (done.json["expected_use"], done.json["value_fen"], done.json["history"]) == (None, None, None)
    with (tmp_path / "p.csv").open(encoding="utf-8-sig", newline="") as read:
        lines = {line["item"]: line for line in csv.DictReader(read)}
    assert lines["granted"]["points"] == str(given)
    assert lines["expected use"]["points"] == ""
    book = openpyxl.load_workbook(tmp_path / "p.xlsx")
    assert len(book.sheetnames) == 4
    assert [cell.value for cell in book.worksheets[0][3]] == ["granted", given]
    with unit_of_work(embedded) as session:
        session.execute(text("UPDATE account SET credits_posted = credits_posted + 1 WHERE lot <> ''"))
    broken = run(*ask, "--as", operator, "--json")
    assert (broken.status, broken.json["holds"]) == (1, False)
    assert "ledger audit" in broken.err
