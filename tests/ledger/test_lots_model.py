"""Lots through random acts against a plain model: grant, hold, settle, release, refund, expire, take back,
write off. The same machine on both databases."""

import shutil
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from itertools import count
from pathlib import Path
from typing import ClassVar
from uuid import UUID

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from carbon_credit.kernel.db import Database
from carbon_credit.kernel.errors import CarbonError
from carbon_credit.kernel.ids import random_id
from carbon_credit.kernel.settings import Settings
from carbon_credit.kernel.unit_of_work import unit_of_work
from carbon_credit.ledger import operations, points, queries
from carbon_credit.ledger.accounts import POINTS, AccountKey
from carbon_credit.ledger.audit import audit
from carbon_credit.ledger.expiry import expire_lots
from carbon_credit.ledger.points import PointsGrant, PointsTakeBack, PointsWriteOff
from carbon_credit.redemption.lots import take

from .conftest import Books

FIRST = date(2027, 1, 30)
LOTS = [FIRST + timedelta(days=days) for days in (0, 1, 3, 60)]
WHO = st.integers(0, 1)
AMOUNTS = st.integers(1, 40)


@dataclass
class Person:
    """What the model knows of a citizen: points free in each lot, and what is owed."""

    id: UUID
    free: Counter[date] = field(default_factory=Counter)
    owed: int = 0


@dataclass
class Part:
    """Points held out of one lot, and what of them was paid and not refunded."""

    id: UUID
    person: Person
    lot: date
    points: int
    paid: int = 0


class Lots(RuleBasedStateMachine):
    """Two citizens, one till, a calendar. The model counts on its fingers."""

    make_books: ClassVar[Callable[[], Books]]

    def __init__(self) -> None:
        super().__init__()
        self.books = type(self).make_books()
        self.people = [Person(random_id()), Person(random_id())]
        self.day = FIRST
        self.holds: list[Part] = []
        self.settled: list[Part] = []
        self.till = self.lapsed = self.loss = self.source = 0

    def teardown(self) -> None:
        with unit_of_work(self.books.database, read_only=True) as session:
            assert list(audit(session)) == []
        if self.books.database.settings.embedded:
            self.books.database.dispose()

    def outcome(self, deed: Callable[[], object]) -> str:
        try:
            deed()
        except CarbonError as error:
            return error.code
        return "done"

    @rule(who=WHO, lot=st.sampled_from(LOTS), amount=AMOUNTS)
    def grant(self, who: int, lot: date, amount: int) -> None:
        books, person = self.books, self.people[who]
        item = PointsGrant(person.id, amount, lot, None, books.now)
        with unit_of_work(books.database) as session:
            points.grants(session, items=[item], programme=books.programme, now=books.now)
        recovered = min(person.owed, amount)
        person.owed -= recovered
        person.free[lot] += amount - recovered
        self.source += amount

    @rule(who=WHO, amount=AMOUNTS)
    def hold(self, who: int, amount: int) -> None:
        books, person = self.books, self.people[who]
        usable = {lot: person.free[lot] for lot in sorted(person.free) if lot >= self.day}

        def held() -> None:
            with unit_of_work(books.database) as session:
                lots = queries.lots(session, programme=books.programme, citizen_id=person.id)
                parts = take(lots, points=amount, day=self.day)
                made = [
                    books.transfer("points.redeem", books.lot(lot, person.id), books.till(), part)
                    for lot, part in parts
                ]
                operations.hold(session, transfers=made, now=books.now)
            self.holds += [
                Part(one.id, person, lot, part) for one, (lot, part) in zip(made, parts, strict=True)
            ]

        fits = amount <= sum(usable.values())
        assert self.outcome(held) == ("done" if fits else "insufficient-balance")
        for lot, there in usable.items():  # soonest to end first
            if fits and amount:
                taken = min(there, amount)
                person.free[lot] -= taken
                amount -= taken

    @precondition(lambda self: self.holds)
    @rule(data=st.data())
    def settle(self, data: st.DataObject) -> None:
        part = self.holds.pop(data.draw(st.integers(0, len(self.holds) - 1)))
        part.paid = data.draw(st.integers(1, part.points))
        self.books.settle(part.id, amounts={part.id: part.paid})
        part.person.free[part.lot] += part.points - part.paid
        self.till += part.paid
        self.settled.append(part)
        assert self.outcome(lambda: self.books.release(part.id)) == "hold-resolved"

    @precondition(lambda self: self.holds)
    @rule(data=st.data())
    def release(self, data: st.DataObject) -> None:
        part = self.holds.pop(data.draw(st.integers(0, len(self.holds) - 1)))
        self.books.release(part.id)
        part.person.free[part.lot] += part.points
        assert self.outcome(lambda: self.books.settle(part.id)) == "hold-resolved"

    @precondition(lambda self: self.settled)
    @rule(data=st.data(), amount=AMOUNTS)
    def refund(self, data: st.DataObject, amount: int) -> None:
        part = self.settled[data.draw(st.integers(0, len(self.settled) - 1))]
        books = self.books

        def back() -> None:
            with unit_of_work(books.database) as session:
                entry = next(
                    line.entry
                    for line in queries.statement(session, keys=[books.till()], limit=500).lines
                    if line.entry.pending_id == part.id and line.entry.phase == "settled"
                )
                operations.reverse(
                    session,
                    transfer_ids=[entry.id],
                    code="points.refund",
                    now=books.now,
                    effective_at=books.now,
                    amounts={entry.id: amount},
                )

        if amount > self.till:
            assert self.outcome(back) == "insufficient-balance"
        elif amount > part.paid:
            assert self.outcome(back) == "reversal-exceeded"
        else:
            assert self.outcome(back) == "done"
            part.paid -= amount
            self.till -= amount
            part.person.free[part.lot] += amount

    @rule(who=WHO, amount=AMOUNTS, lot=st.sampled_from([None, *LOTS]), valid=st.booleans())
    def take_back(self, who: int, amount: int, lot: date | None, valid: bool) -> None:
        books, person = self.books, self.people[who]
        item = PointsTakeBack(person.id, amount, None, books.now, lot)
        valid_on = self.day if valid else None
        with unit_of_work(books.database) as session:
            points.take_backs(
                session, items=[item], programme=books.programme, now=books.now, valid_on=valid_on
            )
        self.source -= amount
        order = [
            one for one in sorted(LOTS, key=lambda one: (one != lot, one)) if not valid or one >= self.day
        ]
        for one in order:
            taken = min(person.free[one], amount)
            person.free[one] -= taken
            amount -= taken
        person.owed += amount

    @rule(who=WHO, amount=AMOUNTS)
    def write_off(self, who: int, amount: int) -> None:
        books, person = self.books, self.people[who]
        item = PointsWriteOff(person.id, amount, None, books.now)

        def given_up() -> None:
            with unit_of_work(books.database) as session:
                points.write_offs(session, items=[item], programme=books.programme, now=books.now)

        fits = amount <= person.owed
        assert self.outcome(given_up) == ("done" if fits else "debt-overpaid")
        if fits:
            person.owed -= amount
            self.loss += amount

    @rule(days=st.integers(1, 2), since=st.booleans(), again=st.booleans())
    def expire(self, days: int, since: bool, again: bool) -> None:
        self.day += timedelta(days=days)
        self.books.later(days=days)
        first = self.day - timedelta(days=2) if since else date.min
        over = [
            (person, lot)
            for person in self.people
            for lot in LOTS
            if first <= lot < self.day and person.free[lot]
        ]
        done = [self.swept(first if since else None) for _ in range(1 + again)]
        assert done == [len(over), 0][: len(done)]
        for person, lot in over:
            self.lapsed += person.free.pop(lot)

    def swept(self, since: date | None) -> int:
        with unit_of_work(self.books.database) as session:
            return expire_lots(
                session,
                programme=self.books.programme,
                on=self.day,
                since=since,
                now=self.books.now,
                effective_at=self.books.now,
                limit=100,
            )

    @invariant()
    def books_and_model_agree(self) -> None:
        programme = self.books.programme
        keys = {(one.id, lot): self.books.lot(lot, one.id) for one in self.people for lot in LOTS}
        pots = {
            name: AccountKey(programme, POINTS, f"programme.{name}") for name in ("expired", "points_loss")
        }
        with unit_of_work(self.books.database, read_only=True) as session:
            wanted = [*keys.values(), self.books.till(), self.books.points_source, *pots.values()]
            found = queries.balances(session, keys=wanted)
            owed = points.dues(session, programme=programme, citizen_ids=[one.id for one in self.people])
        held: Counter[tuple[UUID, date]] = Counter()
        for part in self.holds:
            held[part.person.id, part.lot] += part.points
        for person in self.people:
            assert owed.get(person.id, 0) == person.owed
            for lot in LOTS:
                balance = found[keys[person.id, lot]]
                assert balance.available == person.free[lot]
                assert balance.debits_pending == held[person.id, lot]
        assert found[self.books.till()].posted == self.till
        assert found[pots["expired"]].posted == self.lapsed
        assert found[pots["points_loss"]].posted == -self.loss
        assert found[self.books.points_source].posted == -self.source


def run(make_books: Callable[[], Books], examples: int) -> None:
    machine = type("Machine", (Lots,), {"make_books": staticmethod(make_books)})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=25,
            deadline=None,
            report_multiple_bugs=False,
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_lots_agree_with_a_plain_model(
    base_settings: Settings, sqlite_template: Path, tmp_path: Path
) -> None:
    numbers = count()

    def make_books() -> Books:
        path = tmp_path / f"{next(numbers)}.db"
        shutil.copyfile(sqlite_template, path)
        return Books(Database(replace(base_settings, database_url=f"sqlite:///{path}")))

    run(make_books, 20)


def test_lots_agree_with_a_plain_model_on_postgresql(postgresql_database: Database) -> None:
    run(lambda: Books(postgresql_database), 12)  # each example in a programme of its own


def test_the_machine_itself_can_fail(sqlite_database: Database) -> None:
    machine = type("Machine", (Lots,), {"make_books": staticmethod(lambda: Books(sqlite_database))})()
    machine.grant(who=0, lot=LOTS[0], amount=5)
    machine.people[0].free[LOTS[1]] += 1
    with pytest.raises(AssertionError):
        machine.books_and_model_agree()
