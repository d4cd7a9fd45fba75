"""What was spent on what, for reports: of a citizen's year, of an offer's month."""

import uuid
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Select, exists, func, select
from sqlalchemy.orm import Session

from carbon_credit.redemption.models import Consumption, Offer, Redemption
from carbon_credit.redemption.offering.models import SubsidyBudget


def used_by_citizen(
    session: Session, *, programme: str, citizen_id: uuid.UUID, start: datetime, end: datetime
) -> tuple[int, int]:
    """How many of the citizen's vouchers were used in [start, end) by the till's time, and their fen."""
    statement = (
        select(
            func.count(Consumption.redemption_id.distinct()),
            func.coalesce(func.sum(Consumption.value_fen), 0),
        )
        .join(Redemption, Redemption.id == Consumption.redemption_id)
        .where(
            Redemption.citizen_id == citizen_id,
            Redemption.programme == programme,
            Consumption.undone_at.is_(None),
            Consumption.consumed_at >= start,
            Consumption.consumed_at < end,
        )
    )
    vouchers, fen = session.execute(statement).one()
    return int(vouchers), int(fen)


@dataclass(frozen=True, slots=True)
class Spent:
    """An offer in a report. `merchant_id`: None for an operator's own. `funding`: merchant, fund or
    subsidy, then of `budget`, a name with its fiscal year."""

    offer_id: uuid.UUID
    merchant_id: uuid.UUID | None
    kind: str
    title_zh: str
    title_en: str
    funding: str
    budget: str | None


def redemptions_by_offer(programme: str) -> Select[uuid.UUID, uuid.UUID]:
    """Every redemption of the programme as a statement that others join: `id` and `offer_id`."""
    return select(Redemption.id.label("id"), Redemption.offer_id).where(Redemption.programme == programme)


def given_by_offer(
    session: Session, *, programme: str, start: datetime | None, end: datetime
) -> dict[uuid.UUID, tuple[int, int]]:
    """How many vouchers of each offer were used in [start, end), by the till's time, and their fen; without
    `start`: ever before. What no till takes (a subsidy, a donation) counts when it was given."""
    uses = (
        select(
            Redemption.offer_id,
            func.count(Consumption.redemption_id.distinct()),
            func.sum(Consumption.value_fen),
        )
        .join(Redemption, Redemption.id == Consumption.redemption_id)
        .where(
            Consumption.programme == programme, Consumption.undone_at.is_(None), Consumption.consumed_at < end
        )
        .group_by(Redemption.offer_id)
    )
    at_no_till = (
        select(Redemption.offer_id, func.count(), func.sum(Redemption.value_fen))
        .where(
            Redemption.programme == programme,
            Redemption.state == "consumed",
            Redemption.resolved_at < end,
            ~exists().where(Consumption.redemption_id == Redemption.id),
        )
        .group_by(Redemption.offer_id)
    )
    if start is not None:
        uses = uses.where(Consumption.consumed_at >= start)
        at_no_till = at_no_till.where(Redemption.resolved_at >= start)
    found: dict[uuid.UUID, tuple[int, int]] = {}
    for statement in (uses, at_no_till):
        for offer_id, vouchers, fen in session.execute(statement):
            before = found.get(offer_id, (0, 0))
            found[offer_id] = (before[0] + int(vouchers), before[1] + int(fen or 0))
    return found


def offers_of_report(session: Session, *, programme: str) -> dict[uuid.UUID, Spent]:
    """Every offer that was ever approved, by its id."""
    statement = (
        select(Offer, SubsidyBudget.name, SubsidyBudget.fiscal_year)
        .outerjoin(SubsidyBudget, SubsidyBudget.id == Offer.budget_id)
        .where(Offer.programme == programme, Offer.state != "draft")
    )
    return {
        row.id: Spent(
            offer_id=row.id,
            merchant_id=row.merchant_id,
            kind=row.kind,
            title_zh=row.title_zh,
            title_en=row.title_en,
            funding=row.funding,
            budget=f"{name} {year}" if name else None,
        )
        for row, name, year in session.execute(statement)
    }
