"""Grams of reductions that ended after their month was closed: found by a sweep.

A reduction of a closed month may lie in a batch, which is not known here. So its end is recorded at
once, and whoever knows the batches says which may be taken back.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from carbon_credit.catalogue.queries import time_zone
from carbon_credit.kernel.clock import business_day
from carbon_credit.quantification.grams import held_by_partner, post_movements, taken_back
from carbon_credit.quantification.models import Reduction, ReductionAdjustment, ReductionEnd
from carbon_credit.quantification.present import LATEST, newest
from carbon_credit.quantification.recording import append_adjustments


@dataclass(frozen=True, slots=True)
class Ended:
    """A reduction that no longer counts but whose grams are still on somebody's account."""

    reduction_id: UUID
    programme: str
    methodology_id: str
    citizen_id: UUID
    partner_id: UUID
    reason: str
    net_mg: int


def ended_reductions() -> Select[UUID]:
    """The ids of all reductions that ended, as a statement that others look into."""
    return select(ReductionEnd.reduction_id)


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
            newest(Reduction.methodology_id),
            Reduction.citizen_id,
            Reduction.partner_id,
            ReductionEnd.reason,
            Reduction.credited_mg + delta,
        )
        .join(ReductionEnd, ReductionEnd.reduction_id == Reduction.id)
        .outerjoin(LATEST, LATEST.reduction_id == Reduction.id)
        .where(newest(Reduction.use) == "credit", Reduction.credited_mg + delta > 0)
        .order_by(Reduction.id)
        .limit(limit)
    )
    if after is not None:
        statement = statement.where(Reduction.id > after)
    return [
        Ended(row[0], row[1], row[2], row[3], row[4], row[5], int(row[6]))
        for row in session.execute(statement)
    ]


def take_back(session: Session, *, ended: Sequence[Ended], now: datetime) -> None:
    """Take what still counts of each reduction off the accounts that hold it, as corrections of today."""
    by_programme: dict[str, list[Ended]] = defaultdict(list)
    for one in ended:
        by_programme[one.programme].append(one)
    for programme, those in sorted(by_programme.items()):
        today = business_day(now, time_zone(session, programme=programme))
        for reason in sorted({one.reason for one in those}):
            changes = [(one.reduction_id, -one.net_mg, reason) for one in those if one.reason == reason]
            append_adjustments(session, programme=programme, changes=changes, accounting_day=today, now=now)
        amounts = {one.reduction_id: one.net_mg for one in those}
        held = held_by_partner(session, programme, those)
        post_movements(session, programme, taken_back(those, amounts, held, now=now), now=now)
