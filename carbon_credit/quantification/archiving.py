"""What must be settled before the reductions of a range of ids are put away."""

from datetime import date
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from carbon_credit.quantification.models import Reduction
from carbon_credit.quantification.periods import all_closed_months
from carbon_credit.quantification.present import newest, revised


def open_months(session: Session, *, since: UUID | None, before: UUID) -> list[tuple[str, date]]:
    """Months (first days), with their programmes, that are not closed and in which a reduction counts that
    was recorded with `since` <= id < `before`."""
    day = newest(Reduction.accounting_day)
    statement = revised(select(Reduction.programme, day).select_from(Reduction)).where(Reduction.id < before)
    if since is not None:
        statement = statement.where(Reduction.id >= since)
    months = {(programme, one.replace(day=1)) for programme, one in session.execute(statement.distinct())}
    closed = {programme: all_closed_months(session, programme) for programme, _month in months}
    return sorted((programme, month) for programme, month in months if month not in closed[programme])
