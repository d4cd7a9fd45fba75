"""Guessing codes: each wrong one is counted in the database, and too many lock the till for a while.

The count is of a till, or of a merchant's own credential, and outlives processes, nodes and Redis. A mistyped
code, another merchant's and one that never was all count; of the last two nobody can tell which it was.
"""

from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from carbon_credit.kernel.bulk import lock_alone
from carbon_credit.redemption.errors import TillLocked
from carbon_credit.redemption.models import CodeFailures
from carbon_credit.redemption.refusals import said

MOST_FAILURES = 10
WITHIN = timedelta(minutes=10)
LOCKED_FOR = timedelta(minutes=15)


def require_open(session: Session, *, caller: str, programme: str, now: datetime) -> None:
    """Raises TillLocked while the caller is locked out."""
    row = session.get(CodeFailures, caller, populate_existing=True)
    if row is not None and row.locked_until is not None and now < row.locked_until:
        wait_s = -(-(row.locked_until - now) // timedelta(seconds=1))
        raise TillLocked(until=said(session, programme, row.locked_until), retry_after_s=wait_s)


def count_failure(session: Session, *, caller: str, now: datetime) -> None:
    """Count one wrong code; the tenth within ten minutes locks the caller out for fifteen."""
    lock_alone(session, f"code failures {caller}")
    row = session.get(CodeFailures, caller, populate_existing=True)
    if row is None:
        row = CodeFailures(caller=caller, failures=0, since=now, locked_until=None)
        session.add(row)
    elif now >= row.since + WITHIN or (row.locked_until is not None and now >= row.locked_until):
        row.failures, row.since, row.locked_until = 0, now, None
    row.failures += 1
    if row.failures >= MOST_FAILURES and row.locked_until is None:
        row.locked_until = now + LOCKED_FOR
    session.flush()
