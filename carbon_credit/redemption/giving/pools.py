"""A code of a pool is given when it is shown: that is its use, and after it nothing can be cancelled.

Until then no code belongs to the redemption, so one that is cancelled or runs out has none to give back.
"""

import uuid
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from carbon_credit.kernel.db import keys_of
from carbon_credit.kernel.errors import Broken
from carbon_credit.redemption import voucher
from carbon_credit.redemption.errors import RedemptionNotFound
from carbon_credit.redemption.models import Offer, Redemption
from carbon_credit.redemption.offering.models import OfferCode
from carbon_credit.redemption.offering.secrecy import open_code
from carbon_credit.redemption.offering.unseen import unseen
from carbon_credit.redemption.till.consuming import Place, find, use


@dataclass(frozen=True, slots=True)
class ShownCode:
    """The third party's code of a redemption, and when its citizen saw it first."""

    redemption_id: uuid.UUID
    offer_id: uuid.UUID
    pool_code: str
    shown_at: datetime


def show_code(
    session: Session, *, programme: str, citizen_id: uuid.UUID, redemption_id: uuid.UUID, now: datetime
) -> ShownCode:
    """The code of the redemption; the first time it is taken out of the pool, and the points are spent.

    Asked again it is the same code. Raises RedemptionNotFound, also for what is of no pool, VoucherExpired,
    VoucherCancelled.
    """
    statement = (
        select(Redemption.id, Redemption.offer_id, Redemption.merchant_id)
        .join(Offer, Offer.id == Redemption.offer_id)
        .where(
            Redemption.id == redemption_id,
            Redemption.citizen_id == citizen_id,
            Redemption.programme == programme,
            Offer.kind == "code_pool",
        )
    )
    mine = session.execute(statement).one_or_none()
    if mine is None:
        raise RedemptionNotFound
    keys = keys_of(session)
    text = voucher.code_of(keys.voucher, redemption_id=redemption_id)
    # Locks the redemption: of two who look at once the second one finds the first one's code.
    found = find(session, merchant_id=mine.merchant_id, text=text, kinds=("code_pool",))
    code = _code_of(session, redemption_id)
    if code is None:
        use(session, found, place=Place(mine.merchant_id), value_fen=None, at=now, now=now)
        code = _take(session, offer_id=mine.offer_id, redemption_id=redemption_id, now=now)
    sealed, shown_at = code
    shown = open_code(keys, offer_id=mine.offer_id, sealed=sealed)
    return ShownCode(redemption_id, mine.offer_id, shown, shown_at)


def _code_of(session: Session, redemption_id: uuid.UUID) -> tuple[bytes, datetime] | None:
    statement = select(OfferCode.sealed, OfferCode.shown_at).where(OfferCode.redemption_id == redemption_id)
    row = session.execute(statement).one_or_none()
    return None if row is None or row.shown_at is None else (row.sealed, row.shown_at)


def _take(
    session: Session, *, offer_id: uuid.UUID, redemption_id: uuid.UUID, now: datetime
) -> tuple[bytes, datetime]:
    # There are as many unseen codes as pieces held or in stock, and each who comes here holds a piece: so
    # whatever the others have locked, one is left.
    oldest = unseen(offer_id).order_by(OfferCode.id).limit(1).with_for_update(skip_locked=True)
    row = session.execute(oldest).one_or_none()
    if row is None:
        raise Broken(why=f"the pool of offer {offer_id} has fewer codes than pieces")
    given = (
        update(OfferCode)
        .where(OfferCode.id == row.id, OfferCode.redemption_id.is_(None))
        .values(redemption_id=redemption_id, shown_at=now)
        .execution_options(synchronize_session=False)
    )
    session.execute(given)
    return row.sealed, now
