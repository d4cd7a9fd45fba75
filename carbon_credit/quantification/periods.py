"""Which days, months and years are closed, and the locks that keep crediting and closing apart."""

from collections.abc import Collection, Iterable
from datetime import date, datetime, timedelta
from typing import cast

from sqlalchemy import Table, func, select, union_all
from sqlalchemy.orm import Session

from carbon_credit.catalogue.rules import ProgrammeRules
from carbon_credit.kernel import wire
from carbon_credit.kernel.bulk import append_rows, ask, lock_alone, lock_shared, one_of, sharing
from carbon_credit.kernel.db import is_postgresql, keys_of
from carbon_credit.kernel.digest import row_mac
from carbon_credit.quantification.models import Period, PeriodClosing
from carbon_credit.quantification.netting import span_end

PERIOD = cast(Table, Period.__table__)
# `closed_days`, asked with each single event: making and reading SQLAlchemy's takes longer than answering it.
_CLOSED = """
SELECT starts_on FROM period_closing WHERE starts_on = ANY (%b::date[]) AND programme = %b
UNION ALL
SELECT starts_on FROM period WHERE kind = 'day' AND starts_on = ANY (%b::date[]) AND programme = %b
"""


def lock_days(session: Session, programme: str, days: Iterable[date]) -> None:
    """Keep these days, their months and years from being closed until the transaction ends; shared."""
    lock_shared(session, *_lock_names(programme, days))


def lock_and_see(session: Session, programme: str, days: Collection[date]) -> set[date]:
    """`lock_days`, and then `closed_days`. On PostgreSQL one round trip."""
    if not days or not is_postgresql(session):
        return closed_days(session, programme, days)
    asked = (wire.array("date", list(days)), programme)
    _, found = ask(session, sharing(*_lock_names(programme, days)), (_CLOSED, asked * 2))
    return {row[0] for row in found}


def lock_period_alone(session: Session, programme: str, kind: str, starts_on: date) -> None:
    """Wait until nobody credits in the period, and keep it so until the transaction ends."""
    lock_alone(session, _lock_name(programme, kind, starts_on))


def closed_days(session: Session, programme: str, days: Collection[date]) -> set[date]:
    """Those of `days` that are closed or being closed: what comes for them now is late."""
    if not days:
        return set()
    begun = select(PeriodClosing.starts_on).where(
        PeriodClosing.programme == programme, one_of(session, PeriodClosing.starts_on, days)
    )
    ended = select(Period.starts_on).where(
        Period.programme == programme, Period.kind == "day", one_of(session, Period.starts_on, days)
    )
    return {row[0] for row in session.connection().execute(union_all(begun, ended))}


def finished_days(session: Session, programme: str, days: Collection[date]) -> set[date]:
    """Those of `days` whose closing has ended."""
    return _closed(session, programme, "day", days)


def closed_months(session: Session, programme: str, days: Collection[date]) -> set[date]:
    """First days of the months, among those that `days` fall into, that are closed."""
    return _closed(session, programme, "month", {first_of_month(day) for day in days})


def closed_years(session: Session, programme: str, days: Collection[date]) -> set[date]:
    """First days of the years, among those that `days` fall into, that are closed."""
    return _closed(session, programme, "year", {day.replace(month=1, day=1) for day in days})


def refused_before(session: Session, rules: ProgrammeRules) -> date | None:
    """The day before which the programme takes no events, because their day, month or year is closed;
    None where it takes them, or nothing is closed."""
    if rules.until_closed is None:
        return None
    mine = (Period.programme == rules.code, Period.kind == rules.until_closed)
    last = session.scalar(select(func.max(Period.starts_on)).where(*mine))
    return None if last is None else span_end(rules.until_closed, last) + timedelta(days=1)


def all_closed_months(session: Session, programme: str) -> list[date]:
    """First days of every closed month of the programme, in order."""
    statement = select(Period.starts_on).where(Period.programme == programme, Period.kind == "month")
    return sorted(session.scalars(statement))


def record_closing(
    session: Session,
    *,
    programme: str,
    kind: str,
    starts_on: date,
    closed_by: str,
    reductions: int,
    credited_mg: int,
    corrected_mg: int,
    now: datetime,
) -> Period:
    """Write the closing down. A second closing of a period violates its key."""
    row = (programme, kind, starts_on, now, closed_by, reductions, credited_mg, corrected_mg)
    mac = row_mac(keys_of(session).mac, "period", *row)
    append_rows(session, PERIOD, tuple(column.name for column in PERIOD.columns), [(*row, mac)])
    return session.get_one(Period, (programme, kind, starts_on))


def first_of_month(day: date) -> date:
    """The first day of the month of `day`."""
    return day.replace(day=1)


def next_month(day: date) -> date:
    """The first day of the month after that of `day`."""
    return (day.replace(day=1) + timedelta(days=32)).replace(day=1)


def _closed(session: Session, programme: str, kind: str, starts: Collection[date]) -> set[date]:
    if not starts:
        return set()
    statement = select(Period.starts_on).where(
        Period.programme == programme, Period.kind == kind, Period.starts_on.in_(list(starts))
    )
    return set(session.scalars(statement))


def _lock_names(programme: str, days: Iterable[date]) -> set[str]:
    return {_lock_name(programme, kind, day) for day in days for kind in ("day", "month", "year")}


def _lock_name(programme: str, kind: str, day: date) -> str:
    start = {"day": day, "month": first_of_month(day), "year": day.replace(month=1, day=1)}[kind]
    return f"{kind}/{programme}/{start.isoformat()}"
