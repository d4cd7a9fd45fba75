"""What a merchant pays and to whom it is paid. Terms are dated and never change; a payee needs two people."""

from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

import msgspec
from sqlalchemy import Table, func, select, update
from sqlalchemy.orm import Session

from carbon_credit.catalogue.queries import time_zone
from carbon_credit.identity.errors import RoleCannotHold
from carbon_credit.identity.queries import party
from carbon_credit.identity.scopes import MERCHANT
from carbon_credit.kernel.bulk import insert_new
from carbon_credit.kernel.clock import business_day
from carbon_credit.kernel.db import keys_of
from carbon_credit.kernel.ids import new_id
from carbon_credit.kernel.sealing import seal, unseal
from carbon_credit.kernel.structs import learned
from carbon_credit.quantification.periods import next_month
from carbon_credit.settlement.errors import (
    PayeeConfirmForbidden,
    PayeeNotFound,
    TermsBackdated,
    TermsTaken,
)
from carbon_credit.settlement.models import MerchantPayee, MerchantTerms, Statement

_TERMS: Table = MerchantTerms.__table__  # type: ignore[assignment]
_PURPOSE = "payee"


@dataclass(frozen=True, slots=True)
class TermsRecord:
    """What a merchant pays from `effective_from` on. `fee_bps`: hundredths of a percent."""

    id: UUID
    effective_from: date
    fee_bps: int
    fee_per_use_fen: int
    invoice_required: bool


class Payee(msgspec.Struct, frozen=True):
    """To whom, at which bank, into which account. May be a person's: kept sealed, never logged."""

    name: str
    bank: str
    account: str

    def __repr__(self) -> str:
        return "Payee(…)"


@dataclass(frozen=True, slots=True)
class PayeeRecord:
    """A payee without what is sealed. `tail`: the end of the account."""

    id: UUID
    tail: str
    recorded_by: str
    recorded_at: datetime
    confirmed_by: str | None
    confirmed_at: datetime | None


def record_terms(
    session: Session,
    *,
    programme: str,
    merchant_id: UUID,
    effective_from: date,
    fee_bps: int,
    fee_per_use_fen: int,
    invoice_required: bool,
    actor: str,
    now: datetime,
) -> TermsRecord:
    """Terms from a day on, which is not in a month that has a statement. Raises PartyNotFound,
    RoleCannotHold, TermsTaken, TermsBackdated."""
    _merchant(session, programme, merchant_id)
    last = session.scalar(select(func.max(Statement.month)).where(Statement.merchant_id == merchant_id))
    if last is not None and effective_from < next_month(last):
        raise TermsBackdated(day=effective_from.isoformat(), from_day=next_month(last).isoformat())
    row = (
        *(new_id(), programme, merchant_id, effective_from, fee_bps, fee_per_use_fen, invoice_required),
        *(actor, now),
    )
    columns = tuple(column.name for column in _TERMS.columns)
    known = {one.effective_from for one in terms_of(session, merchant_id=merchant_id)}
    if effective_from in known or not insert_new(session, _TERMS, columns, [row], "id"):
        raise TermsTaken(day=effective_from.isoformat())
    return TermsRecord(row[0], effective_from, fee_bps, fee_per_use_fen, invoice_required)


def terms_of(session: Session, *, merchant_id: UUID) -> list[TermsRecord]:
    """All terms of the merchant, those that begin first first."""
    statement = select(MerchantTerms).where(MerchantTerms.merchant_id == merchant_id)
    rows = session.scalars(statement.order_by(MerchantTerms.effective_from))
    return [
        TermsRecord(row.id, row.effective_from, row.fee_bps, row.fee_per_use_fen, row.invoice_required)
        for row in rows
    ]


def invoice_required(session: Session, *, merchant_id: UUID, day: date) -> bool:
    """Whether an invoice comes before the payment by the terms of the day. Without terms it does."""
    in_force = [one for one in terms_of(session, merchant_id=merchant_id) if one.effective_from <= day]
    return in_force[-1].invoice_required if in_force else True


def record_payee(
    session: Session, *, programme: str, merchant_id: UUID, payee: Payee, actor: str, now: datetime
) -> PayeeRecord:
    """A payee that takes effect when another operator has confirmed it. Raises PartyNotFound,
    RoleCannotHold."""
    _merchant(session, programme, merchant_id)
    payee_id = new_id()
    told = msgspec.json.encode(payee)
    row = MerchantPayee(
        id=payee_id,
        programme=programme,
        merchant_id=merchant_id,
        sealed=seal(keys_of(session), told, purpose=_PURPOSE, belongs_to=payee_id.bytes),
        tail=payee.account[-4:],
        recorded_by=actor,
        recorded_at=now,
        confirmed_by=None,
        confirmed_at=None,
    )
    session.add(row)
    session.flush()
    return _payee(row)


def confirm_payee(
    session: Session, *, programme: str, merchant_id: UUID, payee_id: UUID, actor: str, now: datetime
) -> PayeeRecord:
    """A second operator has compared the payee with its document: from now on it is paid to. Doing it
    twice changes nothing. Raises PayeeNotFound, PayeeConfirmForbidden."""
    row = session.get(MerchantPayee, payee_id)
    if row is None or (row.programme, row.merchant_id) != (programme, merchant_id):
        raise PayeeNotFound
    if row.recorded_by == actor:
        raise PayeeConfirmForbidden
    unconfirmed = (MerchantPayee.id == payee_id, MerchantPayee.confirmed_at.is_(None))
    session.execute(update(MerchantPayee).where(*unconfirmed).values(confirmed_by=actor, confirmed_at=now))
    session.refresh(row)
    return _payee(row)


def payees_of(session: Session, *, merchant_id: UUID) -> list[PayeeRecord]:
    """Every payee of the merchant, the newest first."""
    statement = select(MerchantPayee).where(MerchantPayee.merchant_id == merchant_id)
    return [_payee(row) for row in session.scalars(statement.order_by(MerchantPayee.id.desc()))]


def payee_in_force(session: Session, *, merchant_id: UUID) -> PayeeRecord | None:
    """The payee that was confirmed last; None where none was."""
    confirmed = [one for one in payees_of(session, merchant_id=merchant_id) if one.confirmed_at is not None]
    return max(confirmed, key=lambda one: (one.confirmed_at, one.id), default=None)


def opened_payee(session: Session, *, payee_id: UUID) -> Payee:
    """What is sealed of a payee: for the payment file only."""
    row = session.get_one(MerchantPayee, payee_id)
    told = unseal(keys_of(session), row.sealed, purpose=_PURPOSE, belongs_to=payee_id.bytes)
    return msgspec.json.decode(told, type=learned(Payee))


def today(session: Session, *, programme: str, now: datetime) -> date:
    """The calendar day of `now` where the programme lives."""
    return business_day(now, time_zone(session, programme=programme))


def _merchant(session: Session, programme: str, merchant_id: UUID) -> None:
    role = party(session, party_id=merchant_id, programme=programme).role
    if role != MERCHANT:
        raise RoleCannotHold(role=role, needed=MERCHANT)


def _payee(row: MerchantPayee) -> PayeeRecord:
    return PayeeRecord(row.id, row.tail, row.recorded_by, row.recorded_at, row.confirmed_by, row.confirmed_at)
