"""What an installation of a size needs: disk, memory, log, backup and nodes, from measured bytes.

`python -m bench.capacity` writes `docs/capacity.md` from what `bench.storage` measured, `docs/capacity.json`.
A test computes the document again. Bytes are decimal: a gigabyte is 10^9.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

DOCS = Path(__file__).resolve().parent.parent / "docs"
MEASURED = DOCS / "capacity.json"
DOCUMENT = DOCS / "capacity.md"

GB = 10**9
TB = 10**12
DAYS = 365
MONTHS = 12

# What we take for given where nothing was measured here. Change it and run the command again.
CITIZENS = (1_000_000, 10_000_000, 100_000_000)
EVENTS_A_DAY = (("few", 20), ("middle", 50), ("many", 150))  # hundredths of an event, citizen and day
YEAR_OF_A_METROPOLIS = 5_000_000_000  # events
HOT_MONTHS = 15  # a year, its closing and the corrections after it
SHELVED_AFTER = (3, 6, 12)  # months on fast disk, where older ones are shelved
YEARS_KEPT = (1, 3, 10)  # of a metropolis that shelves
SLACK = 130  # hundredths: dead rows, free room in pages, what the next month needs before one goes
NODE_DISK = 8 * TB  # of fast disk on one database node
BACKUP_RATE = 200_000_000  # bytes a second, a base backup over the network
WORKER_RATE = 2_000  # events a second that one worker core credits, on its own
LIVE_SHARE = 10  # percent of events that apps post one by one
LIVE_PEAK = 3  # times the mean of the day in the busiest hour
API_RATE = 500  # single posts a second of one API core
IMPORT_HOURS = 2  # in which a day's files should be credited

# Indexes into which a new row goes at any place, so that all of it wants to be in memory. Those of
# partitions are hot for the month that is written only.
RANDOM_EVERYWHERE = ("pk_event_claim",)
RANDOM_IN_MONTH = (
    "ix_event_citizen_id_occurred_at",
    "ix_reduction_citizen_id_id",
    "ix_transfer_credit_account_id",
    "ix_transfer_debit_account_id",
)


@dataclass(frozen=True, slots=True)
class Unit:
    """Bytes of one event and of one citizen, as measured at one event a citizen and day."""

    event: int
    undivided: int  # of `event`: in tables that are not divided by month
    log: int
    archive: int
    everywhere: int
    in_month: int
    citizen: int
    account: int


@dataclass(frozen=True, slots=True)
class Need:
    """What an installation needs for a year of `events` from `citizens`. Bytes."""

    citizens: int
    events: int
    people: int
    year: int
    hot: int
    cold: int
    archive: int
    log_a_day: int
    memory: int
    memory_claims: int
    backup_s: int
    nodes: int
    workers: int
    api_cores: int


@dataclass(frozen=True, slots=True)
class Shelves:
    """Bytes on fast disk (with room) and on slow disk, and the nodes that the fast one asks for."""

    fast: int
    slow: int
    nodes: int


def unit_of(measured: dict[str, Any]) -> Unit:
    """The bytes of an event from what `bench.storage` kept. Rounded up."""
    one = next(run for run in measured["runs"] if run["a_day"] == 1)
    divided = ("event", "event_detail", "reduction", "reduction_adjustment", "transfer")
    undivided = sum(size for name, size in one["bytes"].items() if name not in divided)
    indexes = one["indexes"]
    return Unit(
        event=_up(sum(one["bytes"].values()), one["events"]),
        undivided=_up(undivided, one["events"]),
        log=_up(one["wal_bytes"], one["events"]),
        archive=measured["archive_bytes"],
        everywhere=_up(sum(indexes[name] for name in RANDOM_EVERYWHERE), one["events"]),
        in_month=_up(sum(indexes[name] for name in RANDOM_IN_MONTH), one["events"]),
        citizen=measured["citizen_bytes"],
        account=measured["account_bytes"],
    )


def need_of(unit: Unit, *, citizens: int, events: int, hot_months: int = HOT_MONTHS) -> Need:
    """What a year of `events` takes where `hot_months` of the divided tables stay on fast disk."""
    people = citizens * unit.citizen
    year = events * unit.event
    hot_events = events * min(hot_months, MONTHS) // MONTHS
    divided = unit.event - unit.undivided
    hot = (people + hot_events * divided + events * unit.undivided) * SLACK // 100
    a_day = _up(events, DAYS)
    peak = _up(a_day * LIVE_SHARE * LIVE_PEAK, 100 * 86_400)
    memory = citizens * unit.account + _up(events, MONTHS) * unit.in_month
    return Need(
        citizens=citizens,
        events=events,
        people=people,
        year=year,
        hot=hot,
        cold=(events - hot_events) * divided,
        archive=events * unit.archive,
        log_a_day=a_day * unit.log,
        memory=memory,
        memory_claims=events * unit.everywhere,
        backup_s=_up(people + year, BACKUP_RATE),
        nodes=_up(hot, NODE_DISK),
        workers=_up(a_day, IMPORT_HOURS * 3600 * WORKER_RATE),
        api_cores=_up(peak, API_RATE),
    )


def shelves_of(unit: Unit, *, citizens: int, events: int, years: int, fast_months: int) -> Shelves:
    """After `years` of `events` each, where months older than `fast_months` are shelved as they are.

    What is not divided by month never leaves the fast disk. Shelved months are not written to any more and
    need no room; their indexes are taken as large as before, though new ones are denser.
    """
    divided = events * (unit.event - unit.undivided)
    fast_divided = divided * min(fast_months, years * MONTHS) // MONTHS
    fast = (citizens * unit.citizen + fast_divided + years * events * unit.undivided) * SLACK // 100
    return Shelves(fast=fast, slow=years * divided - fast_divided, nodes=_up(fast, NODE_DISK))


def render(measured: dict[str, Any]) -> str:
    """The document."""
    unit = unit_of(measured)
    template = (Path(__file__).parent / "capacity.template.md").read_text(encoding="utf-8")
    parts = {
        "server": measured["server"],
        "citizens_measured": f"{measured['citizens']:,}",
        "events_measured": f"{sum(run['events'] for run in measured['runs']):,}",
        "per_table": _per_table(measured),
        "per_index": _per_index(measured),
        "event": f"{unit.event:,}",
        "log": f"{unit.log:,}",
        "archive": f"{unit.archive:,}",
        "citizen": f"{unit.citizen:,}",
        "assumptions": _assumptions(),
        "sizes": _sizes(unit),
        "metropolis": _metropolis(unit),
        "undivided": f"{unit.undivided:,}",
        "metropolis_year": _amount(YEAR_OF_A_METROPOLIS * unit.event),
        "claims": _amount(YEAR_OF_A_METROPOLIS * unit.everywhere),
        "hot_months": str(HOT_MONTHS),
        "five_billion": f"{YEAR_OF_A_METROPOLIS // 10**6:,} million",
    }
    for name, text in parts.items():
        template = template.replace("{{" + name + "}}", text)
    return template


def _per_table(measured: dict[str, Any]) -> str:
    one, three = measured["runs"]
    names = sorted(one["bytes"].keys() | three["bytes"].keys(), key=lambda name: -one["bytes"].get(name, 0))
    lines = ["| table | rows an event | bytes an event | at three a day |", "|---|---:|---:|---:|"]
    for name in names:
        rows = one["rows"].get(name, 0) * 100 // one["events"]
        cells = [_up(run["bytes"].get(name, 0), run["events"]) for run in (one, three)]
        lines.append(f"| `{name}` | {rows // 100}.{rows % 100:02d} | {cells[0]:,} | {cells[1]:,} |")
    sums = [_up(sum(run["bytes"].values()), run["events"]) for run in (one, three)]
    logs = [_up(run["wal_bytes"], run["events"]) for run in (one, three)]
    lines.append(f"| **all, with indexes** | | **{sums[0]:,}** | **{sums[1]:,}** |")
    lines.append(f"| write-ahead log | | {logs[0]:,} | {logs[1]:,} |")
    return "\n".join(lines)


def _per_index(measured: dict[str, Any]) -> str:
    one = measured["runs"][0]
    found = sorted(one["indexes"].items(), key=lambda item: (-item[1], item[0]))
    lines = ["| index | bytes an event |", "|---|---:|"]
    lines += [f"| `{name}` | {_up(size, one['events']):,} |" for name, size in found if size >= one["events"]]
    return "\n".join(lines)


def _assumptions() -> str:
    rates = ", ".join(f"{name} {_hundredths(rate)}" for name, rate in EVENTS_A_DAY)
    rows = (
        ("events of a citizen and day, over the year", rates),
        ("months of the divided tables on fast disk", str(HOT_MONTHS)),
        ("room beside the rows", f"{SLACK - 100} %"),
        ("fast disk of one database node", _amount(NODE_DISK)),
        ("base backup", f"{BACKUP_RATE // 10**6} MB/s"),
        ("credited by one worker core", f"{WORKER_RATE:,} events/s"),
        ("a day's files are credited within", f"{IMPORT_HOURS} hours"),
        ("posted one by one by apps", f"{LIVE_SHARE} %, in the busiest hour {LIVE_PEAK} times the mean"),
        ("one API core", f"{API_RATE} single posts/s"),
    )
    return "\n".join(
        ["| taken for given | |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows)]
    )


def _sizes(unit: Unit) -> str:
    lines = [
        "| citizens | events a citizen and day | events a year | a year, all | fast disk | archive files | "
        "log a day | memory, least | base backup | database nodes | worker cores | API cores |",
        "|---:|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for citizens in CITIZENS:
        for name, rate in EVENTS_A_DAY:
            need = need_of(unit, citizens=citizens, events=citizens * rate * DAYS // 100)
            lines.append(
                f"| {citizens // 10**6} million | {name}, {_hundredths(rate)} | "
                f"{need.events // 10**6:,} million | {_amount(need.year)} | {_amount(need.hot)} | "
                f"{_amount(need.archive)} | {_amount(need.log_a_day)} | {_amount(need.memory)} | "
                f"{_hours(need.backup_s)} | {need.nodes} | {need.workers} | {need.api_cores} |"
            )
    return "\n".join(lines)


def _metropolis(unit: Unit) -> str:
    lines = [
        "| years kept | months on fast disk | fast disk | slow disk | all on fast disk | database nodes |",
        "|---:|---:|---:|---:|---:|---:|",
    ]
    for years in YEARS_KEPT:
        whole = _of_metropolis(unit, years, years * MONTHS)
        for months in SHELVED_AFTER:
            need = _of_metropolis(unit, years, months)
            lines.append(
                f"| {years} | {months} | {_amount(need.fast)} | {_amount(need.slow)} | "
                f"{_amount(whole.fast)} | {need.nodes} |"
            )
    return "\n".join(lines)


def _of_metropolis(unit: Unit, years: int, months: int) -> Shelves:
    return shelves_of(unit, citizens=10_000_000, events=YEAR_OF_A_METROPOLIS, years=years, fast_months=months)


def _hundredths(number: int) -> str:
    return f"{number // 100}.{number % 100:02d}".rstrip("0").rstrip(".")


def _amount(size: int) -> str:
    """Bytes for people, rounded up: 1.7 TB."""
    step, name = (TB, "TB") if size >= TB else (GB, "GB")
    tenths = _up(size * 10, step)
    return f"{tenths // 10:,} {name}" if tenths >= 100 else f"{tenths // 10}.{tenths % 10} {name}"


def _hours(seconds: int) -> str:
    tenths = _up(seconds * 10, 3600)
    return f"{tenths // 10}.{tenths % 10} h"


def _up(amount: int, parts: int) -> int:
    return -(-amount // parts)


if __name__ == "__main__":
    DOCUMENT.write_text(render(json.loads(MEASURED.read_text(encoding="utf-8"))), encoding="utf-8")
