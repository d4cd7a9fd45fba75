"""What the command line says of room and of archives."""

import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import orjson

from carbon_credit.kernel import clock
from carbon_credit.kernel.db import Database
from carbon_credit.kernel.partitions import month_after
from tests.cli.conftest import Run

ROOT = Path(__file__).parents[2]


def test_the_embedded_default_has_no_partitions_and_no_sizes(run: Run) -> None:
    assert run("db", "partitions", "--json").json == {"partitions": []}
    assert run("db", "sizes", "--json").json == {"tables": []}


def test_partitions_and_sizes_on_a_server(postgresql_database: Database, var: Path) -> None:
    url = postgresql_database.engine.url.render_as_string(hide_password=False).replace("+psycopg", "")
    environ = {"DATABASE_URL": url, "CARBON_CREDIT_VAR": str(var), "PYTHONPATH": str(ROOT), "COLUMNS": "400"}

    def run(*arguments: str) -> str:
        # In a process of its own, which closes its connections when it ends.
        command = [sys.executable, "-c", "from carbon_credit.cli.main import main; main()", *arguments]
        ended = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=120, check=False)
        assert ended.returncode == 0, ended.stderr
        return ended.stdout

    run("db", "upgrade")
    found = orjson.loads(run("db", "partitions", "--json"))["partitions"]
    months = [one["month"] for one in found if one["table"] == "event"]
    this_month = clock.now().date().replace(day=1)
    assert months == [*(month_after(this_month, n).isoformat() for n in range(3)), None]
    tables = {one["table"]: one for one in orjson.loads(run("db", "sizes", "--json"))["tables"]}
    assert "event" in tables
    assert not [name for name in tables if name.startswith("event_20")]
    assert tables["event"]["indexes"].keys() == {
        "pk_event",
        "ix_event_citizen_id_occurred_at",
        "ix_event_partner_id_received_at",
    }
    assert "event_default" in run("db", "partitions")
    assert "event_claim" in run("db", "sizes")


def test_a_month_that_is_not_over_is_refused(run: Run, tmp_path: Path) -> None:
    run("archive", "export", "--month", f"{clock.now():%Y-%m}", "--to", str(tmp_path)).refused(
        "archive-month-not-over"
    )
    run("archive", "verify", str(tmp_path)).refused("archive-not-found")


def test_an_empty_month_is_written_verified_and_spoiled(run: Run, tmp_path: Path) -> None:
    month = (clock.now() - timedelta(days=40)).strftime("%Y-%m")
    told = run("archive", "export", "--month", month, "--to", str(tmp_path), "--json")
    assert told.json["folder"] == str(tmp_path / month)
    assert set(told.json["rows"].values()) == {0}
    assert run("archive", "verify", str(tmp_path / month), "--json").json["ok"] is True
    run("archive", "export", "--month", month, "--to", str(tmp_path)).refused("archive-exists")
    (tmp_path / month / "event.parquet").unlink()
    spoiled = run("archive", "verify", str(tmp_path / month), "--json")
    assert spoiled.status == 1
    assert spoiled.json["problems"] == [{"detail": "the file is missing", "file": "event.parquet"}]
