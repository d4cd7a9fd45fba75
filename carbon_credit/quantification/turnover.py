"""What a day, month or year amounts to, by scene, partner and methodology, and whether the ledger agrees.

Sums made by the database: a few statements, however many reductions. A reduction belongs to the period
of its accounting day, and so does an adjustment, whatever it adjusts.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, case, func, select
from sqlalchemy.orm import Session

from carbon_credit.ledger.references import posted_for
from carbon_credit.quantification.models import DayTally, Period, Reduction, ReductionAdjustment
from carbon_credit.quantification.netting import span_end, span_start
from carbon_credit.quantification.present import CAPS, net_sum, newest

# What closing adjusts, and not what corrects.
SETTLING = CAPS | {"cap", "settled"}

LEDGER_GRAMS = "ledger-grams"
LEDGER_POINTS = "ledger-points"
CLOSING_RECORD = "closing-record"


@dataclass(slots=True)
class Line:
    """The reductions of one scene, partner and methodology for one use. Milligrams.

    `gross_mg`: the results above zero; `counted_mg`: what counted on arrival; `settled_mg`: what closing
    added or took (caps, netting, overlap, history); `corrected_mg`: withdrawals, revisions and the like, of
    reductions of the period; `earlier_mg`: the same and what closing settled, of earlier periods.
    """

    scene: str
    partner_id: UUID
    methodology_id: str
    use: str
    events: int = 0
    gross_mg: int = 0
    counted_mg: int = 0
    settled_mg: int = 0
    corrected_mg: int = 0
    earlier_mg: int = 0

    @property
    def capped_mg(self) -> int:
        """What of the results does not count, but for corrections."""
        return self.gross_mg - self.counted_mg - self.settled_mg

    @property
    def total_mg(self) -> int:
        """What the period amounts to."""
        return self.counted_mg + self.settled_mg + self.corrected_mg + self.earlier_mg


@dataclass(frozen=True, slots=True)
class Adjusted:
    """What was adjusted in the period for one reason: of its own reductions, or of `earlier` ones."""

    reason: str
    earlier: bool
    adjustments: int
    delta_mg: int


@dataclass(frozen=True, slots=True)
class Check:
    """Two ways to one sum. The difference is zero, or the books are broken."""

    name: str
    told: int
    found: int

    @property
    def difference(self) -> int:
        """What must be zero."""
        return self.told - self.found


@dataclass(frozen=True, slots=True)
class Turnover:
    """A period of a programme. `points`: granted for its business days as they stand, by rule."""

    programme: str
    kind: str
    first: date
    last: date
    closed: bool
    lines: tuple[Line, ...]
    adjusted: tuple[Adjusted, ...]
    points: tuple[tuple[str, int], ...]
    checks: tuple[Check, ...]


def turnover(session: Session, *, programme: str, kind: str, day: date) -> Turnover:
    """Of the day, month or year (`kind`) that `day` lies in."""
    first, last = span_start(kind, day), span_end(kind, day)
    lines = _lines(session, programme, first, last)
    adjusted = _adjust(session, programme, first, last, lines)
    ordered = sorted(lines.values(), key=lambda one: (one.scene, one.partner_id, one.methodology_id, one.use))
    points = _points(session, programme, first, last)
    record = session.get(Period, (programme, kind, first))
    checks = [_grams_check(session, programme, first, last), _points_check(session, programme, first, last)]
    if record is not None:
        own = sum(one.total_mg for one in ordered)
        later = record.corrected_mg if kind == "year" else 0
        checks.append(Check(CLOSING_RECORD, own + later, record.credited_mg))
    return Turnover(
        programme,
        kind,
        first,
        last,
        record is not None,
        tuple(ordered),
        tuple(adjusted),
        points,
        tuple(checks),
    )


def _lines(session: Session, programme: str, first: date, last: date) -> dict[tuple[Any, ...], Line]:
    keys = (Reduction.scene, Reduction.partner_id, Reduction.methodology_id, Reduction.use)
    statement = (
        select(
            *keys,
            func.count(),
            func.sum(case((Reduction.gross_mg > 0, Reduction.gross_mg), else_=0)),
            func.sum(Reduction.credited_mg),
        )
        .where(Reduction.programme == programme, Reduction.accounting_day.between(first, last))
        .group_by(*keys)
    )
    return {
        (scene, partner, method, use): Line(scene, partner, method, use, count, int(gross), int(counted))
        for scene, partner, method, use, count, gross, counted in session.execute(statement)
    }


def _adjust(
    session: Session, programme: str, first: date, last: date, lines: dict[tuple[Any, ...], Line]
) -> list[Adjusted]:
    """Add the period's adjustments to the lines of what they adjust; their sums by reason."""
    keys = (Reduction.scene, Reduction.partner_id, Reduction.methodology_id, Reduction.use)
    earlier = case((Reduction.accounting_day < first, 1), else_=0)
    delta, reason = ReductionAdjustment.delta_mg, ReductionAdjustment.reason
    statement = (
        select(*keys, reason, earlier, func.count(), func.sum(delta))
        .join(Reduction, Reduction.id == ReductionAdjustment.reduction_id)
        .where(
            ReductionAdjustment.programme == programme,
            ReductionAdjustment.accounting_day.between(first, last),
        )
        .group_by(*keys, reason, earlier)
    )
    sums: dict[tuple[str, bool], list[int]] = {}
    for *key, why, is_earlier, count, total in session.execute(statement):
        line = lines.setdefault(tuple(key), Line(*key))
        if is_earlier:
            line.earlier_mg += int(total)
        elif why in SETTLING:
            line.settled_mg += int(total)
        else:
            line.corrected_mg += int(total)
        found = sums.setdefault((why, bool(is_earlier)), [0, 0])
        found[0] += count
        found[1] += int(total)
    return [Adjusted(why, before, *found) for (why, before), found in sorted(sums.items())]


def _points(session: Session, programme: str, first: date, last: date) -> tuple[tuple[str, int], ...]:
    statement = (
        select(DayTally.scope, func.sum(DayTally.granted))
        .where(*_points_of(programme, first, last))
        .group_by(DayTally.scope)
        .order_by(DayTally.scope)
    )
    return tuple((scope.partition(":")[2], int(points)) for scope, points in session.execute(statement))


def _points_check(session: Session, programme: str, first: date, last: date) -> Check:
    tallies = select(DayTally.id).where(*_points_of(programme, first, last))
    posted = posted_for(
        session,
        references=tallies,
        gains=("points.grant", "points.recover"),
        losses=("points.revoke", "points.due"),
    )
    return Check(LEDGER_POINTS, sum(points for _, points in _points(session, programme, first, last)), posted)


def _points_of(programme: str, first: date, last: date) -> tuple[ColumnElement[bool], ...]:
    return (
        DayTally.programme == programme,
        DayTally.business_day.between(first, last),
        DayTally.scope.startswith("points:"),
    )


def _grams_check(session: Session, programme: str, first: date, last: date) -> Check:
    """Of the reductions of the period, and of earlier ones that were adjusted in it: what counts of them now
    for accounts, and what the ledger holds for them."""
    told = found = 0
    for wanted in _concerned(programme, first, last):
        credited = (*wanted, newest(Reduction.use) == "credit")
        told += net_sum(session, *credited)
        found += posted_for(
            session,
            references=select(Reduction.id).where(*wanted),
            gains=("reduction.credit",),
            losses=("reduction.revoke",),
        )
    return Check(LEDGER_GRAMS, told, found)


def _concerned(programme: str, first: date, last: date) -> Iterator[tuple[ColumnElement[bool], ...]]:
    mine = Reduction.programme == programme
    yield mine, Reduction.accounting_day.between(first, last)
    adjusted = select(ReductionAdjustment.reduction_id).where(
        ReductionAdjustment.programme == programme, ReductionAdjustment.accounting_day.between(first, last)
    )
    yield mine, Reduction.accounting_day < first, Reduction.id.in_(adjusted)
