"""The payment file: every statement that is ready to be paid, with a reference that the bank gives back.

Its layout is our own and generic: banks differ, and none of their formats was confirmed here. A bank's own
is made from it, or added beside it, when that bank's description is at hand.
"""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Table, func, select
from sqlalchemy.orm import Session

from carbon_credit.kernel import outbox
from carbon_credit.kernel.bulk import append_sealed, lock_alone
from carbon_credit.kernel.ids import new_id
from carbon_credit.settlement.errors import NothingToPay, PaymentFileNotFound
from carbon_credit.settlement.models import Payment, PaymentFile, Statement, StatementProgress
from carbon_credit.settlement.operations import needs_invoice
from carbon_credit.settlement.queries import StatementRecord, statement
from carbon_credit.settlement.states import take_step
from carbon_credit.settlement.terms import PayeeRecord, opened_payee, payee_in_force

COLUMNS = (
    *("reference", "payee_name", "payee_bank", "payee_account"),
    *("amount_yuan", "amount_fen", "currency", "purpose"),
)
MAX_PAYMENTS = 5_000
_FILE: Table = PaymentFile.__table__  # type: ignore[assignment]


@dataclass(frozen=True, slots=True)
class FileRecord:
    """A payment file: how many payments, and what they come to."""

    id: UUID
    programme: str
    payments: int
    total_fen: int
    made_by: str
    made_at: datetime


def make_payment_file(session: Session, *, programme: str, actor: str, now: datetime) -> FileRecord:
    """Every statement that is agreed, has its invoice where one is needed and a confirmed payee, up to
    MAX_PAYMENTS. They are `sent` from now on. Raises NothingToPay."""
    lock_alone(session, f"statement {programme}")
    ready, waiting = _ready(session, programme)
    if not ready:
        raise NothingToPay(waiting=waiting)
    file_id = new_id()
    total = sum(record.payable_fen for record, _payee in ready)
    row = (file_id, programme, len(ready), total, actor, now)
    append_sealed(session, _FILE, tuple(column.name for column in _FILE.columns), [row])
    for record, payee in ready:
        _send(session, record, payee, file_id=file_id, actor=actor, now=now)
    session.flush()
    return payment_file(session, programme=programme, file_id=file_id)


def payment_file(session: Session, *, programme: str, file_id: UUID) -> FileRecord:
    """One payment file. Raises PaymentFileNotFound."""
    row = session.get(PaymentFile, file_id)
    if row is None or row.programme != programme:
        raise PaymentFileNotFound
    return _record(row)


def payment_files(
    session: Session, *, programme: str, after: UUID | None = None, limit: int = 50
) -> list[FileRecord]:
    """The payment files of the programme, oldest first, from behind `after`."""
    mine = select(PaymentFile).where(PaymentFile.programme == programme).order_by(PaymentFile.id)
    if after is not None:
        mine = mine.where(PaymentFile.id > after)
    return [_record(row) for row in session.scalars(mine.limit(limit))]


def payment_csv(session: Session, *, programme: str, file_id: UUID) -> bytes:
    """The file as CSV in UTF-8: the same bytes each time. Names and accounts are unsealed for it.

    Columns: reference (give it back with the confirmation), payee_name, payee_bank, payee_account,
    amount_yuan (two decimals), amount_fen, currency (CNY), purpose. Raises PaymentFileNotFound.
    """
    payment_file(session, programme=programme, file_id=file_id)
    statement = (
        select(Payment, Statement)
        .join(Statement, Statement.id == Payment.statement_id)
        .where(Payment.file_id == file_id)
        .order_by(Payment.reference)
    )
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for payment, of in session.execute(statement):
        payee = opened_payee(session, payee_id=payment.payee_id)
        fen = payment.amount_fen
        purpose = f"碳普惠商户结算 {of.month:%Y-%m}"
        told = (payment.reference, payee.name, payee.bank, payee.account)
        writer.writerow(_safe((*told, f"{fen // 100}.{fen % 100:02d}", str(fen), "CNY", purpose)))
    return text.getvalue().encode()


def _safe(cells: Sequence[str]) -> list[str]:
    # A spreadsheet takes what begins like this for a formula; a payee's name is written by people.
    return [f"'{cell}" if cell[:1] in "=+-@\t\r" else cell for cell in cells]


def _ready(session: Session, programme: str) -> tuple[list[tuple[StatementRecord, PayeeRecord]], int]:
    """What can be paid, and how many are agreed but lack an invoice or a payee."""
    agreed = (
        select(StatementProgress.statement_id)
        .where(StatementProgress.programme == programme, StatementProgress.state.in_(("agreed", "invoiced")))
        .order_by(StatementProgress.statement_id)
        .limit(MAX_PAYMENTS)
    )
    ready, waiting = [], 0
    for statement_id in session.scalars(agreed).all():
        record = statement(session, programme=programme, statement_id=statement_id)
        payee = payee_in_force(session, merchant_id=record.merchant_id)
        lacks_invoice = record.state != "invoiced" and needs_invoice(session, record=record)
        if payee is None or lacks_invoice:
            waiting += 1
        else:
            ready.append((record, payee))
    return ready, waiting


def _send(
    session: Session,
    record: StatementRecord,
    payee: PayeeRecord,
    *,
    file_id: UUID,
    actor: str,
    now: datetime,
) -> None:
    tries = session.scalar(select(func.count()).select_from(Payment).where(Payment.statement_id == record.id))
    reference = f"CC{record.year}{record.number:06d}{(tries or 0) + 1:02d}"
    take_step(
        session,
        statement_id=record.id,
        step="send",
        actor=actor,
        now=now,
        detail={"reference": reference},
    )
    payment = Payment(
        id=new_id(),
        programme=record.programme,
        merchant_id=record.merchant_id,
        statement_id=record.id,
        file_id=file_id,
        payee_id=payee.id,
        reference=reference,
        amount_fen=record.payable_fen,
    )
    session.add(payment)
    outbox.emit(
        session,
        programme=record.programme,
        audience=record.merchant_id,
        type="payment.sent",
        subject_id=record.id,
        data={"reference": reference, "amount_fen": record.payable_fen, "month": record.month},
        now=now,
    )


def _record(row: PaymentFile) -> FileRecord:
    return FileRecord(row.id, row.programme, row.payments, row.total_fen, row.made_by, row.made_at)
