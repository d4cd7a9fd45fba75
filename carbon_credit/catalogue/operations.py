"""Seeding the catalogue from `methodologies/`, and refusing a seed that contradicts what is published."""

from datetime import datetime
from pathlib import Path
from typing import cast

from sqlalchemy import Table
from sqlalchemy.orm import Session

from carbon_credit.catalogue.activities import FILE as ACTIVITIES_FILE
from carbon_credit.catalogue.errors import PublishedDigestDiffers
from carbon_credit.catalogue.library import load_library
from carbon_credit.catalogue.models import MethodologyVersion, NetworkVersion, Profile, Programme
from carbon_credit.catalogue.rules import version_name
from carbon_credit.kernel.bulk import insert_new
from carbon_credit.kernel.digest import canonical_json, sha256_hex
from carbon_credit.methodology.engine import compile_package, weakest_grade
from carbon_credit.methodology.loader import Package

_VERSION = cast(Table, MethodologyVersion.__table__)
_PROFILE = cast(Table, Profile.__table__)
_PROGRAMME = cast(Table, Programme.__table__)
_NETWORK = cast(Table, NetworkVersion.__table__)


def seed(session: Session, *, root: Path, now: datetime) -> None:
    """Bring what `root` (a `methodologies/` folder) holds into the catalogue.

    New versions are added as published, new programmes added, changed profiles taken over from now
    on. Raises the DataError of a package that is not sound (a formula whose result is no mass of CO2e
    does not get in), PublishedDigestDiffers where a published version's bytes are not those of the folder.
    """
    library = load_library(root)
    for package in library.packages.values():
        _seed_version(session, package, now)
    activities_text = (root / ACTIVITIES_FILE).read_text(encoding="utf-8")
    for code, profile in sorted(library.profiles.items()):
        text = (root / "programmes" / f"{code}.yaml").read_text(encoding="utf-8")
        body = canonical_json({"profile": text, "activities": activities_text})
        digest = sha256_hex(body)
        insert_new(session, _PROFILE, _names(_PROFILE), [(digest, profile.code, body, now)], "digest")
        fresh = (profile.code, profile.rehearsal, profile.phase, profile.time_zone, digest)
        if not insert_new(session, _PROGRAMME, _names(_PROGRAMME), [fresh], "code"):
            known = session.get_one(Programme, profile.code)
            known.phase, known.time_zone, known.profile_digest = profile.phase, profile.time_zone, digest
    session.flush()


def add_network(session: Session, *, programme: str, digest: str, body: bytes, now: datetime) -> None:
    """Keep a metro network (csv) by its digest; the same one again is nothing new."""
    insert_new(session, _NETWORK, _names(_NETWORK), [(digest, programme, body, now)], "digest")


def _seed_version(session: Session, package: Package, now: datetime) -> None:
    methodology = package.methodology
    name = version_name(methodology.version)
    row = (
        methodology.id,
        name,
        package.digest,
        "published",
        weakest_grade(package).value,
        methodology.effective_from,
        methodology.effective_to,
        canonical_json({path: data.decode() for path, data in package.files.items()}),
        now,
    )
    if insert_new(session, _VERSION, _names(_VERSION), [row], "methodology_id"):
        # A digest that is new here: from now on it is trusted by its digest alone.
        compile_package(package, check_dimensions=True)
        return
    known = session.get_one(MethodologyVersion, (methodology.id, name))
    if known.digest != package.digest:
        raise PublishedDigestDiffers(
            name=f"{methodology.id}/{name}", published=known.digest[:12], found=package.digest[:12]
        )


def _names(table: Table) -> tuple[str, ...]:
    return tuple(column.name for column in table.columns)
