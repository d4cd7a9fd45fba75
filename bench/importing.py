"""The import of a whole file by the command line, as an operator runs it; and the memory that it takes."""

import csv
import os
import subprocess
import sys
from pathlib import Path
from time import perf_counter

import orjson

from bench.measure import Figure, Plan, single
from bench.town import Part, Spent, Town, Want, town
from carbon_credit.kernel.settings import Settings

SECTION = "Memory of an import on PostgreSQL"
PARTNER = "bench"
COLUMNS = ("ride_id", "type", "card", "started_at", "distance_m", "distance_source")
_DOOR = "from carbon_credit.cli.main import main; main()"


def measure(plan: Plan) -> list[Figure]:
    """MiB of the largest process of an import, for a file and for one that is ten times longer."""
    with town(Want(plan.people, 0, plan.rides)) as ours:
        (whole,) = ours.parts
        tenth = first_rows(whole, plan.rides // 10)
        figures = []
        for name, file in (("a tenth", tenth), ("whole", csv_of(whole))):
            with ours.copy() as settings:
                spent, peak_mib = run(whole, settings, file, workers=2)
            rows = plan.rides // 10 if file == tenth else plan.rides
            figures.append(single(SECTION, f"import, {name}", "rows/s", rows / spent.seconds))
            figures.append(single(SECTION, f"most memory, {name}", "MiB", peak_mib))
    return figures


def imported(ours: Town, settings: Settings, *, workers: int) -> Spent:
    """All rides of the town's first part, from a file: reading, staging, crediting, starting up."""
    part = ours.parts[0]
    spent, _ = run(part, settings, csv_of(part), workers=workers)
    return spent


def run(part: Part, settings: Settings, file: Path, *, workers: int) -> tuple[Spent, float]:
    """What the command takes, and the most memory of any of its processes in MiB."""
    command = [sys.executable, "-c", _DOOR, "import", "--programme", part.programme, "--partner", PARTNER]
    command += ["--adapter", "generic-ride", "--workers", str(workers), "--json", str(file)]
    places = {"DATABASE_URL": settings.database_url, "CARBON_CREDIT_VAR": str(settings.var_dir)}
    begin = perf_counter()
    process = subprocess.Popen(
        command, env={**os.environ, **places}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise AssertionError("the import failed")
    peak = used.ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)
    return Spent(perf_counter() - begin, used.ru_utime + used.ru_stime, 0.0), peak


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
