"""Which consumptions, and which that were undone, belong on a statement: each on one, by the database's key.

A consumption counts in the month of its time at the till; what arrives after that month's statement goes on
the next. So do those that were undone, by the time of the undoing.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, and_, exists, insert, literal, or_, select, true
from sqlalchemy.orm import Session

from carbon_credit.kernel.clock import microseconds
from carbon_credit.redemption.settling import consumption_rows, uses_with_offers
from carbon_credit.settlement.models import StatementItem

# A transaction that began before the last statement may have committed after it; none takes a day.
_SLACK = timedelta(days=1)
_AT_ONCE = 5_000
_COLUMNS = ["consumption_id", "kind", "statement_id"]


@dataclass(frozen=True, slots=True)
class Before:
    """Of the merchant's last statement: where it cut off, and when it was issued."""

    ends_at: datetime
    issued_at: datetime


def claim_items(
    session: Session, *, statement_id: UUID, merchant_id: UUID, ends_at: datetime, before: Before | None
) -> None:
    """Put on the statement what happened before `ends_at` and is on none. Two statements, however many."""
    rows = consumption_rows().c
    taken = exists().where(
        StatementItem.consumption_id == rows.consumption_id, StatementItem.kind == literal("use")
    )
    undone = exists().where(
        StatementItem.consumption_id == rows.consumption_id, StatementItem.kind == literal("undo")
    )
    mine = rows.merchant_id == merchant_id
    new: ColumnElement[bool] = true()
    newly_undone: ColumnElement[bool] = true()
    if before is not None:
        # What can be new: since the last cut-off, or handed in since the last statement. It says where in
        # the indexes to look, so that a statement does not read the years before it.
        since = min(before.ends_at, before.issued_at - _SLACK)
        handed_in = and_(rows.offline, rows.recorded_at >= before.issued_at - _SLACK)
        new = or_(rows.consumed_at >= since, handed_in)
        newly_undone = rows.undone_at >= since
    uses = select(rows.consumption_id, literal("use"), literal(statement_id)).where(
        mine, rows.consumed_at < ends_at, new, ~taken
    )
    # Sorted, so that all is found before the first row is written: a database that expects an empty table
    # would look through what it has just written, again for each row.
    session.execute(insert(StatementItem).from_select(_COLUMNS, uses.order_by(rows.consumption_id)))
    undos = select(rows.consumption_id, literal("undo"), literal(statement_id)).where(
        mine, rows.undone_at < ends_at, newly_undone, taken, ~undone
    )
    session.execute(insert(StatementItem).from_select(_COLUMNS, undos.order_by(rows.consumption_id)))


def items(session: Session, *, statement_id: UUID) -> Iterator[Row[Any]]:
    """The consumptions and undoings of the statement in the order of their ids, streamed.

    Each has kind, consumption_id, store_id, till_id, offer_id, title_zh, title_en, funding, points,
    value_fen, consumed_at, undone_at.
    """
    used = uses_with_offers().c
    statement = (
        select(StatementItem.kind, *used)
        .join(StatementItem, StatementItem.consumption_id == used.consumption_id)
        .where(StatementItem.statement_id == statement_id)
        .order_by(StatementItem.kind.desc(), StatementItem.consumption_id)
        .execution_options(yield_per=_AT_ONCE)
    )
    for portion in session.execute(statement).partitions():
        yield from portion


def items_digest(session: Session, *, statement_id: UUID) -> str:
    """SHA-256 over the items, so that the statement vouches for each: a line of text for every one of them
    (kind, id, offer, store, points, fen, microseconds of the time at the till)."""
    digest = hashlib.sha256()
    for item in items(session, statement_id=statement_id):
        store = "-" if item.store_id is None else item.store_id.hex
        told = (
            f"{item.kind} {item.consumption_id.hex} {item.offer_id.hex} {store} "
            f"{item.points} {item.value_fen} {microseconds(item.consumed_at)}\n"
        )
        digest.update(told.encode())
    return digest.hexdigest()
