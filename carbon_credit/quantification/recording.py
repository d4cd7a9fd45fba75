"""Writing reductions, their adjustments, revisions and ends: append-only rows, each with its MAC."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import cast
from uuid import UUID

from sqlalchemy import Table
from sqlalchemy.orm import Session

from carbon_credit.kernel.bulk import Row, append_sealed
from carbon_credit.kernel.ids import new_id
from carbon_credit.quantification.models import (
    Reduction,
    ReductionAdjustment,
    ReductionEnd,
    ReductionRevision,
)

REDUCTION = cast(Table, Reduction.__table__)
ADJUSTMENT = cast(Table, ReductionAdjustment.__table__)
REVISION = cast(Table, ReductionRevision.__table__)
END = cast(Table, ReductionEnd.__table__)
_REDUCTION_COLUMNS = tuple(column.name for column in REDUCTION.columns)
_ADJUSTMENT_COLUMNS = tuple(column.name for column in ADJUSTMENT.columns)
_REVISION_COLUMNS = tuple(column.name for column in REVISION.columns)
_END_COLUMNS = tuple(column.name for column in END.columns)


@dataclass(frozen=True, slots=True)
class Revision:
    """A reduction computed once more. `number`: one more than that of the revision before (0: none).

    `inputs`: canonical JSON of what the formula read. `reason`: settled, decided or requantified.
    """

    reduction_id: UUID
    number: int
    methodology_id: str
    methodology_version: str
    version_digest: str
    profile_digest: str
    use: str
    inputs: str
    tier: str
    grade: str
    gross_mg: int
    reason: str
    accounting_day: date


def append_reductions(session: Session, rows: Sequence[Row]) -> None:
    """Rows in the order of the columns, without the MAC."""
    append_sealed(session, REDUCTION, _REDUCTION_COLUMNS, rows)


def append_adjustments(
    session: Session,
    *,
    programme: str,
    changes: Sequence[tuple[UUID, int, str]],
    accounting_day: date,
    now: datetime,
) -> None:
    """`changes`: (reduction, milligrams added or taken, reason). Zeroes are left out."""
    rows = [
        (new_id(), reduction_id, programme, delta_mg, reason, accounting_day, now)
        for reduction_id, delta_mg, reason in changes
        if delta_mg
    ]
    append_sealed(session, ADJUSTMENT, _ADJUSTMENT_COLUMNS, rows)


def append_revisions(
    session: Session, *, programme: str, revisions: Sequence[Revision], now: datetime
) -> None:
    """From now on these say what the reductions were computed by and from. A number that is taken is an
    error: who revises holds what keeps others away. Milligrams are not changed here."""
    rows = [
        (
            one.reduction_id,
            one.number,
            programme,
            one.methodology_id,
            one.methodology_version,
            one.version_digest,
            one.profile_digest,
            one.use,
            one.inputs,
            one.tier,
            one.grade,
            one.gross_mg,
            one.reason,
            one.accounting_day,
            now,
        )
        for one in revisions
    ]
    append_sealed(session, REVISION, _REVISION_COLUMNS, rows)


def append_ends(session: Session, *, ended: Sequence[UUID], reason: str, now: datetime) -> None:
    """Mark the reductions as no longer counting. A second end of one is an error."""
    append_sealed(session, END, _END_COLUMNS, [(reduction_id, reason, now) for reduction_id in ended])
