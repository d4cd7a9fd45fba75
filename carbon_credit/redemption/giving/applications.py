"""Reads of applications for subsidies: a citizen's own, those to decide, and the public list."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from carbon_credit.redemption.models import Offer, Redemption
from carbon_credit.redemption.offering.errors import SubsidyNotFound
from carbon_credit.redemption.offering.models import Subsidy, SubsidyBudget
from carbon_credit.redemption.queries import MAX_PAGE

UNNAMED = "***"


@dataclass(frozen=True, slots=True)
class Application:
    """`state`: applied, granted, paid, refused, withdrawn or lapsed. `expires_at`: until when it can be
    decided. Nothing in it says who applied."""

    id: uuid.UUID
    offer_id: uuid.UUID
    title_zh: str
    title_en: str
    budget_id: uuid.UUID
    points: int
    value_fen: int
    document_kind: str
    masked_name: str | None
    state: str
    applied_at: datetime
    expires_at: datetime
    granted_on: date | None
    refused_for: str | None
    paid_at: datetime | None


@dataclass(frozen=True, slots=True)
class PublicSubsidy:
    """One line of the public list (公示)."""

    id: uuid.UUID
    name: str
    amount_fen: int
    granted_on: date
    budget: str
    fiscal_year: int


def application(
    session: Session,
    *,
    programme: str,
    redemption_id: uuid.UUID,
    now: datetime,
    citizen_id: uuid.UUID | None = None,
) -> Application:
    """One application, of the citizen where one is named. Raises SubsidyNotFound."""
    statement = _applications(programme).where(Subsidy.redemption_id == redemption_id)
    if citizen_id is not None:
        statement = statement.where(Redemption.citizen_id == citizen_id)
    found = _shown(session, statement, now)
    if not found:
        raise SubsidyNotFound
    return found[0]


def own_applications(
    session: Session,
    *,
    programme: str,
    citizen_id: uuid.UUID,
    now: datetime,
    after: uuid.UUID | None = None,
    limit: int = 50,
) -> list[Application]:
    """The citizen's, newest first, from behind `after`."""
    statement = _applications(programme).where(Redemption.citizen_id == citizen_id)
    if after is not None:
        statement = statement.where(Redemption.id < after)
    return _shown(session, statement.order_by(Redemption.id.desc()).limit(_page(limit)), now)


def open_applications(
    session: Session, *, programme: str, now: datetime, after: uuid.UUID | None = None, limit: int = 50
) -> list[Application]:
    """Those that wait for a decision, oldest first, from behind `after`."""
    statement = _applications(programme).where(Redemption.state == "held", Redemption.expires_at > now)
    if after is not None:
        statement = statement.where(Redemption.id > after)
    return _shown(session, statement.order_by(Redemption.id).limit(_page(limit)), now)


def public_subsidies(
    session: Session, *, programme: str, after: uuid.UUID | None = None, limit: int = 50
) -> list[PublicSubsidy]:
    """What was granted, newest application first, from behind `after`: masked name, amount, day."""
    statement = (
        select(
            Subsidy.redemption_id,
            Subsidy.masked_name,
            Redemption.value_fen,
            Subsidy.granted_on,
            SubsidyBudget.name,
            SubsidyBudget.fiscal_year,
        )
        .join(Redemption, Redemption.id == Subsidy.redemption_id)
        .join(SubsidyBudget, SubsidyBudget.id == Subsidy.budget_id)
        .where(Subsidy.programme == programme, Subsidy.granted_on.is_not(None))
        .order_by(Subsidy.redemption_id.desc())
        .limit(_page(limit))
    )
    if after is not None:
        statement = statement.where(Subsidy.redemption_id < after)
    return [
        PublicSubsidy(number, name or UNNAMED, fen, day, budget, year)
        for number, name, fen, day, budget, year in session.execute(statement)
        if day is not None
    ]


def _applications(programme: str) -> Select[*tuple[Any, ...]]:
    return (
        select(Subsidy, Redemption, Offer.title_zh, Offer.title_en)
        .join(Redemption, Redemption.id == Subsidy.redemption_id)
        .join(Offer, Offer.id == Redemption.offer_id)
        .where(Subsidy.programme == programme)
        .execution_options(populate_existing=True)
    )


def _shown(session: Session, statement: Select[*tuple[Any, ...]], now: datetime) -> list[Application]:
    rows: Sequence[Any] = session.execute(statement).all()
    return [
        Application(
            id=redemption.id,
            offer_id=redemption.offer_id,
            title_zh=title_zh,
            title_en=title_en,
            budget_id=subsidy.budget_id,
            points=redemption.points,
            value_fen=redemption.value_fen,
            document_kind=subsidy.document_kind,
            masked_name=subsidy.masked_name,
            state=_state(subsidy, redemption, now),
            applied_at=redemption.held_at,
            expires_at=redemption.expires_at,
            granted_on=subsidy.granted_on,
            refused_for=subsidy.refused_for,
            paid_at=subsidy.paid_at,
        )
        for subsidy, redemption, title_zh, title_en in rows
    ]


def _state(subsidy: Subsidy, redemption: Redemption, now: datetime) -> str:
    if subsidy.granted_on is not None:
        return "granted" if subsidy.paid_at is None else "paid"
    if subsidy.refused_for is not None:
        return "refused"
    if redemption.state == "cancelled":
        return "withdrawn"
    if redemption.state == "expired" or redemption.expires_at <= now:
        return "lapsed"
    return "applied"


def _page(limit: int) -> int:
    return max(1, min(limit, MAX_PAGE))
