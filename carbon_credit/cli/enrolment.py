"""Test citizens for rehearsals: links, consent to every scene, mandate."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Session

from carbon_credit.identity.consents import ConsentGrant, MandateGrant, give_consents, give_mandates
from carbon_credit.identity.links import Link
from carbon_credit.identity.operations import register_citizens


def enrol_people(
    session: Session,
    *,
    programme: str,
    partners: Sequence[UUID],
    links_of: Sequence[Sequence[Link]],
    scenes: Sequence[str],
    tier: str,
    without_mandate: int,
    given_at: datetime,
    now: datetime,
) -> list[UUID]:
    """Register one citizen for each of `links_of`, consenting to every scene of every partner.

    Every `without_mandate`-th citizen gives no mandate (0: all give one). Ids in the same order.
    """
    people = register_citizens(session, partner_id=partners[0], links_of=links_of, now=now)
    for partner_id in partners:
        consents = [
            ConsentGrant(citizen_id=person, scene=scene, text_version="test", given_at=given_at, tier=tier)
            for person in people
            for scene in scenes
        ]
        give_consents(session, partner_id=partner_id, grants=consents, now=now)
    mandates = [
        MandateGrant(citizen_id=person, text_version="test", share_percent=0, given_at=given_at, tier=tier)
        for place, person in enumerate(people, start=1)
        if not without_mandate or place % without_mandate
    ]
    give_mandates(session, programme=programme, grants=mandates, now=now)
    return people
