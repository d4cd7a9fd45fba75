"""Reserve, consume, cancel, expire: a redemption ends once, whoever comes first.

Each end is one UPDATE on condition that the redemption is still held, and in time (past its time for
the sweep). Whose UPDATE finds no row has lost, and is told what happened instead. Locks are taken in
one order: citizen, redemptions, then the ledger's.
"""

import uuid
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import and_, func, or_, select, update
from sqlalchemy.orm import Session

from carbon_credit.catalogue.queries import time_zone
from carbon_credit.identity.errors import CitizenNotFound
from carbon_credit.identity.queries import citizen, party
from carbon_credit.kernel.bulk import lock_alone, one_of
from carbon_credit.kernel.db import keys_of
from carbon_credit.kernel.ids import new_id
from carbon_credit.ledger.queries import lots
from carbon_credit.redemption import holds, voucher
from carbon_credit.redemption.errors import (
    LimitReached,
    MerchantInactive,
    OfferClosed,
    OfferExhausted,
    OfferNotFound,
    RedemptionNotFound,
    VoucherCancelled,
    VoucherConsumed,
    VoucherExpired,
    VoucherNotFound,
)
from carbon_credit.redemption.lots import take, today
from carbon_credit.redemption.models import Offer, Redemption, RedemptionLot
from carbon_credit.redemption.queries import Consumption, OfferRecord, Voucher, offer, voucher_of

MAX_SWEEP = 5_000


def reserve(
    session: Session, *, programme: str, citizen_id: uuid.UUID, offer_id: uuid.UUID, now: datetime
) -> Voucher:
    """Hold one piece of the offer and its price in points; the voucher, with its code.

    Raises CitizenNotFound, OfferNotFound, OfferClosed, MerchantInactive, LimitReached, OfferExhausted,
    InsufficientBalance; then nothing is held.
    """
    # One redemption of a citizen at a time: what is read of limit and lots below stays true.
    lock_alone(session, f"redeem {citizen_id}")
    if not citizen(session, programme=programme, citizen_id=citizen_id).active:
        raise CitizenNotFound
    chosen = _open_offer(session, programme=programme, offer_id=offer_id, now=now)
    _check_limit(session, chosen, citizen_id=citizen_id, now=now)
    if chosen.left <= 0:  # only a first look: it spares a queue at the stock's row once all is gone
        raise OfferExhausted
    own = lots(session, programme=programme, citizen_id=citizen_id)
    taken = take(own, points=chosen.points_price, day=today(session, programme=programme, now=now))
    redemption = _redemption(session, chosen, citizen_id=citizen_id, now=now)
    parts = [
        RedemptionLot(redemption_id=redemption.id, lot=lot, points=points, hold_id=new_id())
        for lot, points in taken
    ]
    session.add(redemption)
    session.flush()
    session.add_all(parts)
    session.flush()
    holds.hold(session, redemption=redemption, parts=parts, now=now)
    return voucher_of(
        session, programme=programme, citizen_id=citizen_id, redemption_id=redemption.id, now=now
    )


def consume(session: Session, *, merchant_id: uuid.UUID, text: str, now: datetime) -> Consumption:
    """The merchant takes the voucher whose code was typed or scanned as `text`: piece and points are given.

    A voucher is consumed once; asked again, VoucherConsumed says when. Raises VoucherInvalid for a
    mistyped code, VoucherNotFound for none of this merchant's, VoucherExpired (swept or not),
    VoucherCancelled.
    """
    digest = voucher.digest_of(keys_of(session).voucher, code=voucher.read(text))
    statement = (
        select(
            Redemption.id,
            Redemption.offer_id,
            Offer.title_zh,
            Offer.title_en,
            Redemption.points,
            Redemption.value_fen,
        )
        .join(Offer, Offer.id == Redemption.offer_id)
        .where(Redemption.code_digest == digest, Redemption.merchant_id == merchant_id)
    )
    found = session.execute(statement).one_or_none()
    if found is None:
        raise VoucherNotFound
    _end_in_time(session, found.id, state="consumed", now=now)
    holds.settle(session, redemption_id=found.id, now=now)
    return Consumption(*found, consumed_at=now)


def cancel(
    session: Session, *, programme: str, citizen_id: uuid.UUID, redemption_id: uuid.UUID, now: datetime
) -> Voucher:
    """The citizen gives the voucher back: the points return to their lots, the piece to the stock.

    A hold past its time is the sweep's alone. Raises RedemptionNotFound, VoucherConsumed,
    VoucherCancelled, VoucherExpired.
    """
    wanted = (
        Redemption.id == redemption_id,
        Redemption.citizen_id == citizen_id,
        Redemption.programme == programme,
    )
    if session.scalar(select(Redemption.id).where(*wanted)) is None:
        raise RedemptionNotFound
    _end_in_time(session, redemption_id, state="cancelled", now=now)
    holds.give_back(session, redemption_ids=[redemption_id], now=now)
    return voucher_of(
        session, programme=programme, citizen_id=citizen_id, redemption_id=redemption_id, now=now
    )


def expire_due(session: Session, *, now: datetime, limit: int) -> int:
    """End up to `limit` holds that are past their time and give back what they held; how many.

    Work is found in the database: several sweeps share it, and what another one is at is passed over.
    """
    due = (
        select(Redemption.id)
        .where(Redemption.state == "held", Redemption.expires_at <= now)
        .order_by(Redemption.expires_at)
        .limit(min(limit, MAX_SWEEP))
        .with_for_update(skip_locked=True)
    )
    ids = sorted(session.scalars(due))
    if not ids:
        return 0
    statement = (
        update(Redemption)
        .where(one_of(session, Redemption.id, ids), Redemption.state == "held")
        .values(state="expired", resolved_at=now)
        .execution_options(synchronize_session=False)
    )
    session.execute(statement)
    holds.give_back(session, redemption_ids=ids, now=now)
    return len(ids)


def _open_offer(session: Session, *, programme: str, offer_id: uuid.UUID, now: datetime) -> OfferRecord:
    chosen = offer(session, programme=programme, offer_id=offer_id)
    if chosen.state == "draft":
        raise OfferNotFound  # no citizen has seen it yet
    if not chosen.is_open(now):
        raise OfferClosed
    if not party(session, party_id=chosen.merchant_id).active:
        raise MerchantInactive
    return chosen


def _check_limit(session: Session, chosen: OfferRecord, *, citizen_id: uuid.UUID, now: datetime) -> None:
    if chosen.per_citizen_limit is None:
        return
    counts = or_(
        Redemption.state == "consumed", and_(Redemption.state == "held", Redemption.expires_at > now)
    )
    statement = select(func.count()).where(
        Redemption.citizen_id == citizen_id, Redemption.offer_id == chosen.id, counts
    )
    if session.execute(statement).scalar_one() >= chosen.per_citizen_limit:
        raise LimitReached(limit=chosen.per_citizen_limit)


def _redemption(session: Session, chosen: OfferRecord, *, citizen_id: uuid.UUID, now: datetime) -> Redemption:
    key, redemption_id = keys_of(session).voucher, new_id()
    # Two codes of 60 bits can be equal; then the unique key refuses the second redemption, all of it is
    # rolled back, and the next attempt has another id and so another code.
    code = voucher.code_of(key, redemption_id=redemption_id)
    return Redemption(
        id=redemption_id,
        programme=chosen.programme,
        offer_id=chosen.id,
        merchant_id=chosen.merchant_id,
        citizen_id=citizen_id,
        points=chosen.points_price,
        value_fen=chosen.value_fen,
        state="held",
        code_digest=voucher.digest_of(key, code=code),
        stock_hold_id=new_id(),
        held_at=now,
        expires_at=now + timedelta(seconds=chosen.voucher_ttl_s),
        resolved_at=None,
    )


def _end_in_time(session: Session, redemption_id: uuid.UUID, *, state: str, now: datetime) -> None:
    """Move a hold to `state` if it is still one and in time; otherwise say what it is."""
    statement = (
        update(Redemption)
        .where(Redemption.id == redemption_id, Redemption.state == "held", Redemption.expires_at > now)
        .values(state=state, resolved_at=now)
        .returning(Redemption.id)
        .execution_options(synchronize_session=False)
    )
    if session.execute(statement).scalar_one_or_none() is not None:
        return
    columns = (Redemption.programme, Redemption.state, Redemption.expires_at, Redemption.resolved_at)
    programme, found, expires_at, resolved_at = session.execute(
        select(*columns).where(Redemption.id == redemption_id)
    ).one()
    zone = ZoneInfo(time_zone(session, programme=programme))
    if found in ("held", "expired"):
        raise VoucherExpired(expires_at=_said(expires_at, zone))
    if found == "consumed":
        raise VoucherConsumed(resolved_at=_said(resolved_at, zone))
    raise VoucherCancelled(resolved_at=_said(resolved_at, zone))


def _said(instant: datetime | None, zone: ZoneInfo) -> str:
    # In the programme's time: people at a till read it.
    return instant.astimezone(zone).isoformat(timespec="seconds") if instant else "?"
