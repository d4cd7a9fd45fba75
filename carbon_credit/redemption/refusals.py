"""Why a voucher cannot be used, cancelled or undone any more, in words for the people at the till."""

import uuid
from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import Session

from carbon_credit.catalogue.queries import time_zone
from carbon_credit.identity.tills import till
from carbon_credit.kernel.errors import CarbonError
from carbon_credit.redemption.errors import VoucherCancelled, VoucherConsumed, VoucherExpired
from carbon_credit.redemption.models import Consumption, Redemption


def ended(session: Session, *, redemption_id: uuid.UUID) -> CarbonError:
    """How and when the redemption ended. One that is still held is past its time."""
    columns = (Redemption.programme, Redemption.state, Redemption.expires_at, Redemption.resolved_at)
    programme, found, expires_at, resolved_at = session.execute(
        select(*columns).where(Redemption.id == redemption_id)
    ).one()
    if found in ("held", "expired"):
        return VoucherExpired(expires_at=said(session, programme, expires_at))
    if found == "consumed":
        return _consumed(session, redemption_id, programme, resolved_at)
    return VoucherCancelled(resolved_at=said(session, programme, resolved_at))


def _consumed(
    session: Session, redemption_id: uuid.UUID, programme: str, resolved_at: datetime | None
) -> VoucherConsumed:
    """Where and when it was used last: whoever comes second is told. A subsidy is granted, and not used."""
    last = (
        select(Consumption.consumed_at, Consumption.till_id, Consumption.merchant_id)
        .where(Consumption.redemption_id == redemption_id, Consumption.undone_at.is_(None))
        .order_by(Consumption.recorded_at.desc(), Consumption.id.desc())
        .limit(1)
    )
    found = session.execute(last).one_or_none()
    if found is None:
        return VoucherConsumed(resolved_at=said(session, programme, resolved_at), till="-")
    at, till_id, merchant_id = found
    name = "-" if till_id is None else till(session, merchant_id=merchant_id, till_id=till_id).name
    return VoucherConsumed(resolved_at=said(session, programme, at), till=name)


def said(session: Session, programme: str, instant: datetime | None) -> str:
    """A moment in the programme's time, because people read it."""
    if instant is None:
        return "?"
    return instant.astimezone(ZoneInfo(time_zone(session, programme=programme))).isoformat(timespec="seconds")
