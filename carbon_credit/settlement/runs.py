"""Settling a programme's month: an ordered list of steps in the database.

So a run that was killed goes on where it was, whoever goes on with it. What a step does: `sweeps.settling`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import Table, select
from sqlalchemy.orm import Session

from carbon_credit.identity.queries import parties
from carbon_credit.identity.scopes import MERCHANT
from carbon_credit.kernel.bulk import insert_new, lock_alone
from carbon_credit.quantification.periods import first_of_month
from carbon_credit.settlement.errors import RunNotFound
from carbon_credit.settlement.models import SettlementStep
from carbon_credit.settlement.months import cut_off

STEPS = ("events", "adjustments", "expiry", "cut-off", "statements", "replenishment")
_STEP: Table = SettlementStep.__table__  # type: ignore[assignment]


@dataclass(frozen=True, slots=True)
class StepRecord:
    """One step. `done`: how much it has done, of what its name says; `ended_at` None: not done yet."""

    position: int
    step: str
    done: int
    note: str | None
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class Run:
    """A month that is settled, or being settled."""

    programme: str
    month: date
    started_by: str
    started_at: datetime
    steps: tuple[StepRecord, ...]

    @property
    def next_step(self) -> StepRecord | None:
        """The first step that is not done."""
        return next((step for step in self.steps if step.ended_at is None), None)

    @property
    def state(self) -> str:
        """`running` until the last step is done, then `done`."""
        return "done" if self.next_step is None else "running"


class Held:
    """A step that is held: what was done of it is written down with the work itself."""

    def __init__(self, row: SettlementStep) -> None:
        self._row = row

    @property
    def through(self) -> UUID | None:
        """Up to which merchant it has come."""
        return self._row.through

    def reached(self, merchant_id: UUID) -> None:
        """This merchant is done."""
        self._row.through = merchant_id

    def add(self, done: int) -> None:
        """So much more is done."""
        self._row.done += done

    def tell(self, note: str) -> None:
        """What people should know of it."""
        self._row.note = note

    def end(self, now: datetime) -> None:
        """All of it is done."""
        self._row.ended_at = now


def begin_run(session: Session, *, programme: str, month: date, actor: str, now: datetime) -> Run:
    """Write the steps down, unless they are there: then it is the run that began before. Raises
    MonthNotOver."""
    month = first_of_month(month)
    cut_off(session, programme=programme, month=month, now=now)
    columns = ("programme", "month", "position", "step", "started_by", "started_at", "done")
    rows = [(programme, month, position, step, actor, now, 0) for position, step in enumerate(STEPS, start=1)]
    lock_alone(session, _name(programme, month))
    if not _rows(session, programme, month):
        insert_new(session, _STEP, columns, rows, "position")
    return run_of(session, programme=programme, month=month)


def run_of(session: Session, *, programme: str, month: date) -> Run:
    """The run of a month. Raises RunNotFound."""
    rows = _rows(session, programme, first_of_month(month))
    if not rows:
        raise RunNotFound(month=f"{month:%Y-%m}")
    return _run(rows)


def runs(session: Session, *, programme: str, before: date | None = None, limit: int = 50) -> list[Run]:
    """The runs of a programme, the last month first, from before `before`."""
    months = select(SettlementStep.month).where(
        SettlementStep.programme == programme, SettlementStep.position == 1
    )
    if before is not None:
        months = months.where(SettlementStep.month < before)
    found = session.scalars(months.order_by(SettlementStep.month.desc()).limit(limit)).all()
    return [run_of(session, programme=programme, month=month) for month in found]


def under_way(session: Session) -> list[tuple[str, date]]:
    """Programme and month of every run that is not done, the earliest month first."""
    wanted = select(SettlementStep.programme, SettlementStep.month).where(SettlementStep.ended_at.is_(None))
    found = session.execute(wanted.distinct()).all()
    return sorted(((row.programme, row.month) for row in found), key=lambda pair: (pair[1], pair[0]))


def hold_step(session: Session, *, run: Run, step: str) -> Held | None:
    """The step, held until the transaction ends; None where somebody has ended it meanwhile."""
    lock_alone(session, _name(run.programme, run.month))
    position = STEPS.index(step) + 1
    row = session.get_one(SettlementStep, (run.programme, run.month, position), populate_existing=True)
    return Held(row) if row.ended_at is None else None


def next_merchant(session: Session, *, programme: str, after: UUID | None) -> UUID | None:
    """The merchant whose turn is after that of `after`."""
    found = parties(session, programme=programme, role=MERCHANT, after=after, limit=1)
    return found[0].id if found else None


def _name(programme: str, month: date) -> str:
    return f"settle {programme} {month:%Y-%m}"


def _rows(session: Session, programme: str, month: date) -> Sequence[SettlementStep]:
    mine = (SettlementStep.programme == programme, SettlementStep.month == month)
    statement = select(SettlementStep).where(*mine).order_by(SettlementStep.position)
    return session.scalars(statement.execution_options(populate_existing=True)).all()


def _run(rows: Sequence[SettlementStep]) -> Run:
    first = rows[0]
    steps = tuple(StepRecord(row.position, row.step, row.done, row.note, row.ended_at) for row in rows)
    return Run(first.programme, first.month, first.started_by, first.started_at, steps)
