"""What settlement asks: uses as relations to select from, what pays for an offer, and where its rest goes.

It adds up by the hundred thousand, in the database, and never sees who used a voucher.
"""

import uuid
from collections.abc import Collection, Mapping
from datetime import datetime

from sqlalchemy import Subquery, literal_column, select
from sqlalchemy.orm import Session

from carbon_credit.kernel.bulk import one_of
from carbon_credit.ledger import operations as ledger
from carbon_credit.ledger.accounts import FEN, AccountKey, account_id
from carbon_credit.ledger.entries import Transfer
from carbon_credit.ledger.locks import LockedAccount
from carbon_credit.ledger.queries import balances
from carbon_credit.redemption.models import Consumption, Offer, Redemption, TillScan
from carbon_credit.redemption.offering import money


def consumption_rows() -> Subquery:
    """consumption_id, merchant_id, consumed_at, recorded_at, offline, undone_at of every use."""
    return select(
        Consumption.id.label("consumption_id"),
        Consumption.merchant_id,
        Consumption.consumed_at,
        Consumption.recorded_at,
        Consumption.offline,
        Consumption.undone_at,
    ).subquery("uses")


def uses_with_offers() -> Subquery:
    """consumption_id, store_id, till_id, points, value_fen, consumed_at, undone_at of every use, with
    offer_id, title_zh, title_en and funding of its offer."""
    return (
        select(
            Consumption.id.label("consumption_id"),
            Consumption.store_id,
            Consumption.till_id,
            Consumption.points,
            Consumption.value_fen,
            Consumption.consumed_at,
            Consumption.undone_at,
            Redemption.offer_id,
            Offer.title_zh,
            Offer.title_en,
            Offer.funding,
        )
        .join(Redemption, Redemption.id == Consumption.redemption_id)
        .join(Offer, Offer.id == Redemption.offer_id)
        .subquery("used")
    )


def borne_scans() -> Subquery:
    """till_id, scan_id, merchant_id, received_at, scanned_at, value_fen, with offer_id, title_zh and title_en
    of its offer, of every lost scan that the programme bears."""
    return (
        select(
            TillScan.till_id,
            TillScan.id.label("scan_id"),
            TillScan.merchant_id,
            TillScan.received_at,
            TillScan.scanned_at,
            TillScan.value_fen,
            Redemption.offer_id,
            Offer.title_zh,
            Offer.title_en,
        )
        .join(Redemption, Redemption.id == TillScan.redemption_id)
        .join(Offer, Offer.id == Redemption.offer_id)
        .where(TillScan.borne_by == literal_column("'programme'"))  # as the partial index has it
        .subquery("borne")
    )


def budget_key(programme: str, offer_id: uuid.UUID) -> AccountKey:
    """What pays for the uses of an offer, also after it was wound up: what is owed is left there."""
    return AccountKey(programme, FEN, "offer.budget", offer_id)


def payer_key(session: Session, *, offer_id: uuid.UUID) -> AccountKey | None:
    """The fund or subsidy that pays for an offer; None where its merchant does."""
    offer = session.get_one(Offer, offer_id)
    return money.payer_key(offer) if money.is_funded(offer) else None


def left_in_budgets(session: Session, *, merchant_id: uuid.UUID) -> set[uuid.UUID]:
    """The merchant's offers that were wound up and whose budget is not empty."""
    ended = (Offer.merchant_id == merchant_id, Offer.wound_up_at.is_not(None), Offer.funding != "merchant")
    keys = {
        budget_key(row.programme, row.id): row.id
        for row in session.execute(select(Offer.id, Offer.programme).where(*ended))
    }
    found = balances(session, keys=list(keys))
    return {offer_id for key, offer_id in keys.items() if found[key].available > 0}


def return_what_is_left(session: Session, *, offer_ids: Collection[uuid.UUID], now: datetime) -> None:
    """Give the whole budget of offers that were wound up, and of which all is settled, back to who paid."""
    offers = session.scalars(
        select(Offer).where(one_of(session, Offer.id, offer_ids)).order_by(Offer.id)
    ).all()

    def rest(locked: Mapping[int, LockedAccount]) -> list[Transfer]:
        moved: list[Transfer] = []
        for offer in offers:
            left = locked[account_id(money.budget_key(offer)).int].balance.available
            moved += money.returned(offer, fen=left, now=now)
        return moved

    accounts = [key for offer in offers for key in (money.budget_key(offer), money.payer_key(offer))]
    ledger.post_fresh(session, transfers=[], accounts=accounts, then=rest, now=now)
