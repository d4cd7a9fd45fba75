"""The import of a whole file by the command line, as an operator runs it."""

import csv
import os
import subprocess
import sys
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import LiteralString

import orjson
import psycopg

from bench.progress import Progress
from bench.town import Part, Spent, Town, plain
from carbon_credit.kernel.settings import Settings

PARTNER = "bench"
COLUMNS = ("ride_id", "type", "card", "started_at", "distance_m", "distance_source")
TOGETHER = 2
_GLANCE_S = 0.1
_TOOK = "SELECT extract(epoch FROM ended_at - created_at) FROM import_job"
_DONE = "SELECT coalesce(sum(rows) FILTER (WHERE done_at IS NOT NULL), 0) FROM import_chunk"
_DOOR = "from carbon_credit.cli.main import main; main()"


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import took: from its opening to its end, and `start_s` around that, to begin and to end the
    command; MiB of the largest of its processes."""

    spent: Spent
    start_s: float
    peak_mib: float


def imported(ours: Town, settings: Settings, *, workers: int) -> Imported:
    """All rides of the town's first part, from a file: reading, staging, crediting."""
    part = ours.parts[0]
    return run(part, settings, csv_of(part), rows=part.count, workers=workers)


def run(part: Part, settings: Settings, file: Path, *, rows: int, workers: int) -> Imported:
    """Run the command as an operator does. Raises AssertionError where it fails."""
    command = [sys.executable, "-c", _DOOR, "import", "--programme", part.programme, "--partner", PARTNER]
    command += ["--adapter", "generic-ride", "--workers", str(workers), "--json", str(file)]
    places = {"DATABASE_URL": settings.database_url, "CARBON_CREDIT_VAR": str(settings.var_dir)}
    begin = perf_counter()
    with psycopg.connect(plain(settings), autocommit=True) as connection:
        with closing(Progress("rows imported", rows)) as progress:
            process = subprocess.Popen(
                command, env={**os.environ, **places}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
            while not (ended := os.wait4(process.pid, os.WNOHANG))[0]:
                time.sleep(_GLANCE_S)
                if progress.is_due:
                    progress.at(int(_one(connection, _DONE)))
        seconds = perf_counter() - begin
        _, status, used = ended
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise AssertionError("the import failed")
        took = _one(connection, _TOOK)
    peak = used.ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)
    return Imported(Spent(took, used.ru_utime + used.ru_stime, 0.0), seconds - took, peak)


def _one(connection: psycopg.Connection, question: LiteralString) -> float:
    row = connection.execute(question).fetchone()
    assert row is not None
    return float(row[0])


def csv_of(part: Part) -> Path:
    """The part's rides as an operator delivers them, written once."""
    path = part.rides.with_suffix(".csv")
    if not path.exists():
        with part.rides.open("rb") as lines, path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(COLUMNS)
            for line in lines:
                event = orjson.loads(line)
                data, card = event["data"], event["citizen"]["link"]["value"]
                distance = data["distance_m"], data["distance_source"]
                writer.writerow((event["id"], event["type"], card, event["occurred_at"], *distance))
    return path


def first_rows(part: Part, rows: int) -> Path:
    """The beginning of that file."""
    path = part.rides.with_name(f"{part.rides.stem}-{rows}.csv")
    with csv_of(part).open("rb") as whole, path.open("wb") as file:
        file.writelines(line for _, line in zip(range(rows + 1), whole, strict=False))
    return path
