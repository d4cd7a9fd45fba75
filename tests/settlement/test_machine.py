"""Months of a merchant against a plain model: whatever happens in whatever order, statement, ledger and model
say the same, nobody is paid twice, and nothing is lost."""

import tempfile
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from shutil import copyfile
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from carbon_credit.kernel.db import Database
from carbon_credit.kernel.settings import Settings
from carbon_credit.settlement.errors import NothingToPay, StatementState
from carbon_credit.settlement.issuing.posting import due_key, payable_key
from tests.redemption.conftest import PROGRAMME
from tests.settlement.conftest import NOVEMBER, Market

BPS, PER_USE = 250, 7


class Months(RuleBasedStateMachine):
    """Uses, undoings, statements, disputes, payments and returned payments of one merchant."""

    make: Any = None

    @initialize()
    def open(self) -> None:
        self.market: Market = type(self).make()
        self.market.terms_from(date(2026, 1, 1), bps=BPS, per_use=PER_USE)
        self.market.payee()
        self.offer = self.market.funded(pieces=200, value_fen=500)
        self.month = NOVEMBER
        self.uses = self.undos = 0  # since the last statement
        self.adjusted = self.paid = 0
        self.closing = self.owed = 0
        self.fresh: list[str] = []
        self.states: dict[UUID, str] = {}
        self.payables: dict[UUID, int] = {}
        self.open_disputes: dict[UUID, UUID] = {}

    @precondition(lambda self: self.month < date(2027, 5, 1))  # then the offer is closed
    @rule(times=st.integers(1, 2))
    def use(self, times: int) -> None:
        self.fresh += [code for code, _use in self.market.sell(self.offer, times)]
        self.uses += times

    @precondition(lambda self: self.fresh)
    @rule()
    def undo(self) -> None:
        self.market.undo(self.fresh.pop())
        self.undos += 1

    @rule()
    def issue(self) -> None:
        after = (self.month + timedelta(days=32)).replace(day=1)
        begins = datetime(after.year, after.month, 1, tzinfo=UTC)
        self.market.now = max(self.market.now, begins)
        found = self.market.issue(self.month)
        self.month = after
        self.fresh = []  # more than five minutes ago
        net = 500 * (self.uses - self.undos)
        if found is None:
            assert (self.uses, self.undos, self.adjusted, self.closing, self.paid) == (0, 0, 0, 0, 0)
            return
        fee = (net * BPS * 2 + 10_000) // 20_000 + (self.uses - self.undos) * PER_USE
        own = net + self.adjusted - fee - self.owed
        assert (found.opening_fen, found.paid_fen) == (self.closing, self.paid)
        assert (found.uses, found.undos, found.adjusted_fen) == (self.uses, self.undos, self.adjusted)
        assert (found.fee_fen, found.payable_fen, found.carried_fen) == (fee, max(own, 0), max(-own, 0))
        self.closing += net + self.adjusted - fee - self.paid
        assert found.closing_fen == self.closing
        self.owed = found.carried_fen
        self.uses = self.undos = self.adjusted = self.paid = 0
        self.states[found.id], self.payables[found.id] = "issued", found.payable_fen

    def _in(self, *states: str) -> list[UUID]:
        return [one for one, state in sorted(self.states.items()) if state in states]

    @precondition(lambda self: self._in("issued"))
    @rule()
    def agree(self) -> None:
        (statement_id, *_) = self._in("issued")
        expected = "agreed" if self.payables[statement_id] else "nothing_due"
        self.states[statement_id] = expected
        assert self.market.agree(statement_id).state == expected
        with pytest.raises(StatementState):
            self.market.agree(statement_id)

    @precondition(lambda self: self._in("issued"))
    @rule()
    def dispute(self) -> None:
        for statement_id in self._in("issued"):
            if self.market.content(statement_id).lines:
                self.open_disputes[statement_id] = self.market.dispute(statement_id, self.offer).id
                self.states[statement_id] = "disputed"
                return

    @precondition(lambda self: self.open_disputes)
    @rule(fen=st.sampled_from([-700, -500, 0, 500, 900]))
    def answer(self, fen: int) -> None:
        statement_id, dispute_id = sorted(self.open_disputes.items())[0]
        del self.open_disputes[statement_id]
        self.market.answer(dispute_id, fen)
        self.adjusted += fen
        self.states[statement_id] = "agreed" if self.payables[statement_id] else "nothing_due"

    @rule(paid=st.booleans())
    def send(self, paid: bool) -> None:
        ready = self._in("agreed")
        if not ready:
            with pytest.raises(NothingToPay):
                self.market.send()
            return
        file = self.market.send()
        total = sum(self.payables[one] for one in ready)
        assert (file.payments, file.total_fen) == (len(ready), total)
        lines = self.market.csv_of(file.id).decode().splitlines()[1:]
        result = "paid" if paid else "returned"
        rows = [f"{line.split(',')[0]},{line.split(',')[5]},2026-12-08,{result}" for line in lines]
        assert {one.outcome for one in self.market.confirm(*rows)} == {result}
        assert {one.outcome for one in self.market.confirm(*rows)} == {"already-confirmed"}
        if paid:
            self.paid += total
            self.states.update(dict.fromkeys(ready, "paid"))

    @invariant()
    def states_and_balances_agree(self) -> None:
        if not hasattr(self, "market"):
            return
        for statement_id, state in self.states.items():
            assert self.market.read(statement_id).state == state
        payable = self.market.balance(payable_key(PROGRAMME, self.market.tea)).posted
        due = -self.market.balance(due_key(PROGRAMME, self.market.tea)).posted
        unpaid = sum(
            fen for one, fen in self.payables.items() if self.states[one] not in ("paid", "nothing_due")
        )
        assert (payable, due) == (unpaid, self.owed)
        assert payable - due == self.closing - self.paid

    def teardown(self) -> None:
        if hasattr(self, "market"):
            self.market.audit()
            self.market.database.dispose()


def test_months_on_sqlite(base_settings: Settings, sqlite_template: Path) -> None:
    folder = Path(tempfile.mkdtemp(prefix="months-"))
    count = 0

    def make() -> Market:
        nonlocal count
        count += 1
        path = folder / f"{count}.db"
        copyfile(sqlite_template, path)
        return Market(Database(replace(base_settings, database_url=f"sqlite:///{path}")))

    class OnSqlite(Months):
        pass

    OnSqlite.make = staticmethod(make)
    config = settings(
        max_examples=8, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
    )
    run_state_machine_as_test(OnSqlite, settings=config)  # type: ignore[no-untyped-call]
