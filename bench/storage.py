"""Bytes an event leaves behind: in each table and index, and in the write-ahead log.

`python -m bench.storage [--events N] [--write]` credits simulated days to a database of its own and measures
what they take. The log is that of the whole server, which should have nothing else to do. `--write` keeps
the answer as `docs/capacity.json`, from which `docs/capacity.md` is computed.
"""

import argparse
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path
from time import perf_counter

from bench.databases import analyze, fresh_database, server_version
from bench.events import CHINA, FIRST_DAY_AGO, MIX, City, Payload
from bench.measure import Figure, Plan, single
from carbon_credit.kernel.clock import now
from carbon_credit.kernel.db import Database
from carbon_credit.kernel.sizes import TableSize, log_position, table_sizes
from carbon_credit.kernel.unit_of_work import unit_of_work

SECTION = "Storage on PostgreSQL"
KEPT = Path(__file__).resolve().parent.parent / "docs" / "capacity.json"
EVENTS = 240_000
BATCH = 5_000
RATES = (1, 3)  # rides of a citizen and day: what is kept for each day weighs more where it has one


@dataclass(frozen=True, slots=True)
class Measured:
    """What `events` events left behind, `a_day` for each citizen and day. Bytes; `wal_bytes` of the log.

    `rows` and `bytes` by table, with indexes, less what enrolled citizens take before their first event;
    those are in `citizen_bytes`, for each. `indexes`: bytes by index.
    """

    a_day: int
    events: int
    citizens: int
    citizen_bytes: int
    wal_bytes: int
    rows: dict[str, int]
    bytes: dict[str, int]
    indexes: dict[str, int]


class Days(City):
    """The city with another number of rides a day: enough of each day for everybody."""

    def __init__(self, database: Database, people: int, a_day: int) -> None:
        self._a_day = a_day
        super().__init__(database, people)

    def _events(self) -> Iterator[Payload]:
        first = now().astimezone(CHINA).date() - timedelta(days=FIRST_DAY_AGO)
        kinds = [kind for kind, share, _ in MIX for _ in range(share)]
        for day in range(FIRST_DAY_AGO):
            for hour in (8, 12, 18)[: self._a_day]:
                for link in self._random.sample(self._links, len(self._links)):
                    name = f"ride-{day}-{hour}-{link}"
                    yield self._event(
                        name, link, first + timedelta(days=day), hour, self._random.choice(kinds)
                    )


def measure(plan: Plan) -> list[Figure]:
    """Bytes an event, rows with indexes and the log, at one and at three rides a day."""
    events = EVENTS if plan.rounds > 1 else 600
    figures = []
    for a_day in RATES:
        found = run(events, a_day)
        for name, total in (("tables", sum(found.bytes.values())), ("log", found.wal_bytes)):
            label = f"{name}, {a_day} rides a day"
            figures.append(single(SECTION, label, "bytes/event", total / found.events))
    return figures


def run(events: int, a_day: int) -> Measured:
    """Credit `events` events over twelve days and look at what is there afterwards."""
    people = max(events // 12 // a_day, 1)
    with fresh_database("PostgreSQL") as database:
        bare = _sizes(database)
        city = Days(database, people, a_day)
        before = _sizes(database)
        start = _log(database)
        for _ in range(0, events, BATCH):
            city.credit(min(BATCH, events), times=1)
        wal_bytes = _log(database) - start
        after = _sizes(database)
        events = after["event"].rows
    grown = {name: one.total - before[name].total for name, one in after.items()}
    names = [name for name in sorted(grown) if grown[name] > 8 * events // 100]  # below 0.08 bytes an event
    enrolled = sum(one.total for one in before.values()) - sum(one.total for one in bare.values())
    return Measured(
        a_day=a_day,
        events=events,
        citizens=people,
        citizen_bytes=enrolled // people,
        wal_bytes=wal_bytes,
        rows={name: after[name].rows - before[name].rows for name in names},
        bytes={name: grown[name] for name in names},
        indexes={
            index: size - before[name].indexes[index]
            for name in names
            for index, size in sorted(after[name].indexes.items())
        },
    )


def _sizes(database: Database) -> dict[str, TableSize]:
    analyze(database)
    with unit_of_work(database, read_only=True) as session:
        return {one.table: one for one in table_sizes(session)}


def _log(database: Database) -> int:
    with unit_of_work(database, read_only=True) as session:
        return log_position(session)


def main() -> None:
    """Measure, print, and keep the answer where `--write` says so."""
    parser = argparse.ArgumentParser(prog="python -m bench.storage", description=__doc__)
    parser.add_argument("--events", type=int, default=EVENTS)
    parser.add_argument("--write", action="store_true", help=f"keep the answer in {KEPT.name}")
    arguments = parser.parse_args()
    found = []
    for a_day in RATES:
        begin = perf_counter()
        one = run(arguments.events, a_day)
        found.append(one)
        print(f"{one.events:,} events, {a_day} a citizen and day, {perf_counter() - begin:.0f} s")
        for name, size in sorted(one.bytes.items(), key=lambda item: -item[1]):
            print(f"  {name:24}{one.rows[name]:>12,} rows {size / one.events:>9.1f} bytes/event")
        print(f"  {'all tables':24}{sum(one.bytes.values()) / one.events:>27.1f} bytes/event")
        print(f"  {'write-ahead log':24}{one.wal_bytes / one.events:>27.1f} bytes/event", flush=True)
    if arguments.write:
        body = {"server": f"PostgreSQL {server_version()}", "runs": [asdict(one) for one in found]}
        KEPT.write_text(json.dumps(body, indent=2, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
