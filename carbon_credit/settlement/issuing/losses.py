"""What the programme bears: a till without a connection gave something for a voucher that was used elsewhere.

Its fund pays what the till gave, with the next statement, whoever pays for the offer: each scan once, by the
database's key, the first received first, and as far as the fund reaches; the rest waits for a later one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from carbon_credit.ledger.queries import balances
from carbon_credit.redemption.settling import borne_scans
from carbon_credit.settlement.issuing.posting import fund_key
from carbon_credit.settlement.models import StatementLoss


@dataclass(frozen=True, slots=True)
class Loss:
    """A lost scan, by its till and the till's own id of it."""

    till_id: UUID
    scan_id: UUID
    offer_id: UUID
    value_fen: int


def new_losses(session: Session, *, programme: str, merchant_id: UUID, ends_at: datetime) -> list[Loss]:
    """What was received before `ends_at`, is on no statement, and can be paid; by till and scan."""
    scans = borne_scans().c
    told = exists().where(StatementLoss.till_id == scans.till_id, StatementLoss.scan_id == scans.scan_id)
    statement = (
        select(scans.till_id, scans.scan_id, scans.offer_id, scans.value_fen)
        .where(scans.merchant_id == merchant_id, scans.received_at < ends_at, scans.value_fen > 0, ~told)
        .order_by(scans.received_at, scans.till_id, scans.scan_id)
    )
    found: list[Loss] = []
    waiting = session.execute(statement).all()
    fund = fund_key(programme)
    left = balances(session, keys=[fund])[fund].available if waiting else 0
    for row in waiting:
        if row.value_fen > left:
            break
        left -= row.value_fen
        found.append(Loss(*row))
    return sorted(found, key=lambda one: (one.till_id, one.scan_id))


def loss_rows(session: Session, *, statement_id: UUID) -> Sequence[Any]:
    """The losses on a statement: till_id, scan_id, offer_id, title_zh, title_en, value_fen, scanned_at."""
    scans = borne_scans().c
    statement = (
        select(*scans)
        .join(
            StatementLoss,
            (StatementLoss.till_id == scans.till_id) & (StatementLoss.scan_id == scans.scan_id),
        )
        .where(StatementLoss.statement_id == statement_id)
        .order_by(scans.till_id, scans.scan_id)
    )
    return session.execute(statement).all()
