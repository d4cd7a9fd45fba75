"""Reads: offers with what is left of them, a citizen's vouchers, counts. Uses are read in `till`."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from carbon_credit.kernel.db import keys_of
from carbon_credit.ledger.accounts import AccountKey, unit_asset
from carbon_credit.ledger.queries import balances
from carbon_credit.redemption import voucher
from carbon_credit.redemption.errors import OfferNotFound, RedemptionNotFound
from carbon_credit.redemption.models import Offer, Redemption
from carbon_credit.redemption.signing import sign
from carbon_credit.redemption.terms import districts
from carbon_credit.redemption.terms.discount import needs_bill
from carbon_credit.redemption.terms.hours import Opening, read_hours
from carbon_credit.redemption.terms.offer import AT_TILLS
from carbon_credit.redemption.terms.rules import Rule, read_rules

MAX_PAGE = 500
# States are moved by conditional UPDATEs, behind the session's back: reads look at the rows.
FRESH = {"populate_existing": True}


@dataclass(frozen=True, slots=True)
class OfferRecord:
    """An offer; see `OfferTerms`. Of its pieces, `left` can be had, `held` wait for the till, `given` were
    consumed."""

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
    note_zh: str | None
    note_en: str | None
    percent_off: int | None
    min_spend_fen: int
    partial_use: bool
    stocked: bool
    funding: str
    budget_id: uuid.UUID | None
    per_day_limit: int | None
    per_month_limit: int | None
    districts: tuple[str, ...]
    hours: tuple[Opening, ...]
    eligibility: tuple[Rule, ...]
    replenish_pieces: int | None
    left: int
    held: int
    given: int

    def is_open(self, now: datetime) -> bool:
        """True where it can be redeemed at `now`, as far as its terms go."""
        return self.state == "approved" and self.opens_at <= now < self.closes_at


_READ = ("districts", "hours", "eligibility", "left", "held", "given")
_AS_STORED = tuple(one.name for one in fields(OfferRecord) if one.name not in _READ)


@dataclass(frozen=True, slots=True)
class Voucher:
    """A redemption as its citizen sees it. `state`: held, consumed, cancelled or expired, as of now.

    `code`: thirteen characters (voucher.grouped shows it), None once it is of no use; `qr_text` likewise.
    `left_fen`: what of its value can still be used. Where partial use is allowed, a consumed one has a code
    as long as there is something left.
    """

    id: uuid.UUID
    offer_id: uuid.UUID
    merchant_id: uuid.UUID
    kind: str
    title_zh: str
    title_en: str
    points: int
    value_fen: int
    left_fen: int
    partial_use: bool
    state: str
    code: str | None
    qr_text: str | None
    held_at: datetime
    expires_at: datetime
    resolved_at: datetime | None


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
    return [_voucher(session, *row, now=now) for row in session.execute(statement)]


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
    return _voucher(session, *found, now=now)


def as_voucher(session: Session, held: Redemption, *, of: OfferRecord, now: datetime) -> Voucher:
    """What `voucher_of` says of a redemption that is known, as is its offer."""
    bill = (of.percent_off, of.min_spend_fen)
    return _voucher(session, held, of.title_zh, of.title_en, of.partial_use, of.kind, *bill, now=now)


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
            **{name: getattr(row, name) for name in _AS_STORED},
            districts=districts.shown(row.districts),
            hours=read_hours(row.hours),
            eligibility=read_rules(row.eligibility),
            left=found[stock[row.id]].available,
            held=found[stock[row.id]].debits_pending,
            given=found[given[row.id]].posted,
        )
        for row in rows
    ]


def _redemptions() -> Select[Redemption, str, str, bool, str, int | None, int]:
    statement = select(
        Redemption,
        Offer.title_zh,
        Offer.title_en,
        Offer.partial_use,
        Offer.kind,
        Offer.percent_off,
        Offer.min_spend_fen,
    )
    return statement.join(Offer, Offer.id == Redemption.offer_id).execution_options(**FRESH)


def _voucher(
    session: Session,
    row: Redemption,
    title_zh: str,
    title_en: str,
    partial_use: bool,
    kind: str,
    percent_off: int | None,
    min_spend_fen: int,
    *,
    now: datetime,
) -> Voucher:
    # A hold past its time is of no use, swept or not: the citizen is told so.
    state = "expired" if row.state == "held" and row.expires_at <= now else row.state
    left_fen = left_of(
        partial_use=partial_use,
        state=state,
        value_fen=row.value_fen,
        consumed_fen=row.consumed_fen,
        usable=now < row.expires_at,
    )
    keys, code, qr_text = keys_of(session), None, None
    # What no till takes is shown no code for one.
    if left_fen and kind in AT_TILLS:
        code = voucher.code_of(keys.voucher, redemption_id=row.id)
        qr_text = sign(
            keys,
            code=code,
            expires_at=row.expires_at,
            value_fen=row.value_fen,
            partial_use=partial_use,
            needs_bill=needs_bill(percent_off, min_spend_fen),
            merchant_id=row.merchant_id,
            offer_id=row.offer_id,
        )
    return Voucher(
        id=row.id,
        offer_id=row.offer_id,
        merchant_id=row.merchant_id,
        kind=kind,
        title_zh=title_zh,
        title_en=title_en,
        points=row.points,
        value_fen=row.value_fen,
        left_fen=left_fen,
        partial_use=partial_use,
        state=state,
        code=code,
        qr_text=qr_text,
        held_at=row.held_at,
        expires_at=row.expires_at,
        resolved_at=row.resolved_at,
    )


def left_of(*, partial_use: bool, state: str, value_fen: int, consumed_fen: int, usable: bool) -> int:
    """What can still be used of a voucher, in fen. `usable`: its time is not over."""
    if not usable or state not in ("held", "consumed"):
        return 0
    return value_fen - consumed_fen if partial_use or state == "held" else 0


def _page(limit: int) -> int:
    return max(1, min(limit, MAX_PAGE))
