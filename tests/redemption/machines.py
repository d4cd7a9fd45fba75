"""Running a state machine of Hypothesis on malls of its own, one for each example, on both databases."""

import itertools
import shutil
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test

from carbon_credit.kernel.db import Database
from carbon_credit.kernel.settings import Settings
from tests.conftest import postgresql_copy
from tests.redemption.conftest import Mall

MakeMall = Callable[[], Mall]


def run(machine: type[RuleBasedStateMachine], make_mall: MakeMall, *, examples: int, steps: int) -> None:
    """`machine` finds what makes its mall as `type(self).make_mall`."""
    run_state_machine_as_test(
        type("Machine", (machine,), {"make_mall": staticmethod(make_mall)}),
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            report_multiple_bugs=False,
            suppress_health_check=list(HealthCheck),
        ),
    )


def on_sqlite(
    machine: type[RuleBasedStateMachine], database: Database, folder: Path, *, examples: int, steps: int
) -> None:
    """Each example on a copy of one file."""
    Mall(database)
    with database.engine.connect() as connection:
        connection.connection.driver_connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # type: ignore[union-attr]
    database.dispose()
    template = Path(database.settings.database_url.removeprefix("sqlite:///"))
    numbers = itertools.count()

    def make_mall() -> Mall:
        path = folder / f"{next(numbers)}.db"
        shutil.copyfile(template, path)
        return Mall(Database(replace(database.settings, database_url=f"sqlite:///{path}")), seed=False)

    run(machine, make_mall, examples=examples, steps=steps)


def on_postgresql(
    machine: type[RuleBasedStateMachine],
    base_settings: Settings,
    template: str | None,
    folder: Path,
    *,
    examples: int,
    steps: int,
) -> None:
    """Each example on a copy of the template."""
    with ExitStack() as opened:

        def make_mall() -> Mall:
            return Mall(opened.enter_context(postgresql_copy(base_settings, template, folder)))

        run(machine, make_mall, examples=examples, steps=steps)
