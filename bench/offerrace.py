"""A race for an offer: many citizens on many connections for fewer pieces, beside pgbench on one row."""

import multiprocessing
import re
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from time import monotonic
from uuid import UUID

from sqlalchemy.orm import Session

from bench.databases import analyze, fresh_database
from bench.measure import Figure, Plan, compared
from carbon_credit.catalogue.operations import seed
from carbon_credit.identity.operations import create_party, register_citizens
from carbon_credit.kernel.clock import now
from carbon_credit.kernel.db import Database
from carbon_credit.kernel.process import settle
from carbon_credit.kernel.settings import Settings
from carbon_credit.kernel.unit_of_work import transact, unit_of_work
from carbon_credit.ledger import points
from carbon_credit.ledger.audit import audit
from carbon_credit.redemption.errors import OfferExhausted
from carbon_credit.redemption.offering.stock import add_stock
from carbon_credit.redemption.offers import approve_offer, propose_offer
from carbon_credit.redemption.operations import reserve
from carbon_credit.redemption.queries import offer
from carbon_credit.redemption.terms.offer import OfferTerms

SECTION = "Race for an offer on PostgreSQL"
PROGRAMME = "x-gd-sz"
CITIZENS, CONNECTIONS, PIECES = 500, 50, 100
PROCESSES = 2
PRICE = 10
PGBENCH = "UPDATE one_row SET held = held + 1 WHERE id = 1;\n"


@dataclass(frozen=True, slots=True)
class Race:
    """What one process has to do: a connection for each of the lists of citizens, all let go at once."""

    settings: Settings
    offer_id: UUID
    citizens: list[list[UUID]]
    starts_at: float


@dataclass(frozen=True, slots=True)
class Ran:
    """When each attempt of a process ended, by the clock that all processes share; and each that won."""

    ended: list[float]
    won: list[float]


def measure(plan: Plan) -> list[Figure]:
    """Attempts and vouchers per second of the race; of as many pieces as citizens; and pgbench's updates."""
    rounds = []
    with fresh_database("PostgreSQL") as database, workers() as pool:
        crowd = _Crowd(database)
        for _ in range(plan.rounds + (plan.rounds > 1)):  # the first warms up
            attempts, vouchers = crowd.race(pool, PIECES)
            _, all_held = crowd.race(pool, CITIZENS)
            rounds.append([attempts, vouchers, all_held, _pgbench(database)])
        with unit_of_work(database, read_only=True) as session:
            if list(audit(session)):
                raise AssertionError("the books do not hold after the race")
    named = [
        (f"attempts, {PIECES} pieces", "attempts/s"),
        (f"vouchers, {PIECES} pieces", "vouchers/s"),
        (f"vouchers, {CITIZENS} pieces", "vouchers/s"),
        (f"pgbench, {CITIZENS} updates of one row", "updates/s"),
    ]
    return compared(SECTION, named, rounds[-plan.rounds :])


@contextmanager
def workers() -> Iterator[ProcessPoolExecutor]:
    """Processes that have loaded everything before the first race."""
    fresh = multiprocessing.get_context("forkserver")
    with ProcessPoolExecutor(max_workers=PROCESSES, mp_context=fresh, initializer=settle) as pool:
        yield pool


class _Crowd:
    """Citizens with points enough for all races, and an offer for each race."""

    def __init__(self, database: Database) -> None:
        self._database = database
        at = now()
        with unit_of_work(database) as session:
            seed(session, root=database.settings.methodologies_dir, now=at)
            self._merchant, self._operator, partner = (
                create_party(session, programme=PROGRAMME, role=role, name=role, now=at).id
                for role in ("merchant", "operator", "partner")
            )
            self._citizens = list(
                register_citizens(session, partner_id=partner, links_of=[[]] * CITIZENS, now=at)
            )
            lot = date(at.year + 3, 12, 31)
            granted = [points.PointsGrant(one, 10_000, lot, None, at) for one in self._citizens]
            points.grants(session, items=granted, programme=PROGRAMME, now=at)
        analyze(database)

    def race(self, pool: ProcessPoolExecutor, pieces: int) -> tuple[float, float]:
        """Attempts and vouchers per second, of every citizen for `pieces` of a new offer."""
        offer_id = self._offer(pieces)
        queues = [self._citizens[place::CONNECTIONS] for place in range(CONNECTIONS)]
        settings = replace(self._database.settings, lock_timeout_s=60)
        starts_at = monotonic() + 1
        races = [Race(settings, offer_id, queues[place::PROCESSES], starts_at) for place in range(PROCESSES)]
        found = list(pool.map(run, races))
        ended = [moment for one in found for moment in one.ended]
        won = [moment for one in found for moment in one.won]
        self._check(offer_id, pieces, attempts=len(ended), vouchers=len(won))
        return len(ended) / (max(ended) - starts_at), len(won) / (max(won) - starts_at)

    def _offer(self, pieces: int) -> UUID:
        at = now()
        terms = OfferTerms(
            title_zh="茶",
            title_en="Tea",
            points_price=PRICE,
            value_fen=500,
            opens_at=at - timedelta(hours=1),
            closes_at=at + timedelta(days=1),
            voucher_ttl_s=86_400,
        )
        with unit_of_work(self._database) as session:
            made = propose_offer(
                session, programme=PROGRAMME, merchant_id=self._merchant, terms=terms, now=at
            )
            add_stock(session, programme=PROGRAMME, offer_id=made, pieces=pieces, now=at)
            approve_offer(session, programme=PROGRAMME, operator_id=self._operator, offer_id=made, now=at)
        return made

    def _check(self, offer_id: UUID, pieces: int, *, attempts: int, vouchers: int) -> None:
        with unit_of_work(self._database, read_only=True) as session:
            found = offer(session, programme=PROGRAMME, offer_id=offer_id)
        if (attempts, vouchers, found.left, found.held) != (CITIZENS, pieces, 0, pieces):
            raise AssertionError(f"{vouchers} vouchers for {pieces} pieces, {found.left} left")


def run(race: Race) -> Ran:
    """One process: each of its connections asks for its citizens, one after another."""
    database = Database(race.settings)
    ran = Ran([], [])
    threads = [threading.Thread(target=_ask, args=(database, race, mine, ran)) for mine in race.citizens]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    database.dispose()
    return ran


def _ask(database: Database, race: Race, citizens: list[UUID], ran: Ran) -> None:
    with database.engine.connect():  # as pgbench, which connects before it measures
        threading.Event().wait(max(0.0, race.starts_at - monotonic()))
    for citizen_id in citizens:
        try:
            transact(database, partial(_reserve, race.offer_id, citizen_id))
            ran.won.append(monotonic())
        except OfferExhausted:
            pass
        ran.ended.append(monotonic())


def _reserve(offer_id: UUID, citizen_id: UUID, session: Session) -> None:
    reserve(session, programme=PROGRAMME, citizen_id=citizen_id, offer_id=offer_id, now=now())


def _pgbench(database: Database) -> float:
    """Updates per second of one row, on as many connections."""
    url = database.settings.database_url.replace("postgresql+psycopg://", "postgresql://")
    with database.engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE IF NOT EXISTS one_row (id int PRIMARY KEY, held bigint)")
        connection.exec_driver_sql("INSERT INTO one_row VALUES (1, 0) ON CONFLICT DO NOTHING")
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "one_row.sql"
        script.write_text(PGBENCH)
        command = [
            *(program() or "pgbench", "--no-vacuum", f"--client={CONNECTIONS}", f"--jobs={PROCESSES}"),
            *(f"--transactions={CITIZENS // CONNECTIONS}", f"--file={script}", url),
        ]
        told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found = re.search(r"^tps = ([0-9.]+)", told, re.MULTILINE)
    if found is None:
        raise AssertionError(told)
    return float(found[1])


def program() -> str | None:
    """pgbench comes with the server; Debian keeps it beside the server's programs. None: it is not here."""
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin/pgbench"))
    return str(installed[-1]) if installed else shutil.which("pgbench")
