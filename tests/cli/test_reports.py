"""`report`: tables in both languages, files, and the status that says whether the books hold."""

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


def test_a_report_is_shown_written_and_fails_where_the_books_differ(
    run: Run, embedded: Database, tmp_path: Path
) -> None:
    world = World(embedded, now=clock.now())
    day = (world.now - timedelta(days=2)).date().isoformat()
    world.credit(metro("M-1", at=f"{day}T08:00:00+08:00"), metro("U-1", person=9))
    told = run("party", "add", "--programme", "x-gd-sz", "--role", "operator", "--name", "N", "--json").json
    operator = f"{told['client_id']}:{told['client_secret']}"
    ask = ("report", "--programme", "x-gd-sz", "--as", operator)
    run("report", "--programme", "x-gd-sz", "--day", day).refused("--as")
    run(*ask).refused("--day, --month and --year")
    shown = run(*ask, "--day", day)
    assert shown.status == 0, shown.err
    assert "388.44" in shown.out
    assert "grams in the ledger" in shown.out
    chinese = run(*ask, "--month", day[:7], "--language", "zh")
    assert "账本减排量" in chinese.out
    assert "数据提供方" in chinese.out
    files = ("--csv", str(tmp_path / "r.csv"), "--xlsx", str(tmp_path / "r.xlsx"))
    done = run(*ask, "--day", day, *files, "--json")
    assert (done.status, done.json["holds"]) == (0, True)
    with (tmp_path / "r.csv").open(encoding="utf-8-sig", newline="") as read:
        [line] = csv.DictReader(read)
    assert (line["partner"], line["events"], line["total, mg"]) == ("metro", "1", "388440")
    book = openpyxl.load_workbook(tmp_path / "r.xlsx")
    assert len(book.sheetnames) == 6
    assert [cell.value for cell in book.worksheets[0][2]][-1] == 388_440
    with unit_of_work(embedded) as session:
        session.execute(text("UPDATE day_tally SET granted = granted + 1 WHERE scope = 'points:grams'"))
    broken = run(*ask, "--day", day, "--json")
    assert (broken.status, broken.json["holds"]) == (1, False)
    assert "ledger audit" in broken.err
