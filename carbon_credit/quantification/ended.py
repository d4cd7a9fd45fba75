"""Grams of reductions that ended after their month was closed: found by a sweep.

A reduction of a closed month may lie in a batch, which is not known here. So its end is recorded at
once, and whoever knows the batches says which may be taken back.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from carbon_credit.catalogue.queries import time_zone
from carbon_credit.kernel.clock import business_day
from carbon_credit.kernel.ids import new_id
from carbon_credit.ledger import operations as ledger
from carbon_credit.ledger.accounts import CO2E, AccountKey
from carbon_credit.ledger.entries import Transfer
from carbon_credit.quantification.models import Reduction, ReductionAdjustment, ReductionEnd
from carbon_credit.quantification.recording import append_adjustments


@dataclass(frozen=True, slots=True)
class Ended:
    """A reduction that no longer counts but whose grams are still on the citizen's account."""

    reduction_id: UUID
    programme: str
    methodology_id: str
    citizen_id: UUID
    reason: str
    net_mg: int


def ended_with_grams(session: Session, *, after: UUID | None, limit: int) -> list[Ended]:
    """By id, from the one after `after`."""
    delta = (
        select(func.coalesce(func.sum(ReductionAdjustment.delta_mg), 0))
        .where(ReductionAdjustment.reduction_id == Reduction.id)
        .correlate(Reduction)
        .scalar_subquery()
    )
    statement = (
        select(
            Reduction.id,
            Reduction.programme,
            Reduction.methodology_id,
            Reduction.citizen_id,
            ReductionEnd.reason,
            Reduction.credited_mg + delta,
        )
        .join(ReductionEnd, ReductionEnd.reduction_id == Reduction.id)
        .where(Reduction.use == "credit", Reduction.credited_mg + delta > 0)
        .order_by(Reduction.id)
        .limit(limit)
    )
    if after is not None:
        statement = statement.where(Reduction.id > after)
    return [Ended(*row[:5], net_mg=int(row[5])) for row in session.execute(statement)]


def take_back(session: Session, *, ended: Sequence[Ended], now: datetime) -> None:
    """Take what still counts of each reduction off the citizen's account, as corrections of today."""
    by_programme: dict[str, list[Ended]] = defaultdict(list)
    for one in ended:
        by_programme[one.programme].append(one)
    for programme, those in sorted(by_programme.items()):
        today = business_day(now, time_zone(session, programme=programme))
        for reason in sorted({one.reason for one in those}):
            changes = [(one.reduction_id, -one.net_mg, reason) for one in those if one.reason == reason]
            append_adjustments(session, programme=programme, changes=changes, accounting_day=today, now=now)
        transfers = [
            Transfer(
                id=new_id(),
                code="reduction.revoke",
                debit=AccountKey(programme, CO2E, "citizen.reductions", one.citizen_id),
                credit=AccountKey(programme, CO2E, "programme.source"),
                amount=one.net_mg,
                effective_at=now,
                reference=one.reduction_id,
            )
            for one in those
        ]
        ledger.post(session, transfers=transfers, now=now)
