"""What a citizen's reductions amount to now, by year, month and scene, for people who look back."""

from collections import defaultdict
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Select, and_, case, cast, exists, func, or_, select
from sqlalchemy.orm import Session

from carbon_credit.quantification.models import Reduction, ReductionAdjustment, ReductionEnd
from carbon_credit.quantification.periods import all_closed_months, first_of_month
from carbon_credit.quantification.present import newest, revised


@dataclass(frozen=True, slots=True)
class YearLine:
    """What counts of one month (its first day), scene and grade. `events` were credited and stand;
    `co2e_mg` is for accounts; `provisional`: the month in which it is accounted is not closed."""

    month: date
    scene: str
    grade: str
    provisional: bool
    events: int
    co2e_mg: int


def year_of(session: Session, *, programme: str, citizen_id: UUID, year: int) -> list[YearLine]:
    """A year of business days, as it stands now, in order; what is for display only is left out.

    An event that is withdrawn after its day was closed is no event from then on; its grams go when
    the ledger's go, and nothing here runs ahead of it.
    """
    each, closed = _standing(programme, citizen_id), all_closed_months(session, programme)
    statement = (
        select(
            each.c.business_day,
            each.c.scene,
            each.c.grade,
            each.c.accounting_day,
            func.sum(each.c.counts),
            func.sum(each.c.mg),
        )
        .where(each.c.business_day.between(date(year, 1, 1), date(year, 12, 31)))
        .group_by(each.c.business_day, each.c.scene, each.c.grade, each.c.accounting_day)
    )
    sums: dict[tuple[date, str, str, bool], list[int]] = defaultdict(lambda: [0, 0])
    known = set(closed)
    for day, scene, grade, accounting_day, events, mg in session.execute(statement):
        key = (first_of_month(day), scene, grade, first_of_month(accounting_day) not in known)
        sums[key][0] += int(events)
        sums[key][1] += int(mg)
    return [YearLine(*key, *found) for key, found in sorted(sums.items()) if any(found)]


def counted_by_year(session: Session, *, programme: str, citizen_id: UUID) -> dict[int, int]:
    """Milligrams that count for accounts now, by the year of the activity."""
    each: Any = _standing(programme, citizen_id)
    statement = select(each.c.vintage, func.sum(each.c.mg)).group_by(each.c.vintage)
    return {year: int(mg) for year, mg in session.execute(statement)}


def reductions_by_year(programme: str, citizen_id: UUID) -> Select[UUID, int]:
    """The citizen's reductions as a statement that others join: `id` and `year` of the activity."""
    return select(Reduction.id.label("id"), Reduction.vintage.label("year")).where(
        Reduction.programme == programme, Reduction.citizen_id == citizen_id
    )


def _standing(programme: str, citizen_id: UUID) -> Any:
    """A row for each reduction of the citizen: its days, scene, grade, what counts, whether it counts."""
    mine = (Reduction.programme == programme, Reduction.citizen_id == citizen_id)
    added = (
        select(
            ReductionAdjustment.reduction_id,
            cast(func.sum(ReductionAdjustment.delta_mg), BigInteger).label("mg"),
        )
        .join(Reduction, Reduction.id == ReductionAdjustment.reduction_id)
        .where(*mine)
        .group_by(ReductionAdjustment.reduction_id)
        .subquery()
    )
    net = Reduction.credited_mg + func.coalesce(added.c.mg, 0)
    use = newest(Reduction.use)
    ended = exists().where(ReductionEnd.reduction_id == Reduction.id)
    counts = and_(~ended, or_(net > 0, and_(use == "points", newest(Reduction.gross_mg) == 0)))
    statement = revised(
        select(
            Reduction.business_day.label("business_day"),
            Reduction.vintage.label("vintage"),
            Reduction.scene.label("scene"),
            newest(Reduction.grade).label("grade"),
            newest(Reduction.accounting_day).label("accounting_day"),
            case((counts, 1), else_=0).label("counts"),
            case((use == "credit", net), else_=0).label("mg"),
        ).select_from(Reduction)
    )
    return (
        statement.outerjoin(added, added.c.reduction_id == Reduction.id)
        .where(*mine, use != "display")
        .subquery()
    )
