"""A city in a template database, its rides in files, and processes that credit them together.

Everything that is measured begins with a copy of the same template: people with consents and mandates,
a history, fresh statistics. Rides lie in files of so many JSON payloads, as the chunks of an import do.
"""

import multiprocessing
import os
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import islice
from multiprocessing.synchronize import Barrier
from pathlib import Path
from time import perf_counter, process_time
from typing import Any
from uuid import UUID

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
class Town:
    """The template and the rides that none of its copies has seen yet.

    `milligrams`: what history and rides amount to together, computed by hand.
    """

    template: str
    settings: Settings
    partner: UUID
    rides: Path
    count: int
    history: int
    milligrams: int
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

    def chunks(self, size: int) -> list[Path]:
        """The rides in files of `size`, written once."""
        folder = self.folder / f"chunks-{size}"
        if not folder.exists():
            folder.mkdir()
            with self.rides.open("rb") as lines:
                for number, part in enumerate(iter(lambda: list(islice(lines, size)), [])):
                    (folder / f"{number:06}.json").write_bytes(b"[" + b",".join(part) + b"]")
        return sorted(folder.iterdir())


@contextmanager
def town(*, people: int, history: int, rides: int) -> Iterator[Town]:
    """A town on PostgreSQL, gone afterwards."""
    with (
        tempfile.TemporaryDirectory(prefix="carbon-credit-town-") as folder,
        fresh_database("PostgreSQL") as database,
    ):
        city = City(database, people)
        city.credit(HISTORY_BATCH, times=history // HISTORY_BATCH)
        analyze(database)
        database.engine.dispose()  # a template must have no guests
        path = Path(folder) / "rides.ndjson"
        with path.open("wb") as file:
            for place in range(0, rides, HISTORY_BATCH):
                payloads = city.payloads(min(HISTORY_BATCH, rides - place))
                file.writelines(orjson.dumps(one) + b"\n" for one in payloads)
        yield Town(
            template=database.settings.database_url.rsplit("/", 1)[1],
            settings=database.settings,
            partner=city.partner,
            rides=path,
            count=rides,
            history=history // HISTORY_BATCH * HISTORY_BATCH,
            milligrams=city.reported_mg,
            folder=Path(folder),
        )


@dataclass(frozen=True, slots=True)
class Spent:
    """What a whole run took: seconds by the clock, and processor seconds of clients and of backends.

    `server_s` is 0 where the server's processes cannot be seen (another host, another system).
    """

    seconds: float
    client_s: float
    server_s: float


def credited_together(town: Town, settings: Settings, *, size: int, processes: int) -> Spent:
    """`processes` credit all rides in batches of `size`, each a transaction.

    Each process takes the next file when it is done with one. Connecting and importing is over when the
    clock starts. Raises AssertionError where anything but a credit comes out.
    """
    files = town.chunks(size)
    fresh = multiprocessing.get_context("spawn")
    ready, position, told = fresh.Barrier(processes + 1), fresh.Value("q", 0), fresh.Queue()
    work = (settings, town.partner, files, ready, position, told)
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
    parts = [told.get() for _ in workers]
    credited, client_s, server_s = (sum(values) for values in zip(*parts, strict=True))
    if credited != town.count:
        raise AssertionError(f"{credited} of {town.count} rides were credited")
    return Spent(seconds, client_s, server_s)


def _worker(
    settings: Settings, partner: UUID, files: list[Path], ready: Barrier, position: Any, told: Any
) -> None:
    database = Database(settings)

    def batch(payloads: list[Any]) -> int:
        outcomes = transact(
            database,
            lambda session: credit(
                session, programme=PROGRAMME, partner_id=partner, payloads=payloads, now=now()
            ),
        )
        return sum(one.status == "credited" for one in outcomes)

    batch([])  # connects, reads the programme
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
        total += batch(orjson.loads(files[place].read_bytes()))
    told.put((total, process_time() - client_s, backend_seconds(backend) - server_s))
    database.dispose()


def backend_seconds(process: int) -> float:
    """Processor seconds of a process of this host, 0 where that cannot be seen."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def check(town: Town, settings: Settings) -> None:
    """Raises AssertionError where the ledger's grams or the rows are not what the rides amount to."""
    with psycopg.connect(plain(settings)) as connection:
        found = connection.execute(
            "SELECT (SELECT count(*) FROM event WHERE partner_id = %(partner)s),"
            " (SELECT count(*) FROM reduction), (SELECT count(*) FROM event_claim),"
            " (SELECT sum(credits_posted - debits_posted) FROM account WHERE kind = 'citizen.reductions'),"
            " (SELECT sum(credits_posted - debits_posted) FROM account WHERE kind = 'citizen.points'),"
            " (SELECT sum(amount) FROM transfer WHERE code = 'points.grant')",
            {"partner": town.partner},
        ).fetchone()
    assert found is not None
    events, reductions, claims, milligrams, points, granted = found
    whole = town.history + town.count
    expected = (whole, whole, whole, town.milligrams, granted)
    if (events, reductions, claims, milligrams, points) != expected:
        raise AssertionError(f"expected {expected}, found {found}")


def plain(settings: Settings) -> str:
    """The address of the database as the driver takes it."""
    return settings.database_url.replace("postgresql+psycopg://", "postgresql://")
