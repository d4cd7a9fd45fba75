"""`settle …`: a month with all its steps, once; statements as files; payments, and what the bank answers."""

import csv
import stat
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from carbon_credit.kernel import clock
from carbon_credit.kernel.db import Database
from carbon_credit.kernel.unit_of_work import transact, unit_of_work
from carbon_credit.settlement import operations
from carbon_credit.settlement.errors import RunNotFound
from carbon_credit.settlement.runs import STEPS, run_of
from tests.cli.conftest import Run, operator
from tests.flows.conftest import LEDGER, findings, rows
from tests.flows.settling import NOVEMBER, hold_a_funded_voucher
from tests.world import World, metro

P, MONTH = ("--programme", "x-gd-sz"), ("--month", "2026-11")
IN_DECEMBER = datetime(2026, 12, 2, 2, 0, tzinfo=UTC)
SETTLED = (*LEDGER, "statement", "statement_line", "statement_item", "statement_step", "settlement_step")


@dataclass
class Till:
    """A world with a merchant that took one voucher of one yuan in November."""

    run: Run
    world: World
    credential: str

    def settle(self, *more: str) -> Any:
        return self.run("settle", *more, *P, "--as", self.credential)


@pytest.fixture
def till(either: tuple[Run, Database], monkeypatch: pytest.MonkeyPatch) -> Till:
    run, database = either
    world = World(database)
    world.credit(metro("M-1", at="2026-11-20T08:00:00+08:00", distance_m=20_000))
    hold_a_funded_voucher(world, points=1).consume(world)
    monkeypatch.setattr(clock, "now", lambda: world.now)
    return Till(run, world, operator(run))


def agree(world: World, statement: str) -> None:
    by: dict[str, Any] = {"programme": world.programme, "actor": "merchant:tea", "now": world.now}
    transact(world.database, lambda session: operations.agree(session, statement_id=UUID(statement), **by))


def test_a_month_is_settled_once(till: Till) -> None:
    month, world = ("month", *MONTH), till.world
    early = till.settle(*month)
    early.refused("settlement-month-open")
    assert "Ask from 2026-12-01 on" in early.err
    till.run("settle", *month, *P).refused("--as")
    world.now = IN_DECEMBER
    told = till.settle(*month, "--json")
    assert (told.status, told.json["state"], told.json["month"]) == (0, "done", "2026-11")
    assert set(told.json["steps"]) == set(STEPS)
    assert told.json["steps"]["statements"] == 1
    (statement,) = told.json["statements"]
    # One yuan less one per cent.
    assert {**statement, "id": ""} == {
        "id": "",
        "number": "2026-000001",
        "payable_fen": 99,
        "state": "issued",
    }
    before = rows(world.database, *SETTLED)
    assert till.settle(*month, "--json").json == told.json
    people = till.settle(*month)
    assert (people.status, people.out) == (0, "")
    assert "2026-000001" in people.err
    assert "2026-11-30T16:00:00" in people.err  # where it cut off
    assert rows(world.database, *SETTLED) == before
    assert findings(world.database) == []


def test_who_may_settle_and_which_months(till: Till) -> None:
    till.world.now = IN_DECEMBER
    told = till.run("party", "add", *P, "--role", "merchant", "--name", "Tea", "--json").json
    merchant = f"{told['client_id']}:{told['client_secret']}"
    till.run("settle", "month", *MONTH, *P, "--as", merchant).refused("no operator")
    till.run("settle", "month", *MONTH, *P, "--as", "cc_nobody:secret").refused("credential")
    till.settle("month", "--month", "November").refused("--month")
    with (
        unit_of_work(till.world.database, read_only=True) as session,
        pytest.raises(RunNotFound),
    ):
        run_of(session, programme=till.world.programme, month=NOVEMBER)


def test_files_payments_and_what_the_bank_says(till: Till, tmp_path: Path) -> None:
    world, run = till.world, till.run
    world.now = IN_DECEMBER
    (statement,) = till.settle("month", *MONTH, "--json").json["statements"]
    for form in ("pdf", "xlsx", "csv"):
        target = tmp_path / f"statement.{form}"
        assert run("settle", "statement", *P, statement["id"], str(target)).status == 0
        assert target.stat().st_size > 100
    run("settle", "statement", *P, statement["id"], str(tmp_path / "s.doc")).refused("csv, pdf, xlsx")
    run("settle", "statement", *P, str(UUID(int=1)), str(tmp_path / "s.csv")).refused("statement-not-found")

    payments, answers = tmp_path / "payments.csv", tmp_path / "answers.csv"
    till.settle("pay", str(payments)).refused("nothing-to-pay")  # it was not agreed
    assert not payments.exists()
    agree(world, statement["id"])
    told = till.settle("pay", str(payments), "--json")
    assert (told.json["payments"], told.json["total_fen"]) == (1, 99)
    assert stat.S_IMODE(payments.stat().st_mode) == 0o600
    till.settle("pay", str(tmp_path / "again.csv")).refused("nothing-to-pay")
    with payments.open(encoding="utf-8", newline="") as read:
        (row,) = csv.DictReader(read)
    assert (row["payee_account"], row["amount_yuan"]) == ("6222020200012345678", "0.99")

    rest = f"{row['reference']},1,2026-12-08,paid\nCC1,99,2026-12-08,paid\n"
    answers.write_text(f"reference,amount_fen,paid_on,result\n{row['reference']},99,2026-12-08,paid\n{rest}")
    done = till.settle("confirm", str(answers), "--json").json
    assert done["outcomes"] == {"amount-differs": 1, "paid": 1, "unknown-reference": 1}
    assert [one["row"] for one in done["wrong"]] == [2, 3]
    before = rows(world.database, *SETTLED)
    again = till.settle("confirm", str(answers))
    assert (again.status, again.out) == (0, "")
    assert "already-confirmed" in again.err
    assert rows(world.database, *SETTLED) == before
    answers.write_text("nothing\n")
    till.settle("confirm", str(answers)).refused("confirmations-unreadable")
    assert findings(world.database) == []
