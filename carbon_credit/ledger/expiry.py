"""Expiry of lots: what is available in lots whose last day is over goes to the programme, set-based.

Of each portion the lots are found and locked by one statement, their transfers appended by one more and
their balances written by a third. Nothing is remembered between two calls: what is left to do is what the
balances say, so a run that was killed is gone on with by the next, and one too many changes nothing.
"""

from collections.abc import Iterator, Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from carbon_credit.kernel.bulk import add_to_rows
from carbon_credit.kernel.ids import new_ids
from carbon_credit.ledger.accounts import POINTS, AccountKey, account_id
from carbon_credit.ledger.models import ACCOUNT
from carbon_credit.ledger.operations import append_entries, open_and_lock

# Rows that are made and written at once: more take more memory and no less time.
_AT_ONCE = 20_000

_Lot = tuple[UUID, int]  # account, what is available in it


def expire_lots(
    session: Session,
    *,
    programme: str,
    on: date,
    now: datetime,
    effective_at: datetime,
    limit: int,
    since: date | None = None,
) -> int:
    """Expire what is available in up to `limit` lots that expired before the day `on`; how many lots.

    `since`: lots that expired before that day are not looked at. What is on hold stays with the hold; it
    expires when the hold is released into the lot. A lot that somebody else has locked is left to the next
    call: nobody is waited for, so the order of locks does not matter here.
    """
    found = _due(session, programme, on, since, limit)
    if not found:
        return 0
    expired = AccountKey(programme, POINTS, "programme.expired")
    open_and_lock(session, {expired: account_id(expired)})
    for lots in _portions(found):
        append_entries(session, _entries(programme, lots, account_id(expired), now, effective_at))
        add_to_rows(session, ACCOUNT, "id", ("debits_posted",), lots)
    return len(found)


def _due(session: Session, programme: str, on: date, since: date | None, limit: int) -> Sequence[_Lot]:
    """Lots with something left, locked. Their order is that in which the database finds them."""
    available = ACCOUNT.c.credits_posted - ACCOUNT.c.debits_posted - ACCOUNT.c.debits_pending
    first = "" if since is None else since.isoformat()
    statement = (
        select(ACCOUNT.c.id, available)
        .where(ACCOUNT.c.programme == programme, ACCOUNT.c.lot != "", ACCOUNT.c.lot >= first)
        .where(ACCOUNT.c.lot < on.isoformat(), ACCOUNT.c.kind == "citizen.points", available > 0)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    return [tuple(row) for row in session.execute(statement)]


def _portions(lots: Sequence[_Lot]) -> Iterator[Sequence[_Lot]]:
    for start in range(0, len(lots), _AT_ONCE):
        yield lots[start : start + _AT_ONCE]


def _entries(
    programme: str, lots: Sequence[_Lot], expired: UUID, now: datetime, effective_at: datetime
) -> list[Sequence[Any]]:
    """The columns of `Entry`: `points.expire`, posted, of all that is available in each lot."""
    accounts, amounts = zip(*lots, strict=True)

    def alike(value: object) -> list[object]:
        return [value] * len(lots)

    return [
        new_ids(len(lots)),
        alike(programme),
        alike(POINTS),
        alike("points.expire"),
        alike("posted"),
        accounts,
        alike(expired),
        amounts,
        *(alike(None) for _ in ("pending_id", "reverses_id", "expires_at")),
        alike(effective_at),
        alike(now),
        alike(None),
    ]
