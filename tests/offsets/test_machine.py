"""Any sequence of steps, and citizens who retire grams of their own meanwhile, against a model that knows
nothing but sums: nothing is lost, nothing is twice."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

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
from carbon_credit.offsets import errors
from carbon_credit.offsets.states import STEPS

TONNE = 10**9
HELD = {"frozen", "under_verification", "corrections_requested", "verified", "applied", "returned"}
MOVES = {
    "start_verification": ("start_verification", "verifier-1", {}),
    "request_corrections": ("request_corrections", "verifier-1", {"finding": "?"}),
    "verify": ("verify_batch", "verifier-1", {"statement": "S"}),
    "reject": ("reject_batch", "operator-1", {"reason": "?"}),
    "apply": ("apply_batch", "operator-1", {}),
    "return": ("return_batch", "registry", {"reason": "?"}),
    "register": ("register_batch", "operator-1", {}),
    "freeze": ("freeze_batch", "operator-1", {}),
}


def machine(new_yard: Callable[[], Any]) -> type[RuleBasedStateMachine]:
    """A machine whose yard is made anew for each run."""

    class Batches(RuleBasedStateMachine):
        @initialize()
        def begin(self) -> None:
            self.yard = new_yard()
            self.yard.close()
            self.total_mg = 0
            self.retired: dict[Any, int] = {}
            self.state: dict[Any, str] = {}
            self.tonnes: dict[Any, int] = {}
            self.open: Any = None

        @rule(
            mg=st.lists(
                st.sampled_from([1, 400_000_000, TONNE - 1, TONNE, 2 * TONNE + 3]), min_size=1, max_size=3
            )
        )
        def credit(self, mg: list[int]) -> None:
            self.yard.reductions(*mg)
            self.total_mg += sum(mg)

        @rule(person=st.integers(0, 2), asked=st.none() | st.sampled_from([1, 399_999_999, TONNE]))
        def retire(self, person: int, asked: int | None) -> None:
            available = self.yard.retirable(person).available_mg
            wanted = available if asked is None else asked
            try:
                done = self.yard.retire(asked, person)
            except errors.GramsUnavailable:
                assert not 0 < wanted <= available
            else:
                assert done.co2e_mg == wanted <= available
                self.retired[done.id] = wanted

        @precondition(lambda self: self.open is None)
        @rule()
        def open_one(self) -> None:
            self.open = self.yard.open().id
            self.state[self.open] = "open"
            self.tonnes[self.open] = 0

        @precondition(lambda self: self.open is not None)
        @rule(most=st.none() | st.integers(1, 2))
        def fill(self, most: int | None) -> None:
            free = self.total_mg - sum(self.retired.values())
            free -= sum(t for b, t in self.tonnes.items() if b != self.open) * TONNE
            possible = free // TONNE if most is None else min(free // TONNE, most)
            try:
                self.yard.fill(self.batch(self.open), most)
            except errors.NotAWholeTonne:
                assert possible == 0
            else:
                assert possible > 0
                self.tonnes[self.open] = possible

        @precondition(lambda self: self.state)
        @rule(step=st.sampled_from(sorted(MOVES)), which=st.integers(0, 50))
        def step(self, step: str, which: int) -> None:
            chosen = list(self.state)[which % len(self.state)]
            before = self.state[chosen]
            verb, actor, more = MOVES[step]
            try:
                after = self.yard.step(verb, self.batch(chosen), actor, **more)
            except errors.StepNotAllowed:
                assert before not in STEPS[step].allowed
                return
            except errors.BatchEmpty:
                assert self.tonnes[chosen] == 0
                return
            assert before in STEPS[step].allowed
            assert after.state == STEPS[step].to
            self.state[chosen] = after.state
            if after.state == "rejected":
                self.tonnes[chosen] = 0
            if chosen == self.open and after.state != "open":
                self.open = None

        def batch(self, batch_id: Any) -> Any:
            return self.yard.batch(batch_id)

        @invariant()
        def sums_hold(self) -> None:
            if not hasattr(self, "yard"):
                return
            for batch_id, tonnes in self.tonnes.items():
                found = self.yard.batch(batch_id)
                assert found.state == self.state[batch_id]
                ranges = self.yard.ranges(found)
                assert sum(to - start for _id, start, to in ranges) == tonnes * TONNE
                held = tonnes * TONNE if self.state[batch_id] in HELD else 0
                assert self.yard.balance("batch.frozen", batch_id) == held
            batched = sum(self.tonnes.values()) * TONNE
            own = self.tonnes.get(self.open, 0) * TONNE
            free = self.total_mg - batched - sum(self.retired.values())
            assert self.yard.preview().eligible_mg == free + own
            # Each citizen may retire what is theirs and free; together that is what batches may take.
            assert sum(self.yard.retirable(person).available_mg for person in range(3)) == free
            for retirement_id, mg in self.retired.items():
                assert self.yard.balance("retired", retirement_id) == mg
            assert self.yard.findings() == []

    return Batches


def test_any_order_of_steps(
    sqlite_database: Database, sqlite_template: Path, tmp_path: Path, make_yard: Any
) -> None:
    made = 0

    def new_yard() -> Any:
        nonlocal made
        made += 1
        path = tmp_path / f"run-{made}.db"
        shutil.copyfile(sqlite_template, path)
        where = replace(sqlite_database.settings, database_url=f"sqlite:///{path}")
        return make_yard(Database(where))

    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        machine(new_yard),
        settings=settings(
            max_examples=12,
            stateful_step_count=20,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow],
        ),
    )
