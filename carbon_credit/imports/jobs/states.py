"""The states of a job, and the only way from one to another.

receiving ──> received ──> staging ──> crediting ──> (withdrawing) ──> done
                 ^            │            ^ │             │
                 └── failed <─┴────────────┴─┴─────────────┘
refused: the file as a whole is not acceptable, nothing was credited. cancelled: by a person or by time.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from carbon_credit.imports.jobs.errors import ImportNotFound, ImportStateWrong
from carbon_credit.imports.models import ImportJob

MOVES: dict[str, frozenset[str]] = {
    "receiving": frozenset({"received", "cancelled"}),
    "received": frozenset({"staging", "refused", "failed", "cancelled"}),
    # From staging to staging: what broke off is begun anew by whoever takes it over.
    "staging": frozenset({"staging", "crediting", "refused", "failed", "cancelled"}),
    "crediting": frozenset({"withdrawing", "done", "failed", "cancelled"}),
    "withdrawing": frozenset({"done", "failed", "cancelled"}),
    # Run again: from where it was.
    "failed": frozenset({"received", "crediting", "refused", "cancelled"}),
    "done": frozenset(),
    "refused": frozenset(),
    "cancelled": frozenset(),
}
ENDED = frozenset(state for state, onward in MOVES.items() if not onward)


def move(session: Session, *, job_id: UUID, to: str, now: datetime, **values: Any) -> None:
    """Bring the job into a state, with whatever else changes. Raises ImportStateWrong, ImportNotFound."""
    sources = [state for state, onward in MOVES.items() if to in onward]
    fixed: dict[str, Any] = {"state": to, "touched_at": now}
    if to != "staging":
        fixed |= {"lease": None, "leased_until": None, "holder": None}
    if to not in ("refused", "failed"):
        fixed |= {"problem": None, "problem_details": None}
    if to in ENDED:
        fixed["ended_at"] = now
    statement = update(ImportJob).where(ImportJob.id == job_id, ImportJob.state.in_(sources))
    moved = session.execute(statement.values(**fixed | values)).rowcount  # type: ignore[attr-defined]
    if not moved:
        raise ImportStateWrong(state=state_of(session, job_id=job_id), wanted=", ".join(sources))


def state_of(session: Session, *, job_id: UUID, lock: bool = False) -> str:
    """The state it is in; `lock` keeps it there until the transaction ends. Raises ImportNotFound."""
    statement = select(ImportJob.state).where(ImportJob.id == job_id)
    found = session.scalar(statement.with_for_update() if lock else statement)
    if found is None:
        raise ImportNotFound
    return found
