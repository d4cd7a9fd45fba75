"""Telling a merchant that the last piece of an offer is gone: once, however many are turned away after it.

A sweep notices it, and not whoever takes the piece: that one writes the stock's row last, and looks at
nothing (`ledger.hot`). A piece that came back and went again between two sweeps is not told of.
"""

from datetime import datetime

from sqlalchemy import exists, select, update
from sqlalchemy.orm import Session

from carbon_credit.kernel.bulk import one_of
from carbon_credit.kernel.outbox import Notice, emit_all
from carbon_credit.ledger.queries import available_of
from carbon_credit.redemption.models import Offer


def note_exhausted(session: Session, *, now: datetime, limit: int) -> int:
    """Tell the merchants of up to `limit` approved offers that nothing is left; how many were told.

    Exhausted is what somebody has or held for: an offer whose pieces were never had, or all taken out before
    that, is not. Several sweeps share the work.
    """
    stock, given = available_of("offer.stock"), available_of("offer.given")
    back = exists().where(stock.c.owner == Offer.id, stock.c.available > 0)
    session.execute(
        update(Offer)
        .where(Offer.state == "approved", Offer.exhausted_at.is_not(None), back)
        .values(exhausted_at=None)
        .execution_options(synchronize_session=False)
    )
    gone = (
        select(Offer.id, Offer.programme, Offer.merchant_id, given.c.incoming)
        .join(stock, stock.c.owner == Offer.id)
        .join(given, given.c.owner == Offer.id)
        .where(Offer.state == "approved", Offer.exhausted_at.is_(None))
        .where(stock.c.available == 0, given.c.available + given.c.incoming > 0)
        .order_by(Offer.id)
        .limit(limit)
        .with_for_update(skip_locked=True, key_share=True, of=Offer)
    )
    found = session.execute(gone).all()
    if not found:
        return 0
    session.execute(
        update(Offer)
        .where(one_of(session, Offer.id, [row.id for row in found]))
        .values(exhausted_at=now)
        .execution_options(synchronize_session=False)
    )
    notices = [
        Notice(
            programme=row.programme,
            audience=row.merchant_id,
            type="offer.exhausted",
            subject_id=row.id,
            data={"offer_id": row.id, "held": row.incoming},
        )
        for row in found
    ]
    emit_all(session, notices=notices, now=now)
    return len(found)
