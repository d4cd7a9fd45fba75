"""What settlement asks: uses as relations to select from, and which money pays for an offer.

It adds up by the hundred thousand, in the database, and never sees who used a voucher.
"""

import uuid
from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import Subquery, select
from sqlalchemy.orm import Session

from carbon_credit.kernel.bulk import one_of
from carbon_credit.ledger.accounts import FEN, AccountKey
from carbon_credit.redemption.models import Consumption, Offer, Redemption


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


def budget_keys(
    session: Session, *, programme: str, offer_ids: Collection[uuid.UUID]
) -> dict[uuid.UUID, AccountKey]:
    """What pays for each offer, and where it returns: what is set aside for it, or who set it aside where the
    offer was wound up and nobody looks after its rest any more."""
    found = {}
    for row in _payers(session, offer_ids):
        wound_up = row.wound_up_at is not None
        found[row.id] = (
            _payer(programme, row) if wound_up else AccountKey(programme, FEN, "offer.budget", row.id)
        )
    return found


def payer_key(session: Session, *, programme: str, offer_id: uuid.UUID) -> AccountKey | None:
    """The fund or subsidy that pays for an offer; None where its merchant does."""
    (row,) = _payers(session, [offer_id])
    return None if row.funding == "merchant" else _payer(programme, row)


def _payers(session: Session, offer_ids: Collection[uuid.UUID]) -> Sequence[Any]:
    columns = (Offer.id, Offer.funding, Offer.budget_id, Offer.wound_up_at)
    return session.execute(select(*columns).where(one_of(session, Offer.id, offer_ids))).all()


def _payer(programme: str, row: Any) -> AccountKey:
    if row.funding == "subsidy":
        return AccountKey(programme, FEN, "subsidy.budget", row.budget_id)
    return AccountKey(programme, FEN, "programme.fund")
