"""Pieces of an offer and the money behind them: added, taken out, and what is left when it is over."""

import uuid
from collections.abc import Mapping
from datetime import datetime, timedelta

from sqlalchemy import and_, case, func, literal, or_, select, update
from sqlalchemy.orm import Session

from carbon_credit.kernel.ids import new_id
from carbon_credit.ledger import operations as ledger
from carbon_credit.ledger.accounts import AccountKey, account_id
from carbon_credit.ledger.entries import Transfer
from carbon_credit.ledger.errors import InsufficientBalance
from carbon_credit.ledger.locks import LockedAccount
from carbon_credit.ledger.references import posted_out_of
from carbon_credit.redemption.errors import OfferInvalid, OfferNotFound, OfferState
from carbon_credit.redemption.models import Consumption, Offer, Redemption
from carbon_credit.redemption.offering import money
from carbon_credit.redemption.offering.errors import BudgetExhausted
from carbon_credit.redemption.offering.unseen import withdraw_unseen
from carbon_credit.redemption.queries import stock_key, supply_key
from carbon_credit.redemption.terms.offer import MAX_PIECES

YOUNG = timedelta(hours=1)


def add_stock(
    session: Session,
    *,
    programme: str,
    offer_id: uuid.UUID,
    pieces: int,
    now: datetime,
    merchant_id: uuid.UUID | None = None,
) -> uuid.UUID:
    """`pieces` more to be had; the id of the posting. `merchant_id`: only if the offer is theirs.

    Their value is set aside where a fund or a subsidy pays. Raises OfferNotFound, OfferState, OfferInvalid,
    BudgetExhausted. A pool gets its pieces with its codes.
    """
    offer = own_offer(session, programme=programme, offer_id=offer_id, merchant_id=merchant_id)
    if offer.kind == "code_pool":
        raise OfferInvalid(why="a code pool has as many pieces as it has codes; upload codes")
    return add_pieces(session, offer=offer, pieces=pieces, now=now)


def add_pieces(session: Session, *, offer: Offer, pieces: int, now: datetime) -> uuid.UUID:
    """The same for an offer that was looked up."""
    if offer.state == "closed":
        raise OfferState(state=offer.state)
    if not offer.stocked:
        raise OfferInvalid(why="it has no stock")
    if not 0 < pieces <= MAX_PIECES:
        raise OfferInvalid(why=f"pieces must be between 1 and {MAX_PIECES}")
    fen = pieces * offer.value_fen
    added = _pieces("stock.add", supply_key(offer.programme, offer.id), _stock(offer), pieces, offer, now)
    try:
        ledger.post(session, transfers=[added, *money.set_aside(offer, fen=fen, now=now)], now=now)
    except InsufficientBalance as short:
        money.check_covered(session, offer=offer, fen=fen)
        raise BudgetExhausted(lacking_fen=fen) from short
    offer.exhausted_at = None  # when these are gone, its merchant is told again
    session.flush()
    return added.id


def remove_stock(
    session: Session,
    *,
    programme: str,
    offer_id: uuid.UUID,
    pieces: int,
    now: datetime,
    merchant_id: uuid.UUID | None = None,
) -> None:
    """Take pieces out that nobody holds; the money behind them returns.

    Raises OfferNotFound, OfferState, OfferInvalid, InsufficientBalance.
    """
    offer = own_offer(session, programme=programme, offer_id=offer_id, merchant_id=merchant_id)
    if offer.kind == "code_pool":
        raise OfferInvalid(why="a code pool has as many pieces as it has codes; withdraw codes")
    remove_pieces(session, offer=offer, pieces=pieces, now=now)


def remove_pieces(session: Session, *, offer: Offer, pieces: int, now: datetime) -> None:
    """The same for an offer that was looked up."""
    if offer.state == "closed":
        raise OfferState(state=offer.state)
    if not offer.stocked or not 0 < pieces <= MAX_PIECES:
        raise OfferInvalid(why=f"pieces must be between 1 and {MAX_PIECES}")
    ledger.post(session, transfers=_taken_out(offer, pieces, now), now=now)
    _withdraw_codes(session, offer, pieces, now)


def return_rest(session: Session, *, offer: Offer, now: datetime) -> None:
    """Take all pieces out that nobody holds, and give back what of the money is owed to nobody.

    For an offer that is closed. Owed is the value of what is held, and of what was consumed and not yet
    settled with the merchant; a discount smaller than its ceiling leaves something over. What is kept too
    long, for uses that were undone, settlement returns when all of the offer is settled.
    """
    if not offer.stocked:
        return
    accounts = [_stock(offer), supply_key(offer.programme, offer.id)]
    if money.is_funded(offer):
        accounts += [money.budget_key(offer), money.payer_key(offer)]

    pieces = 0

    def rest(locked: Mapping[int, LockedAccount]) -> list[Transfer]:
        nonlocal pieces
        pieces = _available(locked, _stock(offer))
        transfers = []
        if pieces:
            out = _pieces(
                "stock.remove", _stock(offer), supply_key(offer.programme, offer.id), pieces, offer, now
            )
            transfers.append(out)
        if money.is_funded(offer):
            # Counted under the locks: who holds or consumes a piece has to pass the stock's account.
            kept = owed_fen(session, offer=offer, now=now) + _undone_fen(session, offer)
            spare = _available(locked, money.budget_key(offer)) - kept
            transfers += money.returned(offer, fen=max(spare, 0), now=now)
        return transfers

    ledger.post_fresh(session, transfers=[], accounts=accounts, then=rest, now=now)
    _withdraw_codes(session, offer, pieces, now)


def owed_fen(session: Session, *, offer: Offer, now: datetime) -> int:
    """What of the offer's budget is promised: held, or consumed and not yet settled. Not what is in stock.

    Below zero where a use was settled and undone afterwards: its merchant has the money, and gives it back
    with a later statement. A subsidy that was granted has no uses: its money left with the grant.
    """
    usable = func.coalesce(Redemption.late_until, Redemption.expires_at) > now
    whole = or_(Redemption.state == "held", and_(usable, literal(offer.partial_use)))
    statement = select(
        func.coalesce(func.sum(case((whole, Redemption.value_fen), else_=Redemption.consumed_fen)), 0)
    ).where(Redemption.offer_id == offer.id, Redemption.state.in_(("held", "consumed")))
    paid = posted_out_of(
        session,
        account=account_id(money.budget_key(offer)),
        codes=("merchant.accrue",),
        back=("merchant.unaccrue", "offer.adjust"),
    )
    return int(session.scalar(statement) or 0) - paid


def _undone_fen(session: Session, offer: Offer) -> int:
    """The worth of all uses of the offer that were undone.

    A use may be on a statement before its undoing is: then its money is with the merchant, or still to be
    paid, and what the merchant is to give back covers nothing here until it has come.
    """
    statement = (
        select(func.coalesce(func.sum(Consumption.value_fen), 0))
        .join(Redemption, Redemption.id == Consumption.redemption_id)
        .where(Redemption.offer_id == offer.id, Consumption.undone_at.is_not(None))
    )
    return int(session.scalar(statement) or 0)


def own_offer(
    session: Session, *, programme: str, offer_id: uuid.UUID, merchant_id: uuid.UUID | None
) -> Offer:
    """The row, locked until the end against another change of its state. Raises OfferNotFound."""
    statement = select(Offer).where(Offer.id == offer_id, Offer.programme == programme)
    if merchant_id is not None:
        statement = statement.where(Offer.merchant_id == merchant_id)
    offer = session.scalars(
        statement.with_for_update(key_share=True).execution_options(populate_existing=True)
    ).one_or_none()
    if offer is None:
        raise OfferNotFound
    return offer


def wind_up(session: Session, *, now: datetime, limit: int) -> int:
    """Close offers whose time is over, and return the rest of closed ones; how many were ended for good.

    An offer has ended for good when nobody can use a piece of it any more.
    """
    over = (
        update(Offer)
        .where(Offer.state == "approved", Offer.closes_at <= now)
        .values(state="closed")
        .execution_options(synchronize_session=False)
    )
    session.execute(over)
    # Held, of use in parts, or so young that the till may undo it.
    live = select(Redemption.id).where(
        Redemption.offer_id == Offer.id,
        or_(
            Redemption.state == "held",
            Redemption.resolved_at > now - YOUNG,
            and_(Offer.partial_use, func.coalesce(Redemption.late_until, Redemption.expires_at) > now),
        ),
    )
    due = (
        select(Offer)
        .where(Offer.state == "closed", Offer.wound_up_at.is_(None), ~live.exists())
        .order_by(Offer.id)
        .limit(limit)
        .with_for_update(skip_locked=True, of=Offer)
        .execution_options(populate_existing=True)
    )
    ended = session.scalars(due).all()
    for offer in ended:  # tens a day
        return_rest(session, offer=offer, now=now)
        offer.wound_up_at = now
    session.flush()
    return len(ended)


def _withdraw_codes(session: Session, offer: Offer, pieces: int, now: datetime) -> None:
    if offer.kind == "code_pool":
        withdraw_unseen(session, offer_id=offer.id, pieces=pieces, now=now)


def _stock(offer: Offer) -> AccountKey:
    return stock_key(offer.programme, offer.id)


def _available(locked: Mapping[int, LockedAccount], key: AccountKey) -> int:
    found = locked.get(account_id(key).int)
    return 0 if found is None else found.balance.available


def _taken_out(offer: Offer, pieces: int, now: datetime) -> list[Transfer]:
    supply = supply_key(offer.programme, offer.id)
    out = _pieces("stock.remove", _stock(offer), supply, pieces, offer, now)
    return [out, *money.returned(offer, fen=pieces * offer.value_fen, now=now)]


def _pieces(
    code: str, debit: AccountKey, credit: AccountKey, pieces: int, offer: Offer, now: datetime
) -> Transfer:
    return Transfer(
        id=new_id(),
        code=code,
        debit=debit,
        credit=credit,
        amount=pieces,
        effective_at=now,
        reference=offer.id,
    )
