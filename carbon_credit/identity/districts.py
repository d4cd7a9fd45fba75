"""The district that a citizen has stated: nobody has to, nothing proves it, and it is taken back at will."""

import re
import uuid
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete
from sqlalchemy.orm import Session

from carbon_credit.identity.errors import DistrictInvalid, DistrictNotStated
from carbon_credit.identity.models import CitizenDistrict
from carbon_credit.identity.queries import lock_citizens

_FORM = re.compile(r"[1-9][0-9]{5}", re.ASCII)


@dataclass(frozen=True, slots=True)
class StatedDistrict:
    """Six digits of GB/T 2260, and when they were stated."""

    district: str
    stated_at: datetime


def state_district(
    session: Session, *, programme: str, citizen_id: uuid.UUID, district: str, now: datetime
) -> StatedDistrict:
    """The citizen lives there, and not where was stated before. Raises DistrictInvalid, CitizenNotFound."""
    if not _FORM.fullmatch(district):
        raise DistrictInvalid(district=district[:12])
    lock_citizens(session, programme=programme, ids=[citizen_id])
    row = session.get(CitizenDistrict, citizen_id, populate_existing=True)
    if row is None:
        row = CitizenDistrict(citizen_id=citizen_id, programme=programme)
        session.add(row)
    if row.district != district:
        row.district, row.stated_at = district, now
    session.flush()
    return StatedDistrict(row.district, row.stated_at)


def stated_district(session: Session, *, programme: str, citizen_id: uuid.UUID) -> StatedDistrict | None:
    """What the citizen has stated; None where that is nothing."""
    row = session.get(CitizenDistrict, citizen_id, populate_existing=True)
    if row is None or row.programme != programme:
        return None
    return StatedDistrict(row.district, row.stated_at)


def forget_district(session: Session, *, programme: str, citizen_id: uuid.UUID) -> None:
    """Nothing is stated any more, and nothing of it is kept. Raises DistrictNotStated."""
    forgotten = (
        delete(CitizenDistrict)
        .where(CitizenDistrict.citizen_id == citizen_id, CitizenDistrict.programme == programme)
        .returning(CitizenDistrict.citizen_id)
        .execution_options(synchronize_session=False)
    )
    if session.execute(forgotten).scalar_one_or_none() is None:
        raise DistrictNotStated
