"""Bytes an event leaves behind: in each table and index, and in the write-ahead log.

`python -m bench.storage [--people N] [--write]` credits simulated days to a database of its own and measures
what they take. The log is that of the whole server, which should have nothing else to do. `--write` keeps
the answer as `docs/capacity.json`, from which `docs/capacity.md` is computed.
"""

import argparse
import json
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path
from time import perf_counter
from uuid import UUID

from bench.databases import analyze, fresh_database, server_version
from bench.events import CHINA, FIRST_DAY_AGO, MIX, City, Payload
from bench.measure import Figure, Plan, single
from carbon_credit.archive.exporting import Span, write_files
from carbon_credit.kernel.clock import now
from carbon_credit.kernel.db import Database
from carbon_credit.kernel.sizes import TableSize, log_position, table_sizes
from carbon_credit.kernel.unit_of_work import unit_of_work

SECTION = "Storage on PostgreSQL"
KEPT = Path(__file__).resolve().parent.parent / "docs" / "capacity.json"
PEOPLE = 10_000
BATCH = 5_000
OF_EVENTS = ("event", "event_claim", "event_detail", "reduction", "transfer", "day_tally")
# (rides of a citizen and day, days): what is kept for each day weighs more where it has one ride.
PHASES = ((1, 10), (3, 4))


@dataclass(frozen=True, slots=True)
class Measured:
    """What `events` events left behind, `a_day` for each citizen and day. Bytes; `wal_bytes` of the log.

    `rows` and `bytes` by table, with indexes; `indexes`: bytes by index. What hardly grows is left out.
    """

    a_day: int
    events: int
    wal_bytes: int
    rows: dict[str, int]
    bytes: dict[str, int]
    indexes: dict[str, int]


@dataclass(frozen=True, slots=True)
class Answer:
    """`citizen_bytes`: of each citizen with links, consents, mandate and accounts, after one ride.

    `account_bytes`: of the accounts among them. `archive_bytes`: of an event in the files of an archive.
    """

    citizens: int
    citizen_bytes: int
    account_bytes: int
    archive_bytes: int
    runs: tuple[Measured, ...]


class Days(City):
    """The city with as many rides a day as it is told, one citizen after the other."""

    a_day = 1

    def _events(self) -> Iterator[Payload]:
        first = now().astimezone(CHINA).date() - timedelta(days=FIRST_DAY_AGO)
        kinds = [kind for kind, share, _ in MIX for _ in range(share)]
        for day in range(FIRST_DAY_AGO):
            for hour in (8, 12, 18)[: self.a_day]:
                for link in self._random.sample(self._links, len(self._links)):
                    name, today = f"ride-{day}-{hour}-{link}", first + timedelta(days=day)
                    yield self._event(name, link, today, hour, self._random.choice(kinds))


def measure(plan: Plan) -> list[Figure]:
    """Bytes an event, rows with indexes and the log, at one and at three rides a day."""
    figures = []
    for found in run(PEOPLE if plan.rounds > 1 else 100).runs:
        for name, total in (("tables", sum(found.bytes.values())), ("log", found.wal_bytes)):
            label = f"{name}, {found.a_day} rides a day"
            figures.append(single(SECTION, label, "bytes/event", total / found.events))
    return figures


def run(people: int) -> Answer:
    """Credit the days of PHASES, after one that opens the accounts, and look at what is there afterwards."""
    with fresh_database("PostgreSQL") as database:
        bare = _sizes(database)
        city = Days(database, people)
        _credit(city, people)
        before = _sizes(database)
        enrolled = sum(one.total for one in before.values()) - sum(one.total for one in bare.values())
        accounts = before["account"].total // people
        first = {name: one.total for name, one in before.items() if name in OF_EVENTS}
        runs = []
        for a_day, days in PHASES:
            city.a_day = a_day
            start = _log(database)
            _credit(city, people * a_day * days)
            wal_bytes = _log(database) - start
            after = _sizes(database)
            runs.append(_grown(before, after, a_day, wal_bytes))
            before = after
        archived = _archive_bytes(database) // before["event"].rows
    return Answer(people, max(enrolled - sum(first.values()), 0) // people, accounts, archived, tuple(runs))


def _archive_bytes(database: Database) -> int:
    """What everything that is there takes as an archive."""
    span = Span(now().date().replace(day=1), None, UUID(int=2**128 - 1))
    with tempfile.TemporaryDirectory() as folder, unit_of_work(database, read_only=True) as session:
        return sum(part.bytes for part in write_files(session, span, Path(folder)).values())


def _credit(city: Days, events: int) -> None:
    for done in range(0, events, BATCH):
        city.credit(min(BATCH, events - done), times=1)


def _grown(before: dict[str, TableSize], after: dict[str, TableSize], a_day: int, wal_bytes: int) -> Measured:
    events = after["event"].rows - before["event"].rows
    bytes_of = {name: one.total - before[name].total for name, one in sorted(after.items())}
    names = [name for name, size in bytes_of.items() if size >= events]  # a byte an event
    return Measured(
        a_day=a_day,
        events=events,
        wal_bytes=wal_bytes,
        rows={name: after[name].rows - before[name].rows for name in names},
        bytes={name: bytes_of[name] for name in names},
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
    parser.add_argument("--people", type=int, default=PEOPLE)
    parser.add_argument("--write", action="store_true", help=f"keep the answer in {KEPT.name}")
    arguments = parser.parse_args()
    begin = perf_counter()
    found = run(arguments.people)
    print(f"{found.citizen_bytes:,} bytes a citizen; {found.archive_bytes:,} bytes an event archived")
    print(f"{perf_counter() - begin:.0f} s")
    for one in found.runs:
        print(f"{one.events:,} events, {one.a_day} a citizen and day")
        for name, size in sorted(one.bytes.items(), key=lambda item: -item[1]):
            print(f"  {name:24}{one.rows[name]:>12,} rows {size / one.events:>9.1f} bytes/event")
        print(f"  {'all tables':24}{sum(one.bytes.values()) / one.events:>27.1f} bytes/event")
        print(f"  {'write-ahead log':24}{one.wal_bytes / one.events:>27.1f} bytes/event", flush=True)
    if arguments.write:
        body = {"server": f"PostgreSQL {server_version()}", **asdict(found)}
        KEPT.write_text(json.dumps(body, indent=2, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
