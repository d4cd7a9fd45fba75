"""Reserve, cancel, expire: a redemption ends once, whoever comes first. Its use is in `till`.

Each end is one UPDATE on condition that the redemption is still held, and in time (past its time for
the sweep). Whose UPDATE finds no row has lost, and is told what happened instead. Locks are taken in
one order: citizen, redemptions, then the ledger's.
"""

import uuid
from collections.abc import Collection
from datetime import datetime, timedelta

from sqlalchemy import Table, or_, select, update
from sqlalchemy.orm import Session

from carbon_credit.catalogue.offline import offline_tills
from carbon_credit.identity.errors import CitizenNotFound
from carbon_credit.identity.queries import citizen
from carbon_credit.kernel.bulk import append_rows, lock_alone, one_of, together
from carbon_credit.kernel.db import keys_of
from carbon_credit.kernel.ids import new_id
from carbon_credit.ledger.hot import refused_as
from carbon_credit.ledger.queries import lots
from carbon_credit.redemption import holds, voucher
from carbon_credit.redemption.errors import (
    OfferExhausted,
    OfferNotFound,
    RedemptionNotFound,
)
from carbon_credit.redemption.lots import take, today
from carbon_credit.redemption.models import Redemption, RedemptionLot
from carbon_credit.redemption.notices import Heard, tell
from carbon_credit.redemption.offering.entitlement import check_entitled
from carbon_credit.redemption.offering.errors import OtherWay
from carbon_credit.redemption.queries import OfferRecord, Voucher, as_voucher, offer, voucher_of
from carbon_credit.redemption.refusals import ended
from carbon_credit.redemption.terms.offer import HELD, OTHER_WAYS

MAX_SWEEP = 5_000
_REDEMPTION: Table = Redemption.__table__  # type: ignore[assignment]
_LOT: Table = RedemptionLot.__table__  # type: ignore[assignment]
_HEARD = [getattr(Redemption, name) for name in Heard._fields]


def reserve(
    session: Session,
    *,
    programme: str,
    citizen_id: uuid.UUID,
    offer_id: uuid.UUID,
    now: datetime,
    partner_id: uuid.UUID | None = None,
) -> Voucher:
    """Hold one piece of the offer and its price in points; the voucher, with its code.

    `partner_id`: the app through which it is held, which is told what becomes of it.
    Raises CitizenNotFound, OfferNotFound, OtherWay, what `check_entitled` does, OfferExhausted,
    InsufficientBalance; then nothing is held.
    """
    chosen = choose(
        session, programme=programme, citizen_id=citizen_id, offer_id=offer_id, kinds=HELD, now=now
    )
    held = take_up(
        session,
        chosen,
        citizen_id=citizen_id,
        points=chosen.points_price,
        partner_id=partner_id,
        now=now,
    )
    return as_voucher(session, held, of=chosen, now=now)


def choose(
    session: Session,
    *,
    programme: str,
    citizen_id: uuid.UUID,
    offer_id: uuid.UUID,
    kinds: Collection[str],
    now: datetime,
) -> OfferRecord:
    """The offer, which the citizen may have now, and is of one of the `kinds`; the citizen is locked.

    Raises CitizenNotFound, OfferNotFound, OtherWay, what `check_entitled` does, OfferExhausted.
    """
    # One redemption of a citizen at a time: what is read of limit and lots stays true.
    lock_alone(session, f"redeem {citizen_id}")
    if not citizen(session, programme=programme, citizen_id=citizen_id).active:
        raise CitizenNotFound
    chosen = offer(session, programme=programme, offer_id=offer_id)
    if chosen.state == "draft":
        raise OfferNotFound  # no citizen has seen it yet
    if chosen.kind not in kinds:
        raise OtherWay(kind=chosen.kind, address=OTHER_WAYS.get(chosen.kind, "/v1/redemptions"))
    check_entitled(session, offer=chosen, citizen_id=citizen_id, now=now)
    # Only a first look: it spares a queue at the stock's row once all is gone.
    if chosen.stocked and chosen.left <= 0:
        raise OfferExhausted
    return chosen


def take_up(
    session: Session,
    chosen: OfferRecord,
    *,
    citizen_id: uuid.UUID,
    points: int,
    now: datetime,
    partner_id: uuid.UUID | None = None,
) -> Redemption:
    """Hold a piece of what was chosen, and the points: the last that its unit of work holds. The redemption
    is written, and no object of the session.

    Raises OfferExhausted, InsufficientBalance.
    """
    own = lots(session, programme=chosen.programme, citizen_id=citizen_id)
    taken = take(own, points=points, day=today(session, programme=chosen.programme, now=now))
    redemption = new_redemption(
        session, chosen, citizen_id=citizen_id, points=points, partner_id=partner_id, now=now
    )
    parts = [
        RedemptionLot(redemption_id=redemption.id, lot=lot, points=some, hold_id=new_id())
        for lot, some in taken
    ]
    heard = Heard._make(getattr(redemption, name) for name in Heard._fields)
    with refused_as(OfferExhausted), together(session):
        for table, rows in ((_REDEMPTION, [redemption]), (_LOT, parts)):
            names = [column.name for column in table.columns]
            append_rows(session, table, names, [tuple(getattr(one, name) for name in names) for one in rows])
        tell(session, "redemption.held", [heard], now=now, expires_at=redemption.expires_at)
        holds.hold_first(
            session, redemption=redemption, parts=parts, now=now, donated=chosen.kind == "donation"
        )
    return redemption


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
    heard = end_in_time(session, redemption_id, state="cancelled", now=now)
    holds.give_back(session, redemption_ids=[redemption_id], now=now)
    tell(session, "redemption.cancelled", [heard], now=now, cancelled_at=now)
    return voucher_of(
        session, programme=programme, citizen_id=citizen_id, redemption_id=redemption_id, now=now
    )


def expire_due(session: Session, *, now: datetime, limit: int) -> int:
    """End up to `limit` holds that are past their time and give back what they held; how many.

    Where a till may still hand in what it scanned in time, the hold waits for that.
    Work is found in the database: several sweeps share it, and what another one is at is passed over.
    """
    late = or_(Redemption.late_until.is_(None), Redemption.late_until <= now)
    due = (
        select(Redemption.id)
        .where(Redemption.state == "held", Redemption.expires_at <= now, late)
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
        .returning(*_HEARD)
        .execution_options(synchronize_session=False)
    )
    heard = [Heard._make(row) for row in session.execute(statement)]
    tell(session, "redemption.expired", heard, now=now, expired_at=now)
    holds.give_back(session, redemption_ids=ids, now=now)
    return len(ids)


def new_redemption(
    session: Session,
    chosen: OfferRecord,
    *,
    citizen_id: uuid.UUID,
    points: int,
    partner_id: uuid.UUID | None = None,
    now: datetime,
) -> Redemption:
    """The row of a redemption that is held; it is not written."""
    expires_at = now + timedelta(seconds=chosen.voucher_ttl_s)
    offline = offline_tills(session, programme=chosen.programme)
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
        points=points,
        value_fen=chosen.value_fen,
        state="held",
        code_digest=voucher.digest_of(key, code=code),
        stock_hold_id=new_id() if chosen.stocked else None,
        held_at=now,
        expires_at=expires_at,
        resolved_at=None,
        consumed_fen=0,
        late_until=expires_at + timedelta(seconds=offline.grace_s) if offline else None,
        partner_id=partner_id,
    )


def end_in_time(session: Session, redemption_id: uuid.UUID, *, state: str, now: datetime) -> Heard:
    """Move a hold to `state` if it is still one and in time; otherwise say what it is."""
    statement = (
        update(Redemption)
        .where(Redemption.id == redemption_id, Redemption.state == "held", Redemption.expires_at > now)
        .values(state=state, resolved_at=now)
        .returning(*_HEARD)
        .execution_options(synchronize_session=False)
    )
    ended_now = session.execute(statement).one_or_none()
    if ended_now is not None:
        return Heard._make(ended_now)
    raise ended(session, redemption_id=redemption_id)
