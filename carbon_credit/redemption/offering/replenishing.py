"""Filling offers up at the beginning of a month, not all of them at midnight.

An offer with `replenish_pieces` is brought up to so many pieces that can be had; what was left over counts,
so that what is promised never grows without bound. When on the month's first day is told by a digest of offer
and month: the same whoever asks, and spread over the day.
"""

import hashlib
import uuid
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import cast
from zoneinfo import ZoneInfo

from sqlalchemy import Table, select
from sqlalchemy.orm import Session

from carbon_credit.catalogue.queries import programme_codes, time_zone
from carbon_credit.kernel.bulk import insert_new
from carbon_credit.kernel.clock import day_bounds
from carbon_credit.ledger.queries import balances
from carbon_credit.redemption.models import Offer
from carbon_credit.redemption.offering import money
from carbon_credit.redemption.offering.models import OfferReplenishment
from carbon_credit.redemption.offering.stock import add_pieces
from carbon_credit.redemption.queries import stock_key

SPREAD_S = 86_400
_ROW = cast(Table, OfferReplenishment.__table__)
_COLUMNS = ("offer_id", "month", "pieces", "due_at", "recorded_at", "wanted")


def due_at(offer_id: uuid.UUID, month: date, zone: ZoneInfo) -> datetime:
    """When the offer is filled up in the month that begins on `month`."""
    start, _ = day_bounds(month, zone.key)
    digest = hashlib.sha256(f"replenish|{offer_id.hex}|{month.isoformat()}".encode()).digest()
    return start + timedelta(seconds=int.from_bytes(digest[:8], "big") % SPREAD_S)


def replenish_due(session: Session, *, now: datetime, limit: int, programme: str | None = None) -> int:
    """Fill up to `limit` offers that are due and were not filled this month; how many were looked at.
    Of one programme, or of all.

    A month that nobody swept is not made up for. An offer has its first one in the month after it was made.
    """
    done = 0
    for code in [programme] if programme else programme_codes(session):
        zone = ZoneInfo(time_zone(session, programme=code))
        month = now.astimezone(zone).date().replace(day=1)
        for offer in _waiting(session, code, month, zone, now):
            if done >= limit:
                return done
            done += _replenish(session, offer, month=month, zone=zone, now=now)
    return done


def _waiting(session: Session, programme: str, month: date, zone: ZoneInfo, now: datetime) -> Sequence[Offer]:
    start, _ = day_bounds(month, zone.key)
    filled = select(OfferReplenishment.offer_id).where(
        OfferReplenishment.offer_id == Offer.id, OfferReplenishment.month == month
    )
    statement = (
        select(Offer)
        .where(
            Offer.programme == programme,
            Offer.state == "approved",
            Offer.replenish_pieces.is_not(None),
            Offer.created_at < start,
            Offer.opens_at <= now,
            Offer.closes_at > now,
            ~filled.exists(),
        )
        .order_by(Offer.id)
    )
    return [one for one in session.scalars(statement) if due_at(one.id, month, zone) <= now]


def _replenish(session: Session, offer: Offer, *, month: date, zone: ZoneInfo, now: datetime) -> int:
    """One offer, once in a month, however many sweeps are at it: by the row's key."""
    # The offer's row first, as whoever adds or takes pieces does.
    state = session.scalar(select(Offer.state).where(Offer.id == offer.id).with_for_update(key_share=True))
    if state != "approved":
        return 0
    left = balances(session, keys=[stock_key(offer.programme, offer.id)])
    (available,) = (one.available for one in left.values())
    wanted = max((offer.replenish_pieces or 0) - available, 0)
    pieces = wanted
    if money.is_funded(offer):
        payer = money.payer_key(offer)
        free = balances(session, keys=[payer])[payer].available
        pieces = min(wanted, free // offer.value_fen)
    row = (offer.id, month, pieces, due_at(offer.id, month, zone), now, wanted)
    if not insert_new(session, _ROW, _COLUMNS, [row], "offer_id"):
        return 0
    if pieces:
        add_pieces(session, offer=offer, pieces=pieces, now=now)
    return 1
