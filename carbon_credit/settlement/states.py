"""The states of a statement, and the one place where a statement changes its state.

issued ──agree──▶ agreed ──invoice──▶ invoiced ──send──▶ sent ──pay──▶ paid
  │  ▲              ▲ └──────────send (no invoice needed)──▶ ▲ │
  │  │              │                                        │ │
  └dispute▶ disputed ──settle (last answer)                  │ │
                                  agreed | invoiced ◀─return─┘ (the bank gave it back)
issued | disputed ──close──▶ nothing_due
"""

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from sqlalchemy import Table, select, update
from sqlalchemy.orm import Session

from carbon_credit.kernel.bulk import append_sealed
from carbon_credit.kernel.digest import canonical_json
from carbon_credit.kernel.ids import new_id
from carbon_credit.settlement.errors import StatementState
from carbon_credit.settlement.models import StatementProgress, StatementStep

STATES = ("issued", "disputed", "agreed", "invoiced", "sent", "paid", "nothing_due")
# step -> from which states, to which; None: the caller says.
STEPS: dict[str, tuple[tuple[str, ...], str | None]] = {
    "dispute": (("issued", "disputed"), "disputed"),
    "settle": (("disputed",), "agreed"),
    "agree": (("issued",), "agreed"),
    "close": (("issued", "disputed"), "nothing_due"),
    "invoice": (("agreed",), "invoiced"),
    "send": (("agreed", "invoiced"), "sent"),
    "pay": (("sent",), "paid"),
    "return": (("sent",), None),
}
_STEP: Table = StatementStep.__table__  # type: ignore[assignment]
_COLUMNS = ("id", "statement_id", "step", "from_state", "to_state", "actor", "detail", "recorded_at", "mac")


def allowed(state: str) -> list[str]:
    """The steps that a statement in this state can take."""
    return [step for step, (sources, _target) in STEPS.items() if state in sources]


def take_step(
    session: Session,
    *,
    statement_id: UUID,
    step: str,
    actor: str,
    now: datetime,
    to: str | None = None,
    detail: Mapping[str, object] | None = None,
    **values: object,
) -> str:
    """Take `step` if the statement's state allows it, and set `values` with it; the new state.

    The state is part of the condition: of two who step at once, one finds no row. Raises StatementState.
    """
    sources, target = STEPS[step]
    target = to or target
    progress = select(StatementProgress.state).where(StatementProgress.statement_id == statement_id)
    before = session.scalar(progress.with_for_update())
    moved = (
        update(StatementProgress)
        .where(StatementProgress.statement_id == statement_id, StatementProgress.state.in_(sources))
        .values(state=target, **values)
        .returning(StatementProgress.state)
        .execution_options(synchronize_session=False)
    )
    if target is None or session.execute(moved).scalar_one_or_none() is None:
        raise StatementState(state=before, step=step, allowed=", ".join(allowed(str(before))) or "-")
    write_step(session, statement_id, step, before, target, actor, detail or {}, now)
    return target


def begin(session: Session, *, statement_id: UUID, programme: str, actor: str, now: datetime) -> None:
    """A new statement is issued."""
    session.add(
        StatementProgress(statement_id=statement_id, programme=programme, state="issued", invoice_number=None)
    )
    session.flush()
    write_step(session, statement_id, "issue", None, "issued", actor, {}, now)


def write_step(
    session: Session,
    statement_id: UUID,
    step: str,
    from_state: str | None,
    to_state: str,
    actor: str,
    detail: Mapping[str, object],
    now: datetime,
) -> None:
    """Append a step to the log, with its MAC."""
    told = canonical_json(dict(detail)).decode()
    row = (new_id(), statement_id, step, from_state, to_state, actor, told, now)
    append_sealed(session, _STEP, _COLUMNS, [row])
