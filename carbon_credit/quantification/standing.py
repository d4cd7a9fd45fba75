"""Reductions that stand, read in bulk: light rows, and one statement each for what was added to them."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from carbon_credit.kernel.bulk import one_of
from carbon_credit.quantification.models import (
    Reduction,
    ReductionAdjustment,
    ReductionEnd,
    ReductionRevision,
)
from carbon_credit.quantification.present import ENDINGS, REQUANTIFIED, Standing, code_after, revised

_COLUMNS = (
    Reduction.id,
    Reduction.event_id,
    Reduction.citizen_id,
    Reduction.partner_id,
    Reduction.activity_type,
    Reduction.scene,
    Reduction.occurred_at,
    Reduction.business_day,
    Reduction.accounting_day,
    Reduction.methodology_id,
    Reduction.methodology_version,
    Reduction.version_digest,
    Reduction.profile_digest,
    Reduction.use,
    Reduction.inputs,
    Reduction.tier,
    Reduction.grade,
    Reduction.gross_mg,
    Reduction.credited_mg,
    Reduction.cap_code,
)
# What a revision says instead of the reduction, in this order.
_REVISED = (
    ReductionRevision.number,
    ReductionRevision.accounting_day,
    ReductionRevision.methodology_id,
    ReductionRevision.methodology_version,
    ReductionRevision.version_digest,
    ReductionRevision.profile_digest,
    ReductionRevision.use,
    ReductionRevision.inputs,
    ReductionRevision.tier,
    ReductionRevision.grade,
    ReductionRevision.gross_mg,
    ReductionRevision.reason,
)


def standing_where(
    session: Session,
    *wanted: ColumnElement[bool],
    by_revision: bool = False,
    order: Sequence[Any] = (),
    limit: int | None = None,
) -> list[Standing]:
    """Those that have not ended and fulfil all of `wanted`. `by_revision`: it speaks of `newest(...)`.

    Three statements, however many. For portions: what is found is held.
    """
    statement = select(*_COLUMNS)
    if by_revision:
        statement = revised(statement.select_from(Reduction))
    statement = (
        statement.outerjoin(ReductionEnd, ReductionEnd.reduction_id == Reduction.id)
        .where(*wanted, ReductionEnd.reduction_id.is_(None))
        .order_by(*order)
        .limit(limit)
    )
    rows = session.execute(statement).all()
    ids = [row[0] for row in rows]
    latest = _latest(session, ids)
    added = _added(session, ids)
    return [_standing(row, latest.get(row[0]), added.get(row[0], ())) for row in rows]


def _latest(session: Session, ids: Collection[UUID]) -> dict[UUID, Any]:
    """The latest revision of each, as `_REVISED` names its columns."""
    if not ids:
        return {}
    statement = select(ReductionRevision.reduction_id, *_REVISED).where(
        one_of(session, ReductionRevision.reduction_id, ids)
    )
    found: dict[UUID, Any] = {}
    for reduction_id, *row in session.execute(statement):
        if reduction_id not in found or found[reduction_id][0] < row[0]:
            found[reduction_id] = row
    return found


def _added(session: Session, ids: Collection[UUID]) -> dict[UUID, list[tuple[int, str]]]:
    """(milligrams, reason) of what was added to each or taken from it, as written."""
    if not ids:
        return {}
    statement = (
        select(ReductionAdjustment.reduction_id, ReductionAdjustment.delta_mg, ReductionAdjustment.reason)
        .where(one_of(session, ReductionAdjustment.reduction_id, ids))
        .order_by(ReductionAdjustment.recorded_at, ReductionAdjustment.id)
    )
    found: dict[UUID, list[tuple[int, str]]] = defaultdict(list)
    for reduction_id, delta_mg, reason in session.execute(statement):
        found[reduction_id].append((delta_mg, reason))
    return found


def _standing(row: Any, latest: Any, added: Sequence[tuple[int, str]]) -> Standing:
    (
        reduction_id,
        event_id,
        citizen_id,
        partner_id,
        activity_type,
        scene,
        occurred_at,
        business_day,
        accounting_day,
        *recorded,
        credited_mg,
        cap_code,
    ) = row
    present = recorded if latest is None else latest[2:11]
    methodology_id, version, version_digest, profile_digest, use, inputs, tier, grade, gross_mg = present
    net_mg = points_mg = credited_mg
    code = points_code = cap_code
    if added or latest is not None:
        first = (credited_mg, cap_code)
        lived = [one for one in added if one[1] not in ENDINGS]
        code = code_after(first, max(gross_mg, 0), lived, changed=latest is not None)
        net_mg += sum(delta for delta, _reason in added)
        kept = [one for one in added if one[1] != REQUANTIFIED]
        points_mg += sum(delta for delta, _reason in kept)
        of_old = latest is not None and latest[11] == REQUANTIFIED
        points_gross = recorded[8] if of_old else gross_mg
        changed = latest is not None and not of_old
        points_code = code_after(first, max(points_gross, 0), kept, changed=changed)
    return Standing(
        reduction_id,
        event_id,
        citizen_id,
        partner_id,
        activity_type,
        scene,
        occurred_at,
        business_day,
        accounting_day,
        accounting_day if latest is None else latest[1],
        methodology_id,
        version,
        version_digest,
        profile_digest,
        use,
        recorded[4],
        inputs,
        tier,
        grade,
        gross_mg,
        net_mg,
        code,
        points_mg,
        points_code,
        0 if latest is None else latest[0],
    )
