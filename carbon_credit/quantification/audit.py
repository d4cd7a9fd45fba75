"""Audit of reductions: every row's MAC, none gone, revisions without a gap, amounts within bounds and equal
to what was posted, and every result computed again from its inputs, under the digest that it names."""

from collections.abc import Callable, Iterator
from datetime import date

import orjson
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from carbon_credit.catalogue.errors import MethodologyNotFound
from carbon_credit.catalogue.queries import compiled_by_digest
from carbon_credit.events.audit import changed_rows
from carbon_credit.events.queries import claim_keys_of
from carbon_credit.kernel.bulk import one_of
from carbon_credit.ledger.audit import Finding
from carbon_credit.ledger.references import posted_by_reference, references_posted
from carbon_credit.methodology.engine import Evaluation
from carbon_credit.quantification.models import (
    DayTally,
    Reduction,
    ReductionAdjustment,
    ReductionPart,
    ReductionRevision,
)
from carbon_credit.quantification.parts import PART
from carbon_credit.quantification.periods import PERIOD
from carbon_credit.quantification.present import LATEST, newest
from carbon_credit.quantification.recording import ADJUSTMENT, END, REDUCTION, REVISION

_AT_ONCE = 5000
_COMPUTED = (Reduction.version_digest, Reduction.inputs, Reduction.gross_mg)


def audit(session: Session, *, progress: Callable[[int], None]) -> list[Finding]:
    """Every finding, naming table and row. Memory stays flat: rows are read in portions."""
    return [
        *changed_rows(session, REDUCTION, progress),
        *changed_rows(session, ADJUSTMENT, progress),
        *changed_rows(session, REVISION, progress),
        *changed_rows(session, END, progress),
        *changed_rows(session, PART, progress),
        *changed_rows(session, PERIOD, progress),
        *_references(session),
        *_numbers(session),
        *_results(session, progress),
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
    for table, name in (
        (ReductionAdjustment, ReductionAdjustment.id),
        (ReductionRevision, ReductionRevision.reduction_id),
        (ReductionPart, ReductionPart.reduction_id),
    ):
        orphans = (
            select(name.label("name"), table.reduction_id)
            .outerjoin(Reduction, Reduction.id == table.reduction_id)
            .where(Reduction.id.is_(None))
        )
        for row in session.execute(orphans):
            detail = f"its reduction {row.reduction_id} is gone"
            yield Finding("reduction-exists", table.__tablename__, str(row.name), detail)
    for references in references_posted(session, code="reduction.credit", at_once=_AT_ONCE):
        found = set(session.scalars(select(Reduction.id).where(one_of(session, Reduction.id, references))))
        for reference in sorted(set(references) - found):
            yield Finding(
                "reduction-exists", "transfer", str(reference), "posted for a reduction that is gone"
            )


def _numbers(session: Session) -> Iterator[Finding]:
    """Revisions of a reduction are numbered from 1 without a gap: none was taken away."""
    last = func.max(ReductionRevision.number)
    statement = (
        select(ReductionRevision.reduction_id, last.label("last"), func.count().label("count"))
        .group_by(ReductionRevision.reduction_id)
        .having(last != func.count())
    )
    for row in session.execute(statement):
        detail = f"{row.count} revisions, the last one is number {row.last}"
        yield Finding("revisions-follow", "reduction_revision", str(row.reduction_id), detail)


def _results(session: Session, progress: Callable[[int], None]) -> Iterator[Finding]:
    """What the formula gives for the stored inputs is what is stored, of each reduction and revision."""
    of_revision = (getattr(ReductionRevision, column.key) for column in _COMPUTED)
    for statement, table in (
        (select(Reduction.id, Reduction.business_day, Reduction.programme, *_COMPUTED), REDUCTION),
        (
            select(Reduction.id, Reduction.business_day, Reduction.programme, *of_revision).join(
                ReductionRevision, ReductionRevision.reduction_id == Reduction.id
            ),
            REVISION,
        ),
    ):
        rows = session.execute(statement.execution_options(yield_per=_AT_ONCE))
        for portion in rows.partitions(_AT_ONCE):
            for reduction_id, day, programme, digest, inputs, gross_mg in portion:
                found = _computed(session, digest, inputs, day, earlier=programme.startswith("x-"))
                if found != gross_mg:
                    detail = f"{gross_mg} mg are stored, the formula gives {found}"
                    yield Finding("result-recomputed", table.name, str(reduction_id), detail)
            progress(len(portion))


def _computed(session: Session, digest: str, inputs: str, day: date, *, earlier: bool) -> int | str:
    """Milligrams, none where the formula refuses the inputs; a word where its text is missing."""
    try:
        compiled = compiled_by_digest(session, digest=digest)
    except MethodologyNotFound:
        return "nothing, for its methodology is gone"
    # Only a rehearsal may have declared a version in force before its first day.
    try:
        known = orjson.loads(inputs)
    except orjson.JSONDecodeError:
        return "nothing, for its inputs cannot be read"
    result = compiled.evaluate(known, on=day, earlier=earlier)
    return result.reduction_mg if isinstance(result, Evaluation) else 0


def _sums(session: Session) -> Iterator[Finding]:
    """Present amounts lie in 0..gross, and equal what the ledger holds for the reduction."""
    delta = (
        select(ReductionAdjustment.reduction_id, func.sum(ReductionAdjustment.delta_mg).label("delta_mg"))
        .group_by(ReductionAdjustment.reduction_id)
        .subquery()
    )
    statement = (
        select(
            Reduction.id,
            newest(Reduction.use).label("use"),
            newest(Reduction.gross_mg).label("gross_mg"),
            Reduction.credited_mg,
            func.coalesce(delta.c.delta_mg, 0).label("delta_mg"),
        )
        .outerjoin(delta, delta.c.reduction_id == Reduction.id)
        .outerjoin(LATEST, LATEST.reduction_id == Reduction.id)
        .execution_options(yield_per=_AT_ONCE)
    )
    for portion in session.execute(statement).partitions(_AT_ONCE):
        credited = [row.id for row in portion if row.use == "credit"]
        posted = posted_by_reference(
            session, references=credited, gains=["reduction.credit"], losses=["reduction.revoke"]
        )
        for row in portion:
            net = row.credited_mg + int(row.delta_mg)
            if not 0 <= net <= max(row.gross_mg, 0):
                detail = f"{net} mg of {row.gross_mg} mg count"
                yield Finding("net-within-gross", "reduction", str(row.id), detail)
            if row.use == "credit" and posted.get(row.id, 0) != net:
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
