"""A city in a template database, its rides in files, and processes that credit them together.

Everything that is measured begins with a copy of the same template: people with consents and mandates,
a history, fresh statistics. Rides lie in files of so many JSON payloads, as the chunks of an import do.
"""

import multiprocessing
import os
import tempfile
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from multiprocessing.synchronize import Barrier
from pathlib import Path
from time import perf_counter, process_time
from typing import Any
from uuid import UUID
from zlib import crc32

import orjson
import psycopg

from bench.databases import analyze, fresh_database, on_server, url_of
from bench.events import PROGRAMME, City
from carbon_credit.kernel.clock import now
from carbon_credit.kernel.db import Database
from carbon_credit.kernel.process import settle
from carbon_credit.kernel.settings import Settings
from carbon_credit.kernel.unit_of_work import transact
from carbon_credit.quantification.operations import credit

HISTORY_BATCH = 500


@dataclass(frozen=True, slots=True)
class Part:
    """A programme's people, and rides of theirs that no copy has seen yet.

    `history`: events that are there already; `history_mg`, `rides_mg`: computed by hand.
    """

    programme: str
    partner: UUID
    rides: Path
    count: int
    history: int
    history_mg: int
    rides_mg: int

    def chunks(self, size: int, *, lanes: int = 1) -> list[Path]:
        """The rides in files of `size`, written once. With lanes, files of two lanes share no citizen."""
        folder = self.rides.with_name(f"{self.rides.stem}-{size}-{lanes}")
        if not folder.exists():
            folder.mkdir()
            with self.rides.open("rb") as lines:
                for number, part in enumerate(_by_lane(lines, size, lanes)):
                    (folder / f"{number:06}.json").write_bytes(b"[" + b",".join(part) + b"]")
        return sorted(folder.iterdir())


def _by_lane(lines: Iterable[bytes], size: int, lanes: int) -> Iterator[list[bytes]]:
    waiting: list[list[bytes]] = [[] for _ in range(lanes)]
    for line in lines:
        lane = waiting[crc32(_card(orjson.loads(line))) % lanes if lanes > 1 else 0]
        lane.append(line)
        if len(lane) == size:
            yield lane[:]
            lane.clear()
    yield from filter(None, waiting)


def _card(event: dict[str, Any]) -> bytes:
    return str(event["citizen"]["link"]["value"]).encode()


@dataclass(frozen=True, slots=True)
class Town:
    """The template: a database that nobody writes to, for others to begin as."""

    template: str
    settings: Settings
    parts: tuple[Part, ...]
    folder: Path

    @contextmanager
    def copy(self) -> Iterator[Settings]:
        """The settings of a database that is a copy of the template, gone afterwards."""
        name = f"cc_bench_{uuid.uuid4().hex[:12]}"
        on_server(f"CREATE DATABASE {name} TEMPLATE {self.template}")
        on_server("CHECKPOINT")  # what others have written is not written out at this one's cost
        try:
            yield replace(self.settings, database_url=url_of(name))
        finally:
            on_server(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


@dataclass(frozen=True, slots=True)
class Want:
    """What a part of a town is to be: people of a programme, events of theirs before and to come."""

    people: int
    history: int
    rides: int
    programme: str = PROGRAMME


@contextmanager
def town(*wanted: Want, methodologies: Path | None = None) -> Iterator[Town]:
    """A town on PostgreSQL, gone afterwards. `methodologies`: where its programmes are."""
    with (
        tempfile.TemporaryDirectory(prefix="carbon-credit-town-") as folder,
        fresh_database("PostgreSQL", methodologies=methodologies) as database,
    ):
        parts = [_part(database, Path(folder), want) for want in wanted]
        analyze(database)
        database.engine.dispose()  # a template must have no guests
        name = database.settings.database_url.rsplit("/", 1)[1]
        yield Town(name, database.settings, tuple(parts), Path(folder))


def _part(database: Database, folder: Path, want: Want) -> Part:
    city = City(database, want.people, programme=want.programme)
    city.credit(HISTORY_BATCH, times=want.history // HISTORY_BATCH)
    history_mg = city.reported_mg
    path = folder / f"{want.programme}.ndjson"
    with path.open("wb") as file:
        for place in range(0, want.rides, HISTORY_BATCH):
            payloads = city.payloads(min(HISTORY_BATCH, want.rides - place))
            file.writelines(orjson.dumps(one) + b"\n" for one in payloads)
    return Part(
        programme=want.programme,
        partner=city.partner,
        rides=path,
        count=want.rides,
        history=want.history // HISTORY_BATCH * HISTORY_BATCH,
        history_mg=history_mg,
        rides_mg=city.reported_mg - history_mg,
    )


@dataclass(frozen=True, slots=True)
class Spent:
    """What a whole run took: seconds by the clock, and processor seconds of clients and of backends.

    `server_s` is 0 where the server's processes cannot be seen (another host, another system).
    """

    seconds: float
    client_s: float
    server_s: float


def credited_together(
    parts: Sequence[Part], settings: Settings, *, size: int, processes: int, lanes: int = 1
) -> Spent:
    """`processes` credit all rides of the parts in batches of `size`, each a transaction.

    Each process takes the next file when it is done with one, of the parts in turn. Connecting and importing
    is over when the clock starts. Raises AssertionError where anything but a credit comes out.
    """
    files = [
        _Batch(part.programme, part.partner, path)
        for part in parts
        for path in part.chunks(size, lanes=lanes)
    ]
    files.sort(key=lambda one: one.path.name)
    fresh = multiprocessing.get_context("forkserver")
    fresh.set_forkserver_preload([__name__])
    ready, position, told = fresh.Barrier(processes + 1), fresh.Value("q", 0), fresh.Queue()
    work = (settings, files, ready, position, told)
    workers = [fresh.Process(target=_worker, args=work) for _ in range(processes)]
    for one in workers:
        one.start()
    ready.wait(timeout=120)
    begin = perf_counter()
    for one in workers:
        one.join()
    seconds = perf_counter() - begin
    if any(one.exitcode for one in workers):
        raise AssertionError("a process that credits has failed")
    sums = [told.get() for _ in workers]
    credited, client_s, server_s = (sum(values) for values in zip(*sums, strict=True))
    if credited != sum(part.count for part in parts):
        raise AssertionError(f"{credited} of the rides were credited")
    return Spent(seconds, client_s, server_s)


@dataclass(frozen=True, slots=True)
class _Batch:
    programme: str
    partner: UUID
    path: Path


def _worker(settings: Settings, files: list[_Batch], ready: Barrier, position: Any, told: Any) -> None:
    database = Database(settings)

    def batch(one: _Batch, payloads: list[Any]) -> int:
        outcomes = transact(
            database,
            lambda session: credit(
                session, programme=one.programme, partner_id=one.partner, payloads=payloads, now=now()
            ),
        )
        return sum(outcome.status == "credited" for outcome in outcomes)

    for programme in {one.programme: one for one in files}.values():
        batch(programme, [])  # connects, reads the programme
    with database.engine.connect() as connection:
        backend = connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one()
    settle()
    ready.wait(timeout=120)
    total, client_s, server_s = 0, process_time(), backend_seconds(backend)
    while True:
        with position.get_lock():
            place, position.value = position.value, position.value + 1
        if place >= len(files):
            break
        total += batch(files[place], orjson.loads(files[place].path.read_bytes()))
    told.put((total, process_time() - client_s, backend_seconds(backend) - server_s))
    database.dispose()


def backend_seconds(process: int) -> float:
    """Processor seconds of a process of this host, 0 where that cannot be seen."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def check(town: Town, parts: Sequence[Part], settings: Settings) -> None:
    """Raises AssertionError where rows or balances are not what history and these parts amount to."""
    with psycopg.connect(plain(settings)) as connection:
        found = connection.execute(
            "SELECT (SELECT count(*) FROM event), (SELECT count(*) FROM reduction),"
            " (SELECT count(*) FROM event_claim),"
            " (SELECT sum(credits_posted - debits_posted) FROM account WHERE kind = 'citizen.reductions'),"
            " (SELECT sum(credits_posted - debits_posted) FROM account WHERE kind = 'citizen.points'),"
            " (SELECT sum(amount) FROM transfer WHERE code = 'points.grant')"
        ).fetchone()
    assert found is not None
    whole = sum(one.history for one in town.parts) + sum(one.count for one in parts)
    milligrams = sum(one.history_mg for one in town.parts) + sum(one.rides_mg for one in parts)
    if found != (whole, whole, whole, milligrams, found[-1], found[-1]):
        raise AssertionError(f"expected {whole} rides of {milligrams} mg, found {found}")


def plain(settings: Settings) -> str:
    """The address of the database as the driver takes it."""
    return settings.database_url.replace("postgresql+psycopg://", "postgresql://")
