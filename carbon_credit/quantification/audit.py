"""Audit of reductions: every row's MAC, none gone, amounts within bounds, grams equal to what was posted."""

from collections.abc import Callable, Iterator

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from carbon_credit.events.audit import changed_rows
from carbon_credit.events.queries import claim_keys_of
from carbon_credit.kernel.bulk import one_of
from carbon_credit.ledger.audit import Finding
from carbon_credit.ledger.references import posted_by_reference, references_posted
from carbon_credit.quantification.models import DayTally, Reduction, ReductionAdjustment
from carbon_credit.quantification.periods import PERIOD
from carbon_credit.quantification.recording import ADJUSTMENT, END, REDUCTION

_AT_ONCE = 5000


def audit(session: Session, *, progress: Callable[[int], None]) -> list[Finding]:
    """Every finding, naming table and row. Memory stays flat: rows are read in portions."""
    return [
        *changed_rows(session, REDUCTION, progress),
        *changed_rows(session, ADJUSTMENT, progress),
        *changed_rows(session, END, progress),
        *changed_rows(session, PERIOD, progress),
        *_references(session),
        *_sums(session),
        *_points(session),
    ]


def _references(session: Session) -> Iterator[Finding]:
    """What foreign keys would say, were they affordable: what is named is there."""
    statement = select(Reduction.id, Reduction.event_id).execution_options(yield_per=_AT_ONCE)
    for portion in session.execute(statement).partitions(_AT_ONCE):
        known = claim_keys_of(session, event_ids=[row.event_id for row in portion])
        for row in portion:
            if row.event_id not in known:
                yield Finding("event-exists", "reduction", str(row.id), f"its event {row.event_id} is gone")
    orphans = (
        select(ReductionAdjustment.id, ReductionAdjustment.reduction_id)
        .outerjoin(Reduction, Reduction.id == ReductionAdjustment.reduction_id)
        .where(Reduction.id.is_(None))
    )
    for row in session.execute(orphans):
        detail = f"its reduction {row.reduction_id} is gone"
        yield Finding("reduction-exists", "reduction_adjustment", str(row.id), detail)
    for references in references_posted(session, code="reduction.credit", at_once=_AT_ONCE):
        found = set(session.scalars(select(Reduction.id).where(one_of(session, Reduction.id, references))))
        for reference in sorted(set(references) - found):
            yield Finding(
                "reduction-exists", "transfer", str(reference), "posted for a reduction that is gone"
            )


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
            gains=["reduction.credit"],
            losses=["reduction.revoke"],
        )
        for row in portion:
            net = row.credited_mg + int(row.delta_mg)
            if posted.get(row.id, 0) != net:
                detail = f"{net} mg count, {posted.get(row.id, 0)} mg are posted"
                yield Finding("reduction-posted", "reduction", str(row.id), detail)


def _points(session: Session) -> Iterator[Finding]:
    """What a day's rule granted is what was posted for it, whether into a lot or against a debt."""
    statement = (
        select(DayTally.id, DayTally.granted)
        .where(DayTally.scope.like("points:%"))
        .execution_options(yield_per=_AT_ONCE)
    )
    for portion in session.execute(statement).partitions(_AT_ONCE):
        posted = posted_by_reference(
            session,
            references=[row.id for row in portion],
            gains=["points.grant", "points.recover"],
            losses=["points.revoke", "points.due"],
        )
        for row in portion:
            if posted.get(row.id, 0) != row.granted:
                detail = f"{row.granted} points were granted, {posted.get(row.id, 0)} are posted"
                yield Finding("points-posted", "day_tally", str(row.id), detail)
