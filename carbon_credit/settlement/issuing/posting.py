"""The accounts of a merchant, and the transfers of a statement.

offer.budget ── merchant.accrue ──> merchant.payable ── merchant.fee ──> fee
     ▲  ▲                            │  │   └──── merchant.pay ────────> merchant.paid
     │  └──── merchant.unaccrue ─────┘  └─ merchant.recover ─> merchant.due (what it owes)
     └─────── merchant.unaccrue ── offer.reclaim <── merchant.owe ──┘
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from carbon_credit.kernel.ids import new_id
from carbon_credit.ledger.accounts import FEN, POINTS, AccountKey
from carbon_credit.ledger.entries import Transfer
from carbon_credit.ledger.queries import balances
from carbon_credit.redemption.settling import budget_key
from carbon_credit.settlement.issuing.waterfall import Flows
from carbon_credit.settlement.models import Statement, StatementLine


@dataclass(frozen=True, slots=True)
class Standing:
    """What the ledger says of a merchant: what it is to be paid, and what it owes."""

    payable_fen: int
    owed_fen: int

    @property
    def balance_fen(self) -> int:
        """What is to be paid less what is owed: the closing balance of a statement."""
        return self.payable_fen - self.owed_fen


def payable_key(programme: str, merchant_id: UUID) -> AccountKey:
    """What the merchant is to be paid."""
    return AccountKey(programme, FEN, "merchant.payable", merchant_id)


def paid_key(programme: str, merchant_id: UUID) -> AccountKey:
    """What it was paid."""
    return AccountKey(programme, FEN, "merchant.paid", merchant_id)


def due_key(programme: str, merchant_id: UUID) -> AccountKey:
    """What it owes: a debt."""
    return AccountKey(programme, FEN, "merchant.due", merchant_id)


def reclaim_key(programme: str, offer_id: UUID) -> AccountKey:
    """What goes back to an offer's budget when the merchant has paid it back."""
    return AccountKey(programme, FEN, "offer.reclaim", offer_id)


def fee_key(programme: str) -> AccountKey:
    """What merchants pay."""
    return AccountKey(programme, FEN, "fee")


def fund_key(programme: str) -> AccountKey:
    """What pays for what the programme bears."""
    return AccountKey(programme, FEN, "programme.fund")


def standing(session: Session, *, programme: str, merchant_id: UUID) -> Standing:
    """How the merchant stands now."""
    payable, due = payable_key(programme, merchant_id), due_key(programme, merchant_id)
    found = balances(session, keys=[payable, due])
    return Standing(found[payable].posted, -found[due].posted)


def points_of(session: Session, *, programme: str, merchant_id: UUID) -> int:
    """The points that the merchant has and that were not settled with it."""
    key = AccountKey(programme, POINTS, "merchant.points", merchant_id)
    return balances(session, keys=[key])[key].available


def reclaims(session: Session, *, programme: str, merchant_id: UUID) -> dict[UUID, int]:
    """Of what the merchant owes, what is to go back to which offer's budget."""
    offers = (
        select(StatementLine.offer_id)
        .join(Statement, Statement.id == StatementLine.statement_id)
        .where(Statement.merchant_id == merchant_id)
        .distinct()
    )
    keys = {reclaim_key(programme, offer): offer for offer in session.scalars(offers)}
    found = balances(session, keys=list(keys))
    return {offer: found[key].posted for key, offer in keys.items() if found[key].posted > 0}


def transfers(
    *,
    programme: str,
    merchant_id: UUID,
    statement_id: UUID,
    moved: Flows,
    borne: int,
    points: int,
    now: datetime,
) -> list[Transfer]:
    """What a statement moves: of each offer one transfer, and few beside, however many consumptions. `borne`:
    what the programme's fund gives for lost scans."""
    pairs = list(_money(programme, merchant_id, moved))
    if borne:
        payable = payable_key(programme, merchant_id)
        pairs.append(("merchant.accrue", fund_key(programme), payable, borne))
    if points:
        mine = AccountKey(programme, POINTS, "merchant.points", merchant_id)
        pairs.append(("points.settle", mine, AccountKey(programme, POINTS, "programme.settled"), points))
    return [
        Transfer(
            id=new_id(),
            code=code,
            debit=debit,
            credit=credit,
            amount=amount,
            effective_at=now,
            reference=statement_id,
        )
        for code, debit, credit, amount in pairs
    ]


def _money(
    programme: str, merchant_id: UUID, moved: Flows
) -> Iterator[tuple[str, AccountKey, AccountKey, int]]:
    payable, due = payable_key(programme, merchant_id), due_key(programme, merchant_id)
    for offer, fen in moved.accrued.items():
        yield "merchant.accrue", budget_key(programme, offer), payable, fen
    for offer, fen in moved.returned.items():
        yield "merchant.unaccrue", payable, budget_key(programme, offer), fen
    if moved.recovered:
        yield "merchant.recover", payable, due, moved.recovered
    for offer, fen in moved.reclaimed.items():
        yield "merchant.unaccrue", reclaim_key(programme, offer), budget_key(programme, offer), fen
    for offer, fen in moved.owed.items():
        yield "merchant.owe", due, reclaim_key(programme, offer), fen
    if moved.fee:
        yield "merchant.fee", payable, fee_key(programme), moved.fee
    if moved.fee_owed:
        yield "merchant.fee", due, fee_key(programme), moved.fee_owed
    if moved.fee_back:
        yield "merchant.unfee", fee_key(programme), payable, moved.fee_back
