"""Proof that statements hold: each is as it was issued, adds up, and follows the one before it.

And what the last one of a merchant says is what the ledger says.
"""

from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

from sqlalchemy import Table, exists, func, select
from sqlalchemy.orm import Session

from carbon_credit.ledger.audit import Finding
from carbon_credit.settlement.issuing import posting
from carbon_credit.settlement.issuing.cutoff import items_digest
from carbon_credit.settlement.issuing.issue import statement_digest
from carbon_credit.settlement.models import (
    Payment,
    PaymentFile,
    Statement,
    StatementAdjustment,
    StatementFee,
    StatementItem,
    StatementLine,
    StatementStep,
)
from carbon_credit.settlement.queries import content

_STATEMENT: Table = Statement.__table__  # type: ignore[assignment]
SEALED: tuple[Table, ...] = tuple(
    model.__table__  # type: ignore[misc]
    for model in (Statement, StatementLine, StatementFee, StatementStep, StatementAdjustment, PaymentFile)
)


def audit(session: Session, *, progress: Callable[[int], None]) -> list[Finding]:
    """Every finding, naming table and row. `progress` is told how many items were read."""
    return [
        *_numbers(session),
        *_chains(session),
        *_contents(session, progress),
        *_stray_items(session),
        *_balances(session),
    ]


def _numbers(session: Session) -> Iterator[Finding]:
    """No number of a programme's year is missing."""
    counted = (func.count().label("found"), func.max(Statement.number).label("last"))
    statement = select(Statement.programme, Statement.year, *counted)
    for row in session.execute(statement.group_by(Statement.programme, Statement.year)):
        if row.found != row.last:
            detail = f"{row.found} statements, but the last has the number {row.last}"
            yield Finding("statement-numbers", "statement", f"{row.programme} {row.year}", detail)


def _chains(session: Session) -> Iterator[Finding]:
    """Each statement of a merchant opens with what the one before it closed with."""
    before: dict[UUID, int] = {}
    columns = (Statement.id, Statement.merchant_id, Statement.opening_fen, Statement.closing_fen)
    for row in session.execute(select(*columns).order_by(Statement.merchant_id, Statement.month)):
        closed = before.get(row.merchant_id, 0)
        if row.opening_fen != closed:
            detail = f"it opens with {row.opening_fen} fen, the one before closed with {closed}"
            yield Finding("statement-opening", "statement", str(row.id), detail)
        before[row.merchant_id] = row.closing_fen


def _contents(session: Session, progress: Callable[[int], None]) -> Iterator[Finding]:
    """The lines add up to the sums, and both digests are those of what is there."""
    for statement_id in session.scalars(select(Statement.id).order_by(Statement.id)).all():
        row = session.execute(select(_STATEMENT).where(_STATEMENT.c.id == statement_id)).one()
        told = content(session, statement_id=statement_id)
        parts = [*told.lines, *told.fees, *told.adjustments, *told.losses]
        if statement_digest(dict(row._mapping), parts) != row.digest:
            detail = "it says something else than when it was issued"
            yield Finding("statement-digest", "statement", str(statement_id), detail)
        if items_digest(session, statement_id=statement_id) != row.items_digest:
            detail = "its consumptions are not those that it was issued for"
            yield Finding("statement-items", "statement", str(statement_id), detail)
        summed = _summed(told.lines)
        if summed != (row.uses, row.undos, row.used_fen, row.undone_fen, row.points):
            detail = f"its lines come to {summed}"
            yield Finding("statement-lines", "statement", str(statement_id), detail)
        progress(row.uses + row.undos)


def _summed(lines: Any) -> tuple[int, ...]:
    funded = [line for line in lines if line.funding != "merchant"]
    return (
        sum(line.uses for line in lines),
        sum(line.undos for line in lines),
        sum(line.used_fen for line in funded),
        sum(line.undone_fen for line in funded),
        sum(line.points for line in lines),
    )


def _stray_items(session: Session) -> Iterator[Finding]:
    known = exists().where(Statement.id == StatementItem.statement_id)
    for number in session.scalars(select(StatementItem.statement_id).where(~known).distinct()):
        yield Finding("statement-exists", "statement_item", str(number), "its statement is gone")


def _balances(session: Session) -> Iterator[Finding]:
    """What each merchant's last statement closed with, less what was paid since, is what the ledger has."""
    last = select(Statement.merchant_id, func.max(Statement.month).label("month"))
    newest = last.group_by(Statement.merchant_id).subquery()
    statement = select(Statement.id, Statement.programme, Statement.merchant_id, Statement.closing_fen).join(
        newest, (newest.c.merchant_id == Statement.merchant_id) & (newest.c.month == Statement.month)
    )
    since = select(Payment.merchant_id, func.sum(Payment.amount_fen)).where(
        Payment.outcome == "paid", Payment.shown_on.is_(None)
    )
    paid = {merchant: int(fen) for merchant, fen in session.execute(since.group_by(Payment.merchant_id))}
    for row in session.execute(statement):
        told = row.closing_fen - paid.get(row.merchant_id, 0)
        found = posting.standing(session, programme=row.programme, merchant_id=row.merchant_id).balance_fen
        if told != found:
            detail = f"by its statements the merchant is owed {told} fen, by the ledger {found}"
            yield Finding("statement-ledger", "statement", str(row.id), detail)
