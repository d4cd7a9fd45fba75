"""The ledger against a plain model, through random acts: same answers, same balances, audit empty."""

import shutil
import tempfile
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

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
from carbon_credit.kernel.ids import new_id
from carbon_credit.kernel.settings import Settings
from carbon_credit.kernel.unit_of_work import unit_of_work
from carbon_credit.ledger import operations, queries
from carbon_credit.ledger.accounts import AccountKey
from carbon_credit.ledger.audit import audit
from carbon_credit.ledger.entries import Transfer

from .conftest import Books

CITIZENS = st.integers(0, 2)
AMOUNTS = st.integers(1, 60)


class LedgerMachine(RuleBasedStateMachine):
    """Three citizens, one till. The model: posted points by account, and open holds."""

    template: Path
    base: Settings

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.mkdtemp()
        path = Path(self.folder) / "ledger.db"
        shutil.copyfile(self.template, path)
        self.books = Books(Database(replace(self.base, database_url=f"sqlite:///{path}")))
        self.citizens = [new_id() for _ in range(3)]
        self.points = [0, 0, 0]
        self.till = 0
        self.holds: dict[int, tuple[Transfer, int, int]] = {}  # citizen, minutes until it expires
        self.minute = 0
        self.granted: list[tuple[Transfer, int, int]] = []  # citizen, what is left to reverse

    def teardown(self) -> None:
        self.books.database.dispose()
        shutil.rmtree(self.folder)

    def held(self, citizen: int) -> int:
        return sum(hold.amount for hold, owner, _ in self.holds.values() if owner == citizen)

    def lot(self, citizen: int) -> AccountKey:
        return self.books.lot(owner=self.citizens[citizen])

    def redeem_of(self, citizen: int, amount: int, **more: object) -> Transfer:
        return self.books.transfer("points.redeem", self.lot(citizen), self.books.till(), amount, **more)

    def outcome(self, deed: object, *arguments: object, **more: object) -> str:
        try:
            deed(*arguments, **more)  # type: ignore[operator]
        except CarbonError as error:
            return error.code
        return "done"

    @rule(citizen=CITIZENS, amount=AMOUNTS, again=st.booleans())
    def grant(self, citizen: int, amount: int, again: bool) -> None:
        transfer = self.books.grant(amount, owner=self.citizens[citizen])
        for _ in range(1 + again):
            self.books.post(transfer)
        self.points[citizen] += amount
        self.granted.append((transfer, citizen, amount))

    @rule(takes=st.lists(st.tuples(CITIZENS, AMOUNTS), min_size=1, max_size=4))
    def spend_together(self, takes: list[tuple[int, int]]) -> None:
        result = self.outcome(self.books.post, *(self.redeem_of(c, a) for c, a in takes))
        wanted = [sum(a for c, a in takes if c == citizen) for citizen in range(3)]
        fits = all(wanted[c] <= self.points[c] - self.held(c) or not wanted[c] for c in range(3))
        assert result == ("done" if fits else "insufficient-balance")
        if fits:
            self.points = [self.points[c] - wanted[c] for c in range(3)]
            self.till += sum(wanted)

    @rule(citizen=CITIZENS, amount=AMOUNTS, minutes=st.integers(1, 30))
    def hold(self, citizen: int, amount: int, minutes: int) -> None:
        expires_at = self.books.now + timedelta(minutes=minutes)
        transfer = self.redeem_of(citizen, amount, expires_at=expires_at)
        fits = amount <= self.points[citizen] - self.held(citizen)
        assert self.outcome(self.books.hold, transfer) == ("done" if fits else "insufficient-balance")
        if fits:
            self.holds[len(self.holds) + self.minute * 1000 + new_id().int] = (
                transfer,
                citizen,
                self.minute + minutes,
            )

    @precondition(lambda self: self.holds)
    @rule(data=st.data(), settle=st.booleans())
    def end(self, data: st.DataObject, settle: bool) -> None:
        name = data.draw(st.sampled_from(sorted(self.holds)))
        transfer, citizen, until = self.holds[name]
        amount = data.draw(st.integers(1, transfer.amount + 2)) if settle else 0
        if not settle:
            assert self.outcome(self.books.release, transfer.id) == "done"
        else:
            result = self.outcome(self.books.settle, transfer.id, amounts={transfer.id: amount})
            late, much = until <= self.minute, amount > transfer.amount
            assert result == ("hold-expired" if late else "hold-exceeded" if much else "done")
            if result != "done":
                return
        del self.holds[name]
        self.points[citizen] -= amount
        self.till += amount
        assert self.outcome(self.books.settle, transfer.id) == "hold-resolved"

    @rule(minutes=st.integers(1, 20), sweep=st.booleans())
    def wait(self, minutes: int, sweep: bool) -> None:
        self.minute += minutes
        self.books.later(minutes=minutes)
        if sweep:
            late = {hold.id for hold, _, until in self.holds.values() if until <= self.minute}
            assert set(self.books.expire()) == late
            self.holds = {name: held for name, held in self.holds.items() if held[0].id not in late}

    @precondition(lambda self: self.granted)
    @rule(data=st.data(), amount=AMOUNTS)
    def take_back(self, data: st.DataObject, amount: int) -> None:
        index = data.draw(st.integers(0, len(self.granted) - 1))
        transfer, citizen, left = self.granted[index]

        def undo() -> None:
            with unit_of_work(self.books.database) as session:
                operations.reverse(
                    session,
                    transfer_ids=[transfer.id],
                    code="points.revoke",
                    now=self.books.now,
                    effective_at=self.books.now,
                    amounts={transfer.id: amount},
                )

        result = self.outcome(undo)
        if amount > self.points[citizen] - self.held(citizen):
            assert result == "insufficient-balance"
        elif amount > left:
            assert result == "reversal-exceeded"
        else:
            assert result == "done"
            self.points[citizen] -= amount
            self.granted[index] = (transfer, citizen, left - amount)

    @invariant()
    def agrees_with_the_model(self) -> None:
        keys = [self.lot(citizen) for citizen in range(3)]
        with unit_of_work(self.books.database, read_only=True) as session:
            found = queries.balances(session, keys=[*keys, self.books.till(), self.books.points_source])
            assert audit(session) == []
        for citizen, key in enumerate(keys):
            assert found[key].posted == self.points[citizen]
            assert found[key].available == self.points[citizen] - self.held(citizen)
        assert found[self.books.till()].posted == self.till
        assert sum(balance.posted for balance in found.values()) == 0


def test_the_ledger_agrees_with_a_plain_model(base_settings: Settings, sqlite_template: Path) -> None:
    LedgerMachine.template, LedgerMachine.base = sqlite_template, base_settings
    run_state_machine_as_test(
        LedgerMachine,
        settings=settings(
            max_examples=12,
            stateful_step_count=20,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_the_model_machine_itself_can_fail(base_settings: Settings, sqlite_template: Path) -> None:
    LedgerMachine.template, LedgerMachine.base = sqlite_template, base_settings
    machine = LedgerMachine()
    machine.grant(citizen=0, amount=5, again=True)
    machine.points[0] += 1
    with pytest.raises(AssertionError):
        machine.agrees_with_the_model()
    machine.teardown()
