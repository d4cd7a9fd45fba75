"""A programme, some citizens, and short words for what the tests of the ledger do all the time."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy.orm import Session

from carbon_credit.kernel.db import Database
from carbon_credit.kernel.ids import new_id, random_id
from carbon_credit.kernel.unit_of_work import unit_of_work
from carbon_credit.ledger import operations, queries
from carbon_credit.ledger.accounts import CO2E, POINTS, AccountKey, Balance
from carbon_credit.ledger.entries import Transfer
from carbon_credit.ledger.points import lot_key, source_key

NOW = datetime(2026, 11, 21, 4, 0, tzinfo=UTC)
LOT = date(2027, 12, 31)


class Books:
    """The ledger as one test sees it: in units of work, or all of it in the one `session` given."""

    def __init__(self, database: Database, session: Session | None = None) -> None:
        self.database = database
        self.session = session
        self.programme = f"x-{uuid.uuid4().hex[:12]}"
        self.now = NOW
        self.citizen = random_id()
        self.merchant = random_id()

    @contextmanager
    def work(self) -> Iterator[Session]:
        """A session to act in."""
        if self.session is not None:
            yield self.session
            return
        with unit_of_work(self.database) as session:
            yield session

    def reductions(self, owner: uuid.UUID | None = None) -> AccountKey:
        return AccountKey(self.programme, CO2E, "citizen.reductions", owner or self.citizen)

    def frozen(self, batch: uuid.UUID) -> AccountKey:
        return AccountKey(self.programme, CO2E, "batch.frozen", batch)

    @property
    def co2e_source(self) -> AccountKey:
        return AccountKey(self.programme, CO2E, "programme.source")

    @property
    def points_source(self) -> AccountKey:
        return source_key(self.programme)

    def lot(self, day: date = LOT, owner: uuid.UUID | None = None) -> AccountKey:
        return lot_key(self.programme, owner or self.citizen, day)

    def till(self, merchant: uuid.UUID | None = None) -> AccountKey:
        return AccountKey(self.programme, POINTS, "merchant.points", merchant or self.merchant)

    def credit(self, amount: int, owner: uuid.UUID | None = None, **more: object) -> Transfer:
        return self.transfer("reduction.credit", self.co2e_source, self.reductions(owner), amount, **more)

    def grant(self, amount: int, day: date = LOT, owner: uuid.UUID | None = None) -> Transfer:
        return self.transfer("points.grant", self.points_source, self.lot(day, owner), amount)

    def redeem(self, amount: int, expires_at: datetime | None = None) -> Transfer:
        more = {"expires_at": expires_at}
        return self.transfer("points.redeem", self.lot(), self.till(), amount, **more)

    def transfer(
        self, code: str, debit: AccountKey, credit: AccountKey, amount: int, **more: object
    ) -> Transfer:
        given = {"id": new_id(), "effective_at": self.now, **more}
        return Transfer(code=code, debit=debit, credit=credit, amount=amount, **given)  # type: ignore[arg-type]

    def post(self, *transfers: Transfer) -> None:
        with self.work() as session:
            operations.post(session, transfers=transfers, now=self.now)

    def hold(self, *transfers: Transfer) -> None:
        with self.work() as session:
            operations.hold(session, transfers=transfers, now=self.now)

    def settle(self, *ids: uuid.UUID, amounts: dict[uuid.UUID, int] | None = None) -> None:
        with self.work() as session:
            operations.settle(session, pending_ids=ids, now=self.now, amounts=amounts)

    def release(self, *ids: uuid.UUID) -> None:
        with self.work() as session:
            operations.release(session, pending_ids=ids, now=self.now)

    def expire(self, limit: int = 100) -> list[uuid.UUID]:
        with self.work() as session:
            return operations.expire(session, now=self.now, limit=limit)

    def balance(self, key: AccountKey) -> Balance:
        with self.work() as session:
            return queries.balances(session, keys=[key])[key]

    def available(self, key: AccountKey) -> int:
        return self.balance(key).available

    def later(self, **by: int) -> datetime:
        self.now += timedelta(**by)
        return self.now


@pytest.fixture(params=["sqlite", "postgresql"])
def books(request: pytest.FixtureRequest) -> Iterator[Books]:
    """Books on both databases. On PostgreSQL others are in the same one, in programmes of their own."""
    on_postgresql = request.param == "postgresql"
    name = "module_postgresql" if on_postgresql else "sqlite_database"
    books = Books(request.getfixturevalue(name))
    yield books
    with unit_of_work(books.database) as session:  # leave no work to the sweeps of others
        operations.expire(session, now=datetime(9000, 1, 1, tzinfo=UTC), limit=1000)


@pytest.fixture
def postgresql_books(module_postgresql: Database) -> Books:
    """Books on PostgreSQL only."""
    return Books(module_postgresql)
