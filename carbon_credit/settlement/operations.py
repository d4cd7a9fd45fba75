"""What a merchant says of its statement: it agrees, and names its invoice. See `disputes` for the rest."""

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from carbon_credit.quantification.periods import next_month
from carbon_credit.settlement.errors import InvoiceTaken
from carbon_credit.settlement.models import StatementProgress
from carbon_credit.settlement.queries import StatementRecord, statement
from carbon_credit.settlement.states import take_step
from carbon_credit.settlement.terms import invoice_required


def agree(
    session: Session,
    *,
    programme: str,
    statement_id: UUID,
    actor: str,
    now: datetime,
    merchant_id: UUID | None = None,
) -> StatementRecord:
    """The merchant agrees; or the operator for it, when the time to object is over. Where nothing is payable
    the statement has ended. Raises StatementNotFound, StatementState."""
    found = statement(session, programme=programme, statement_id=statement_id, merchant_id=merchant_id)
    if found.payable_fen or found.state != "issued":
        take_step(session, statement_id=statement_id, step="agree", actor=actor, now=now)
    else:
        take_step(session, statement_id=statement_id, step="close", actor=actor, now=now)
    return statement(session, programme=programme, statement_id=statement_id)


def state_invoice(
    session: Session,
    *,
    programme: str,
    statement_id: UUID,
    invoice_number: str,
    actor: str,
    now: datetime,
    merchant_id: UUID | None = None,
) -> StatementRecord:
    """The number of the invoice (发票) that the merchant has made out for it. Raises StatementNotFound,
    StatementState, InvoiceTaken."""
    statement(session, programme=programme, statement_id=statement_id, merchant_id=merchant_id)
    same = (StatementProgress.programme == programme, StatementProgress.invoice_number == invoice_number)
    # The unique key has the last word; this one has words for it.
    taken = session.scalar(select(StatementProgress.statement_id).where(*same))
    if taken not in (None, statement_id):
        raise InvoiceTaken
    take_step(
        session,
        statement_id=statement_id,
        step="invoice",
        actor=actor,
        now=now,
        detail={"invoice_number": invoice_number},
        invoice_number=invoice_number,
    )
    return statement(session, programme=programme, statement_id=statement_id)


def needs_invoice(session: Session, *, record: StatementRecord) -> bool:
    """Whether the statement is paid on an invoice only: by the terms of the month's last day."""
    last_day = next_month(record.month) - timedelta(days=1)
    return invoice_required(session, merchant_id=record.merchant_id, day=last_day)
