"""The one term of a programme that is asked with every voucher: parsed once for each profile."""

import orjson
from sqlalchemy import select
from sqlalchemy.orm import Session

from carbon_credit.catalogue.models import Profile, Programme
from carbon_credit.catalogue.profile import parse_profile
from carbon_credit.catalogue.terms import OfflineTills

# Content under a digest never changes.
_KNOWN: dict[str, OfflineTills | None] = {}


def offline_tills(session: Session, *, programme: str) -> OfflineTills | None:
    """What the programme's tills may take without a connection; None: nothing."""
    digest = session.execute(select(Programme.profile_digest).where(Programme.code == programme)).scalar_one()
    if digest not in _KNOWN:
        body = session.execute(select(Profile.body).where(Profile.digest == digest)).scalar_one()
        _KNOWN[digest] = parse_profile(orjson.loads(body)["profile"].encode(), file="profile").offline_tills
    return _KNOWN[digest]
