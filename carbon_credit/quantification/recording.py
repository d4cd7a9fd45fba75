"""Writing reductions, their adjustments and their ends: append-only rows, each with its MAC."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import cast
from uuid import UUID

from sqlalchemy import Table
from sqlalchemy.orm import Session

from carbon_credit.kernel.bulk import Row, append_rows
from carbon_credit.kernel.db import keys_of
from carbon_credit.kernel.digest import row_mac
from carbon_credit.kernel.ids import new_id
from carbon_credit.quantification.models import Reduction, ReductionAdjustment, ReductionEnd

REDUCTION = cast(Table, Reduction.__table__)
ADJUSTMENT = cast(Table, ReductionAdjustment.__table__)
END = cast(Table, ReductionEnd.__table__)
_REDUCTION_COLUMNS = tuple(column.name for column in REDUCTION.columns)
_ADJUSTMENT_COLUMNS = tuple(column.name for column in ADJUSTMENT.columns)
_END_COLUMNS = tuple(column.name for column in END.columns)


def append_reductions(session: Session, rows: Sequence[Row]) -> None:
    """Rows in the order of the columns, without the MAC."""
    key = keys_of(session).mac
    append_rows(
        session, REDUCTION, _REDUCTION_COLUMNS, [(*row, row_mac(key, "reduction", *row)) for row in rows]
    )


def append_adjustments(
    session: Session,
    *,
    programme: str,
    changes: Sequence[tuple[UUID, int, str]],
    accounting_day: date,
    now: datetime,
) -> None:
    """`changes`: (reduction, milligrams added or taken, reason). Zeroes are left out."""
    key = keys_of(session).mac
    rows = []
    for reduction_id, delta_mg, reason in changes:
        if delta_mg:
            row = (new_id(), reduction_id, programme, delta_mg, reason, accounting_day, now)
            rows.append((*row, row_mac(key, "reduction_adjustment", *row)))
    append_rows(session, ADJUSTMENT, _ADJUSTMENT_COLUMNS, rows)


def append_ends(session: Session, *, ended: Sequence[UUID], reason: str, now: datetime) -> None:
    """Mark the reductions as no longer counting. A second end of one is an error."""
    key = keys_of(session).mac
    rows = [(reduction_id, reason, now) for reduction_id in ended]
    append_rows(session, END, _END_COLUMNS, [(*row, row_mac(key, "reduction_end", *row)) for row in rows])
