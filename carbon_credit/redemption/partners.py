"""Malls of partners' apps: the same verbs, for a citizen whose link the partner brought.

A partner sees the redemptions that it held and no others, and none of a citizen that it is not linked with.
"""

import uuid
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from carbon_credit.identity.errors import CitizenNotFound
from carbon_credit.identity.queries import is_linked_by
from carbon_credit.redemption import operations
from carbon_credit.redemption.errors import RedemptionNotFound
from carbon_credit.redemption.models import Redemption
from carbon_credit.redemption.queries import Voucher, voucher_of
from carbon_credit.redemption.till.consuming import Place, locked, use
from carbon_credit.redemption.till.uses import Consumption


def hold_for(
    session: Session,
    *,
    programme: str,
    partner_id: uuid.UUID,
    citizen_id: uuid.UUID,
    offer_id: uuid.UUID,
    now: datetime,
) -> Voucher:
    """Redeem for a citizen. Raises CitizenNotFound for one without a link of this partner's, and as reserve
    does."""
    if not is_linked_by(session, citizen_id=citizen_id, partner_id=partner_id):
        raise CitizenNotFound
    return operations.reserve(
        session,
        programme=programme,
        citizen_id=citizen_id,
        offer_id=offer_id,
        now=now,
        partner_id=partner_id,
    )


def held_by(
    session: Session, *, programme: str, partner_id: uuid.UUID, redemption_id: uuid.UUID, now: datetime
) -> Voucher:
    """A redemption that this partner held. Raises RedemptionNotFound."""
    citizen_id = _citizen_of(session, programme, partner_id, redemption_id)
    return voucher_of(
        session, programme=programme, citizen_id=citizen_id, redemption_id=redemption_id, now=now
    )


def cancel_for(
    session: Session, *, programme: str, partner_id: uuid.UUID, redemption_id: uuid.UUID, now: datetime
) -> Voucher:
    """Give it back for the citizen. Raises RedemptionNotFound, and as cancel does."""
    citizen_id = _citizen_of(session, programme, partner_id, redemption_id)
    return operations.cancel(
        session, programme=programme, citizen_id=citizen_id, redemption_id=redemption_id, now=now
    )


def consume_for(
    session: Session,
    *,
    programme: str,
    partner_id: uuid.UUID,
    redemption_id: uuid.UUID,
    now: datetime,
    value_fen: int | None = None,
) -> Consumption:
    """Use it in the partner's own mall, for the offer's merchant. Raises RedemptionNotFound, and as consume
    does."""
    _citizen_of(session, programme, partner_id, redemption_id)
    found = locked(session, Redemption.id == redemption_id, Redemption.programme == programme)
    if found is None:
        raise RedemptionNotFound
    place = Place(found.merchant_id)
    return use(session, found, place=place, value_fen=value_fen, at=now, now=now)


def _citizen_of(
    session: Session, programme: str, partner_id: uuid.UUID, redemption_id: uuid.UUID
) -> uuid.UUID:
    wanted = (
        Redemption.id == redemption_id,
        Redemption.programme == programme,
        Redemption.partner_id == partner_id,
    )
    citizen_id = session.scalar(select(Redemption.citizen_id).where(*wanted))
    if citizen_id is None or not is_linked_by(session, citizen_id=citizen_id, partner_id=partner_id):
        raise RedemptionNotFound
    return citizen_id
