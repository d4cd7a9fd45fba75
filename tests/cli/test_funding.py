"""`report funding`: tables in both languages, files, JSON."""

import csv
from pathlib import Path

import openpyxl

from carbon_credit.kernel import clock
from carbon_credit.kernel.clock import business_day
from carbon_credit.kernel.db import Database
from tests.cli.conftest import Run
from tests.flows.conftest import hold_a_voucher
from tests.world import World, metro


def test_who_paid_is_shown_and_written(run: Run, embedded: Database, tmp_path: Path) -> None:
    world = World(embedded, now=clock.now())
    day = business_day(world.now, "Asia/Shanghai").isoformat()
    month = day[:7]
    world.credit(*(metro(f"M-{n}", at=f"{day}T00:00:0{n}+08:00", distance_m=20_000 + n) for n in range(3)))
    hold_a_voucher(world, points=5).consume(world)
    told = run("party", "add", "--programme", "x-gd-sz", "--role", "operator", "--name", "N", "--json").json
    operator = f"{told['client_id']}:{told['client_secret']}"
    ask = ("report", "funding", "--programme", "x-gd-sz", "--month", month)
    run(*ask).refused("--as")
    shown = run(*ask, "--as", operator)
    assert shown.status == 0, shown.err
    assert "merchants" in shown.out
    assert "商户自筹" in run(*ask, "--as", operator, "--language", "zh").out
    files = ("--csv", str(tmp_path / "f.csv"), "--xlsx", str(tmp_path / "f.xlsx"))
    done = run(*ask, "--as", operator, *files, "--json").json
    assert (done["holds"], done["points_spent"]) == (True, 5)
    assert done["sources"][0] == {"source": "merchant", "points": 5, "fen": 100}
    with (tmp_path / "f.csv").open(encoding="utf-8-sig", newline="") as read:
        [line] = csv.DictReader(read)
    assert (line["offer"], line["points spent"], line["worth, fen"]) == ("Tea", "5", "100")
    assert len(openpyxl.load_workbook(tmp_path / "f.xlsx").sheetnames) == 3
