"""Every command: help, one line of JSON, one sentence where it fails, the status that scripts look at."""

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from socket import SO_REUSEPORT, SOL_SOCKET, socket
from typing import Any

import click
import orjson
import pytest
import sqlalchemy as sa

from carbon_credit.cli.main import commands
from carbon_credit.kernel import clock
from carbon_credit.kernel.db import Database
from carbon_credit.kernel.unit_of_work import unit_of_work
from carbon_credit.quantification.periods import record_closing
from carbon_credit.sweeps import SWEEPS
from tests.cli.conftest import Run
from tests.world import World, metro


def paths(group: click.Command = commands, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    yield path
    if isinstance(group, click.Group):
        for name, command in group.commands.items():
            yield from paths(command, (*path, name))


@pytest.mark.parametrize("path", list(paths()), ids=" ".join)
def test_every_command_says_what_it_is_for(run: Run, path: tuple[str, ...]) -> None:
    told = run(*path, "--help")
    assert (told.status, told.err) == (0, "")
    assert told.out.startswith("Usage: carbon-credit")
    assert len(told.out.splitlines()[2].strip()) > 15, "a sentence on what it does"


def test_the_contract_commands_are_there() -> None:
    wanted = {
        "demo", "serve", "worker", "db upgrade", "import", "methodology list", "methodology lint",
        "methodology test", "methodology explain", "quantify", "period close", "batch preview", "batch open",
        "batch fill", "batch freeze", "batch verify", "batch apply", "batch register", "batch export",
        "serials list", "dossier verify", "ledger audit", "sweep", "openapi write",
    }  # fmt: skip
    assert wanted <= {" ".join(path) for path in paths()}


@pytest.mark.parametrize(
    "arguments", [("nonsense",), ("ledger", "nonsense"), ("sweep", "nonsense"), ("sweep", "--x")]
)
def test_what_is_not_there_is_refused(run: Run, arguments: tuple[str, ...]) -> None:
    run(*arguments).refused("No such" if arguments != ("sweep", "nonsense") else "nonsense")


def test_version(run: Run) -> None:
    assert run("--version").out.startswith("carbon-credit, version ")


def test_db_upgrade_makes_everything_from_nothing(run: Run, tmp_path: Path) -> None:
    told = run("db", "upgrade", CARBON_CREDIT_VAR=str(tmp_path / "new"))
    assert told.status == 0, told.err
    assert (tmp_path / "new" / "carbon-credit.db").is_file()
    assert run("db", "upgrade", CARBON_CREDIT_VAR=str(tmp_path / "new")).status == 0
    run("db", "new", "Two Words").refused("one lower-case word")


def test_a_party_and_its_secret_shown_once(run: Run) -> None:
    told = run(
        "party", "add", "--programme", "x-gd-sz", "--role", "partner", "--name", "Metro 地铁", "--json"
    )
    again = run(
        "party", "add", "--programme", "x-gd-sz", "--role", "partner", "--name", "Metro 地铁", "--json"
    )
    assert told.json["party"] == again.json["party"]
    assert told.json["client_id"] != again.json["client_id"]
    assert len(told.json["client_secret"]) > 30
    for_people = run("party", "add", "--programme", "x-gd-sz", "--role", "operator", "--name", "Office")
    assert (for_people.status, for_people.out) == (0, "")
    assert "not shown again" in for_people.err
    run("party", "add", "--programme", "nowhere", "--role", "operator", "--name", "X").refused("nowhere")
    run("party", "add", "--programme", "x-gd-sz", "--role", "king", "--name", "X").refused("king")


def test_a_revoked_credential_acts_no_more(run: Run) -> None:
    told = run("party", "add", "--programme", "x-gd-sz", "--role", "operator", "--name", "N", "--json").json
    acting = {"CARBON_CREDIT_AS": f"{told['client_id']}:{told['client_secret']}"}
    close = ("period", "close", "--programme", "x-gd-sz", "--day", "2020-01-01", "--json")
    assert run(*close, **acting).status == 0
    assert run("party", "revoke", told["client_id"]).status == 0
    run(*close, **acting).refused("credential")
    run("party", "revoke", "nobody").refused("party-not-found")


def test_an_audit_is_one_line_and_its_status(run: Run, embedded: Database) -> None:
    world = World(embedded)
    world.credit(metro("M-1"), metro("M-2"))
    sound = run("ledger", "audit", "--json")
    assert (sound.status, sound.json["ok"], sound.json["findings"]) == (0, True, [])
    assert sound.json["rows"] > 0
    assert "The books hold" in run("ledger", "audit").err
    assert run("ledger", "audit", "--recent", "--json").json["ok"]

    with unit_of_work(embedded) as session:
        trigger = session.scalar(sa.text("SELECT sql FROM sqlite_master WHERE name = 'transfer_no_update'"))
        session.execute(sa.text("DROP TRIGGER transfer_no_update"))
        one = session.execute(sa.text("SELECT id FROM transfer WHERE asset = 'co2e_mg' LIMIT 1")).scalar_one()
        session.execute(sa.text("UPDATE transfer SET amount = amount + 1 WHERE id = :id"), {"id": one})
        session.execute(sa.text(str(trigger)))
    broken = run("ledger", "audit", "--json")
    assert (broken.status, broken.json["ok"]) == (1, False)
    assert str(one) in {finding["row"].replace("-", "") for finding in broken.json["findings"]}
    people = run("ledger", "audit")
    assert people.status == 1
    assert "transfer" in people.err


def test_sweeps_say_how_much_they_did(run: Run) -> None:
    assert run("sweep", "--json").json == dict.fromkeys(SWEEPS, 0)
    assert run("sweep", "seal", "--json").json == {"seal": 0}


@pytest.mark.parametrize("port", ["0", "-1", "65536", "http"])
def test_a_port_that_cannot_be_is_refused(run: Run, port: str) -> None:
    run("serve", "--port", port).refused("--port")


def test_a_port_that_is_taken_is_not_shared(run: Run) -> None:
    with socket() as other:
        # As a server of several processes has it, which a second one could share.
        other.setsockopt(SOL_SOCKET, SO_REUSEPORT, 1)
        other.bind(("127.0.0.1", 0))
        other.listen()
        run("serve", "--port", str(other.getsockname()[1])).refused("cannot be served")


def test_a_worker_needs_a_broker(run: Run) -> None:
    run("worker").refused("CELERY_BROKER_URL")


def test_failures_are_one_sentence(run: Run, tmp_path: Path) -> None:
    run("sweep", DATABASE_URL="postgresql://nobody@127.0.0.1:9/none").refused("database-unavailable")
    run("sweep", DATABASE_URL="mysql://x").refused("DATABASE_URL")
    run("sweep", CARBON_CREDIT_ENV="production").refused("MAC_KEY")
    run("sweep", CARBON_CREDIT_ENV="staging").refused("CARBON_CREDIT_ENV")
    run("quantify", "--programme", "gd-sz", "/no/such/file").refused("/no/such/file")
    run("methodology", "test", METHODOLOGIES_DIR=str(tmp_path / "nothing")).refused("data-file-missing")
    (tmp_path / "file").write_text("x")
    for unusable in (tmp_path / "file", tmp_path / "file" / "below", Path("/proc/nowhere")):
        told = run("sweep", CARBON_CREDIT_VAR=str(unusable))
        told.refused("the environment variable CARBON_CREDIT_VAR names")
        assert told.err.count("\n") == 1
    (tmp_path / "var" / "carbon-credit.db").write_bytes(b"no database" * 100)
    run("sweep").refused("database")


def test_an_interrupted_command_says_what_stays(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("carbon_credit.cli.servers.run_sweep", interrupted)
    told = run("sweep")
    assert told.status == 130
    assert "What was committed stays" in told.err


def test_an_import_asks_for_what_it_needs(run: Run, tmp_path: Path) -> None:
    swipes, network = tmp_path / "swipes.csv", tmp_path / "network.csv"
    swipes.write_text("card_no\n")
    network.write_text("nothing\n")
    base = (
        "import",
        "--programme",
        "x-gd-sz",
        "--partner",
        "Metro",
        "--adapter",
        "shenzhen-card",
        str(swipes),
    )
    run(*base).refused("--network")
    nowhere = [argument if argument != "x-gd-sz" else "nope" for argument in base]
    run(*nowhere).refused("programme-not-found")
    told = run(*base, "--network", str(network))
    assert (told.status, told.out) == (2, ""), told
    assert "Traceback" not in told.err


def test_periods_are_closed_by_an_operator_in_person(run: Run, embedded: Database) -> None:
    world = World(embedded, now=clock.now())
    day = (world.now - timedelta(days=2)).date().isoformat()
    world.credit(metro("M-1", at=f"{day}T08:00:00+08:00"))
    credentials = {}
    for programme, role in (("x-gd-sz", "operator"), ("x-gd-sz", "verifier"), ("x-gd-gz", "operator")):
        told = run("party", "add", "--programme", programme, "--role", role, "--name", "N", "--json").json
        credentials[programme, role] = f"{told['client_id']}:{told['client_secret']}"
    close = ("period", "close", "--programme", "x-gd-sz")
    operator = credentials["x-gd-sz", "operator"]
    run(*close, "--day", day).refused("--as")
    run(*close, "--day", day, "--as", "nonsense").refused("--as")
    run(*close, "--day", day, "--as", f"{operator}x").refused("credential")
    run(*close, "--day", day, "--as", credentials["x-gd-sz", "verifier"]).refused("operator")
    run(*close, "--day", day, "--as", credentials["x-gd-gz", "operator"]).refused("operator")
    run(*close, "--as", operator).refused("--day, --month and --year")
    run(*close, "--day", day, "--year", "2020", "--as", operator).refused("--day, --month and --year")
    run(*close, "--year", f"{world.now.year}", "--as", operator).refused("not over")
    run(*close, "--day", "2026-02-30", "--as", operator).refused("2026-02-30")
    run(*close, "--day", world.now.date().replace(year=2099).isoformat(), "--as", operator).refused("2099")
    # A month that is not over is refused before the first of its days is closed.
    run(*close, "--month", f"{world.now + timedelta(hours=8):%Y-%m}", "--as", operator).refused("not over")
    with unit_of_work(embedded, read_only=True) as session:
        assert session.scalar(sa.text("SELECT count(*) FROM period")) == 0
    done = run(*close, "--day", day, "--json", CARBON_CREDIT_AS=operator)
    assert done.status == 0, done.err
    assert (done.json["kind"], done.json["reductions"], done.json["co2e_mg"]) == ("day", 1, 388_440)
    run(*close, "--day", day, "--as", operator).refused("period-closed")


def test_a_year_is_closed_with_its_months_and_their_days(run: Run, embedded: Database) -> None:
    world = World(embedded, now=clock.now())
    year = world.now.year - 1
    world.credit(metro("M-1", at=f"{year}-12-30T08:00:00+08:00"), backfill=True)
    told = run("party", "add", "--programme", "x-gd-sz", "--role", "operator", "--name", "N", "--json").json
    operator = f"{told['client_id']}:{told['client_secret']}"
    with unit_of_work(embedded) as session:  # what an interrupted run has left
        for month in range(1, 12):
            record_closing(
                session,
                programme="x-gd-sz",
                kind="month",
                starts_on=date(year, month, 1),
                closed_by="test",
                reductions=0,
                credited_mg=0,
                corrected_mg=0,
                now=world.now,
            )
    done = run("period", "close", "--programme", "x-gd-sz", "--year", f"{year}", "--json", "--as", operator)
    assert done.status == 0, done.err
    assert (done.json["kind"], done.json["starts_on"]) == ("year", f"{year}-01-01")
    assert (done.json["reductions"], done.json["co2e_mg"]) == (1, 388_440)
    assert (len(done.json["months"]), len(done.json["days"])) == (1, 31)
    again = ("period", "close", "--programme", "x-gd-sz", "--year", f"{year}", "--as", operator)
    run(*again).refused("period-closed")


def test_openapi_is_written(run: Run, tmp_path: Path) -> None:
    told = run("openapi", "write", "--to", str(tmp_path / "openapi.yaml"))
    assert told.status == 0, told.err
    assert (tmp_path / "openapi.yaml").read_text().count("\nopenapi: 3.1") == 1


def test_json_is_utf_8_and_sorted(run: Run) -> None:
    told = run("party", "add", "--programme", "x-gd-sz", "--role", "merchant", "--name", "绿色咖啡", "--json")
    assert list(told.json) == sorted(told.json)
    assert orjson.loads(told.out.encode())["role"] == "merchant"
