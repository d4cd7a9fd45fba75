"""Opening balances: at the end of a month each account's sums over all transfers that are sealed.

They are checkpoints. Nothing is posted at or below a sealed id any more, so the sums are final, and the
audit and the balances of derived accounts can begin there instead of at the first transfer ever.
"""

import uuid
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, func, or_, select
from sqlalchemy.orm import Session

from carbon_credit.kernel.bulk import append_rows
from carbon_credit.kernel.db import keys_of
from carbon_credit.kernel.digest import Field, row_mac
from carbon_credit.ledger.errors import NotMonthEnd
from carbon_credit.ledger.models import ACCOUNT, OPENING, SUMS, TRANSFER
from carbon_credit.ledger.seals import sealed_through
from carbon_credit.ledger.sums import sums_by_account

COLUMNS = ("account_id", "period", "programme", "through_id", *SUMS, "recorded_at", "mac")
_PORTION = 5000


def write_openings(session: Session, *, programme: str, month_end: date, now: datetime) -> int:
    """Write the opening balances that follow `month_end`, derived accounts too; how many.

    They count what is sealed: seal first. Zero where that month or a later one was opened before, or
    where nothing is sealed. Raises NotMonthEnd.
    """
    period = month_end + timedelta(days=1)
    if period.day != 1:
        raise NotMonthEnd(day=month_end.isoformat())
    through_id = sealed_through(session, table=TRANSFER.name)
    before = checkpoints(session).get(programme)
    if through_id is None or (before is not None and before[0] >= period):
        return 0
    key = keys_of(session).mac
    rows = []
    written = 0
    found = session.execute(
        _sums_through(programme, before, through_id).execution_options(yield_per=_PORTION)
    )
    for account, dp, cp, dh, ch in found:
        row = (account, period, programme, through_id, dp, cp, dh, ch, now)
        rows.append((*row, opening_mac(key, row)))
        if len(rows) == _PORTION:
            append_rows(session, OPENING, COLUMNS, rows)
            written, rows = written + len(rows), []
    append_rows(session, OPENING, COLUMNS, rows)
    return written + len(rows)


def checkpoints(session: Session) -> dict[str, tuple[date, uuid.UUID]]:
    """Of each programme: the last month that was opened, and the id through which it counts."""
    last = select(OPENING.c.programme, func.max(OPENING.c.period).label("period")).group_by(
        OPENING.c.programme
    )
    newest = last.subquery()
    statement = (
        select(OPENING.c.programme, OPENING.c.period, OPENING.c.through_id)
        .join(newest, and_(OPENING.c.programme == newest.c.programme, OPENING.c.period == newest.c.period))
        .distinct()
    )
    return {programme: (period, through) for programme, period, through in session.execute(statement)}


def opening_mac(key: bytes, row: tuple[Field, ...]) -> bytes:
    """The MAC of an opening balance, over its columns in order."""
    return row_mac(key, "account_opening", *row)


def _sums_through(
    programme: str, before: tuple[date, uuid.UUID] | None, through_id: uuid.UUID
) -> Select[Any]:
    """Account and sums through `through_id`: the opening before plus what was posted since."""
    conditions: list[ColumnElement[bool]] = [TRANSFER.c.programme == programme, TRANSFER.c.id <= through_id]
    if before is not None:
        conditions.append(TRANSFER.c.id > before[1])
    moved = sums_by_account(*conditions)
    opening = select(OPENING).where(OPENING.c.period == (before[0] if before else None)).subquery()
    columns = [func.coalesce(opening.c[name], 0) + func.coalesce(moved.c[name], 0) for name in SUMS]
    return (
        select(ACCOUNT.c.id, *columns)
        .outerjoin(moved, moved.c.account == ACCOUNT.c.id)
        .outerjoin(opening, opening.c.account_id == ACCOUNT.c.id)
        .where(ACCOUNT.c.programme == programme)
        .where(or_(moved.c.account.is_not(None), opening.c.account_id.is_not(None)))
    )
