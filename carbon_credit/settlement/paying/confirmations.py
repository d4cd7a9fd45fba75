"""What the bank answers, row by row: each has its own outcome, and a row that comes twice does nothing.

CSV in UTF-8 with the columns `reference`, `amount_fen`, `paid_on` (YYYY-MM-DD) and `result` (`paid` or
`returned`). The layout is our own, like that of the payment file.
"""

import csv
import io
import re
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from carbon_credit.kernel.bulk import lock_alone
from carbon_credit.kernel.ids import new_id
from carbon_credit.ledger import operations as ledger
from carbon_credit.ledger.entries import Transfer
from carbon_credit.settlement.errors import ConfirmationsUnreadable
from carbon_credit.settlement.issuing.posting import paid_key, payable_key
from carbon_credit.settlement.models import Payment
from carbon_credit.settlement.queries import statement
from carbon_credit.settlement.states import take_step

COLUMNS = ("reference", "amount_fen", "paid_on", "result")
OUTCOMES = (
    *("paid", "returned", "already-confirmed"),
    *("amount-differs", "contradicts", "unknown-reference", "malformed"),
)
MAX_ROWS = 5_000
_FEN = re.compile(r"[1-9][0-9]{0,14}")


@dataclass(frozen=True, slots=True)
class Confirmation:
    """One row of the bank's answer."""

    reference: str
    amount_fen: int
    paid_on: date
    result: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a row. `row`: its number, the first after the headings is 1.

    already-confirmed: it said so before. amount-differs: nothing was done, `expected_fen` was sent.
    contradicts: it was confirmed with another result before.
    """

    row: int
    reference: str
    outcome: str
    expected_fen: int | None = None


def confirm_payments(
    session: Session, *, programme: str, body: bytes, actor: str, now: datetime
) -> list[Outcome]:
    """Take the bank's answer in: what was paid leaves the merchant's account. One outcome for each row.

    Raises ConfirmationsUnreadable where it is not such a file at all.
    """
    rows = _read(body)
    lock_alone(session, f"statement {programme}")
    return [
        Outcome(number, told[0][:32], "malformed")
        if (row := _parsed(told)) is None
        else _confirm(session, programme, number, row, actor, now)
        for number, told in enumerate(rows, start=1)
    ]


def _confirm(
    session: Session, programme: str, number: int, row: Confirmation, actor: str, now: datetime
) -> Outcome:
    mine = (Payment.programme == programme, Payment.reference == row.reference)
    payment = session.scalars(
        select(Payment).where(*mine).execution_options(populate_existing=True)
    ).one_or_none()
    if payment is None:
        return Outcome(number, row.reference, "unknown-reference")
    if payment.amount_fen != row.amount_fen:
        return Outcome(number, row.reference, "amount-differs", payment.amount_fen)
    if payment.outcome is not None:
        same = payment.outcome == row.result
        return Outcome(number, row.reference, "already-confirmed" if same else "contradicts")
    unconfirmed = (
        update(Payment)
        .where(Payment.id == payment.id, Payment.outcome.is_(None))
        .values(outcome=row.result, confirmed_on=row.paid_on, confirmed_at=now, confirmed_by=actor)
        .returning(Payment.id)
        .execution_options(synchronize_session=False)
    )
    if session.execute(unconfirmed).scalar_one_or_none() is None:
        return Outcome(number, row.reference, "already-confirmed")
    if row.result == "paid":
        _pay(session, payment, now)
    _step(session, payment, row, actor, now)
    return Outcome(number, row.reference, row.result)


def _pay(session: Session, payment: Payment, now: datetime) -> None:
    moved = Transfer(
        id=new_id(),
        code="merchant.pay",
        debit=payable_key(payment.programme, payment.merchant_id),
        credit=paid_key(payment.programme, payment.merchant_id),
        amount=payment.amount_fen,
        effective_at=now,
        reference=payment.statement_id,
    )
    ledger.post(session, transfers=[moved], now=now)


def _step(session: Session, payment: Payment, row: Confirmation, actor: str, now: datetime) -> None:
    """Paid; or back to where it was sent from, to be sent again when the payee is put right."""
    record = statement(session, programme=payment.programme, statement_id=payment.statement_id)
    back = "agreed" if record.invoice_number is None else "invoiced"
    step, to = ("pay", None) if row.result == "paid" else ("return", back)
    take_step(
        session,
        statement_id=record.id,
        step=step,
        actor=actor,
        now=now,
        to=to,
        detail={"reference": row.reference, "paid_on": row.paid_on.isoformat()},
    )


def _read(body: bytes) -> list[list[str]]:
    columns = ", ".join(COLUMNS)
    try:
        rows = list(csv.reader(io.StringIO(body.decode("utf-8-sig"), newline=""), strict=True))
    except UnicodeDecodeError as error:
        raise ConfirmationsUnreadable(why="it is not UTF-8", columns=columns) from error
    except csv.Error as error:
        raise ConfirmationsUnreadable(why="it is not CSV", columns=columns) from error
    rows = [row for row in rows if row]
    if not rows or tuple(cell.strip() for cell in rows[0]) != COLUMNS:
        raise ConfirmationsUnreadable(why="the first row does not name the columns", columns=columns)
    if len(rows) - 1 > MAX_ROWS:
        raise ConfirmationsUnreadable(why=f"it has more than {MAX_ROWS} rows", columns=columns)
    return rows[1:]


def _parsed(told: list[str]) -> Confirmation | None:
    if len(told) != len(COLUMNS):
        return None
    reference, amount, day, result = (cell.strip() for cell in told)
    if not reference or not _FEN.fullmatch(amount) or result not in ("paid", "returned"):
        return None
    try:
        return Confirmation(reference, int(amount), date.fromisoformat(day), result)
    except ValueError:
        return None


def payments_of(session: Session, *, statement_id: UUID) -> list[Payment]:
    """The payments of a statement, the first first: one, or several where the bank gave one back."""
    mine = select(Payment).where(Payment.statement_id == statement_id).order_by(Payment.id)
    return list(session.scalars(mine.execution_options(populate_existing=True)))
