"""Use a voucher, and undo a use. The voucher's row is locked first, so that uses come one after another.

The first use spends the points and gives the piece. Where the offer allows partial use, later ones only
take from the value; what is not used by the voucher's time lapses, and gives no points back.
"""

import uuid
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, select, update
from sqlalchemy.orm import Session

from carbon_credit.identity.tills import till
from carbon_credit.kernel.db import keys_of
from carbon_credit.kernel.ids import new_id
from carbon_credit.ledger.errors import InsufficientBalance
from carbon_credit.redemption import holds, voucher
from carbon_credit.redemption.errors import (
    ConsumptionNotFound,
    PartialUseRefused,
    UndoElsewhere,
    UndoSettled,
    UndoTooLate,
    VoucherLapsed,
    VoucherNotFound,
    VoucherTooSmall,
)
from carbon_credit.redemption.models import Consumption as Row
from carbon_credit.redemption.models import Offer, Redemption
from carbon_credit.redemption.notices import Heard, tell
from carbon_credit.redemption.refusals import ended, said
from carbon_credit.redemption.signing import code_in
from carbon_credit.redemption.terms.discount import discount_fen
from carbon_credit.redemption.terms.offer import AT_TILLS
from carbon_credit.redemption.till.uses import Consumption, consumption

UNDO_WITHIN = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a voucher is taken. No till: by the merchant's own credential."""

    merchant_id: uuid.UUID
    store_id: uuid.UUID | None = None
    till_id: uuid.UUID | None = None


def place_of(session: Session, *, merchant_id: uuid.UUID, till_id: uuid.UUID | None) -> Place:
    """Where a till stands. Raises TillNotFound for one of another merchant."""
    if till_id is None:
        return Place(merchant_id)
    desk = till(session, merchant_id=merchant_id, till_id=till_id)
    return Place(merchant_id, store_id=desk.store_id, till_id=till_id)


@dataclass(frozen=True, slots=True)
class Found:
    """A voucher of the merchant's, locked until the transaction ends."""

    id: uuid.UUID
    programme: str
    merchant_id: uuid.UUID
    state: str
    points: int
    value_fen: int
    consumed_fen: int
    offer_id: uuid.UUID
    partner_id: uuid.UUID | None
    held_at: datetime
    expires_at: datetime
    late_until: datetime | None
    partial_use: bool
    percent_off: int | None
    min_spend_fen: int

    @property
    def left_fen(self) -> int:
        """What its uses have left of its value."""
        return self.value_fen - self.consumed_fen


def consume(
    session: Session,
    *,
    place: Place,
    text: str,
    now: datetime,
    value_fen: int | None = None,
    bill_fen: int | None = None,
) -> Consumption:
    """The merchant takes the voucher whose code was typed or scanned as `text`: piece and points are given.

    `value_fen`: how much of it, where the offer allows partial use; None for all that is left. `bill_fen`:
    what the customer has to pay, for an offer of a percentage or with a minimum spend. Used up, it is used
    no more: VoucherConsumed says when. Raises VoucherInvalid for a mistyped code, VoucherNotFound for none of
    this merchant's, VoucherExpired (swept or not), VoucherCancelled, PartialUseRefused, VoucherTooSmall,
    BillNeeded, BillTooSmall.
    """
    found = find(session, merchant_id=place.merchant_id, text=text)
    if found.state == "held":
        value_fen = discount_fen(
            bill_fen=bill_fen,
            percent_off=found.percent_off,
            most_fen=found.value_fen if value_fen is None else value_fen,
            min_spend_fen=found.min_spend_fen,
        )
    return use(session, found, place=place, value_fen=value_fen, at=now, now=now)


def use(
    session: Session,
    found: Found,
    *,
    place: Place,
    value_fen: int | None,
    at: datetime,
    now: datetime,
    offline: bool = False,
) -> Consumption:
    """Use a voucher that was found, `at` the time of the till; raises as `consume` does."""
    again = found.state == "consumed" and found.partial_use and found.left_fen > 0
    if again and at >= found.expires_at:
        until = said(session, found.programme, found.expires_at)
        raise VoucherLapsed(expires_at=until, left_fen=found.left_fen)
    if not again and (found.state != "held" or at >= found.expires_at):
        raise ended(session, redemption_id=found.id)
    taken = found.left_fen if value_fen is None else value_fen
    if taken != found.left_fen and not found.partial_use and found.percent_off is None:
        raise PartialUseRefused(value_fen=found.value_fen)
    # What is worth nothing here (a donation to a fund) is used all the same.
    if not min(found.left_fen, 1) <= taken <= found.left_fen:
        raise VoucherTooSmall(left_fen=found.left_fen, value_fen=taken)
    first = found.state == "held"
    ends = {"state": "consumed", "resolved_at": now} if first else {}
    _step(session, found, consumed_fen=found.consumed_fen + taken, **ends)
    if first:
        holds.settle(session, redemption_id=found.id, now=now)
    row = Row(
        id=new_id(),
        redemption_id=found.id,
        programme=found.programme,
        merchant_id=place.merchant_id,
        store_id=place.store_id,
        till_id=place.till_id,
        points=found.points if first else 0,
        value_fen=taken,
        consumed_at=at,
        recorded_at=now,
        offline=offline,
        undone_at=None,
    )
    session.add(row)
    session.flush()
    tell(
        session,
        "redemption.consumed",
        [_heard(found)],
        now=now,
        consumption_id=row.id,
        consumed_fen=taken,
        consumed_at=at,
        offline=offline,
    )
    return consumption(session, consumption_id=row.id, now=now)


def undo(session: Session, *, place: Place, text: str, now: datetime) -> Consumption:
    """Undo the last use of the voucher, within five minutes and at the till that made it.

    Of several uses the last goes first. When none is left, points and piece are held again as they were, and
    the voucher can be used until its time; after that the sweep gives all of it back. Raises VoucherInvalid,
    VoucherNotFound, ConsumptionNotFound, UndoTooLate, UndoElsewhere, UndoSettled.
    """
    found = find(session, merchant_id=place.merchant_id, text=text)
    last = (
        select(Row.id, Row.value_fen, Row.till_id, Row.recorded_at)
        .where(Row.redemption_id == found.id, Row.undone_at.is_(None))
        .order_by(Row.recorded_at.desc(), Row.id.desc())
        .limit(1)
    )
    row = session.execute(last).one_or_none()
    if row is None:
        raise ConsumptionNotFound
    if row.till_id is not None and row.till_id != place.till_id:
        raise UndoElsewhere
    until = row.recorded_at + UNDO_WITHIN
    if now >= until:
        raise UndoTooLate(until=said(session, found.programme, until))
    undone = update(Row).where(Row.id == row.id, Row.undone_at.is_(None)).values(undone_at=now)
    session.execute(undone.execution_options(synchronize_session=False))
    left = found.consumed_fen - row.value_fen
    again = {"state": "held", "resolved_at": None} if left == 0 else {}
    _step(session, found, consumed_fen=left, **again)
    if left == 0:
        try:
            holds.hold_again(session, redemption_id=found.id, now=now)
        except InsufficientBalance as short:
            raise UndoSettled from short
    tell(
        session,
        "redemption.undone",
        [_heard(found)],
        now=now,
        consumption_id=row.id,
        undone_fen=row.value_fen,
        undone_at=now,
    )
    return consumption(session, consumption_id=row.id, now=now)


def find(
    session: Session,
    *,
    merchant_id: uuid.UUID,
    text: str,
    lock: bool = True,
    kinds: Collection[str] = AT_TILLS,
) -> Found:
    """The merchant's voucher with that code, locked. Raises VoucherInvalid, VoucherNotFound.

    `kinds`: of which offers; what no till takes is not found by one.
    """
    digest = voucher.digest_of(keys_of(session).voucher, code=code_in(text))
    wanted = (
        Redemption.code_digest == digest,
        Redemption.merchant_id == merchant_id,
        Offer.kind.in_(kinds),
    )
    found = locked(session, *wanted, lock=lock)
    if found is None:
        raise VoucherNotFound
    return found


def locked(session: Session, *wanted: ColumnElement[bool], lock: bool = True) -> Found | None:
    """The one redemption that is `wanted`, so that its uses come one after another."""
    statement = (
        select(
            Redemption.id,
            Redemption.programme,
            Redemption.merchant_id,
            Redemption.state,
            Redemption.points,
            Redemption.value_fen,
            Redemption.consumed_fen,
            Redemption.offer_id,
            Redemption.partner_id,
            Redemption.held_at,
            Redemption.expires_at,
            Redemption.late_until,
            Offer.partial_use,
            Offer.percent_off,
            Offer.min_spend_fen,
        )
        .join(Offer, Offer.id == Redemption.offer_id)
        .where(*wanted)
    )
    if lock:
        statement = statement.with_for_update(of=Redemption)
    row = session.execute(statement).one_or_none()
    return None if row is None else Found(**row._asdict())


def _step(session: Session, found: Found, **values: object) -> None:
    """One step of the voucher's row, on condition that it still is as it was found."""
    statement = (
        update(Redemption)
        .where(
            Redemption.id == found.id,
            Redemption.state == found.state,
            Redemption.consumed_fen == found.consumed_fen,
        )
        .values(**values)
        .returning(Redemption.id)
        .execution_options(synchronize_session=False)
    )
    session.execute(statement).scalar_one()


def _heard(found: Found) -> Heard:
    return Heard(
        id=found.id,
        programme=found.programme,
        merchant_id=found.merchant_id,
        partner_id=found.partner_id,
        offer_id=found.offer_id,
        points=found.points,
        value_fen=found.value_fen,
    )
