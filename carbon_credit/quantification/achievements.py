"""What a citizen has done since a day, added up by the database: for conditions and rewards."""

from collections.abc import Sequence
from datetime import date
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import ColumnElement, Select, func, select
from sqlalchemy.orm import Session

from carbon_credit.quantification.models import Reduction, ReductionAdjustment, ReductionEnd


class Ask(NamedTuple):
    """Since which business day, and in which scene; None: in all of them."""

    scene: str | None
    since: date


class Done(NamedTuple):
    """Events that were not withdrawn, and the milligrams that count now, provisional ones too."""

    events: int
    co2e_mg: int


def done_since(session: Session, *, programme: str, citizen_id: UUID, asks: Sequence[Ask]) -> list[Done]:
    """The answer to each question, in order. One statement for all of them."""
    if not asks:
        return []
    columns: list[Any] = []
    for ask in asks:
        mine = [
            Reduction.citizen_id == citizen_id,
            Reduction.programme == programme,
            Reduction.business_day >= ask.since,
        ]
        if ask.scene is not None:
            mine.append(Reduction.scene == ask.scene)
        columns += [_scalar(one) for one in _sums(mine)]
    row = session.execute(select(*columns)).one()
    return [
        Done(int(events), int(credited) + int(adjusted))
        for events, credited, adjusted in zip(row[::3], row[1::3], row[2::3], strict=True)
    ]


def _sums(mine: Sequence[ColumnElement[bool]]) -> tuple[Select[Any], Select[Any], Select[Any]]:
    events = (
        select(func.count(Reduction.event_id.distinct()))
        .outerjoin(ReductionEnd, ReductionEnd.reduction_id == Reduction.id)
        .where(*mine, ReductionEnd.reduction_id.is_(None))
    )
    credited = select(func.coalesce(func.sum(Reduction.credited_mg), 0)).where(*mine)
    adjusted = (
        select(func.coalesce(func.sum(ReductionAdjustment.delta_mg), 0))
        .select_from(Reduction)
        .join(ReductionAdjustment, ReductionAdjustment.reduction_id == Reduction.id)
        .where(*mine)
    )
    return events, credited, adjusted


def _scalar(statement: Select[Any]) -> Any:
    # Reductions of one question are not those of another.
    return statement.correlate(None).scalar_subquery()
