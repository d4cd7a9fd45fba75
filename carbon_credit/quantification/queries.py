"""Reads of reductions as they stand now, for people and for closing."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import ColumnElement, Row, Select, and_, false, func, or_, select
from sqlalchemy.orm import Session

from carbon_credit.kernel.bulk import one_of
from carbon_credit.methodology.definition import Grade
from carbon_credit.quantification.caps import CAP_EVENTS, CAP_MG
from carbon_credit.quantification.errors import ReductionNotFound
from carbon_credit.quantification.models import Period, Reduction, ReductionAdjustment, ReductionEnd
from carbon_credit.quantification.outcomes import Present
from carbon_credit.quantification.periods import all_closed_months, next_month


@dataclass(frozen=True, slots=True)
class Standing:
    """A reduction that still counts, with what closing and taking back need. Milligrams."""

    reduction_id: UUID
    event_id: UUID
    citizen_id: UUID
    partner_id: UUID
    activity_type: str
    business_day: date
    accounting_day: date
    occurred_at: datetime
    tier: str
    use: str
    gross_mg: int
    net_mg: int
    cap_code: str | None


@dataclass(frozen=True, slots=True)
class ReductionRecord:
    """A reduction for people. `net_mg` includes corrections; `final` when its month is closed."""

    id: UUID
    event_id: UUID
    programme: str
    citizen_id: UUID
    activity_type: str
    scene: str
    occurred_at: datetime
    business_day: date
    accounting_day: date
    methodology_id: str
    methodology_version: str
    version_digest: str
    profile_digest: str
    use: str
    inputs: dict[str, int | str]
    tier: str
    grade: str
    gross_mg: int
    credited_mg: int
    net_mg: int
    cap_code: str | None
    ended: str | None
    final: bool
    consent_id: UUID
    mandate_id: UUID | None
    recorded_at: datetime


@dataclass(frozen=True, slots=True)
class CitizenTotals:
    """A citizen's grams, in milligrams: not yet closed, and closed."""

    provisional_mg: int
    confirmed_mg: int


def present_by_event(session: Session, *, event_ids: Collection[UUID]) -> dict[UUID, Present]:
    """The newest reduction of each event, as it stands now."""
    if not event_ids:
        return {}
    rows = session.execute(with_net().where(one_of(session, Reduction.event_id, event_ids)))
    return {row.Reduction.event_id: _present(row) for row in rows}


def standing_by_event(session: Session, *, event_ids: Collection[UUID]) -> list[Standing]:
    """The reductions of these events that still count."""
    if not event_ids:
        return []
    return _standings(session, one_of(session, Reduction.event_id, event_ids))


def standing_of_day(
    session: Session, *, programme: str, business_day: date, citizen_ids: Collection[UUID], activity_type: str
) -> list[Standing]:
    """All that still counts of these citizens' activity on one business day."""
    return _standings(
        session,
        one_of(session, Reduction.citizen_id, citizen_ids),
        Reduction.programme == programme,
        Reduction.business_day == business_day,
        Reduction.activity_type == activity_type,
    )


def reduction_by_id(
    session: Session, *, reduction_id: UUID, programme: str, citizen_id: UUID | None = None
) -> ReductionRecord:
    """One reduction of the programme (and of the citizen). Raises ReductionNotFound."""
    wanted = [Reduction.id == reduction_id, Reduction.programme == programme]
    if citizen_id is not None:
        wanted.append(Reduction.citizen_id == citizen_id)
    row = session.execute(with_net().where(*wanted)).one_or_none()
    if row is None:
        raise ReductionNotFound(id=reduction_id)
    return _record(row, all_closed_months(session, programme))


def reductions_of(
    session: Session, *, programme: str, citizen_id: UUID, before: UUID | None, limit: int
) -> list[ReductionRecord]:
    """A citizen's reductions, newest first, from the one before `before`."""
    statement = (
        with_net()
        .where(Reduction.programme == programme, Reduction.citizen_id == citizen_id)
        .order_by(Reduction.id.desc())
        .limit(limit)
    )
    if before is not None:
        statement = statement.where(Reduction.id < before)
    closed = all_closed_months(session, programme)
    return [_record(row, closed) for row in session.execute(statement)]


def citizen_totals(session: Session, *, programme: str, citizen_id: UUID) -> CitizenTotals:
    """What counts for the citizen now, by whether its month is closed."""
    mine = (
        Reduction.programme == programme,
        Reduction.citizen_id == citizen_id,
        Reduction.use == "credit",
    )
    confirmed = net_sum(session, *mine, final(all_closed_months(session, programme)))
    return CitizenTotals(provisional_mg=net_sum(session, *mine) - confirmed, confirmed_mg=confirmed)


def programme_totals(session: Session, *, programme: str) -> tuple[int, int]:
    """How many reductions were recorded, and the milligrams that count now."""
    mine = (Reduction.programme == programme, Reduction.use == "credit")
    count = session.scalar(select(func.count()).select_from(Reduction).where(*mine)) or 0
    return count, net_sum(session, *mine)


def periods_of(session: Session, *, programme: str, after: date | None, limit: int) -> list[Period]:
    """Closed days and months, by their first day."""
    statement = (
        select(Period)
        .where(Period.programme == programme)
        .order_by(Period.starts_on, Period.kind)
        .limit(limit)
    )
    if after is not None:
        statement = statement.where(Period.starts_on > after)
    return list(session.scalars(statement))


def with_net() -> Select[*tuple[Any, ...]]:
    """Reductions, each with the sum of its adjustments (`delta_mg`) and why it ended, if it did."""
    delta = (
        select(func.sum(ReductionAdjustment.delta_mg))
        .where(ReductionAdjustment.reduction_id == Reduction.id)
        .correlate(Reduction)
        .scalar_subquery()
    )
    return select(
        Reduction, func.coalesce(delta, 0).label("delta_mg"), ReductionEnd.reason.label("ended")
    ).outerjoin(ReductionEnd, ReductionEnd.reduction_id == Reduction.id)


def net_sum(session: Session, *wanted: ColumnElement[bool]) -> int:
    """Milligrams that count now over the reductions that fulfil all of `wanted`."""
    credited = session.scalar(select(func.coalesce(func.sum(Reduction.credited_mg), 0)).where(*wanted))
    adjusted = session.scalar(
        select(func.coalesce(func.sum(ReductionAdjustment.delta_mg), 0))
        .join(Reduction, Reduction.id == ReductionAdjustment.reduction_id)
        .where(*wanted)
    )
    return int(credited or 0) + int(adjusted or 0)


def final(closed: Sequence[date]) -> ColumnElement[bool]:
    """True for reductions of one of the `closed` months (first days)."""
    if not closed:
        return false()
    return or_(
        *(
            and_(Reduction.accounting_day >= start, Reduction.accounting_day < next_month(start))
            for start in closed
        )
    )


def _standings(session: Session, *wanted: ColumnElement[bool]) -> list[Standing]:
    rows = session.execute(with_net().where(*wanted, ReductionEnd.reduction_id.is_(None)))
    return [
        Standing(
            reduction_id=row.Reduction.id,
            event_id=row.Reduction.event_id,
            citizen_id=row.Reduction.citizen_id,
            partner_id=row.Reduction.partner_id,
            activity_type=row.Reduction.activity_type,
            business_day=row.Reduction.business_day,
            accounting_day=row.Reduction.accounting_day,
            occurred_at=row.Reduction.occurred_at,
            tier=row.Reduction.tier,
            use=row.Reduction.use,
            gross_mg=row.Reduction.gross_mg,
            net_mg=row.Reduction.credited_mg + int(row.delta_mg),
            cap_code=_cap_now(row),
        )
        for row in rows
    ]


def _cap_now(row: Row[*tuple[Any, ...]]) -> str | None:
    """The cap that takes something of the reduction now: closing may have moved it to another event."""
    reduction: Reduction = row.Reduction
    net_mg = reduction.credited_mg + int(row.delta_mg)
    if row.delta_mg == 0 or row.ended:
        return reduction.cap_code
    if net_mg == reduction.gross_mg:
        return None
    return reduction.cap_code or (CAP_EVENTS if net_mg == 0 else CAP_MG)


def _present(row: Row[*tuple[Any, ...]]) -> Present:
    reduction: Reduction = row.Reduction
    return Present(
        reduction_id=reduction.id,
        event_id=reduction.event_id,
        gross_mg=reduction.gross_mg,
        credited_mg=reduction.credited_mg,
        net_mg=reduction.credited_mg + int(row.delta_mg),
        ended=row.ended,
        use=reduction.use,
        grade=reduction.grade,
        sandbox=Grade(reduction.grade).is_sandbox,
        cap_code=_cap_now(row),
        methodology=f"{reduction.methodology_id}/{reduction.methodology_version}",
        digest=reduction.version_digest,
    )


def _record(row: Row[*tuple[Any, ...]], closed: Sequence[date]) -> ReductionRecord:
    reduction: Reduction = row.Reduction
    return ReductionRecord(
        id=reduction.id,
        event_id=reduction.event_id,
        programme=reduction.programme,
        citizen_id=reduction.citizen_id,
        activity_type=reduction.activity_type,
        scene=reduction.scene,
        occurred_at=reduction.occurred_at,
        business_day=reduction.business_day,
        accounting_day=reduction.accounting_day,
        methodology_id=reduction.methodology_id,
        methodology_version=reduction.methodology_version,
        version_digest=reduction.version_digest,
        profile_digest=reduction.profile_digest,
        use=reduction.use,
        inputs=orjson.loads(reduction.inputs),
        tier=reduction.tier,
        grade=reduction.grade,
        gross_mg=reduction.gross_mg,
        credited_mg=reduction.credited_mg,
        net_mg=reduction.credited_mg + int(row.delta_mg),
        cap_code=_cap_now(row),
        ended=row.ended,
        final=reduction.accounting_day.replace(day=1) in closed,
        consent_id=reduction.consent_id,
        mandate_id=reduction.mandate_id,
        recorded_at=reduction.recorded_at,
    )
