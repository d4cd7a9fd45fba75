"""What redemptions hold in the ledger: one piece of the stock each, and points out of one lot or more."""

import uuid
from collections.abc import Collection, Sequence
from datetime import date, datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from carbon_credit.kernel.bulk import one_of
from carbon_credit.kernel.ids import new_id
from carbon_credit.ledger import operations as ledger
from carbon_credit.ledger.accounts import POINTS, AccountKey
from carbon_credit.ledger.entries import Transfer
from carbon_credit.ledger.errors import InsufficientBalance
from carbon_credit.ledger.points import lot_key
from carbon_credit.redemption.errors import OfferExhausted
from carbon_credit.redemption.lots import today
from carbon_credit.redemption.models import Redemption, RedemptionLot
from carbon_credit.redemption.queries import given_key, stock_key


def hold(session: Session, *, redemption: Redemption, parts: Sequence[RedemptionLot], now: datetime) -> None:
    """Hold the piece and the points of each lot. Raises OfferExhausted, InsufficientBalance.

    The holds have no time of their own: the redemption's decides, and only its sweep ends them.
    """
    merchant = AccountKey(redemption.programme, POINTS, "merchant.points", redemption.merchant_id)
    transfers = [
        Transfer(
            id=part.hold_id,
            code="points.redeem",
            debit=lot_key(redemption.programme, redemption.citizen_id, part.lot),
            credit=merchant,
            amount=part.points,
            effective_at=now,
            reference=redemption.id,
        )
        for part in parts
    ]
    transfers.append(
        Transfer(
            id=redemption.stock_hold_id,
            code="stock.take",
            debit=stock_key(redemption.programme, redemption.offer_id),
            credit=given_key(redemption.programme, redemption.offer_id),
            amount=1,
            effective_at=now,
            reference=redemption.id,
        )
    )
    try:
        ledger.hold(session, transfers=transfers, now=now)
    except InsufficientBalance as short:
        if short.details["kind"] == "offer.stock":
            raise OfferExhausted from short
        raise


def settle(session: Session, *, redemption_id: uuid.UUID, now: datetime) -> None:
    """The piece is given, the points are the merchant's."""
    ledger.settle(session, pending_ids=_pending(session, [redemption_id]), now=now)


def give_back(session: Session, *, redemption_ids: Collection[uuid.UUID], now: datetime) -> None:
    """Pieces return to the stock, points to their lots; in a lot whose last day is over they expire."""
    ledger.release(session, pending_ids=_pending(session, redemption_ids), now=now)
    statement = (
        select(Redemption, RedemptionLot)
        .join(RedemptionLot, RedemptionLot.redemption_id == Redemption.id)
        .where(one_of(session, Redemption.id, redemption_ids))
    )
    days: dict[str, date] = {}
    expired = []
    for redemption, part in session.execute(statement):
        programme = redemption.programme
        if programme not in days:
            days[programme] = today(session, programme=programme, now=now)
        if part.lot < days[programme]:
            back = Transfer(
                id=new_id(),
                code="points.expire",
                debit=lot_key(programme, redemption.citizen_id, part.lot),
                credit=AccountKey(programme, POINTS, "programme.expired"),
                amount=part.points,
                effective_at=now,
                reference=redemption.id,
            )
            expired.append(back)
    ledger.post(session, transfers=expired, now=now)


def _pending(session: Session, redemption_ids: Collection[uuid.UUID]) -> list[uuid.UUID]:
    pieces = select(Redemption.stock_hold_id).where(one_of(session, Redemption.id, redemption_ids))
    points = select(RedemptionLot.hold_id).where(one_of(session, RedemptionLot.redemption_id, redemption_ids))
    return [*session.scalars(pieces), *session.scalars(points)]
