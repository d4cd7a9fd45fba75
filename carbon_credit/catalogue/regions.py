"""Where the stations of a programme's metro network are: a formula may hold for one region's entries only."""

import csv
import io
from collections.abc import Mapping

from sqlalchemy import select
from sqlalchemy.orm import Session

from carbon_credit.catalogue.models import NetworkVersion
from carbon_credit.methodology.network import station_key

# Content under a digest never changes, so what was made of it can be kept by the digest.
_REGIONS: dict[str, Mapping[str, str]] = {}


def station_regions(session: Session, *, programme: str) -> Mapping[str, str]:
    """Station (as `station_key` writes it) -> region, of the network that was loaded last; empty where
    it does not say.

    A network says it of each station in the columns `from_region` and `to_region`, or of a whole row in
    `city`. A station that it puts into two regions is in neither.
    """
    newest = (
        select(NetworkVersion.digest)
        .where(NetworkVersion.programme == programme)
        .order_by(NetworkVersion.loaded_at.desc(), NetworkVersion.digest)
        .limit(1)
    )
    digest = session.scalar(newest)
    if digest is None:
        return {}
    if digest not in _REGIONS:
        _REGIONS[digest] = _regions_of(session.get_one(NetworkVersion, digest).body)
    return _REGIONS[digest]


def _regions_of(body: bytes) -> Mapping[str, str]:
    found: dict[str, set[str]] = {}
    for row in csv.DictReader(io.StringIO(body.decode("utf-8-sig"), newline="")):
        for side in ("from", "to"):
            region = (row.get(f"{side}_region") or row.get("city") or "").strip()
            if region:
                found.setdefault(station_key(row[f"{side}_station"] or ""), set()).add(region)
    return {station: next(iter(regions)) for station, regions in found.items() if len(regions) == 1}
