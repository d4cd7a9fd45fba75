"""What re-quantification looks at, in which portions, and what it says of each reduction."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from sqlalchemy import ColumnElement, exists, func, select
from sqlalchemy.orm import Session, aliased

from carbon_credit.catalogue.queries import programme_rules
from carbon_credit.kernel.bulk import one_of
from carbon_credit.quantification.models import Reduction, ReductionEnd
from carbon_credit.quantification.present import newest, revised
from carbon_credit.quantification.recomputing import Draft

CITIZENS_AT_ONCE = 500
_ended = aliased(ReductionEnd)


@dataclass(frozen=True, slots=True)
class Span:
    """Which reductions are looked at: of a programme, first and last business day included.

    `activity_types`: None for all. `only`: what this version, (id, version), governs; None: whatever does.
    `draft`: computed as if it governed; such a plan cannot be applied.
    """

    programme: str
    first_day: date
    last_day: date
    activity_types: frozenset[str] | None = None
    draft: Draft | None = None
    only: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Portion:
    """Some citizens, by id, on one business day. `reductions`: how many they have there."""

    day: date
    citizens: tuple[UUID, ...]
    reductions: int


@dataclass(frozen=True, slots=True)
class Row:
    """What becomes of one reduction. `old_mg`, `new_mg`: credited milligrams; their difference is posted.

    `refusal`: the new version gives no result for it, and `busy`: it lies in a batch; both are left.
    """

    reduction_id: UUID
    citizen_id: UUID
    activity_type: str
    scene: str
    business_day: date
    old_version: str
    new_version: str
    old_use: str
    new_use: str
    old_grade: str
    new_grade: str
    old_mg: int
    new_mg: int
    refusal: str | None = None
    busy: bool = False

    @property
    def delta_mg(self) -> int:
        """What is posted."""
        return self.new_mg - self.old_mg


def span_of(
    session: Session, *, programme: str, first_day: date, last_day: date, methodology_id: str | None = None
) -> Span:
    """The reductions of activities that the methodology governs on any day of the period; all without one."""
    types = None
    if methodology_id is not None:
        rules = programme_rules(session, programme=programme)
        days = [date.fromordinal(day) for day in range(first_day.toordinal(), last_day.toordinal() + 1)]
        bound = {
            kind: {found.methodology_id for day in days if (found := rules.governing(kind, day)) is not None}
            for kind in rules.activities
        }
        types = frozenset(kind for kind, ids in bound.items() if methodology_id in ids)
    return Span(programme, first_day, last_day, types)


def count(session: Session, *, span: Span) -> int:
    """How many reductions `plan` will look at: for a progress bar."""
    return session.scalar(select(func.count()).select_from(Reduction).where(*wanted_of(span))) or 0


def portions(session: Session, *, span: Span, limit: int = CITIZENS_AT_ONCE) -> Iterator[Portion]:
    """Every portion of the span, by day and citizen. One small statement for each, so that the session may
    also be one that is used for other things in between."""
    day, after = span.first_day, None
    while day <= span.last_day:
        statement = (
            select(Reduction.citizen_id, func.count())
            .where(*wanted_of(span), Reduction.business_day == day)
            .group_by(Reduction.citizen_id)
            .order_by(Reduction.citizen_id)
            .limit(limit)
        )
        if after is not None:
            statement = statement.where(Reduction.citizen_id > after)
        found = session.execute(statement).all()
        if found:
            yield Portion(day, tuple(row[0] for row in found), sum(row[1] for row in found))
        if len(found) < limit:
            day, after = date.fromordinal(day.toordinal() + 1), None
        else:
            after = found[-1][0]


def portion_between(session: Session, *, span: Span, day: date, first: UUID, last: UUID) -> Portion:
    """Of one day, the citizens from `first` to `last` by id; none where they have nothing there any more."""
    statement = (
        select(Reduction.citizen_id, func.count())
        .where(*wanted_of(span), Reduction.business_day == day, Reduction.citizen_id.between(first, last))
        .group_by(Reduction.citizen_id)
        .order_by(Reduction.citizen_id)
    )
    found = session.execute(statement).all()
    return Portion(day, tuple(row[0] for row in found), sum(row[1] for row in found))


def wanted_of(span: Span) -> list[ColumnElement[bool]]:
    """The standing reductions of the span."""
    wanted = [
        Reduction.programme == span.programme,
        Reduction.business_day >= span.first_day,
        Reduction.business_day <= span.last_day,
        ~exists().where(_ended.reduction_id == Reduction.id),
    ]
    if span.activity_types is not None:
        wanted.append(Reduction.activity_type.in_(sorted(span.activity_types)))
    return wanted


def methodologies_in(session: Session, *, span: Span, portion: Portion) -> list[str]:
    """The methodologies of the portion's reductions as they stand, and those that govern the day now."""
    rules = programme_rules(session, programme=span.programme)
    name = newest(Reduction.methodology_id)
    statement = revised(select(name, Reduction.activity_type).select_from(Reduction).distinct()).where(
        *wanted_of(span),
        Reduction.business_day == portion.day,
        one_of(session, Reduction.citizen_id, portion.citizens),
    )
    found = set()
    for methodology_id, activity_type in session.execute(statement):
        governing = rules.governing(activity_type, portion.day)
        found |= {methodology_id} | ({governing.methodology_id} if governing else set())
    return sorted(found)
