"""Proof that batches and retirements hold: every milligram once, sums and serials right, no row altered."""

from collections.abc import Iterator
from typing import cast
from uuid import UUID

import orjson
from sqlalchemy import Table, func, or_, select
from sqlalchemy.orm import Session

from carbon_credit.kernel.db import keys_of
from carbon_credit.kernel.digest import row_mac, same
from carbon_credit.ledger.accounts import CO2E, AccountKey
from carbon_credit.ledger.audit import Finding
from carbon_credit.ledger.queries import balances
from carbon_credit.offsets.models import Batch, BatchItem, BatchStep, SerialCounter, SerialRange
from carbon_credit.offsets.retirement.audit import audit_retirements
from carbon_credit.offsets.states import FIXED
from carbon_credit.offsets.steps import STEP_COLUMNS
from carbon_credit.quantification.selection import reductions_by_id

_AT_ONCE = 2_000
_STEP = cast(Table, BatchStep.__table__)
_SUMS = ("merkle_root", "leaf_count", "gross_mg", "credited_mg", "batch_mg", "tonnes")


def audit(session: Session) -> list[Finding]:
    """Every finding, naming table and row; none when the batches and the retirements hold."""
    return [
        *_chains(session),
        *_reductions(session),
        *_steps(session),
        *_batches(session),
        *_serials(session),
        *audit_retirements(session),
    ]


def _chains(session: Session) -> Iterator[Finding]:
    """The ranges of a reduction add up to it: batched and free together are all of it."""
    statement = (
        select(
            BatchItem.reduction_id,
            func.sum(BatchItem.to_mg - BatchItem.from_mg).label("sum_mg"),
            func.min(BatchItem.total_mg).label("least_mg"),
            func.max(BatchItem.total_mg).label("most_mg"),
        )
        .group_by(BatchItem.reduction_id)
        .having(
            (func.sum(BatchItem.to_mg - BatchItem.from_mg) != func.max(BatchItem.total_mg))
            | (func.min(BatchItem.total_mg) != func.max(BatchItem.total_mg))
        )
    )
    for row in session.execute(statement):
        detail = f"ranges of {row.sum_mg} mg, of a reduction of {row.least_mg} to {row.most_mg} mg"
        yield Finding("ranges-add-up", "batch_item", str(row.reduction_id), detail)


def _reductions(session: Session) -> Iterator[Finding]:
    """What no foreign key says: the reduction is there, and is as an item that is taken says.

    Free ranges are only remembered cuts: the reduction may have been computed anew since.
    """
    after: UUID | None = None
    while True:
        statement = (
            select(BatchItem.reduction_id, BatchItem.grade, BatchItem.total_mg)
            .where(or_(BatchItem.batch_id.is_not(None), BatchItem.retirement_id.is_not(None)))
            .distinct()
        )
        if after is not None:
            statement = statement.where(BatchItem.reduction_id > after)
        portion = session.execute(statement.order_by(BatchItem.reduction_id).limit(_AT_ONCE)).all()
        if not portion:
            return
        found = reductions_by_id(session, ids=[row.reduction_id for row in portion])
        for row in portion:
            reduction = found.get(row.reduction_id)
            if reduction is None:
                yield Finding("reduction-exists", "batch_item", str(row.reduction_id), "no such reduction")
            elif row.grade != reduction.grade or row.total_mg > reduction.gross_mg:
                detail = f"{row.total_mg} mg {row.grade}, reduction {reduction.gross_mg} mg {reduction.grade}"
                yield Finding("reduction-agrees", "batch_item", str(row.reduction_id), detail)
        after = portion[-1].reduction_id


def _steps(session: Session) -> Iterator[Finding]:
    key = keys_of(session).mac
    columns = [_STEP.c[name] for name in (*STEP_COLUMNS, "mac")]
    for *fields, mac in session.execute(select(*columns).order_by(_STEP.c.id)):
        if not same(mac, row_mac(key, "batch_step", *fields)):
            yield Finding("row-mac", "batch_step", str(fields[0]), "the row was changed after it was written")


def _batches(session: Session) -> Iterator[Finding]:
    for batch in session.scalars(select(Batch).order_by(Batch.id).execution_options(populate_existing=True)):
        count, sum_mg = session.execute(
            select(func.count(), func.coalesce(func.sum(BatchItem.to_mg - BatchItem.from_mg), 0)).where(
                BatchItem.batch_id == batch.id
            )
        ).one()
        yield from _log_of(session, batch)
        if batch.state in FIXED and (count, int(sum_mg)) != (batch.leaf_count, batch.batch_mg):
            detail = f"{count} items of {sum_mg} mg, the batch says {batch.leaf_count} of {batch.batch_mg} mg"
            yield Finding("batch-sums", "batch", str(batch.id), detail)
        if batch.state == "rejected" and count:
            yield Finding("batch-released", "batch", str(batch.id), f"{count} items in a rejected batch")
        yield from _ledger_of(session, batch)


def _log_of(session: Session, batch: Batch) -> Iterator[Finding]:
    """The log, whose rows have MACs, must lead to the state and the sums that the batch shows."""
    statement = select(BatchStep).where(BatchStep.batch_id == batch.id).order_by(BatchStep.id)
    state: str | None = None
    sums: dict[str, object] = {}
    for step in session.scalars(statement.execution_options(populate_existing=True)):
        if step.from_state != state:
            detail = f"from {step.from_state}, but the batch was {state}"
            yield Finding("steps-connect", "batch_step", str(step.id), detail)
        state = step.to_state
        if step.step == "freeze":
            sums = orjson.loads(step.detail)
    if state != batch.state:
        detail = f"the batch is {batch.state}, its log says {state}"
        yield Finding("batch-state", "batch", str(batch.id), detail)
    for name in _SUMS:
        if sums and getattr(batch, name) != sums[name]:
            yield Finding("batch-facts", "batch", str(batch.id), f"{name} is not what was frozen")


def _ledger_of(session: Session, batch: Batch) -> Iterator[Finding]:
    """The batch's accounts hold what its items hold: frozen until registered, then issued."""
    frozen = AccountKey(batch.programme, CO2E, "batch.frozen", batch.id)
    issued = AccountKey(batch.programme, CO2E, "batch.issued", batch.id)
    found = balances(session, keys=[frozen, issued])
    total_mg = batch.batch_mg or 0
    expected = {frozen: 0 if batch.state in ("open", "rejected", "registered") else total_mg}
    if batch.state != "registered":
        expected[issued] = 0
    elif found[issued].credits_posted != total_mg:
        # What was sold or retired has left the account again; that it came in is what counts here.
        detail = f"{found[issued].credits_posted} mg were issued, not {total_mg} mg"
        yield Finding("batch-ledger", "batch", str(batch.id), detail)
    for key, amount in expected.items():
        if found[key].posted != amount:
            detail = f"{key.kind} holds {found[key].posted} mg, not {amount} mg"
            yield Finding("batch-ledger", "batch", str(batch.id), detail)


def _serials(session: Session) -> Iterator[Finding]:
    """Ranges of a project and vintage follow each other; each batch has as many as it has tonnes."""
    order = (SerialRange.project_id, SerialRange.vintage, SerialRange.first_no)
    last: dict[tuple[UUID, int], int] = {}
    issued: dict[UUID, int] = {}
    for row in session.scalars(select(SerialRange).order_by(*order)):
        key = (row.project_id, row.vintage)
        if row.first_no != last.get(key, 0) + 1:
            detail = f"begins with {row.first_no}, the one before ends with {last.get(key, 0)}"
            yield Finding("serials-follow", "serial_range", str(row.id), detail)
        last[key] = row.last_no
        issued[row.batch_id] = issued.get(row.batch_id, 0) + row.tonnes
    for counter in session.scalars(select(SerialCounter)):
        if counter.next_no != last.get((counter.project_id, counter.vintage), 0) + 1:
            detail = f"the next number is {counter.next_no}, the last one given is not the one before"
            yield Finding("serial-counter", "serial_counter", str(counter.project_id), detail)
    for batch_id, state, tonnes in session.execute(select(Batch.id, Batch.state, Batch.tonnes)):
        expected = tonnes if state == "registered" else 0
        if issued.get(batch_id, 0) != expected:
            detail = f"{issued.get(batch_id, 0)} serials for {expected} tonnes"
            yield Finding("serials-tonnes", "batch", str(batch_id), detail)
