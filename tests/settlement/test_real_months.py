"""A month of a real programme: its days are closed by the settlement itself, and a process that runs it is
killed with -9 wherever it is; another ends it, with the same sums and nothing twice."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from shutil import copyfile
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from carbon_credit.identity.operations import create_party, issue_credential
from carbon_credit.kernel.db import Database
from carbon_credit.kernel.settings import Settings
from carbon_credit.kernel.unit_of_work import transact, unit_of_work
from carbon_credit.quantification.errors import EarlierDayOpen
from carbon_credit.settlement.runs import STEPS, Run
from carbon_credit.sweeps.importing import Hands
from carbon_credit.sweeps.settling import settle_begun, settle_month
from tests.flows.conftest import findings, rows
from tests.flows.settling import hold_a_funded_voucher
from tests.quantification.cities import cap, city
from tests.world import World, metro

SCRIPT = Path(__file__).parent / "dying.py"
NOVEMBER = date(2026, 11, 1)
OVER = datetime(2026, 12, 2, 2, 0, tzinfo=UTC)
CLERK = "operator:clerk"
CAPS = [cap("person-day", events=1), cap("person-year", mg=100_000_000)]
# In the order in which a run comes past them.
POINTS = (
    "steps:said:1",
    "steps:committed:1",
    "closing:said:1",
    "closing:committed:2",
    "day:said:3",
    "day:committed:4",
    "day:said:20",
    "step:committed:1",  # the events are done
    "step:said:2",
    "cut-off:said:1",
    "cut-off:committed:1",
    "items:said:1",
    "statement:said:1",
    "statement:committed:1",  # between two statements
    "progress:said:1",
    "step:said:1",  # of the statements
    "step:committed:2",  # after the last
)
# Everything that a run leaves behind, told so that two databases can be compared.
TOLD = {
    "transfers": """
        SELECT code, phase, CASE WHEN asset LIKE 'unit:%' THEN 'unit' ELSE asset END, count(*), sum(amount)
        FROM transfer GROUP BY 1, 2, 3""",
    "accounts": """
        SELECT kind, sum(credits_posted - debits_posted), count(*) FROM account
        WHERE side <> 'derived' GROUP BY 1""",
    "periods": "SELECT kind, starts_on, reductions, credited_mg, corrected_mg FROM period",
    "closings": "SELECT count(*) FROM period_closing",
    "steps": "SELECT step, done, note FROM settlement_step WHERE ended_at IS NOT NULL",
    "statements": """
        SELECT p.name, s.month, s.number, s.uses, s.used_fen, s.fee_fen, s.payable_fen, s.closing_fen,
          s.points, s.points_settled FROM statement s JOIN party p ON p.id = s.merchant_id""",
    "items": "SELECT kind, count(*) FROM statement_item GROUP BY 1",
    "states": "SELECT state, count(*) FROM statement_progress GROUP BY 1",
    "told": "SELECT type, count(*) FROM outbox GROUP BY 1",
    "vouchers": "SELECT state, count(*) FROM redemption GROUP BY 1",
}


@dataclass
class Shops:
    """A programme in which people rode, two shops took a voucher each, and a third's was left to end."""

    world: World
    credential: str

    def told(self) -> dict[str, Any]:
        with unit_of_work(self.world.database, read_only=True) as session:
            return {
                name: sorted(tuple(map(str, row)) for row in session.execute(text(told)))
                for name, told in TOLD.items()
            }

    def settle(self) -> Run:
        by: dict[str, Any] = {"programme": self.world.programme, "month": NOVEMBER, "actor": CLERK}
        return settle_month(hands(self.world), **by)


@contextmanager
def shops(database: Database, folder: Path) -> Iterator[Shops]:
    """Of a day each person's first ride counts alone; the last comes first, so that closing has work."""
    folder.mkdir()
    with city(database, folder, people=2, caps=CAPS) as world:
        yield opened(world)


def opened(world: World) -> Shops:
    days = [date(2026, 11, number) for number in (2, 3, 14, 20)]
    rides = [
        metro(f"M-{day}-{hour}", person=hour % 2, at=f"{day}T{hour:02}:00:00+08:00", distance_m=9_000 + hour)
        for day in days
        for hour in (19, 18, 9, 8)
    ]
    world.credit(*rides, backfill=True)
    world.withdraw(f"M-{days[1]}-8")
    for shop in ("Tea house", "Bookshop", "Bakery"):
        held = hold_a_funded_voucher(world, points=1, shop=shop)
        if shop != "Bakery":
            held.consume(world)

    def clerk(session: Session) -> str:
        made = create_party(session, programme=world.programme, role="operator", name="Clerk", now=world.now)
        issued = issue_credential(session, party_id=made.id, now=world.now)
        return f"{issued.client_id}:{issued.secret}"

    return Shops(world, transact(world.database, clerk))


def hands(world: World) -> Hands:
    def act(deed: Callable[[Session, datetime], Any], /) -> Any:
        return transact(world.database, lambda session: deed(session, world.now))

    def look(deed: Callable[[Session, datetime], Any], /) -> Any:
        with unit_of_work(world.database, read_only=True) as session:
            return deed(session, world.now)

    return Hands(act, look, lambda: world.now, "test")


@pytest.fixture
def made(database: Database, tmp_path: Path) -> Iterator[Shops]:
    """The same on both databases."""
    with shops(database, tmp_path / "made") as found:
        yield found


@pytest.fixture
def beside(base_settings: Settings, sqlite_template: Path, tmp_path: Path) -> Iterator[Shops]:
    """The same once more, to be compared with."""
    path = tmp_path / "beside.db"
    copyfile(sqlite_template, path)
    database = Database(replace(base_settings, database_url=f"sqlite:///{path}"))
    with shops(database, tmp_path / "beside") as found:
        yield found
    database.dispose()


def test_the_settlement_closes_the_days_and_the_month_itself(made: Shops, beside: Shops) -> None:
    made.world.now = beside.world.now = OVER
    run = made.settle()
    assert run.state == "done"
    done = {step.step: step.done for step in run.steps}
    assert tuple(done) == STEPS
    assert (done["expiry"], done["statements"]) == (1, 2)  # the third shop has nothing to tell
    # As if they had been closed by hand.
    beside.world.close_month(NOVEMBER)
    told, expected = made.told(), beside.told()
    assert told["periods"] == expected["periods"]
    assert len(told["periods"]) == 31
    assert any(corrected != "0" for *_, corrected in told["periods"])
    assert [made.world.grams(person) for person in (0, 1)] == [
        beside.world.grams(person) for person in (0, 1)
    ]
    with unit_of_work(made.world.database, read_only=True) as session:
        assert set(session.scalars(text("SELECT closed_by FROM period"))) == {CLERK}
    before = rows(made.world.database)
    assert made.settle() == run
    assert settle_begun(hands(made.world)) == 0
    assert rows(made.world.database) == before
    assert findings(made.world.database) == []


def test_what_others_have_closed_is_passed_over(made: Shops, beside: Shops) -> None:
    made.world.now = beside.world.now = OVER
    made.world.close(*(NOVEMBER + timedelta(days=number) for number in (0, 1, 2, 13)))
    assert made.settle().state == "done"
    beside.world.close_month(NOVEMBER)  # all of it
    assert beside.settle().state == "done"
    for name in ("periods", "transfers", "statements", "items", "accounts"):
        assert made.told()[name] == beside.told()[name]


def test_a_day_of_the_month_before_comes_first(made: Shops) -> None:
    made.world.credit(metro("M-late", at="2026-10-30T08:00:00+08:00"), backfill=True)
    made.world.now = OVER
    with pytest.raises(EarlierDayOpen) as refused:
        made.settle()
    assert refused.value.details["earlier"] == "2026-10-30"
    assert settle_begun(hands(made.world)) == 0  # it waits
    made.world.close_month(date(2026, 10, 1))
    assert settle_begun(hands(made.world)) == 1
    assert made.settle().state == "done"
    assert findings(made.world.database) == []


def runs(shop: Shops, base: Settings, *points: str) -> dict[str, Any]:
    """Processes that run `settle month`, each dying at its point; without points, one to its end."""
    url = shop.world.database.engine.url.render_as_string(hide_password=False)
    environ = {"DATABASE_URL": url, "CARBON_CREDIT_VAR": str(base.var_dir), "PATH": os.environ["PATH"]}
    environ["PYTHONPATH"] = str(SCRIPT.parents[2])
    environ["METHODOLOGIES_DIR"] = str(shop.world.database.settings.methodologies_dir)
    month = ("settle", "month", "--programme", shop.world.programme, "--month", f"{NOVEMBER:%Y-%m}", "--json")
    command = [
        sys.executable,
        str(SCRIPT),
        OVER.isoformat(),
        ",".join(points),
        *month,
        "--as",
        shop.credential,
    ]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    told: dict[str, Any] = json.loads(done.stdout) if done.stdout else {}
    return told


def test_killed_at_every_point_another_run_ends_it(
    made: Shops, beside: Shops, base_settings: Settings
) -> None:
    assert runs(beside, base_settings)["state"] == "done"
    assert runs(made, base_settings, *POINTS) == {}
    told = runs(made, base_settings)
    assert (told["state"], len(told["statements"])) == ("done", 2)
    assert made.told() == beside.told()
    before = rows(made.world.database)
    assert runs(made, base_settings) == told
    assert rows(made.world.database) == before
    assert findings(made.world.database) == []
