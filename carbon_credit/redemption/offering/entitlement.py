"""May this citizen have this offer now? Asked under the citizen's lock, before anything is held."""

from datetime import datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from carbon_credit.catalogue.queries import time_zone
from carbon_credit.identity.districts import stated_district
from carbon_credit.identity.queries import party
from carbon_credit.redemption.errors import MerchantInactive, OfferClosed
from carbon_credit.redemption.offering.eligibility import check_eligible
from carbon_credit.redemption.offering.errors import (
    DistrictNeeded,
    DistrictOutside,
    OfferNotYetOpen,
    OfferOutOfHours,
)
from carbon_credit.redemption.offering.limits import check_limits, said
from carbon_credit.redemption.queries import OfferRecord
from carbon_credit.redemption.terms import districts
from carbon_credit.redemption.terms.hours import next_opening


def check_open(session: Session, *, offer: OfferRecord, now: datetime) -> ZoneInfo:
    """The programme's time zone. Raises OfferClosed, OfferNotYetOpen, OfferOutOfHours."""
    zone = ZoneInfo(time_zone(session, programme=offer.programme))
    if offer.state == "approved" and now < offer.opens_at:
        raise OfferNotYetOpen(opens_at=said(offer.opens_at, zone))
    if not offer.is_open(now):
        raise OfferClosed
    opens_at = next_opening(offer.hours, now, zone)
    if opens_at > now:
        if opens_at >= offer.closes_at:
            raise OfferClosed
        raise OfferOutOfHours(opens_at=said(opens_at, zone))
    return zone


def check_entitled(session: Session, *, offer: OfferRecord, citizen_id: UUID, now: datetime) -> None:
    """Raises what `check_open` does, MerchantInactive, DistrictNeeded, DistrictOutside, NotEligible,
    LimitReached and the like of it for a day and a month."""
    zone = check_open(session, offer=offer, now=now)
    if not party(session, party_id=offer.merchant_id).active:
        raise MerchantInactive
    if offer.districts:
        _check_district(session, offer=offer, citizen_id=citizen_id)
    check_eligible(
        session,
        programme=offer.programme,
        citizen_id=citizen_id,
        rules=offer.eligibility,
        today=now.astimezone(zone).date(),
    )
    check_limits(session, offer=offer, citizen_id=citizen_id, zone=zone, now=now)


def _check_district(session: Session, *, offer: OfferRecord, citizen_id: UUID) -> None:
    meant = ", ".join(offer.districts)
    stated = stated_district(session, programme=offer.programme, citizen_id=citizen_id)
    if stated is None:
        raise DistrictNeeded(districts=meant)
    if not districts.covers(offer.districts, stated.district):
        raise DistrictOutside(districts=meant)
