"""Seeding the catalogue from `methodologies/`, and refusing a seed that contradicts what is published."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import cast

import orjson
from sqlalchemy import Table, select
from sqlalchemy.orm import Session

from carbon_credit.catalogue.activities import FILE as ACTIVITIES_FILE
from carbon_credit.catalogue.errors import NoticeTooShort, PastRulesChanged
from carbon_credit.catalogue.library import load_library
from carbon_credit.catalogue.lock import read_lock
from carbon_credit.catalogue.models import NetworkVersion, Profile, Programme
from carbon_credit.catalogue.past import past_changes, unannounced_changes
from carbon_credit.catalogue.profile import ProgrammeProfile, parse_profile
from carbon_credit.catalogue.queries import published_here
from carbon_credit.catalogue.seeding import require_published, seed_versions
from carbon_credit.kernel.bulk import insert_new
from carbon_credit.kernel.clock import business_day
from carbon_credit.kernel.digest import canonical_json, sha256_hex

_PROFILE = cast(Table, Profile.__table__)
_PROGRAMME = cast(Table, Programme.__table__)
_NETWORK = cast(Table, NetworkVersion.__table__)


def seed(session: Session, *, root: Path, now: datetime) -> None:
    """Bring what `root` (a `methodologies/` folder) holds into the catalogue.

    New versions are added, published where published.lock names them and as drafts otherwise; new
    programmes are added, changed profiles taken over from now on. Raises the DataError of a package that
    is not sound (a formula whose result is no mass of CO2e does not get in), PublishedDigestDiffers where
    a published version's bytes are not those of the folder, BindingNotPublished where a real programme
    binds a draft, PastRulesChanged where its new profile changes what held on days that are over,
    NoticeTooShort where it changes the rules on points earlier than its notice allows.
    """
    library = load_library(root, published=published_here(session))
    seed_versions(session, packages=library.packages, lock=read_lock(root), now=now)
    require_published(session, library.profiles.values())
    _seed_programmes(session, library.profiles, root, now)
    session.flush()


def add_network(session: Session, *, programme: str, digest: str, body: bytes, now: datetime) -> None:
    """Keep a metro network (csv) by its digest; the same one again is nothing new."""
    insert_new(session, _NETWORK, _names(_NETWORK), [(digest, programme, body, now)], "digest")


def _seed_programmes(
    session: Session, profiles: Mapping[str, ProgrammeProfile], root: Path, now: datetime
) -> None:
    activities = (root / ACTIVITIES_FILE).read_text(encoding="utf-8")
    bodies: dict[str, tuple[str, bytes]] = {}
    for code in sorted(profiles):
        text = (root / "programmes" / f"{code}.yaml").read_text(encoding="utf-8")
        body = canonical_json({"profile": text, "activities": activities})
        bodies[code] = sha256_hex(body), body
    texts = sorted((digest, code, body, now) for code, (digest, body) in bodies.items())
    insert_new(session, _PROFILE, _names(_PROFILE), texts, "digest")
    rows = [
        (code, one.rehearsal, one.phase, one.time_zone, bodies[code][0])
        for code, one in sorted(profiles.items())
    ]
    new = insert_new(session, _PROGRAMME, _names(_PROGRAMME), rows, "code")
    for known in session.scalars(select(Programme).order_by(Programme.code)):
        if known.code in new or known.code not in profiles:
            continue
        profile, digest = profiles[known.code], bodies[known.code][0]
        if known.profile_digest != digest:
            _check_past(session, known.profile_digest, profile, now)
            known.phase, known.time_zone, known.profile_digest = profile.phase, profile.time_zone, digest


def _check_past(session: Session, former: str, profile: ProgrammeProfile, now: datetime) -> None:
    """Raises PastRulesChanged, NoticeTooShort. A rehearsal may rewrite what it rehearses."""
    if profile.rehearsal:
        return
    texts = orjson.loads(session.get_one(Profile, former).body)
    old = parse_profile(texts["profile"].encode(), file="profile")
    today = business_day(now, profile.time_zone)
    changes = past_changes(old, profile, today)
    if changes:
        rules = ", ".join(change.rule for change in changes)
        raise PastRulesChanged(programme=profile.code, rules=rules, today=today)
    sudden = unannounced_changes(old, profile, today)
    if sudden:
        days = old.notice_days(today)
        raise NoticeTooShort(
            programme=profile.code,
            rules=", ".join(change.rule for change in sudden),
            days=days,
            first=today + timedelta(days=days),
        )


def _names(table: Table) -> tuple[str, ...]:
    return tuple(column.name for column in table.columns)
