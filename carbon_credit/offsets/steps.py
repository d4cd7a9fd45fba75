"""Moving a batch from state to state, and writing down who did it: the one place where a state changes."""

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from sqlalchemy import CursorResult, update
from sqlalchemy.orm import Session

from carbon_credit.kernel.db import keys_of
from carbon_credit.kernel.digest import canonical_json, row_mac
from carbon_credit.kernel.ids import new_id
from carbon_credit.offsets import queries, states
from carbon_credit.offsets.errors import StepNotAllowed
from carbon_credit.offsets.models import Batch, BatchStep
from carbon_credit.offsets.queries import BatchRecord

STEP_COLUMNS = ("id", "batch_id", "step", "from_state", "to_state", "actor", "detail", "recorded_at")


def take_step(
    session: Session,
    *,
    batch: BatchRecord,
    step: str,
    actor: str,
    now: datetime,
    detail: Mapping[str, object] | None = None,
    values: Mapping[str, object] | None = None,
) -> BatchRecord:
    """Take `step` and write `values` with it; the batch as it is then. Raises StepNotAllowed.

    The state is part of the condition: of two who step at once, one finds no row.
    """
    found = states.require(step, batch.state)
    statement = (
        update(Batch)
        .where(Batch.id == batch.id, Batch.state == batch.state)
        .values(state=found.to, **(values or {}))
        .execution_options(synchronize_session=False)
    )
    result = session.execute(statement)
    if not isinstance(result, CursorResult) or result.rowcount != 1:
        present = queries.batch(session, programme=batch.programme, batch_id=batch.id)
        raise StepNotAllowed(state=present.state, step=step, allowed=", ".join(found.allowed))
    write_step(
        session,
        batch_id=batch.id,
        step=step,
        from_state=batch.state,
        to_state=found.to,
        actor=actor,
        detail=detail or {},
        now=now,
    )
    return queries.batch(session, programme=batch.programme, batch_id=batch.id)


def write_step(
    session: Session,
    *,
    batch_id: UUID,
    step: str,
    from_state: str | None,
    to_state: str,
    actor: str,
    detail: Mapping[str, object],
    now: datetime,
) -> None:
    """Append a step to the log, with its MAC."""
    row = (new_id(), batch_id, step, from_state, to_state, actor, canonical_json(dict(detail)).decode(), now)
    mac = row_mac(keys_of(session).mac, "batch_step", *row)
    session.add(BatchStep(**dict(zip(STEP_COLUMNS, row, strict=True)), mac=mac))
    session.flush()
