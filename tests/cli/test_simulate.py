"""`simulate`: what it says it meant is what becomes of its events, from a file and over HTTP."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import orjson
import pytest
from click.testing import CliRunner
from werkzeug.serving import make_server

from carbon_credit.cli.main import commands
from carbon_credit.factory import application
from carbon_credit.identity.operations import issue_credential
from carbon_credit.identity.queries import party_named
from carbon_credit.imports.adapters import make_adapter
from carbon_credit.imports.formats import open_rows
from carbon_credit.imports.jobs.control import read_control
from carbon_credit.imports.rows import Ride, RowOutcome
from carbon_credit.kernel import clock
from carbon_credit.kernel.db import Database
from carbon_credit.kernel.unit_of_work import transact
from carbon_credit.quantification.operations import credit
from carbon_credit.sweeps.deliveries import read_network
from tests.world import World

MESS = ["--late", "2%", "--duplicate", "4%", "--conflict", "2%", "--bad", "5%", "--days", "2"]


@pytest.fixture
def world(database: Database, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setenv("CARBON_CREDIT_VAR", str(database.settings.var_dir))
    monkeypatch.setenv("DATABASE_URL", database.settings.database_url)
    # The same keys as the database of the test was opened with.
    monkeypatch.setattr(
        "carbon_credit.kernel.settings._development_keys", lambda _folder: database.settings.keys
    )
    return World(database, people=1)


def simulated(*arguments: str) -> dict[str, Any]:
    asked = ["simulate", "--programme", "x-gd-sz", "--citizens", "120", "--json", *arguments]
    done = CliRunner().invoke(commands, asked)
    assert done.exit_code == 0, done.output
    told = orjson.loads(done.stdout.splitlines()[-1])
    assert isinstance(told, dict)
    return told


def test_a_file_that_is_credited_has_the_outcomes_that_were_meant(world: World, tmp_path: Path) -> None:
    path = tmp_path / "days.ndjson"
    told = simulated(*MESS, "--enrol", "--out", str(path))
    assert told["enrolled"] == 120
    lines = path.read_bytes().splitlines()
    assert told["meant"]["events"] == len(lines) > 600
    partner = transact(
        world.database,
        lambda session: party_named(session, programme="x-gd-sz", role="partner", name="Simulated"),
    )
    assert partner is not None
    found: Counter[str] = Counter()
    for start in range(0, len(lines), 250):
        payloads = [orjson.loads(line) for line in lines[start : start + 250]]
        outcomes = transact(
            world.database,
            lambda session, payloads=payloads: credit(  # type: ignore[misc]
                session, programme="x-gd-sz", partner_id=partner.id, payloads=payloads, now=clock.now()
            ),
        )
        found.update(outcome.status for outcome in outcomes)
    assert dict(found) == told["meant"]["outcomes"]


@pytest.mark.parametrize(
    ("layout", "adapter"),
    [("rides", "generic-ride"), ("electricity", "household-electricity"), ("swipes", "shenzhen-card")],
)
def test_a_file_as_operators_write_it_has_the_outcomes_that_were_meant(
    world: World, tmp_path: Path, layout: str, adapter: str
) -> None:
    path, segments = tmp_path / "days.csv.gz", tmp_path / "metro.csv"
    asked = ["--layout", layout, "--control", "--out", str(path), "--network-out", str(segments)]
    told = simulated(*MESS, "--enrol", *asked)
    read = make_adapter(adapter, network=read_network(segments.read_bytes(), "x-gd-sz"))
    items = list(read.items(open_rows(path), now=clock.now()))
    control = read_control((tmp_path / "days.csv.gz.ctl").read_bytes())
    assert control.difference(read.totals) is None
    rows_each = 2 if layout == "swipes" else 1
    assert control.rows == told["meant"]["events"] * rows_each
    assert control.sha256 == told["files"][0]["sha256"]
    partner = transact(
        world.database,
        lambda session: party_named(session, programme="x-gd-sz", role="partner", name="Simulated"),
    )
    assert partner is not None
    given = {"programme": "x-gd-sz", "partner_id": partner.id, "now": clock.now(), "backfill": True}
    payloads = [item.event for item in items if isinstance(item, Ride)]
    outcomes = transact(world.database, lambda session: credit(session, payloads=payloads, **given))
    found = Counter(outcome.status for outcome in outcomes)
    # The adapter sees some of it and the verb the rest: together it is what was meant.
    by_row = Counter(item.status for item in items if isinstance(item, RowOutcome))
    meant = told["meant"]["outcomes"]
    assert found["credited"] == meant["credited"] > 0
    assert found["duplicate"] + by_row["duplicate"] // rows_each == meant["duplicate"]
    refused = found["rejected"] + found["invalid"] + by_row["rejected"] // rows_each
    assert refused == meant["rejected"] + meant.get("invalid", 0)


def test_enrolling_again_changes_nothing_and_more_activities_add_their_links(world: World) -> None:
    assert simulated("--enrol", "--types", "metro.ride")["enrolled"] == 120
    assert simulated("--enrol", "--types", "metro.ride")["enrolled"] == 0
    assert (
        simulated("--enrol", "--types", "metro.ride,walk")["enrolled"] <= 20
    )  # who had neither card nor phone


def test_days_in_files_of_their_own(world: World, tmp_path: Path) -> None:
    told = simulated(
        "--days", "3", "--late", "5%", "--layout", "rides", "--out", str(tmp_path / "r-{day}.csv.gz")
    )
    assert len(told["files"]) == 6  # three days, and three on which late ones arrive
    assert sum(one["rows"] for one in told["files"]) == told["meant"]["events"]
    assert told["left_out"] == {"ebike.ride": "the programme does not credit it"}


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--programme", "x-gd-szel"], "nothing to simulate"),
        (["--programme", "nowhere"], "There is no programme nowhere"),
        (["--programme", "x-gd-sz", "--bad", "lots"], "no share"),
        (["--programme", "x-gd-sz", "--bad", "60%", "--duplicate", "60%"], "more than 100%"),
        (["--programme", "x-gd-sz", "--to", "http://127.0.0.1:1"], "Say who posts"),
        (["--programme", "x-gd-sz", "--layout", "swipes", "--types", "walk"], "cannot say walk"),
        (["--programme", "gd-sz", "--enrol"], "does not allow"),
    ],
)
def test_what_cannot_be_simulated_is_told(world: World, arguments: list[str], says: str) -> None:
    done = CliRunner().invoke(commands, ["simulate", *arguments])
    assert done.exit_code == 2
    assert says in done.output


@contextmanager
def serving(server: Any) -> Iterator[str]:
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize("batch", ["1", "100"])
def test_live_posts_have_the_outcomes_that_were_meant(world: World, batch: str) -> None:
    simulated("--enrol", "--types", "metro.ride,bus.ride")
    client = transact(world.database, lambda session: _client(session, "Simulated"))
    app = application(world.database.settings, world.database)
    with serving(make_server("127.0.0.1", 0, app, threaded=True)) as url:
        told = simulated(
            *MESS, "--types", "metro.ride,bus.ride", "--events", "300", "--to", url, "--client", client,
            "--batch", batch, "--connections", "3",
        )  # fmt: skip
    assert told["posted"]["outcomes"] == told["meant"]["outcomes"]
    assert told["posted"]["requests"] == 300 if batch == "1" else told["posted"]["requests"] <= 6
    assert told["posted"]["p99_ms"] >= told["posted"]["p50_ms"] > 0


def _client(session: Any, name: str) -> str:
    party = party_named(session, programme="x-gd-sz", role="partner", name=name)
    assert party is not None
    made = issue_credential(session, party_id=party.id, now=clock.now())
    return f"{made.client_id}:{made.secret}"


class _Stubborn(BaseHTTPRequestHandler):
    """Says "later" to each first attempt, and closes the connection on each second."""

    protocol_version = "HTTP/1.1"
    seen: Counter[bytes]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path.endswith("/token"):
            return self._answer(200, {"access_token": "t"})
        self.seen[body] += 1
        if self.seen[body] == 1:
            return self._answer(429, {"detail": "later"}, after="0")
        if self.seen[body] == 2:
            self.close_connection = True
            return None
        return self._answer(200, {"counts": {"credited": len(body.split(b"\n"))}})

    def _answer(self, status: int, told: object, after: str | None = None) -> None:
        data = orjson.dumps(told)
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        if after is not None:
            self.send_header("Retry-After", after)
        self.end_headers()
        self.wfile.write(data)

    log_message: Callable[..., None] = lambda *_: None  # type: ignore[assignment]


def test_patience_with_a_server_that_is_busy_or_hangs_up(world: World) -> None:
    handler = type("Handler", (_Stubborn,), {"seen": Counter()})
    with serving(ThreadingHTTPServer(("127.0.0.1", 0), handler)) as url:
        told = simulated(
            "--types",
            "metro.ride",
            "--days",
            "3",
            "--events",
            "95",
            "--to",
            url,
            "--client",
            "a:b",
            "--batch",
            "10",
        )
    assert told["posted"]["outcomes"] == {"credited": 95}
    assert told["posted"]["retried"] == 20
