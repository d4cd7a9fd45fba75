"""The verb: an offer that the citizen may have, and grams of their own retired for it, in one act."""

import uuid
from datetime import datetime

from sqlalchemy.orm import Session

from carbon_credit.methodology.definition import Texts
from carbon_credit.neutrality.certificates import Certificate, certificate
from carbon_credit.offsets.retirement.retiring import retire_own
from carbon_credit.redemption.giving.neutralising import take_up_neutralising


def neutralise(
    session: Session,
    *,
    programme: str,
    citizen_id: uuid.UUID,
    offer_id: uuid.UUID,
    co2e_mg: int | None,
    now: datetime,
) -> Certificate:
    """Retire `co2e_mg` of the citizen's own grams for what the offer says, for good; None for all they may.

    No points are taken. Raises CitizenNotFound, OfferNotFound, OtherWay, what `check_entitled` does,
    GramsUnavailable; then nothing is retired and nothing counts against a limit.
    """
    taken_id, offer = take_up_neutralising(
        session, programme=programme, citizen_id=citizen_id, offer_id=offer_id, now=now
    )
    retired = retire_own(
        session,
        programme=programme,
        citizen_id=citizen_id,
        retirement_id=taken_id,
        co2e_mg=co2e_mg,
        purpose=Texts(zh=offer.title_zh, en=offer.title_en),
        now=now,
    )
    return certificate(session, retired)
