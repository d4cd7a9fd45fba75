"""Points given away: for a piece of something (a tree), or any number of them to a fund. Final at once.

Each has a number of its own, derived like a voucher's code, with which anybody can look up what was given and
when, and nothing about who gave it.
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from carbon_credit.kernel.db import keys_of
from carbon_credit.ledger.accounts import POINTS, AccountKey
from carbon_credit.redemption import voucher
from carbon_credit.redemption.errors import RedemptionNotFound
from carbon_credit.redemption.models import Offer, Redemption
from carbon_credit.redemption.offering.errors import DonationAmount
from carbon_credit.redemption.operations import choose, take_up
from carbon_credit.redemption.queries import MAX_PAGE
from carbon_credit.redemption.till.consuming import Place, find, use


@dataclass(frozen=True, slots=True)
class Donation:
    """What was given, as its certificate says. `number`: as it is shown. `value_fen`: what the programme adds
    for it; zero where there is nothing but the points."""

    id: uuid.UUID
    number: str
    programme: str
    offer_id: uuid.UUID
    title_zh: str
    title_en: str
    points: int
    pieces: int
    value_fen: int
    given_at: datetime


def donation_key(programme: str, offer_id: uuid.UUID) -> AccountKey:
    """Where the points of a cause are gathered."""
    return AccountKey(programme, POINTS, "donation.points", offer_id)


def donate(
    session: Session,
    *,
    programme: str,
    citizen_id: uuid.UUID,
    offer_id: uuid.UUID,
    now: datetime,
    points: int | None = None,
) -> Donation:
    """Give points, at once and for good.

    `points`: how many, where the cause has no pieces; None for its price. Raises DonationAmount, and what
    `reserve` does.
    """
    chosen = choose(
        session, programme=programme, citizen_id=citizen_id, offer_id=offer_id, kinds=("donation",), now=now
    )
    given = chosen.points_price if points is None else points
    if given < chosen.points_price or (chosen.stocked and given != chosen.points_price):
        more = ("", "") if chosen.stocked else (" or more", "或以上")
        raise DonationAmount(points=chosen.points_price, or_more=more[0], or_more_zh=more[1])
    redemption_id = take_up(session, chosen, citizen_id=citizen_id, points=given, now=now).id
    text = voucher.code_of(keys_of(session).voucher, redemption_id=redemption_id)
    found = find(session, merchant_id=chosen.merchant_id, text=text, kinds=("donation",))
    use(session, found, place=Place(chosen.merchant_id), value_fen=None, at=now, now=now)
    return _donations(session, _given().where(Redemption.id == redemption_id))[0]


def donations(
    session: Session,
    *,
    programme: str,
    citizen_id: uuid.UUID,
    after: uuid.UUID | None = None,
    limit: int = 50,
) -> list[Donation]:
    """What the citizen gave, newest first, from behind `after`."""
    statement = _given().where(Redemption.citizen_id == citizen_id, Redemption.programme == programme)
    if after is not None:
        statement = statement.where(Redemption.id < after)
    statement = statement.order_by(Redemption.id.desc()).limit(max(1, min(limit, MAX_PAGE)))
    return _donations(session, statement)


def donation_by_number(session: Session, *, text: str) -> Donation:
    """The donation of that number, for anybody. Raises VoucherInvalid, RedemptionNotFound."""
    digest = voucher.digest_of(keys_of(session).voucher, code=voucher.read(text))
    found = _donations(session, _given().where(Redemption.code_digest == digest))
    if not found:
        raise RedemptionNotFound
    return found[0]


def _given() -> Select[*tuple[Any, ...]]:
    return (
        select(Redemption, Offer.title_zh, Offer.title_en)
        .join(Offer, Offer.id == Redemption.offer_id)
        .where(Offer.kind == "donation", Redemption.state == "consumed")
        .execution_options(populate_existing=True)
    )


def _donations(session: Session, statement: Select[*tuple[Any, ...]]) -> list[Donation]:
    key = keys_of(session).voucher
    rows: Sequence[Any] = session.execute(statement).all()
    return [
        Donation(
            id=row.id,
            number=voucher.grouped(voucher.code_of(key, redemption_id=row.id)),
            programme=row.programme,
            offer_id=row.offer_id,
            title_zh=title_zh,
            title_en=title_en,
            points=row.points,
            pieces=0 if row.stock_hold_id is None else 1,
            value_fen=row.value_fen,
            given_at=row.resolved_at,
        )
        for row, title_zh, title_en in rows
    ]
