"""Reads of uses: a merchant's consumptions, with nothing about the citizen."""

import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, Uuid, literal, select, tuple_
from sqlalchemy.orm import Session

from carbon_credit.kernel.db import UtcDateTime
from carbon_credit.redemption.models import Consumption as Row
from carbon_credit.redemption.models import Offer, Redemption
from carbon_credit.redemption.queries import MAX_PAGE, left_of


@dataclass(frozen=True, slots=True)
class Consumption:
    """One use of a voucher, as its merchant sees it. `left_fen`: what can still be used of the voucher.

    `points` is what this use spent: all at the voucher's first, nothing at those that follow.
    """

    id: uuid.UUID
    redemption_id: uuid.UUID
    offer_id: uuid.UUID
    title_zh: str
    title_en: str
    points: int
    value_fen: int
    store_id: uuid.UUID | None
    till_id: uuid.UUID | None
    consumed_at: datetime
    recorded_at: datetime
    offline: bool
    undone_at: datetime | None
    left_fen: int


@dataclass(frozen=True, slots=True)
class ConsumptionCursor:
    """Where a page of consumptions ended."""

    consumed_at: datetime
    id: uuid.UUID


def consumption(session: Session, *, consumption_id: uuid.UUID, now: datetime) -> Consumption:
    """One use that is known to be there."""
    return _shown(session.execute(_uses().where(Row.id == consumption_id)).one(), now)


def consumptions(
    session: Session,
    *,
    merchant_id: uuid.UUID,
    now: datetime,
    after: ConsumptionCursor | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    store_id: uuid.UUID | None = None,
    till_id: uuid.UUID | None = None,
    limit: int = 50,
) -> list[Consumption]:
    """What was consumed at the merchant, undone or not, oldest first, from behind `after`, in [since, until).

    `store_id`, `till_id`: only there.

    The order is by the time at the till. A consumption that is just being written, or that a till hands in
    later, may come in behind a page that was already read.
    """
    statement = (
        _uses()
        .where(Row.merchant_id == merchant_id)
        .order_by(Row.consumed_at, Row.id)
        .limit(max(1, min(limit, MAX_PAGE)))
    )
    if after is not None:
        place = tuple_(literal(after.consumed_at, UtcDateTime), literal(after.id, Uuid))
        statement = statement.where(tuple_(Row.consumed_at, Row.id) > place)
    if since is not None:
        statement = statement.where(Row.consumed_at >= since)
    if until is not None:
        statement = statement.where(Row.consumed_at < until)
    if store_id is not None:
        statement = statement.where(Row.store_id == store_id)
    if till_id is not None:
        statement = statement.where(Row.till_id == till_id)
    return [_shown(row, now) for row in session.execute(statement)]


def _uses() -> Select[*tuple[Any, ...]]:
    return (
        select(
            Row.id,
            Row.redemption_id,
            Redemption.offer_id,
            Offer.title_zh,
            Offer.title_en,
            Row.points,
            Row.value_fen,
            Row.store_id,
            Row.till_id,
            Row.consumed_at,
            Row.recorded_at,
            Row.offline,
            Row.undone_at,
            Offer.partial_use,
            Redemption.state,
            Redemption.value_fen.label("worth_fen"),
            Redemption.consumed_fen,
            Redemption.expires_at,
        )
        .join(Redemption, Redemption.id == Row.redemption_id)
        .join(Offer, Offer.id == Redemption.offer_id)
    )


def _shown(row: Any, now: datetime) -> Consumption:
    left_fen = left_of(
        partial_use=row.partial_use,
        state=row.state,
        value_fen=row.worth_fen,
        consumed_fen=row.consumed_fen,
        usable=now < row.expires_at,
    )
    seen = {name: getattr(row, name) for name in Consumption.__dataclass_fields__ if name != "left_fen"}
    return Consumption(**seen, left_fen=left_fen)
