"""The benchmarks run, check what they time against an independent computation, and print every row."""

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from bench import offerrace

ROOT = Path(__file__).resolve().parents[1]
TASKS = ("metro or bus ride", "household electricity", "metro trip, mean method")
ENGINE = {f"{what}, {task}" for task in TASKS for what in ("evaluate", "explain", "Decimal by hand")} | {
    "load the library, first in its process",
    "the same and check dimensions",
    "only parse its YAML",
    "most memory of the process",
}
PEER = {
    f"{what}, {who}"
    for what, peers in {
        "one row": ("engine", "OpenFisca", "engine with trace", "OpenFisca with trace"),
        "20,000 rows": ("engine", "engine, one by one", "OpenFisca"),
        "right to the milligram": ("engine", "OpenFisca"),
    }.items()
    for who in peers
} | {"most memory of the process"}
STREAM = {f"{what}, {length}" for what in ("stream", "most memory") for length in ("a tenth", "whole")} | {
    "most memory of the process"
}
MEMORY = {f"{what}, {length} rows" for what in ("import", "most memory") for length in ("150", "1,500")}
SIZES = ("1", "100", "1,000")
BULK = {
    f"{what}, 2 together"
    for what in (
        *("credit by 1,000", "import of the file"),
        *("floor by 1,000", "floor by 10,000", "start of the import's command"),
    )
} | {"most memory of the process"}
STORED = {
    f"{what}, {where} stored"
    for what in ("credit", "statement", "balance", "reductions", "totals")
    for where in ("150", "1,500")
}
HOT_ROW = {
    f"{where}, {what}"
    for where in ("one programme", "eight programmes")
    for what in ("single posts, 32 connections", "by 1,000, 2 together")
}
LOTS = {
    "expire, by 50,000",
    "one UPDATE and one INSERT of the same rows",
    "expire 2,000 lots",
    "most memory of the process that expires",
    "most memory of the process",
}
RACE = {
    "attempts, 100 pieces",
    "vouchers, 100 pieces",
    "vouchers, 500 pieces",
    "pgbench, 500 updates of one row",
}
STATEMENT = {
    f"{what} of 500 uses{of}"
    for what in ("issue", "csv", "xlsx", "pdf")
    for of in ("", ": time", ": most memory")
} | {"one INSERT and one SUM of the same uses", "most memory of the process"}
BATCHES = {"batches of 1,000, 8 connections", "import of the same rows, 2 together"}
HTTP = {
    "batches of 1,000, 8 connections",
    "single posts, 32 connections",
    "bare Flask and one INSERT, 32 connections",
    "p50 of a single post, 32 connections",
    "p99 of a single post, 32 connections",
    "most memory of the process",
}


def on_database(verb: str, table: str, ways: tuple[str, str, str]) -> set[str]:
    rows = {f"{verb}, {size} at once" for size in SIZES} | {"most memory of the process"}
    return rows | {f"bare {way} into {table}, {size} at once" for way, size in zip(ways, SIZES, strict=True)}


@pytest.mark.long
def test_every_row_is_measured_and_printed(tmp_path: Path, postgresql_template: str | None) -> None:
    file = tmp_path / "figures.json"
    command = [sys.executable, "-m", "bench", "--quick", "--json", str(file)]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=1200, check=False)
    assert ran.returncode == 0, ran.stderr
    expected = {"Engine": ENGINE, "Offline quantification": STREAM}
    if find_spec("openfisca_core") is None:
        assert "skipped: openfisca-core is not installed" in ran.stdout
    else:
        expected["Engine beside OpenFisca"] = PEER
    kinds = {"SQLite": ("INSERT", "executemany", "executemany"), "PostgreSQL": ("INSERT", "COPY", "COPY")}
    for kind, ways in kinds.items():
        if kind == "PostgreSQL" and postgresql_template is None:
            assert ran.stdout.count("skipped: no PostgreSQL server") == 11
            continue
        expected[f"Ledger on {kind}"] = on_database("post", "transfer", ways)
        memory = {"Python memory of one batch of 1,000"}
        expected[f"Event path on {kind}"] = on_database("credit", "event", ways) | memory
    if postgresql_template is not None:
        expected |= {"Bulk path on PostgreSQL": BULK}
        expected["Batches over HTTP on PostgreSQL"] = BATCHES | {"most memory of the process"}
        expected["One programme or eight on PostgreSQL"] = HOT_ROW | {"most memory of the process"}
        expected["Memory of an import, and events stored, on PostgreSQL"] = (
            MEMORY | STORED | {"most memory of the process"}
        )
        closing = {"close the day", "import its events", "most memory of the process"}
        expected["Closing on PostgreSQL"] = closing
        expected |= {"HTTP on PostgreSQL": HTTP, "Expiry of lots on PostgreSQL": LOTS}
        expected["Statement of a month on PostgreSQL"] = STATEMENT
        if offerrace.program() is None:
            assert "skipped: pgbench" in ran.stdout
        else:
            expected["Race for an offer on PostgreSQL"] = RACE | {"most memory of the process"}
    found: dict[str, set[str]] = {}
    for figure in json.loads(file.read_text(encoding="utf-8"))["figures"]:
        assert figure["median"] > 0
        assert (figure["ratio"] is None) == (figure["beside"] is None)
        assert figure["name"] in ran.stdout
        if ", processor" in figure["name"]:  # seen where the server runs on the same machine
            continue
        found.setdefault(figure["section"], set()).add(figure["name"])
    assert found == expected
