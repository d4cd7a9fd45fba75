"""A merchant's statement of a month: issued, and written in each of its forms, each in a process of its own.

The floor is what the database alone does with the same consumptions: one INSERT of as many rows that claim
them, and one SUM by offer and store. Nobody computes a digest, moves money or writes a file there.
"""

import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any
from uuid import UUID

import psycopg
from sqlalchemy.orm import Session

from bench.databases import analyze, fresh_database
from bench.measure import Figure, Plan, compared, process_peak_mib, spread
from bench.town import plain
from carbon_credit.catalogue.operations import seed
from carbon_credit.identity.operations import create_party, register_citizens
from carbon_credit.identity.tills import open_store
from carbon_credit.kernel.db import Database
from carbon_credit.kernel.ids import new_id
from carbon_credit.kernel.settings import Settings
from carbon_credit.kernel.unit_of_work import transact, unit_of_work
from carbon_credit.ledger import operations as ledger
from carbon_credit.ledger import points
from carbon_credit.ledger.accounts import FEN, POINTS, AccountKey
from carbon_credit.ledger.entries import Transfer
from carbon_credit.ledger.points import lot_key
from carbon_credit.redemption.offering.stock import add_stock
from carbon_credit.redemption.offers import approve_offer, propose_offer
from carbon_credit.redemption.terms.offer import OfferTerms
from carbon_credit.settlement.issuing.issue import issue_statement
from carbon_credit.settlement.queries import statement
from carbon_credit.settlement.rendering.files import FORMS, write_statement

SECTION = "Statement of a month on PostgreSQL"
PROGRAMME = "x-gd-sz"
MONTH, OPENED, AFTER = date(2026, 10, 1), datetime(2026, 9, 1, tzinfo=UTC), datetime(2026, 11, 2, tzinfo=UTC)
LOT = date(2029, 12, 31)
OFFERS, STORES, PRICE, VALUE_FEN = 4, 8, 5, 300

# Vouchers as they are after their use, spread over the month; the points and the money stand in the ledger.
_REDEEMED = """
INSERT INTO redemption (id, programme, offer_id, merchant_id, citizen_id, points, value_fen, state,
    code_digest, stock_hold_id, held_at, expires_at, resolved_at, consumed_fen)
SELECT gen_random_uuid(), %(programme)s, (%(offers)s::uuid[])[1 + n %% %(kinds)s], %(merchant)s, %(citizen)s,
    %(price)s, %(fen)s, 'consumed', gen_random_uuid(), gen_random_uuid(), used_at - interval '1 hour',
    used_at + interval '1 day', used_at, %(fen)s
FROM (SELECT n, timestamptz '2026-10-01 08:00+08' + n * (interval '30 days' / %(uses)s) AS used_at
      FROM generate_series(0, %(uses)s - 1) AS n) AS days
"""
_USED = """
INSERT INTO consumption (id, redemption_id, programme, merchant_id, store_id, points, value_fen, consumed_at,
    recorded_at, offline)
SELECT gen_random_uuid(), id, programme, merchant_id,
    (%(stores)s::uuid[])[1 + (row_number() OVER (ORDER BY id)) %% %(shops)s], points, value_fen, resolved_at,
    resolved_at, false
FROM redemption
"""
_FLOOR = (
    "CREATE TABLE claimed (LIKE statement_item INCLUDING ALL)",
    "INSERT INTO claimed SELECT id, 'use', merchant_id FROM consumption",
    "SELECT r.offer_id, c.store_id, count(*), sum(c.value_fen) FROM consumption c "
    "JOIN redemption r ON r.id = c.redemption_id GROUP BY 1, 2",
)


@dataclass(frozen=True, slots=True)
class Spent:
    """Seconds, and the most memory of the process in MiB."""

    seconds: float
    mib: float


def measure(plan: Plan) -> list[Figure]:
    """Consumptions per second of the floor, of issuing and of each form; their time and memory."""
    rates, times = [], []
    for _ in range(min(plan.rounds, 3)):
        with fresh_database("PostgreSQL") as database:
            merchant_id = _market(database, plan.uses)
            analyze(database)
            settings = database.settings
            floor = _floor(settings)
            issued, spent = _alone(partial(_issue, settings, merchant_id, plan.uses))
            found = {"issue": spent}
            with TemporaryDirectory(prefix="carbon-credit-bench-") as folder:
                for form in FORMS:
                    target = Path(folder) / f"statement.{form}"
                    _, found[form] = _alone(partial(_write, settings, issued, form, target))
        rates.append([*(plan.uses / one.seconds for one in found.values()), plan.uses / floor])
        times.append(found)
    names = [(_name(what, plan.uses), "uses/s") for what in times[0]]
    figures = compared(SECTION, [*names, ("one INSERT and one SUM of the same uses", "uses/s")], rates)
    for what in times[0]:
        name = _name(what, plan.uses)
        figures.append(spread(SECTION, f"{name}: time", "s", [one[what].seconds for one in times]))
        figures.append(spread(SECTION, f"{name}: most memory", "MiB", [one[what].mib for one in times]))
    return figures


def _name(what: str, uses: int) -> str:
    return f"{what} of {uses:,} uses"


def _market(database: Database, uses: int) -> UUID:
    """A merchant with so many consumptions in October, of offers that the fund pays for."""
    at = OPENED
    with unit_of_work(database) as session:
        seed(session, root=database.settings.methodologies_dir, now=at)
        merchant, operator, partner = (
            create_party(session, programme=PROGRAMME, role=role, name=role, now=at).id
            for role in ("merchant", "operator", "partner")
        )
        (citizen,) = register_citizens(session, partner_id=partner, links_of=[[]], now=at)
        where: dict[str, Any] = {"programme": PROGRAMME, "merchant_id": merchant, "address": "广州"}
        stores = [open_store(session, name=f"门店 {number}", now=at, **where).id for number in range(STORES)]
        given = [points.PointsGrant(citizen, uses * PRICE, LOT, None, at)]
        points.grants(session, items=given, programme=PROGRAMME, now=at)
        moved = [
            _transfer("fund.add", AccountKey(PROGRAMME, FEN, "bank"), _fund(), (uses + OFFERS) * VALUE_FEN),
            _transfer(
                "points.redeem",
                lot_key(PROGRAMME, citizen, LOT),
                AccountKey(PROGRAMME, POINTS, "merchant.points", merchant),
                uses * PRICE,
            ),
        ]
        ledger.post(session, transfers=moved, now=at)
        pieces = -(-uses // OFFERS)
        offers = [_offer(session, merchant, operator, pieces) for _ in range(OFFERS)]
    told = {
        "programme": PROGRAMME,
        "offers": offers,
        "kinds": OFFERS,
        "merchant": merchant,
        "citizen": citizen,
        "price": PRICE,
        "fen": VALUE_FEN,
        "uses": uses,
        "stores": stores,
        "shops": STORES,
    }
    with psycopg.connect(plain(database.settings)) as connection:
        connection.execute(_REDEEMED, told)
        connection.execute(_USED, told)
    return merchant


def _fund() -> AccountKey:
    return AccountKey(PROGRAMME, FEN, "programme.fund")


def _transfer(code: str, debit: AccountKey, credit: AccountKey, amount: int) -> Transfer:
    return Transfer(new_id(), code, debit, credit, amount, OPENED)


def _offer(session: Session, merchant: UUID, operator: UUID, pieces: int) -> UUID:
    terms = OfferTerms(
        title_zh="茶饮券",
        title_en="Tea",
        points_price=PRICE,
        value_fen=VALUE_FEN,
        opens_at=OPENED,
        closes_at=AFTER,
        voucher_ttl_s=86_400,
        funding="fund",
    )
    made = propose_offer(session, programme=PROGRAMME, merchant_id=merchant, terms=terms, now=OPENED)
    add_stock(session, programme=PROGRAMME, offer_id=made, pieces=pieces, now=OPENED)
    approve_offer(session, programme=PROGRAMME, operator_id=operator, offer_id=made, now=OPENED)
    return made


def _floor(settings: Settings) -> float:
    """Seconds of the bare statements; what they write is rolled back."""
    made, *timed = _FLOOR
    with psycopg.connect(plain(settings)) as connection:
        connection.execute(made)
        begin = perf_counter()
        for one in timed:
            connection.execute(one)
        spent = perf_counter() - begin
        connection.rollback()
    return spent


def _alone(deed: Callable[[], tuple[UUID, float]]) -> tuple[UUID, Spent]:
    """The statement's id, and what the deed took in a process of its own."""
    fresh = multiprocessing.get_context("forkserver")
    fresh.set_forkserver_preload([__name__])
    with ProcessPoolExecutor(max_workers=1, mp_context=fresh) as pool:
        return pool.submit(_measured, deed).result()


def _measured(deed: Callable[[], tuple[UUID, float]]) -> tuple[UUID, Spent]:
    found, seconds = deed()
    return found, Spent(seconds, process_peak_mib())


def _issue(settings: Settings, merchant_id: UUID, uses: int) -> tuple[UUID, float]:
    database = Database(settings)
    with database.engine.connect():
        pass  # connecting is over when the clock starts
    begin = perf_counter()
    issued = transact(
        database,
        lambda session: issue_statement(
            session, programme=PROGRAMME, merchant_id=merchant_id, month=MONTH, actor="operator:x", now=AFTER
        ),
    )
    spent = perf_counter() - begin
    if issued is None:
        raise AssertionError("no statement was issued")
    with unit_of_work(database, read_only=True) as session:
        found = statement(session, programme=PROGRAMME, statement_id=issued)
    database.dispose()
    if (found.uses, found.used_fen, found.payable_fen) != (uses, uses * VALUE_FEN, uses * VALUE_FEN):
        raise AssertionError(f"of {uses} uses: {found}")
    return issued, spent


def _write(settings: Settings, statement_id: UUID, form: str, target: Path) -> tuple[UUID, float]:
    database = Database(settings)
    with database.engine.connect():
        pass
    begin = perf_counter()
    with unit_of_work(database, read_only=True) as session, target.open("wb") as file:
        write_statement(session, form=form, target=file, programme=PROGRAMME, statement_id=statement_id)
    spent = perf_counter() - begin
    database.dispose()
    if target.stat().st_size == 0:
        raise AssertionError(f"the {form} is empty")
    return statement_id, spent
