"""What re-quantification has done already, told in the words in which it was planned.

A change that was broken off half-way is the same change: what is done and what is left make one report.
"""

from collections import defaultdict
from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from carbon_credit.kernel.bulk import one_of
from carbon_credit.quantification.models import Reduction, ReductionAdjustment, ReductionRevision
from carbon_credit.quantification.portions import Portion, Row, Span, wanted_of
from carbon_credit.quantification.present import LATEST, REQUANTIFIED


def applied(session: Session, *, span: Span, portion: Portion) -> list[Row]:
    """The portion's reductions whose last revision was their re-quantification to the span's version.

    Amounts as they were posted, whatever was added or taken since. Nothing for a span without `only`.
    """
    if span.only is None:
        return []
    methodology_id, version = span.only
    statement = (
        select(Reduction, LATEST)
        .join(LATEST, LATEST.reduction_id == Reduction.id)
        .where(
            *wanted_of(span),
            Reduction.business_day == portion.day,
            one_of(session, Reduction.citizen_id, portion.citizens),
            LATEST.reason == REQUANTIFIED,
            LATEST.methodology_id == methodology_id,
            LATEST.methodology_version == version,
        )
    )
    found = [(row[0], row[1]) for row in session.execute(statement)]
    ids = [one.id for one, _ in found]
    revisions = _revisions(session, ids)
    adjustments = _adjustments(session, ids)
    return [
        _row(one, revisions.get((one.id, latest.number - 1)) or one, latest, adjustments[one.id])
        for one, latest in found
    ]


def _revisions(session: Session, ids: Sequence[UUID]) -> dict[tuple[UUID, int], ReductionRevision]:
    wanted = select(ReductionRevision).where(one_of(session, ReductionRevision.reduction_id, ids))
    return {(one.reduction_id, one.number): one for one in session.scalars(wanted)} if ids else {}


def _adjustments(session: Session, ids: Sequence[UUID]) -> dict[UUID, list[ReductionAdjustment]]:
    found: dict[UUID, list[ReductionAdjustment]] = defaultdict(list)
    if ids:
        wanted = select(ReductionAdjustment).where(one_of(session, ReductionAdjustment.reduction_id, ids))
        for one in session.scalars(wanted):
            found[one.reduction_id].append(one)
    return found


def _row(
    one: Reduction,
    before: Reduction | ReductionRevision,
    latest: ReductionRevision,
    adjustments: Sequence[ReductionAdjustment],
) -> Row:
    at = latest.recorded_at
    moved = sum(a.delta_mg for a in adjustments if a.recorded_at == at and a.reason == REQUANTIFIED)
    old_mg = one.credited_mg + sum(
        a.delta_mg
        for a in adjustments
        if a.recorded_at < at or (a.recorded_at == at and a.reason != REQUANTIFIED)
    )
    return Row(
        reduction_id=one.id,
        citizen_id=one.citizen_id,
        activity_type=one.activity_type,
        scene=one.scene,
        business_day=one.business_day,
        old_version=f"{before.methodology_id}/{before.methodology_version}",
        new_version=f"{latest.methodology_id}/{latest.methodology_version}",
        old_use=before.use,
        new_use=latest.use,
        old_grade=before.grade,
        new_grade=latest.grade,
        old_mg=old_mg if before.use == "credit" else 0,
        new_mg=old_mg + moved if latest.use == "credit" else 0,
    )
