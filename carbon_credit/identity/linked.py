"""Through which partners a citizen takes part."""

import uuid
from collections.abc import Collection

from sqlalchemy import select
from sqlalchemy.orm import Session

from carbon_credit.identity.models import Citizen, CitizenLink, Party
from carbon_credit.kernel.bulk import one_of


def partners_of(session: Session, *, citizen_ids: Collection[uuid.UUID]) -> dict[uuid.UUID, list[uuid.UUID]]:
    """Of each citizen who takes part, the active partners that brought a link which still holds, in order."""
    if not citizen_ids:
        return {}
    statement = (
        select(CitizenLink.citizen_id, CitizenLink.linked_by)
        .join(Citizen, Citizen.id == CitizenLink.citizen_id)
        .join(Party, Party.id == CitizenLink.linked_by)
        .where(one_of(session, CitizenLink.citizen_id, citizen_ids), CitizenLink.unlinked_at.is_(None))
        .where(Citizen.status == "active", Party.status == "active")
        .distinct()
        .order_by(CitizenLink.citizen_id, CitizenLink.linked_by)
    )
    found: dict[uuid.UUID, list[uuid.UUID]] = {}
    for citizen_id, partner_id in session.execute(statement):
        found.setdefault(citizen_id, []).append(partner_id)
    return found
