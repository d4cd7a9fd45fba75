"""A merchant objects to what an offer came to; another operator than who issued the statement answers.

What the answer gives or takes goes on the next statement: a statement never changes.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Table, func, select, update
from sqlalchemy.orm import Session

from carbon_credit.kernel import outbox
from carbon_credit.kernel.bulk import insert_new, lock_alone
from carbon_credit.kernel.ids import new_id
from carbon_credit.ledger import operations as ledger
from carbon_credit.ledger.entries import Transfer
from carbon_credit.redemption.settling import budget_key, payer_key
from carbon_credit.settlement.errors import (
    AdjustmentUnfunded,
    AnswerForbidden,
    DisputeAnswered,
    DisputeExists,
    DisputeNotFound,
    LineUnknown,
)
from carbon_credit.settlement.models import Dispute, StatementLine
from carbon_credit.settlement.queries import StatementRecord, statement
from carbon_credit.settlement.states import take_step

_DISPUTE: Table = Dispute.__table__  # type: ignore[assignment]


@dataclass(frozen=True, slots=True)
class DisputeRecord:
    """An objection and its answer. `adjusted_fen`: what the answer gives, or below zero takes."""

    id: UUID
    programme: str
    merchant_id: UUID
    statement_id: UUID
    offer_id: UUID
    reason: str
    opened_by: str
    opened_at: datetime
    answer: str | None
    adjusted_fen: int | None
    answered_by: str | None
    answered_at: datetime | None


def open_dispute(
    session: Session,
    *,
    programme: str,
    merchant_id: UUID,
    statement_id: UUID,
    offer_id: UUID,
    reason: str,
    actor: str,
    now: datetime,
) -> DisputeRecord:
    """The merchant objects to what an offer came to. Raises StatementNotFound, LineUnknown, StatementState,
    DisputeExists."""
    found = statement(session, programme=programme, statement_id=statement_id, merchant_id=merchant_id)
    line = select(StatementLine.position).where(
        StatementLine.statement_id == statement_id, StatementLine.offer_id == offer_id
    )
    if session.scalar(line.limit(1)) is None:
        raise LineUnknown
    take_step(session, statement_id=statement_id, step="dispute", actor=actor, now=now)
    dispute_id = new_id()
    row = {
        "id": dispute_id,
        "programme": programme,
        "merchant_id": merchant_id,
        "statement_id": statement_id,
        "offer_id": offer_id,
        "reason": reason,
        "opened_by": actor,
        "opened_at": now,
        "issued_by": found.issued_by,
    }
    open_one = (Dispute.statement_id == statement_id, Dispute.offer_id == offer_id)
    taken = select(Dispute.id).where(*open_one, Dispute.answered_at.is_(None))
    if session.scalar(taken) is not None:
        raise DisputeExists
    if not insert_new(session, _DISPUTE, tuple(row), [tuple(row.values())], "id"):
        raise DisputeExists
    return dispute(session, programme=programme, dispute_id=dispute_id)


def answer_dispute(
    session: Session,
    *,
    programme: str,
    dispute_id: UUID,
    answer: str,
    adjusted_fen: int,
    actor: str,
    now: datetime,
) -> DisputeRecord:
    """An operator answers. What it gives is set aside at once, from who pays for the offer.

    With the last answer the statement is agreed. Raises DisputeNotFound, DisputeAnswered, AnswerForbidden,
    AdjustmentUnfunded, InsufficientBalance where the payer has less.
    """
    found = session.get(Dispute, dispute_id, populate_existing=True)
    if found is None or found.programme != programme:
        raise DisputeNotFound
    if actor in (found.issued_by, found.opened_by):
        raise AnswerForbidden
    # Before a statement is read, so that an answer is on this one or on the next.
    lock_alone(session, f"statement {programme}")
    hold_id = _set_aside(session, found, adjusted_fen, now)
    unanswered = (
        update(Dispute)
        .where(Dispute.id == dispute_id, Dispute.answered_at.is_(None))
        .values(answer=answer, adjusted_fen=adjusted_fen, answered_by=actor, answered_at=now, hold_id=hold_id)
        .returning(Dispute.id)
        .execution_options(synchronize_session=False)
    )
    if session.execute(unanswered).scalar_one_or_none() is None:
        raise DisputeAnswered
    told = statement(session, programme=programme, statement_id=found.statement_id)
    if open_disputes(session, statement_id=found.statement_id) == 0:
        _end(session, told, actor, now)
    data: dict[str, outbox.Value] = {
        "statement_id": found.statement_id,
        "offer_id": found.offer_id,
        "adjusted_fen": adjusted_fen,
    }
    outbox.emit(
        session,
        programme=programme,
        audience=found.merchant_id,
        type="dispute.answered",
        subject_id=dispute_id,
        data=data,
        now=now,
    )
    return dispute(session, programme=programme, dispute_id=dispute_id)


def open_disputes(session: Session, *, statement_id: UUID) -> int:
    """How many objections to the statement wait for an answer."""
    mine = (Dispute.statement_id == statement_id, Dispute.answered_at.is_(None))
    return session.execute(select(func.count()).select_from(Dispute).where(*mine)).scalar_one()


def dispute(
    session: Session, *, programme: str, dispute_id: UUID, merchant_id: UUID | None = None
) -> DisputeRecord:
    """One dispute, of the merchant where one is given. Raises DisputeNotFound."""
    row = session.get(Dispute, dispute_id, populate_existing=True)
    if row is None or row.programme != programme or merchant_id not in (None, row.merchant_id):
        raise DisputeNotFound
    return _record(row)


def disputes(
    session: Session,
    *,
    programme: str,
    merchant_id: UUID | None = None,
    statement_id: UUID | None = None,
    only_open: bool = False,
    after: UUID | None = None,
    limit: int = 50,
) -> list[DisputeRecord]:
    """Disputes, oldest first, from behind `after`."""
    wanted = select(Dispute).where(Dispute.programme == programme).order_by(Dispute.id).limit(limit)
    if merchant_id is not None:
        wanted = wanted.where(Dispute.merchant_id == merchant_id)
    if statement_id is not None:
        wanted = wanted.where(Dispute.statement_id == statement_id)
    if only_open:
        wanted = wanted.where(Dispute.answered_at.is_(None))
    if after is not None:
        wanted = wanted.where(Dispute.id > after)
    return [_record(row) for row in session.scalars(wanted.execution_options(populate_existing=True))]


def _set_aside(session: Session, found: Dispute, adjusted_fen: int, now: datetime) -> UUID | None:
    if adjusted_fen == 0:
        return None
    payer = payer_key(session, offer_id=found.offer_id)
    if payer is None:
        raise AdjustmentUnfunded
    if adjusted_fen < 0:  # taken back with the next statement, as far as that reaches
        return None
    held = Transfer(
        id=new_id(),
        code="offer.adjust",
        debit=payer,
        credit=budget_key(found.programme, found.offer_id),
        amount=adjusted_fen,
        effective_at=now,
        reference=found.id,
    )
    ledger.hold(session, transfers=[held], now=now)
    return held.id


def _end(session: Session, told: StatementRecord, actor: str, now: datetime) -> None:
    step = "settle" if told.payable_fen else "close"
    take_step(session, statement_id=told.id, step=step, actor=actor, now=now)


def _record(row: Dispute) -> DisputeRecord:
    return DisputeRecord(
        id=row.id,
        programme=row.programme,
        merchant_id=row.merchant_id,
        statement_id=row.statement_id,
        offer_id=row.offer_id,
        reason=row.reason,
        opened_by=row.opened_by,
        opened_at=row.opened_at,
        answer=row.answer,
        adjusted_fen=row.adjusted_fen,
        answered_by=row.answered_by,
        answered_at=row.answered_at,
    )
