"""Holds out of an account that many want at one moment: its row is locked for as long as a commit takes."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from uuid import UUID

import psycopg
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from carbon_credit.kernel.bulk import add_to_rows, append_rows
from carbon_credit.ledger.accounts import AccountKey
from carbon_credit.ledger.chart import SHARED
from carbon_credit.ledger.entries import Transfer, added_by, entered
from carbon_credit.ledger.locks import lock_accounts
from carbon_credit.ledger.models import ACCOUNT, OPEN_HOLD, SUMS
from carbon_credit.ledger.operations import append_entries, changes_of, open_accounts

_AVAILABLE = "ck_account_available"


def hold_hot(session: Session, *, transfers: Sequence[Transfer], now: datetime) -> None:
    """`operations.hold` of transfers whose ids were made for this call, as the last act of a unit of work.

    Accounts that many share (`chart.SHARED`) are neither locked nor looked at: what they give and get is
    written last, where the table's own constraint refuses more than there is (`refused_as`). All others as in
    `hold`, and as it raises.
    """
    keys: dict[AccountKey, UUID] = {}
    columns = entered(transfers, phase="pending", now=now, keys=keys)
    open_accounts(session, keys)
    last = {number.int: number for key, number in keys.items() if key.kind in SHARED}
    locked = lock_accounts(session, ids=[one for one in keys.values() if one.int not in last])
    sums = added_by(zip(*columns[4:8], strict=True))
    changes = changes_of({number: some for number, some in sums.items() if number not in last}, locked)
    append_entries(session, columns)
    append_rows(
        session, OPEN_HOLD, ("pending_id", "expires_at"), list(zip(columns[0], columns[10], strict=True))
    )
    add_to_rows(session, ACCOUNT, "id", SUMS, changes)
    # In one order, so that two that want the same rows do not wait for each other.
    shared = [(last[number], *sums[number]) for number in sorted(last)]
    add_to_rows(session, ACCOUNT, "id", SUMS, shared)


@contextmanager
def refused_as(refusal: type[Exception]) -> Iterator[None]:
    """Raises `refusal` where a shared account has not enough. The transaction has failed with it."""
    try:
        yield
    except (psycopg.errors.CheckViolation, IntegrityError) as error:
        if _AVAILABLE in str(error):
            raise refusal from error
        raise
