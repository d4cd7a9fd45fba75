"""A transfer is taken back at most as far as it moved: a small table keeps count."""

import uuid
from collections import Counter
from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from carbon_credit.kernel.bulk import add_to_rows, insert_new, one_of
from carbon_credit.ledger.entries import Entry
from carbon_credit.ledger.errors import ReversalExceeded, TransferInvalid, TransferUnknown
from carbon_credit.ledger.models import REVERSAL
from carbon_credit.ledger.queries import entries_of, parts


def note_reversals(session: Session, entries: Sequence[Entry]) -> None:
    """Count what `entries` take back of the transfers that they name.

    Raises TransferUnknown, TransferInvalid where the accounts are not the old ones exchanged, and
    ReversalExceeded.
    """
    if not entries:
        return
    taken: Counter[uuid.UUID] = Counter()
    for entry in entries:
        if entry.reverses_id is not None:
            taken[entry.reverses_id] += entry.amount
    old = entries_of(session, ids=taken.keys())
    for entry in entries:
        reversed_entry = old.get(entry.reverses_id) if entry.reverses_id else None
        if reversed_entry is None or reversed_entry.phase not in ("posted", "settled"):
            raise TransferUnknown(what="transfer")
        accounts = (reversed_entry.credit_account, reversed_entry.debit_account)
        if (entry.debit_account, entry.credit_account) != accounts:
            raise TransferInvalid(why="a reversal goes between the accounts of the transfer that it names")
    wanted = sorted(taken)
    insert_new(
        session,
        REVERSAL,
        ("reversed_id", "amount", "reversed"),
        [(reversed_id, old[reversed_id].amount, 0) for reversed_id in wanted],
        "reversed_id",
    )
    for part in parts(session, wanted):
        statement = (
            select(REVERSAL.c.reversed_id, REVERSAL.c.amount - REVERSAL.c.reversed)
            .where(one_of(session, REVERSAL.c.reversed_id, part))
            .order_by(REVERSAL.c.reversed_id)
            .with_for_update()
        )
        if any(taken[reversed_id] > left for reversed_id, left in session.execute(statement)):
            raise ReversalExceeded
    add_to_rows(session, REVERSAL, "reversed_id", ("reversed",), [(key, taken[key]) for key in wanted])
