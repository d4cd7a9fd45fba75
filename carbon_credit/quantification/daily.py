"""What closed days brought each citizen: statements that other subjects build on, and the days themselves.

Sums go by accounting days, as those of a period do: once a day is closed they never change, and what
corrects it later is of the day on which it was found.
"""

from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Select,
    and_,
    case,
    cast,
    exists,
    func,
    literal,
    or_,
    select,
    union_all,
)
from sqlalchemy.orm import Session

from carbon_credit.quantification.models import Period, Reduction, ReductionAdjustment, ReductionEnd
from carbon_credit.quantification.present import newest, revised

_ENDED = ("withdrawn", "superseded")


def closed_between(session: Session, *, programme: str, kind: str, first: date, last: date) -> list[date]:
    """First days of the closed periods of the `kind` that begin between two days, inclusive; in order."""
    statement = select(Period.starts_on).where(
        Period.programme == programme, Period.kind == kind, Period.starts_on.between(first, last)
    )
    return sorted(session.scalars(statement))


def busy_days(session: Session, *, programme: str, first: date, last: date) -> set[date]:
    """Closed days between two, inclusive, that anything is accounted on: most days of a large city, few of
    the years before it began."""
    reduced = exists().where(Reduction.programme == programme, Reduction.accounting_day == Period.starts_on)
    adjusted = exists().where(
        ReductionAdjustment.programme == programme, ReductionAdjustment.accounting_day == Period.starts_on
    )
    statement = select(Period.starts_on).where(
        Period.programme == programme,
        Period.kind == "day",
        Period.starts_on.between(first, last),
        or_(reduced, adjusted),
    )
    return set(session.scalars(statement))


def first_open_day(session: Session, *, programme: str, first: date, before: date) -> date | None:
    """The earliest day from `first` on, before another, that something is accounted on and is not closed."""
    closed = exists().where(
        Period.programme == programme, Period.kind == "day", Period.starts_on == Reduction.accounting_day
    )
    return session.scalar(
        select(func.min(Reduction.accounting_day)).where(
            Reduction.programme == programme,
            Reduction.accounting_day >= first,
            Reduction.accounting_day < before,
            ~closed,
        )
    )


def credited_on(
    programme: str, day: date, *, scene: str | None = None, activity_type: str | None = None
) -> Select[UUID, int, int, int]:
    """citizen_id, events, co2e_mg, active: what the closed day `day` added for each citizen it concerns.

    `events`: those that count, less earlier ones that were taken back on this day. `co2e_mg`: of those
    for accounts, corrections included; it may be negative. `active`: 1 where an event of the day itself
    counts, and not only a late one.
    """
    about: list[ColumnElement[bool]] = [Reduction.programme == programme, Reduction.use != "display"]
    if scene is not None:
        about.append(Reduction.scene == scene)
    if activity_type is not None:
        about.append(Reduction.activity_type == activity_type)
    adjusted = (
        select(
            ReductionAdjustment.reduction_id,
            cast(func.sum(ReductionAdjustment.delta_mg), BigInteger).label("mg"),
        )
        .where(ReductionAdjustment.programme == programme, ReductionAdjustment.accounting_day == day)
        .group_by(ReductionAdjustment.reduction_id)
        .subquery()
    )
    net = Reduction.credited_mg + func.coalesce(adjusted.c.mg, 0)
    ended = exists().where(ReductionEnd.reduction_id == Reduction.id)
    # What earns points by the event alone has no milligrams to count by.
    counts = or_(net > 0, and_(Reduction.use == "points", Reduction.gross_mg == 0, ~ended))
    for_accounts = newest(Reduction.use) == "credit"
    own = (
        revised(
            select(
                Reduction.citizen_id.label("citizen_id"),
                case((counts, 1), else_=0).label("events"),
                case((for_accounts, net), else_=0).label("co2e_mg"),
                case((and_(counts, Reduction.business_day == day), 1), else_=0).label("active"),
            ).select_from(Reduction)
        )
        .outerjoin(adjusted, adjusted.c.reduction_id == Reduction.id)
        .where(*about, Reduction.accounting_day == day)
    )
    taken_back = case((ReductionAdjustment.reason.in_(_ENDED), -1), else_=0)
    earlier = (
        revised(
            select(
                Reduction.citizen_id,
                taken_back,
                case((for_accounts, ReductionAdjustment.delta_mg), else_=0),
                literal(0),
            ).select_from(Reduction)
        )
        .join(ReductionAdjustment, ReductionAdjustment.reduction_id == Reduction.id)
        .where(
            *about,
            Reduction.accounting_day < day,
            ReductionAdjustment.programme == programme,
            ReductionAdjustment.accounting_day == day,
        )
    )
    both: Any = union_all(own, earlier).subquery()
    return select(
        both.c.citizen_id,
        _sum(both.c.events).label("events"),
        _sum(both.c.co2e_mg).label("co2e_mg"),
        func.max(both.c.active).label("active"),
    ).group_by(both.c.citizen_id)


def credited_between(programme: str, first: date, last: date, *, citizens: Select[UUID]) -> Select[UUID, int]:
    """citizen_id, co2e_mg: what the closed days `first` to `last` added to the accounts of `citizens`."""
    closed = select(Period.starts_on).where(
        Period.programme == programme, Period.kind == "day", Period.starts_on.between(first, last)
    )
    about = (
        Reduction.programme == programme,
        Reduction.citizen_id.in_(citizens),
        newest(Reduction.use) == "credit",
    )
    credited = revised(
        select(Reduction.citizen_id.label("citizen_id"), Reduction.credited_mg.label("co2e_mg")).select_from(
            Reduction
        )
    ).where(*about, Reduction.accounting_day.in_(closed))
    adjusted = (
        revised(select(Reduction.citizen_id, ReductionAdjustment.delta_mg).select_from(Reduction))
        .join(ReductionAdjustment, ReductionAdjustment.reduction_id == Reduction.id)
        .where(
            *about,
            ReductionAdjustment.programme == programme,
            ReductionAdjustment.accounting_day.in_(closed),
        )
    )
    both = union_all(credited, adjusted).subquery()
    return select(both.c.citizen_id, _sum(both.c.co2e_mg).label("co2e_mg")).group_by(both.c.citizen_id)


def _sum(column: ColumnElement[Any]) -> ColumnElement[int]:
    # sum() of a bigint is numeric on PostgreSQL; what is summed here fits a bigint.
    return cast(func.sum(column), BigInteger)
