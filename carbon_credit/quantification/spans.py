"""What has counted in a span longer than a day: on its closed days, which an open day comes after."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, and_, case, func, or_, select
from sqlalchemy.orm import Session

from carbon_credit.kernel.bulk import one_of
from carbon_credit.quantification.exclusive import OVERLAP
from carbon_credit.quantification.models import Period, Reduction, ReductionAdjustment, ReductionEnd
from carbon_credit.quantification.present import newest, revised


@dataclass(frozen=True, slots=True)
class SpanSum:
    """Events that counted, the sum of all results, and the milligrams that counted."""

    events: int = 0
    gross_mg: int = 0
    granted: int = 0


def counted_by_citizen(
    session: Session,
    *,
    programme: str,
    citizens: Collection[UUID],
    first: date,
    last: date,
    final_only: bool = False,
) -> dict[UUID, SpanSum]:
    """Over all that a citizen did on the closed days from `first` to `last`. `final_only`: without what came
    late on a day that is not closed."""
    wanted = _of(session, citizens)
    if final_only:
        wanted = and_(wanted, is_accounted(programme))
    rows = _sums(session, programme, first, last, (Reduction.citizen_id,), wanted)
    return {row.citizen_id: _span_sum(row) for row in rows}


def counted_by_methodology(
    session: Session,
    *,
    programme: str,
    citizens: Collection[UUID],
    methodology_ids: Collection[str],
    first: date,
    last: date,
    final_only: bool = False,
) -> dict[tuple[UUID, str], SpanSum]:
    """By citizen and methodology, over the closed days from `first` to `last`. `final_only`: as above."""
    name = newest(Reduction.methodology_id)
    wanted = and_(_of(session, citizens), name.in_(methodology_ids), ~_overlapped())
    if final_only:
        wanted = and_(wanted, is_accounted(programme))
    rows = _sums(session, programme, first, last, (Reduction.citizen_id, name.label("name")), wanted)
    return {(row.citizen_id, row.name): _span_sum(row) for row in rows}


def counted_on(session: Session, *, programme: str, day: date, accounted_before: date) -> SpanSum:
    """Over all that anybody did on `day` and that was accounted before another day."""
    wanted = Reduction.accounting_day < accounted_before
    rows = _sums(session, programme, day, day, (Reduction.programme,), wanted)
    return _span_sum(rows[0]) if rows else SpanSum()


def on_closed_day(programme: str) -> ColumnElement[bool]:
    """True for reductions whose business day is closed."""
    closed = select(Period.starts_on).where(
        Period.programme == programme, Period.kind == "day", Period.starts_on == Reduction.business_day
    )
    return closed.exists()


def is_accounted(programme: str) -> ColumnElement[bool]:
    """True for reductions whose accounting day, as recorded, is closed: late ones are final then."""
    closed = select(Period.starts_on).where(
        Period.programme == programme, Period.kind == "day", Period.starts_on == Reduction.accounting_day
    )
    return closed.exists()


def _sums(
    session: Session,
    programme: str,
    first: date,
    last: date,
    keys: tuple[Any, ...],
    wanted: ColumnElement[bool],
) -> Sequence[Any]:
    each = (
        revised(
            select(
                *keys,
                newest(Reduction.gross_mg).label("gross_mg"),
                net_now().label("net_mg"),
                Reduction.cap_code.label("cap_code"),
            ).select_from(Reduction)
        )
        .outerjoin(ReductionEnd, ReductionEnd.reduction_id == Reduction.id)
        .where(
            wanted,
            Reduction.programme == programme,
            Reduction.business_day.between(first, last),
            ReductionEnd.reduction_id.is_(None),
            newest(Reduction.use) != "display",
        )
    )
    rows = each.where(on_closed_day(programme)).subquery()
    names = [column for column in rows.c if column.key not in ("gross_mg", "net_mg", "cap_code")]
    counted = or_(rows.c.net_mg > 0, and_(rows.c.gross_mg <= 0, rows.c.cap_code.is_(None)))
    return session.execute(
        select(
            *names,
            func.sum(case((counted, 1), else_=0)).label("events"),
            func.sum(rows.c.gross_mg).label("gross"),
            func.sum(rows.c.net_mg).label("net"),
        ).group_by(*names)
    ).all()


def _of(session: Session, citizens: Collection[UUID]) -> ColumnElement[bool]:
    return one_of(session, Reduction.citizen_id, citizens)


def _overlapped() -> ColumnElement[bool]:
    """Records that count nothing because a better one of the same trip does: they are no result."""
    said = select(ReductionAdjustment.id).where(
        ReductionAdjustment.reduction_id == Reduction.id, ReductionAdjustment.reason == OVERLAP
    )
    return and_(net_now() == 0, or_(func.coalesce(Reduction.cap_code, "") == OVERLAP, said.exists()))


def net_now() -> ColumnElement[int]:
    """What a reduction counts now, in a statement over reductions."""
    adjusted = (
        select(func.coalesce(func.sum(ReductionAdjustment.delta_mg), 0))
        .where(ReductionAdjustment.reduction_id == Reduction.id)
        .correlate(Reduction)
        .scalar_subquery()
    )
    return Reduction.credited_mg + adjusted


def _span_sum(row: Any) -> SpanSum:
    return SpanSum(int(row.events), int(row.gross), int(row.net))
