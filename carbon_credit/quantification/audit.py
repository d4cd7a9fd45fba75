"""Audit of reductions: every row's MAC, amounts within bounds, grams equal to what was posted."""

from collections.abc import Callable, Iterator
from typing import Any

from sqlalchemy import Select, Table, func, select
from sqlalchemy.orm import Session

from carbon_credit.kernel.db import keys_of
from carbon_credit.kernel.digest import row_mac, same
from carbon_credit.ledger.audit import Finding
from carbon_credit.ledger.references import posted_by_reference
from carbon_credit.quantification.models import Reduction, ReductionAdjustment
from carbon_credit.quantification.recording import ADJUSTMENT, REDUCTION

_AT_ONCE = 5000


def audit(session: Session, *, progress: Callable[[int], None]) -> list[Finding]:
    """Every finding, naming table and row. Memory stays flat: rows are read in portions."""
    findings = [*_macs(session, REDUCTION, progress), *_macs(session, ADJUSTMENT, progress)]
    return [*findings, *_sums(session)]


def _macs(session: Session, table: Table, progress: Callable[[int], None]) -> Iterator[Finding]:
    key = keys_of(session).mac
    statement: Select[Any] = select(table).execution_options(yield_per=_AT_ONCE)
    for portion in session.execute(statement).partitions(_AT_ONCE):
        for row in portion:
            *fields, mac = row
            if not same(mac, row_mac(key, table.name, *fields)):
                yield Finding("row-mac", table.name, str(row.id), "the row was changed after it was written")
        progress(len(portion))


def _sums(session: Session) -> Iterator[Finding]:
    """Present amounts lie in 0..gross, and equal what the ledger holds for the reduction."""
    delta = (
        select(ReductionAdjustment.reduction_id, func.sum(ReductionAdjustment.delta_mg).label("delta_mg"))
        .group_by(ReductionAdjustment.reduction_id)
        .subquery()
    )
    adjusted = (
        select(Reduction.id, Reduction.gross_mg, Reduction.credited_mg, delta.c.delta_mg)
        .join(delta, delta.c.reduction_id == Reduction.id)
        .execution_options(yield_per=_AT_ONCE)
    )
    for row in session.execute(adjusted):
        net = row.credited_mg + int(row.delta_mg)
        if not 0 <= net <= row.gross_mg:
            yield Finding(
                "net-within-gross", "reduction", str(row.id), f"{net} mg of {row.gross_mg} mg count"
            )
    statement = (
        select(Reduction.id, Reduction.credited_mg, func.coalesce(delta.c.delta_mg, 0).label("delta_mg"))
        .outerjoin(delta, delta.c.reduction_id == Reduction.id)
        .where(Reduction.use == "credit")
        .execution_options(yield_per=_AT_ONCE)
    )
    for portion in session.execute(statement).partitions(_AT_ONCE):
        posted = posted_by_reference(
            session,
            references=[row.id for row in portion],
            gains="reduction.credit",
            losses="reduction.revoke",
        )
        for row in portion:
            net = row.credited_mg + int(row.delta_mg)
            if posted.get(row.id, 0) != net:
                detail = f"{net} mg count, {posted.get(row.id, 0)} mg are posted"
                yield Finding("reduction-posted", "reduction", str(row.id), detail)
