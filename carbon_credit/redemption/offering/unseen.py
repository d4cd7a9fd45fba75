"""Codes of a pool that nobody has seen: as many as it has pieces, in stock and held.

Both are changed in one transaction, and the audit compares them.
"""

import uuid
from datetime import datetime

from sqlalchemy import Select, select, update
from sqlalchemy.orm import Session

from carbon_credit.kernel.bulk import one_of
from carbon_credit.redemption.offering.models import OfferCode


def unseen(offer_id: uuid.UUID) -> Select[uuid.UUID, bytes]:
    """Codes of the offer that nobody has seen: id and sealed code."""
    return select(OfferCode.id, OfferCode.sealed).where(
        OfferCode.offer_id == offer_id,
        OfferCode.redemption_id.is_(None),
        OfferCode.withdrawn_at.is_(None),
    )


def withdraw_unseen(session: Session, *, offer_id: uuid.UUID, pieces: int, now: datetime) -> None:
    """Take so many out, the newest first, after as many pieces have left the stock.

    Others may be at a code each, but at most as many as are held: enough are left.
    """
    if pieces == 0:
        return
    newest = unseen(offer_id).order_by(OfferCode.id.desc()).limit(pieces).with_for_update(skip_locked=True)
    ids = [row.id for row in session.execute(newest)]
    taken = update(OfferCode).where(one_of(session, OfferCode.id, ids)).values(withdrawn_at=now)
    session.execute(taken.execution_options(synchronize_session=False))
