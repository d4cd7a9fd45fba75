"""A rehearsed city on PostgreSQL: simulated rides in a file, imported by the command line, and its totals."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg

ROOT = Path(__file__).resolve().parents[2]
PROGRAMME, PARTNER = "x-gd-sz", "Simulated"
DOOR = (sys.executable, "-c", "from carbon_credit.cli.main import main; main()")
MESS = ("--late", "2%", "--duplicate", "2%", "--conflict", "0.5%", "--bad", "1%")
PATIENCE_S = int(os.environ.get("CHAOS_PATIENCE_S", 300))

# Everything that a row's outcome leaves behind, told so that two databases can be compared.
_TOLD = {
    "claims": """
        SELECT outcome, reason, revision, count(*) FROM event_claim GROUP BY 1, 2, 3 ORDER BY 1, 2, 3""",
    "events": "SELECT activity_type, tier, count(*) FROM event GROUP BY 1, 2 ORDER BY 1, 2",
    "reductions": """
        SELECT activity_type, cap_code, count(*), sum(gross_mg)::text, sum(credited_mg)::text
        FROM reduction GROUP BY 1, 2 ORDER BY 1, 2""",
    "transfers": """
        SELECT code, asset, phase, sum(amount)::text FROM transfer GROUP BY 1, 2, 3 ORDER BY 1, 2, 3""",
    "accounts": """
        SELECT kind, count(*), sum(credits_posted - debits_posted)::text
        FROM account GROUP BY 1 ORDER BY 1""",
    # Accounts and tallies have the same ids in each copy of the city: not only the sums must be equal.
    "balances": """
        SELECT md5(string_agg(concat_ws(' ', id, debits_posted, credits_posted), ',' ORDER BY id))
        FROM account WHERE side <> 'derived'""",
    "tallies": """
        SELECT md5(string_agg(concat_ws(' ', id, events, capped, amount, granted), ',' ORDER BY id))
        FROM day_tally""",
    "rows": """
        SELECT status, reason, count(*), md5(string_agg(line::text, ',' ORDER BY line))
        FROM import_reject GROUP BY 1, 2 ORDER BY 1, 2""",
    "imports": """
        SELECT j.state, sum(c.rows)::int, sum(c.credited_rows)::int, sum(c.held)::int, sum(c.rejected)::int,
          sum(c.duplicate)::int, sum(c.co2e_mg)::text, count(c.payload)::int
        FROM import_job j JOIN import_chunk c ON c.job_id = j.id GROUP BY j.id, j.state""",
}
_PROGRESS = "SELECT coalesce(sum(rows) FILTER (WHERE done_at IS NOT NULL), 0) FROM import_chunk"


@dataclass(frozen=True, slots=True)
class City:
    """A database and what stands around it."""

    url: str
    folder: Path
    file: Path
    environ: Mapping[str, str] = field(default_factory=dict)
    # Comes before each command, e.g. to run it in a network of its own.
    prefix: tuple[str, ...] = ()

    @property
    def surroundings(self) -> dict[str, str]:
        """The environment of a command."""
        mine = {
            "DATABASE_URL": self.url,
            "CARBON_CREDIT_VAR": str(self.folder),
            "PYTHONPATH": str(ROOT),
            "COLUMNS": "120",
        }
        return {**os.environ, **mine, **self.environ}

    def run(self, *arguments: str, code: int = 0) -> Any:
        """Run a command to its end; what it says as JSON."""
        ran = subprocess.run(
            [*self.prefix, *DOOR, *arguments, "--json"],
            cwd=self.folder, env=self.surroundings, capture_output=True, text=True, timeout=PATIENCE_S,
            check=False,
        )  # fmt: skip
        assert ran.returncode == code, f"{arguments}: {ran.returncode}\n{ran.stdout}\n{ran.stderr}"
        return json.loads(ran.stdout.splitlines()[-1]) if code == 0 else ran.stderr

    def start(self, *arguments: str, doom: Sequence[str] = ()) -> subprocess.Popen[bytes]:
        """Start a command, in a process group of its own; `doom`: where it dies, each as POINT:TURN."""
        door = (sys.executable, str(ROOT / "tests/chaos/dying.py"), ",".join(doom)) if doom else DOOR
        with (self.folder / "stderr.txt").open("ab") as told:
            return subprocess.Popen(
                [*self.prefix, *door, *arguments],
                cwd=self.folder, env=self.surroundings, stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL, stderr=told, start_new_session=True,
            )  # fmt: skip

    def importing(self, *, workers: int) -> tuple[str, ...]:
        """The command that imports the file."""
        return (
            *("import", "--programme", PROGRAMME, "--partner", PARTNER, "--adapter", "generic-ride"),
            *("--workers", str(workers), str(self.file)),
        )

    def totals(self) -> dict[str, list[Any]]:
        """What became of the file."""
        with self.connected() as connection:
            return {name: [tuple(row) for row in connection.execute(told)] for name, told in _TOLD.items()}

    def rows_done(self) -> int:
        """How many rows of the file have their outcome."""
        with self.connected() as connection:
            (done,) = connection.execute(_PROGRESS).fetchone() or (0,)
            return int(done)

    def states(self) -> list[str]:
        """Of the imports that there are."""
        with self.connected() as connection:
            return [state for (state,) in connection.execute("SELECT state FROM import_job ORDER BY id")]

    def audit(self) -> Any:
        """The audit of the ledger and all that stands behind it: green, or this raises."""
        return self.run("ledger", "audit")

    @contextmanager
    def connected(self) -> Iterator[psycopg.Connection]:
        """A connection of the test's own."""
        with psycopg.connect(plain(self.url), autocommit=True) as connection:
            yield connection


def plain(url: str) -> str:
    """The address as the driver takes it."""
    return url.replace("+psycopg", "")


def simulated(city: City, *, rides: int, citizens: int, days: int) -> Any:
    """Enrol the citizens and write the file: rides with duplicates, late ones, conflicts and bad ones."""
    return city.run(
        *("simulate", "--programme", PROGRAMME, "--citizens", str(citizens), "--days", str(days)),
        *("--events", str(rides), "--types", "metro.ride,bus.ride", "--layout", "rides", *MESS),
        *("--out", str(city.file), "--enrol", "--partner", PARTNER),
    )
