"""What redemptions hold in the ledger: one piece of the stock each, and points out of one lot or more."""

import uuid
from collections.abc import Collection, Sequence
from datetime import date, datetime

from msgspec.structs import replace
from sqlalchemy import select
from sqlalchemy.orm import Session

from carbon_credit.kernel.bulk import one_of
from carbon_credit.kernel.ids import new_id
from carbon_credit.ledger import operations as ledger
from carbon_credit.ledger.accounts import POINTS, AccountKey
from carbon_credit.ledger.entries import Transfer
from carbon_credit.ledger.hot import hold_hot
from carbon_credit.ledger.points import lot_key
from carbon_credit.ledger.references import settled_as
from carbon_credit.redemption.lots import today
from carbon_credit.redemption.models import Redemption, RedemptionLot
from carbon_credit.redemption.queries import given_key, stock_key


def hold_first(
    session: Session,
    *,
    redemption: Redemption,
    parts: Sequence[RedemptionLot],
    now: datetime,
    donated: bool = False,
) -> None:
    """Hold the piece and the points of each lot, for the merchant, or `donated`: for the offer's cause.

    The last act of a unit of work: the rows of the stock and of the merchant's points, which all want, come
    last. Raises InsufficientBalance; where the stock has no piece left, what `refused_as` says.

    The holds have no time of their own: the redemption's decides, and only its sweep ends them.
    """
    hold_hot(session, transfers=_transfers(redemption, parts, now, donated), now=now)


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


def hold_again(session: Session, *, redemption_id: uuid.UUID, now: datetime) -> None:
    """Take back what was settled, to the lots and the stock that it came from, and hold it again at once.

    The points are held in a lot whose last day is over as well, as they were before. Raises
    InsufficientBalance where the merchant's points have been settled meanwhile.
    """
    redemption = session.get_one(Redemption, redemption_id, populate_existing=True)
    mine = select(RedemptionLot).where(RedemptionLot.redemption_id == redemption_id)
    parts = list(session.scalars(mine, execution_options={"populate_existing": True}))
    held = _transfers(redemption, parts, now)
    settled = settled_as(session, pending_ids=[one.id for one in held])
    codes = {"points.redeem": "points.refund", "stock.take": "stock.return"}
    back = [
        replace(
            one,
            id=new_id(),
            code=codes[one.code],
            debit=one.credit,
            credit=one.debit,
            reverses_id=settled[one.id],
        )
        for one in held
    ]
    ledger.post(session, transfers=back, now=now)
    if redemption.stock_hold_id is not None:
        redemption.stock_hold_id = new_id()
    for part in parts:
        part.hold_id = new_id()
    session.flush()
    ledger.hold(session, transfers=_transfers(redemption, parts, now), now=now)


def _transfers(
    redemption: Redemption, parts: Sequence[RedemptionLot], now: datetime, donated: bool = False
) -> list[Transfer]:
    """One for the piece and one for the points of each lot, by the ids of the holds."""
    code, gainer = "points.redeem", ("merchant.points", redemption.merchant_id)
    if donated:
        code, gainer = "points.donate", ("donation.points", redemption.offer_id)
    gains = AccountKey(redemption.programme, POINTS, *gainer)
    transfers = [
        Transfer(
            id=part.hold_id,
            code=code,
            debit=lot_key(redemption.programme, redemption.citizen_id, part.lot),
            credit=gains,
            amount=part.points,
            effective_at=now,
            reference=redemption.id,
        )
        for part in parts
    ]
    if redemption.stock_hold_id is None:
        return transfers
    piece = Transfer(
        id=redemption.stock_hold_id,
        code="stock.take",
        debit=stock_key(redemption.programme, redemption.offer_id),
        credit=given_key(redemption.programme, redemption.offer_id),
        amount=1,
        effective_at=now,
        reference=redemption.id,
    )
    return [*transfers, piece]


def _pending(session: Session, redemption_ids: Collection[uuid.UUID]) -> list[uuid.UUID]:
    pieces = select(Redemption.stock_hold_id).where(
        one_of(session, Redemption.id, redemption_ids), Redemption.stock_hold_id.is_not(None)
    )
    points = select(RedemptionLot.hold_id).where(one_of(session, RedemptionLot.redemption_id, redemption_ids))
    return [*filter(None, session.scalars(pieces)), *session.scalars(points)]
