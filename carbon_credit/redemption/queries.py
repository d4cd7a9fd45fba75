"""Reads: offers with what is left of them, a citizen's vouchers, a merchant's consumptions, counts."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Select, Uuid, func, literal, select, tuple_
from sqlalchemy.orm import Session

from carbon_credit.kernel.db import UtcDateTime, keys_of
from carbon_credit.ledger.accounts import AccountKey, unit_asset
from carbon_credit.ledger.queries import balances
from carbon_credit.redemption import voucher
from carbon_credit.redemption.errors import OfferNotFound, RedemptionNotFound
from carbon_credit.redemption.models import Offer, Redemption

MAX_PAGE = 500
# States are moved by conditional UPDATEs, behind the session's back: reads look at the rows.
FRESH = {"populate_existing": True}


@dataclass(frozen=True, slots=True)
class OfferRecord:
    """An offer. Of its pieces, `left` can be had, `held` wait for the till, `given` were consumed."""

    id: uuid.UUID
    programme: str
    merchant_id: uuid.UUID
    kind: str
    title_zh: str
    title_en: str
    points_price: int
    value_fen: int
    per_citizen_limit: int | None
    voucher_ttl_s: int
    opens_at: datetime
    closes_at: datetime
    state: str
    left: int
    held: int
    given: int

    def is_open(self, now: datetime) -> bool:
        """True where it can be redeemed at `now`, as far as its terms go."""
        return self.state == "approved" and self.opens_at <= now < self.closes_at


@dataclass(frozen=True, slots=True)
class Voucher:
    """A redemption as its citizen sees it. `state`: held, consumed, cancelled or expired, as of now.

    `code`: thirteen characters (voucher.grouped and voucher.qr_text show it), None once it is of no use.
    """

    id: uuid.UUID
    offer_id: uuid.UUID
    merchant_id: uuid.UUID
    title_zh: str
    title_en: str
    points: int
    value_fen: int
    state: str
    code: str | None
    held_at: datetime
    expires_at: datetime
    resolved_at: datetime | None


@dataclass(frozen=True, slots=True)
class Consumption:
    """A redemption as its merchant sees it: nothing about the citizen."""

    id: uuid.UUID
    offer_id: uuid.UUID
    title_zh: str
    title_en: str
    points: int
    value_fen: int
    consumed_at: datetime


@dataclass(frozen=True, slots=True)
class ConsumptionCursor:
    """Where a page of consumptions ended."""

    consumed_at: datetime
    id: uuid.UUID


def supply_key(programme: str, offer_id: uuid.UUID) -> AccountKey:
    """Where the pieces of an offer come from."""
    return AccountKey(programme, unit_asset(offer_id), "offer.supply", offer_id)


def stock_key(programme: str, offer_id: uuid.UUID) -> AccountKey:
    """The pieces that can be had."""
    return AccountKey(programme, unit_asset(offer_id), "offer.stock", offer_id)


def given_key(programme: str, offer_id: uuid.UUID) -> AccountKey:
    """The pieces that were consumed."""
    return AccountKey(programme, unit_asset(offer_id), "offer.given", offer_id)


def open_offers(
    session: Session, *, programme: str, now: datetime, after: uuid.UUID | None = None, limit: int = 50
) -> list[OfferRecord]:
    """What can be redeemed at `now`, oldest first, from behind `after`; what is sold out has `left` 0."""
    wanted = (
        Offer.programme == programme,
        Offer.state == "approved",
        Offer.opens_at <= now,
        Offer.closes_at > now,
    )
    return _offers(session, select(Offer).where(*wanted), after, limit)


def merchant_offers(
    session: Session, *, merchant_id: uuid.UUID, after: uuid.UUID | None = None, limit: int = 50
) -> list[OfferRecord]:
    """All offers of the merchant in whatever state, oldest first, from behind `after`."""
    return _offers(session, select(Offer).where(Offer.merchant_id == merchant_id), after, limit)


def offers(
    session: Session,
    *,
    programme: str,
    state: str | None = None,
    after: uuid.UUID | None = None,
    limit: int = 50,
) -> list[OfferRecord]:
    """All offers of the programme, of one state where that is given: for its operators."""
    statement = select(Offer).where(Offer.programme == programme)
    if state is not None:
        statement = statement.where(Offer.state == state)
    return _offers(session, statement, after, limit)


def offer(session: Session, *, programme: str, offer_id: uuid.UUID) -> OfferRecord:
    """One offer in whatever state. Raises OfferNotFound, also for one of another programme."""
    row = session.get(Offer, offer_id, populate_existing=True)
    if row is None or row.programme != programme:
        raise OfferNotFound
    return _with_stock(session, [row])[0]


def vouchers(
    session: Session,
    *,
    programme: str,
    citizen_id: uuid.UUID,
    now: datetime,
    after: uuid.UUID | None = None,
    limit: int = 50,
) -> list[Voucher]:
    """The citizen's redemptions, newest first, from behind `after`."""
    statement = (
        _redemptions()
        .where(Redemption.citizen_id == citizen_id, Redemption.programme == programme)
        .order_by(Redemption.id.desc())
        .limit(_page(limit))
    )
    if after is not None:
        statement = statement.where(Redemption.id < after)
    return [
        _voucher(session, row, title_zh, title_en, now)
        for row, title_zh, title_en in session.execute(statement)
    ]


def voucher_of(
    session: Session, *, programme: str, citizen_id: uuid.UUID, redemption_id: uuid.UUID, now: datetime
) -> Voucher:
    """One redemption of the citizen's own. Raises RedemptionNotFound."""
    wanted = (
        Redemption.id == redemption_id,
        Redemption.citizen_id == citizen_id,
        Redemption.programme == programme,
    )
    found = session.execute(_redemptions().where(*wanted)).one_or_none()
    if found is None:
        raise RedemptionNotFound
    row, title_zh, title_en = found
    return _voucher(session, row, title_zh, title_en, now)


def consumptions(
    session: Session,
    *,
    merchant_id: uuid.UUID,
    after: ConsumptionCursor | None = None,
    until: datetime | None = None,
    limit: int = 50,
) -> list[Consumption]:
    """What was consumed at the merchant, oldest first, from behind `after` and before `until`.

    The order is by the time at the till. A consumption that is just being written may come in behind a
    page that was already read, so whoever follows the list reads up to some seconds ago.
    """
    statement = (
        select(
            Redemption.id,
            Redemption.offer_id,
            Offer.title_zh,
            Offer.title_en,
            Redemption.points,
            Redemption.value_fen,
            Redemption.resolved_at.label("consumed_at"),
        )
        .join(Offer, Offer.id == Redemption.offer_id)
        .where(Redemption.merchant_id == merchant_id, Redemption.state == "consumed")
        .order_by(Redemption.resolved_at, Redemption.id)
        .limit(_page(limit))
    )
    if after is not None:
        place = tuple_(literal(after.consumed_at, UtcDateTime), literal(after.id, Uuid))
        statement = statement.where(tuple_(Redemption.resolved_at, Redemption.id) > place)
    if until is not None:
        statement = statement.where(Redemption.resolved_at < until)
    return [Consumption(**row) for row in session.execute(statement).mappings()]


def counts(session: Session, *, programme: str) -> dict[str, int]:
    """How many redemptions are in each state, as stored: a hold past its time is `held` until it is swept."""
    found = dict.fromkeys(("held", "consumed", "cancelled", "expired"), 0)
    statement = select(Redemption.state, func.count()).where(Redemption.programme == programme)
    for state, number in session.execute(statement.group_by(Redemption.state)):
        found[state] = number
    return found


def _offers(
    session: Session, statement: Select[Offer], after: uuid.UUID | None, limit: int
) -> list[OfferRecord]:
    if after is not None:
        statement = statement.where(Offer.id > after)
    statement = statement.order_by(Offer.id).limit(_page(limit)).execution_options(**FRESH)
    return _with_stock(session, session.scalars(statement).all())


def _with_stock(session: Session, rows: Sequence[Offer]) -> list[OfferRecord]:
    stock = {row.id: stock_key(row.programme, row.id) for row in rows}
    given = {row.id: given_key(row.programme, row.id) for row in rows}
    found = balances(session, keys=[*stock.values(), *given.values()])
    return [
        OfferRecord(
            id=row.id,
            programme=row.programme,
            merchant_id=row.merchant_id,
            kind=row.kind,
            title_zh=row.title_zh,
            title_en=row.title_en,
            points_price=row.points_price,
            value_fen=row.value_fen,
            per_citizen_limit=row.per_citizen_limit,
            voucher_ttl_s=row.voucher_ttl_s,
            opens_at=row.opens_at,
            closes_at=row.closes_at,
            state=row.state,
            left=found[stock[row.id]].available,
            held=found[stock[row.id]].debits_pending,
            given=found[given[row.id]].posted,
        )
        for row in rows
    ]


def _redemptions() -> Select[Redemption, str, str]:
    statement = select(Redemption, Offer.title_zh, Offer.title_en)
    return statement.join(Offer, Offer.id == Redemption.offer_id).execution_options(**FRESH)


def _voucher(session: Session, row: Redemption, title_zh: str, title_en: str, now: datetime) -> Voucher:
    # A hold past its time is of no use, swept or not: the citizen is told so.
    state = "expired" if row.state == "held" and row.expires_at <= now else row.state
    code = voucher.code_of(keys_of(session).voucher, redemption_id=row.id) if state == "held" else None
    return Voucher(
        id=row.id,
        offer_id=row.offer_id,
        merchant_id=row.merchant_id,
        title_zh=title_zh,
        title_en=title_en,
        points=row.points,
        value_fen=row.value_fen,
        state=state,
        code=code,
        held_at=row.held_at,
        expires_at=row.expires_at,
        resolved_at=row.resolved_at,
    )


def _page(limit: int) -> int:
    return max(1, min(limit, MAX_PAGE))
