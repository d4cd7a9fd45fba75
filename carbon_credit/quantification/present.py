"""Reductions as they stand now: the row, its latest revision, its adjustments and its end, read together.

Three ways to the same answer: `loaded` reads whole rows, for people; `standing.standing_where` reads as
much as closing and correcting take, for many; `net_sum` and the expressions beside it let the database
add up.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

import orjson
from msgspec import Struct
from sqlalchemy import ColumnElement, Select, and_, exists, false, func, or_, select
from sqlalchemy.orm import InstrumentedAttribute, Session, aliased

from carbon_credit.kernel.bulk import later_than, one_of
from carbon_credit.quantification.caps import CAP_EVENTS, CAP_MG
from carbon_credit.quantification.models import (
    Reduction,
    ReductionAdjustment,
    ReductionEnd,
    ReductionRevision,
)
from carbon_credit.quantification.periods import next_month

REQUANTIFIED = "requantified"
ENDINGS = frozenset({"withdrawn", "superseded", "claw-back"})
CAPS = frozenset(
    {
        CAP_EVENTS,
        CAP_MG,
        "cap-scene",
        "cap-person",
        "cap-year",
        "cap-programme",
        "netting",
        "overlap",
    }
)

_newer = aliased(ReductionRevision)
_last = (
    select(ReductionRevision)
    .where(
        ~exists().where(
            _newer.reduction_id == ReductionRevision.reduction_id, _newer.number > ReductionRevision.number
        )
    )
    .subquery("latest")
)
# The latest revision of each reduction that has one; to be joined from the left.
LATEST = aliased(ReductionRevision, _last)


def newest(column: InstrumentedAttribute[Any]) -> ColumnElement[Any]:
    """A column of the reduction as it stands, in a statement that `revised` has joined."""
    return func.coalesce(getattr(LATEST, column.key), column)


def revised(statement: Select[*tuple[Any, ...]]) -> Select[*tuple[Any, ...]]:
    """The statement over reductions with their latest revision beside them."""
    return statement.outerjoin(LATEST, LATEST.reduction_id == Reduction.id)


class Standing(Struct, frozen=True, gc=False):
    """A reduction as it stands now, for closing, taking back and computing again. Milligrams.

    What a revision may change is as the latest one says (`revision`: its number, 0 where there is none).
    `net_mg` counts now; `points_mg` counts for points, which re-quantification leaves as they were, and
    so does `points_cap_code`. `recorded_use`: under which it was first recorded, and points were granted.
    `recorded_for`: the accounting day with which it was recorded, later than the business day where the
    event came late; `accounting_day`: the day whose month makes it final as it stands. `inputs_text`: what
    the formula read, as canonical JSON. A struct, because closing holds many.
    """

    reduction_id: UUID
    event_id: UUID
    citizen_id: UUID
    partner_id: UUID
    activity_type: str
    scene: str
    occurred_at: datetime
    business_day: date
    recorded_for: date
    accounting_day: date
    methodology_id: str
    version: str
    version_digest: str
    profile_digest: str
    use: str
    recorded_use: str
    inputs_text: str
    tier: str
    grade: str
    gross_mg: int
    net_mg: int
    cap_code: str | None
    points_mg: int
    points_cap_code: str | None
    revision: int

    @property
    def inputs(self) -> dict[str, int | str]:
        """What the formula read; decoded at each call."""
        found: dict[str, int | str] = orjson.loads(self.inputs_text)
        return found

    @property
    def is_late(self) -> bool:
        """Whether it came when its day was closed, or being closed."""
        return self.recorded_for > self.business_day


@dataclass(frozen=True, slots=True)
class Loaded:
    """A reduction with everything that was added to it. `adjustments`: (milligrams, reason), as written."""

    row: Reduction
    latest: ReductionRevision | None
    adjustments: tuple[tuple[int, str], ...]
    ended: str | None

    @property
    def now(self) -> Reduction | ReductionRevision:
        """What says by what and from what it is computed now."""
        return self.latest or self.row

    @property
    def net_mg(self) -> int:
        """What counts now."""
        return self.row.credited_mg + sum(delta for delta, _reason in self.adjustments)

    @property
    def cap_code(self) -> str | None:
        """What takes something of it now (at its end, if it has ended)."""
        lived = [one for one in self.adjustments if one[1] not in ENDINGS]
        gross_mg = max(self.now.gross_mg, 0)
        recorded = (self.row.credited_mg, self.row.cap_code)
        return code_after(recorded, gross_mg, lived, changed=self.latest is not None)


def loaded(
    session: Session, *wanted: ColumnElement[bool], order: Sequence[Any] = (), limit: int | None = None
) -> list[Loaded]:
    """The reductions that fulfil all of `wanted`, which may speak of `newest(...)`. For bounded lists."""
    statement = (
        select(Reduction, LATEST, ReductionEnd.reason)
        .outerjoin(LATEST, LATEST.reduction_id == Reduction.id)
        .outerjoin(ReductionEnd, ReductionEnd.reduction_id == Reduction.id)
        .where(*wanted)
        .order_by(*order)
        .limit(limit)
    )
    rows = session.execute(statement).all()
    if not rows:
        return []
    ids = [row[0].id for row in rows]
    added = (
        select(ReductionAdjustment.reduction_id, ReductionAdjustment.delta_mg, ReductionAdjustment.reason)
        .where(one_of(session, ReductionAdjustment.reduction_id, ids))
        .where(later_than(ReductionAdjustment.id, ids))
        .order_by(ReductionAdjustment.recorded_at, ReductionAdjustment.id)
    )
    found: dict[UUID, list[tuple[int, str]]] = defaultdict(list)
    for reduction_id, delta_mg, reason in session.execute(added):
        found[reduction_id].append((delta_mg, reason))
    return [Loaded(row, latest, tuple(found.get(row.id, ())), ended) for row, latest, ended in rows]


def net_sum(session: Session, *wanted: ColumnElement[bool]) -> int:
    """Milligrams that count now over the reductions that fulfil all of `wanted`, see `loaded`."""
    credited = revised(select(func.coalesce(func.sum(Reduction.credited_mg), 0)).select_from(Reduction))
    adjusted = revised(
        select(func.coalesce(func.sum(ReductionAdjustment.delta_mg), 0))
        .select_from(Reduction)
        .join(ReductionAdjustment, ReductionAdjustment.reduction_id == Reduction.id)
    )
    sums = [session.scalar(statement.where(*wanted)) for statement in (credited, adjusted)]
    return sum(int(one or 0) for one in sums)


def final(closed: Sequence[date]) -> ColumnElement[bool]:
    """True for reductions that, as they stand now, belong to one of the `closed` months (first days)."""
    if not closed:
        return false()
    day = newest(Reduction.accounting_day)
    return or_(*(and_(day >= start, day < next_month(start)) for start in closed))


def code_after(
    recorded: tuple[int, str | None],
    gross_mg: int,
    adjustments: Sequence[tuple[int, str]],
    *,
    changed: bool,
) -> str | None:
    """The code that holds after these adjustments: closing may have moved a cap to another event.

    `recorded`: what counted at first, and what took the rest; `changed`: whether there is a revision."""
    credited_mg, code = recorded
    if not adjustments and not changed:
        return code
    net_mg = credited_mg + sum(delta for delta, _reason in adjustments)
    if net_mg >= gross_mg:
        return None
    named = [reason for _delta, reason in adjustments if reason in CAPS]
    if named or code:
        return named[-1] if named else code
    if any(reason == "cap" for _delta, reason in adjustments):
        return CAP_EVENTS if net_mg == 0 else CAP_MG
    return None
