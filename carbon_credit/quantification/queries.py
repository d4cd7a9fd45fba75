"""Reads of reductions as they stand now, for people and for closing."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

import orjson
from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from carbon_credit.kernel.bulk import later_than, one_of
from carbon_credit.methodology.definition import Grade
from carbon_credit.quantification.errors import ReductionNotFound
from carbon_credit.quantification.models import (
    Period,
    Reduction,
    ReductionAdjustment,
    ReductionRevision,
)
from carbon_credit.quantification.outcomes import Present
from carbon_credit.quantification.periods import all_closed_months
from carbon_credit.quantification.present import Loaded, Standing, final, loaded, net_sum, newest, revised
from carbon_credit.quantification.standing import standing_where

__all__ = ["Standing"]


@dataclass(frozen=True, slots=True)
class ReductionRecord:
    """A reduction for people, as its latest `revision` says (0: as it was recorded).

    `net_mg` includes corrections; `final` when its month is closed.
    """

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
    revision: int
    consent_id: UUID
    mandate_id: UUID | None
    recorded_at: datetime


@dataclass(frozen=True, slots=True)
class Change:
    """What happened to a reduction after it was recorded: a revision (`number`, and by what it was computed
    then) or milligrams that were added or taken (`delta_mg`)."""

    recorded_at: datetime
    reason: str
    number: int | None = None
    methodology: str | None = None
    grade: str | None = None
    gross_mg: int | None = None
    delta_mg: int | None = None


@dataclass(frozen=True, slots=True)
class CitizenTotals:
    """A citizen's grams, in milligrams: not yet closed, and closed."""

    provisional_mg: int
    confirmed_mg: int


def present_by_event(session: Session, *, event_ids: Collection[UUID]) -> dict[UUID, list[Present]]:
    """The reductions of each event as they stand now, by business day: one, or one for each part."""
    if not event_ids:
        return {}
    found: dict[UUID, list[Present]] = defaultdict(list)
    wanted = one_of(session, Reduction.event_id, event_ids)
    for one in loaded(
        session, wanted, later_than(Reduction.id, event_ids), order=(Reduction.business_day, Reduction.id)
    ):
        found[one.row.event_id].append(_present(one))
    return dict(found)


def standing_by_event(session: Session, *, event_ids: Collection[UUID]) -> list[Standing]:
    """The reductions of these events that still count."""
    if not event_ids:
        return []
    wanted = one_of(session, Reduction.event_id, event_ids)
    return _standings(session, wanted, later_than(Reduction.id, event_ids))


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
    found = loaded(session, *wanted)
    if not found:
        raise ReductionNotFound(id=reduction_id)
    return _record(found[0], all_closed_months(session, programme))


def changes_of(session: Session, *, reduction_id: UUID) -> list[Change]:
    """Everything that happened to a reduction since, in order; a revision before the milligrams it moved."""
    revisions = session.scalars(
        select(ReductionRevision).where(ReductionRevision.reduction_id == reduction_id)
    )
    adjustments = session.scalars(
        select(ReductionAdjustment)
        .where(ReductionAdjustment.reduction_id == reduction_id)
        .where(later_than(ReductionAdjustment.id, [reduction_id]))
        .order_by(ReductionAdjustment.id)
    )
    changes = [
        Change(
            recorded_at=one.recorded_at,
            reason=one.reason,
            number=one.number,
            methodology=f"{one.methodology_id}/{one.methodology_version}",
            grade=one.grade,
            gross_mg=one.gross_mg,
        )
        for one in revisions
    ]
    changes += [Change(one.recorded_at, one.reason, delta_mg=one.delta_mg) for one in adjustments]
    return sorted(changes, key=lambda one: (one.recorded_at, one.number is None, one.number or 0))


def reductions_of(
    session: Session, *, programme: str, citizen_id: UUID, before: UUID | None, limit: int
) -> list[ReductionRecord]:
    """A citizen's reductions, newest first, from the one before `before`."""
    wanted = [Reduction.programme == programme, Reduction.citizen_id == citizen_id]
    if before is not None:
        wanted.append(Reduction.id < before)
    closed = all_closed_months(session, programme)
    found = loaded(session, *wanted, order=(Reduction.id.desc(),), limit=limit)
    return [_record(one, closed) for one in found]


def citizen_totals(session: Session, *, programme: str, citizen_id: UUID) -> CitizenTotals:
    """What counts for the citizen now, by whether its month is closed."""
    mine = (
        Reduction.programme == programme,
        Reduction.citizen_id == citizen_id,
        newest(Reduction.use) == "credit",
    )
    confirmed = net_sum(session, *mine, final(all_closed_months(session, programme)))
    return CitizenTotals(provisional_mg=net_sum(session, *mine) - confirmed, confirmed_mg=confirmed)


def programme_totals(session: Session, *, programme: str) -> tuple[int, int]:
    """How many reductions were recorded, and the milligrams that count now."""
    mine = (Reduction.programme == programme, newest(Reduction.use) == "credit")
    count = session.scalar(revised(select(func.count()).select_from(Reduction)).where(*mine)) or 0
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


def _standings(session: Session, *wanted: ColumnElement[bool]) -> list[Standing]:
    return standing_where(session, *wanted)


def _present(one: Loaded) -> Present:
    return Present(
        reduction_id=one.row.id,
        event_id=one.row.event_id,
        business_day=one.row.business_day,
        gross_mg=one.now.gross_mg,
        credited_mg=one.row.credited_mg,
        net_mg=one.net_mg,
        ended=one.ended,
        use=one.now.use,
        grade=one.now.grade,
        sandbox=Grade(one.now.grade).is_sandbox,
        cap_code=one.cap_code,
        methodology=f"{one.now.methodology_id}/{one.now.methodology_version}",
        digest=one.now.version_digest,
    )


def _record(one: Loaded, closed: Sequence[date]) -> ReductionRecord:
    row, present = one.row, one.now
    return ReductionRecord(
        id=row.id,
        event_id=row.event_id,
        programme=row.programme,
        citizen_id=row.citizen_id,
        activity_type=row.activity_type,
        scene=row.scene,
        occurred_at=row.occurred_at,
        business_day=row.business_day,
        accounting_day=present.accounting_day,
        methodology_id=present.methodology_id,
        methodology_version=present.methodology_version,
        version_digest=present.version_digest,
        profile_digest=present.profile_digest,
        use=present.use,
        inputs=orjson.loads(present.inputs),
        tier=present.tier,
        grade=present.grade,
        gross_mg=present.gross_mg,
        credited_mg=row.credited_mg,
        net_mg=one.net_mg,
        cap_code=one.cap_code,
        ended=one.ended,
        final=present.accounting_day.replace(day=1) in closed,
        revision=one.latest.number if one.latest else 0,
        consent_id=row.consent_id,
        mandate_id=row.mandate_id,
        recorded_at=row.recorded_at,
    )
