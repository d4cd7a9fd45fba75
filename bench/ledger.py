"""Posting transfers, beside the same rows going into the same table without balances."""

from random import Random
from typing import Any
from uuid import UUID

from bench.databases import SIZES, analyze, as_stored, fresh_database, into_table
from bench.measure import Contender, Deed, Figure, Plan, race
from carbon_credit.catalogue.operations import seed
from carbon_credit.kernel.clock import now
from carbon_credit.kernel.db import Database
from carbon_credit.kernel.ids import new_id, random_id
from carbon_credit.kernel.unit_of_work import transact, unit_of_work
from carbon_credit.ledger.accounts import CO2E, AccountKey, account_id
from carbon_credit.ledger.entries import COLUMNS, Transfer
from carbon_credit.ledger.operations import post
from carbon_credit.ledger.queries import balances

PROGRAMME = "x-gd-sz"
SOURCE = AccountKey(PROGRAMME, CO2E, "programme.source")


def measure(kind: str, plan: Plan) -> list[Figure]:
    """Transfers per second in batches of 1, 100 and 1,000, each batch its own transaction."""
    section = f"Ledger on {kind}"
    with fresh_database(kind) as database:
        bench = _Bench(database, plan.people)
        for _ in range(plan.history // 500):
            bench.deed(500)()()
        analyze(database)
        figures = []
        for size in SIZES:
            contender = Contender(f"post, {size:,} at once", "transfers/s", size, bench.deed(size))
            floor = into_table(database, "transfer", COLUMNS, size, bench.rows)
            figures += race(section, [contender], floor, plan)
        bench.check()
    return figures


class _Bench:
    """Citizens with accounts, and transfers from the programme to one of them, at random."""

    def __init__(self, database: Database, people: int) -> None:
        self._database = database
        self._random = Random(11)
        self._accounts = [
            AccountKey(PROGRAMME, CO2E, "citizen.reductions", random_id()) for _ in range(people)
        ]
        self._posted = 0
        with unit_of_work(database) as session:
            seed(session, root=database.settings.methodologies_dir, now=now())
        self._post([self._transfer(key) for key in self._accounts])

    def deed(self, size: int) -> Any:
        """Prepares a batch of `size`; the deed posts it."""

        def prepare() -> Deed:
            transfers = [self._transfer(self._random.choice(self._accounts)) for _ in range(size)]
            return lambda: self._post(transfers)

        return prepare

    def rows(self, size: int) -> list[tuple[Any, ...]]:
        """Rows of `transfer` as post would write them, but for the MAC."""
        source, instant = account_id(SOURCE), now()
        return [as_stored(self._database, self._row(source, instant)) for _ in range(size)]

    def check(self) -> None:
        """Every milligram that was posted is on an account, and no other."""
        with unit_of_work(self._database, read_only=True) as session:
            found = sum(one.posted for one in balances(session, keys=self._accounts).values())
        if found != self._posted:
            raise AssertionError(f"posted {self._posted} mg, found {found} mg")

    def _post(self, transfers: list[Transfer]) -> None:
        transact(self._database, lambda session: post(session, transfers=transfers, now=now()))
        self._posted += sum(transfer.amount for transfer in transfers)

    def _transfer(self, citizen: AccountKey) -> Transfer:
        return Transfer(
            id=new_id(),
            code="reduction.credit",
            debit=SOURCE,
            credit=citizen,
            amount=self._random.randint(1, 10**6),
            effective_at=now(),
            reference=new_id(),
        )

    def _row(self, source: UUID, instant: Any) -> tuple[Any, ...]:
        citizen = account_id(self._random.choice(self._accounts))
        amount = self._random.randint(1, 10**6)
        none = (None, None, None)
        words = (PROGRAMME, CO2E, "reduction.credit", "posted")
        return (new_id(), *words, source, citizen, amount, *none, instant, instant, new_id(), bytes(16))
