"""Bringing the versions of the folder into the catalogue: published where published.lock names them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from carbon_credit.catalogue.errors import BindingNotPublished, OfficialUnconfirmed, PublishedDigestDiffers
from carbon_credit.catalogue.lock import Key, Lock
from carbon_credit.catalogue.models import CatalogueStamp
from carbon_credit.catalogue.official import unconfirmed
from carbon_credit.catalogue.profile import ProgrammeProfile
from carbon_credit.catalogue.recording import (
    APPROVAL,
    DRAFT,
    FOR_ALL,
    FOR_REHEARSAL,
    PUBLISHED,
    SEED,
    VERSION,
    add_versions,
    approve_rows,
    hold_catalogue,
    refresh_stamp,
    replace_version,
    values_of,
)
from carbon_credit.methodology.engine import compile_package
from carbon_credit.methodology.loader import Package

# Digests whose dimensions this process has checked.
_CHECKED: set[str] = set()


@dataclass(slots=True)
class _Plan:
    """What is to be written: `fresh` and `changed` rows, and those that the lock approves."""

    fresh: list[dict[str, Any]] = field(default_factory=list)
    changed: list[dict[str, Any]] = field(default_factory=list)
    approved: list[dict[str, Any]] = field(default_factory=list)

    @property
    def empty(self) -> bool:
        return not (self.fresh or self.changed or self.approved)


def seed_versions(session: Session, *, packages: Mapping[Key, Package], lock: Lock, now: datetime) -> None:
    """Add what is new: published where `lock` names it, as a draft otherwise.

    Raises PublishedDigestDiffers where the folder holds other bytes than `lock` says or than were
    published here, OfficialUnconfirmed, and the DataError of a formula whose result is no mass of CO2e. A
    draft that was uploaded or composed here is left as it is, unless the lock publishes other bytes of it.
    """
    if _plan(session, packages, lock, now).empty and session.get(CatalogueStamp, 1) is not None:
        return
    hold_catalogue(session)
    plan = _plan(session, packages, lock, now)
    approve_rows(session, plan.approved, act="publish", actor=SEED, now=now)
    add_versions(session, plan.fresh)
    for values in plan.changed:
        replace_version(session, values)
    refresh_stamp(session)


def require_published(session: Session, profiles: Iterable[ProgrammeProfile]) -> None:
    """Raises BindingNotPublished where a real programme binds a draft, or what is published for rehearsals
    alone. A retired version may stay bound: it is not applied any more."""
    statement = select(VERSION.c.methodology_id, VERSION.c.version, VERSION.c.state).where(
        (VERSION.c.state == DRAFT) | (VERSION.c.published_for == FOR_REHEARSAL)
    )
    hidden = {(row.methodology_id, row.version): row.state for row in session.execute(statement)}
    for profile in profiles:
        for binding in profile.bindings:
            state = hidden.get((binding.methodology, binding.version_name))
            if state is not None and not profile.rehearsal:
                name = f"{binding.methodology}/{binding.version_name}"
                told = state if state == DRAFT else f"{state} for rehearsals"
                raise BindingNotPublished(programme=profile.code, name=name, state=told)


def _plan(session: Session, packages: Mapping[Key, Package], lock: Lock, now: datetime) -> _Plan:
    statement = select(*(column for column in VERSION.columns if column.name != "bundle"))
    known = {(row.methodology_id, row.version): row for row in session.execute(statement)}
    seeds = select(APPROVAL.c.digest, APPROVAL.c.bundle_sha256).where(
        APPROVAL.c.party_id == SEED.party_id, APPROVAL.c.act == "publish"
    )
    approved = {tuple(row) for row in session.execute(seeds)}
    plan = _Plan()
    for key, package in sorted(packages.items()):
        row = known.get(key)
        if row is None or row.digest != package.digest:
            _check_dimensions(package)
        _require_same(key, lock.get(key), package)
        if row is not None and row.state != DRAFT:
            _require_same(key, row.digest, package)
            # The cases are evidence and may grow; the bytes that were published stay.
            if key in lock and (row.digest, row.bundle_sha256) not in approved:
                plan.approved.append(dict(row._mapping))
            continue
        values = values_of(package, origin="seed", now=now)
        if key in lock:
            unproven = unconfirmed(session, package, rehearsal=False)
            if unproven:
                raise OfficialUnconfirmed(name="/".join(key), parts=", ".join(unproven))
            values |= {"state": PUBLISHED, "published_for": FOR_ALL, "published_at": now}
            if (values["digest"], values["bundle_sha256"]) not in approved:
                plan.approved.append(values)
        elif row is not None and (row.origin != "seed" or row.bundle_sha256 == values["bundle_sha256"]):
            continue
        (plan.fresh if row is None else plan.changed).append(values)
    return plan


def _check_dimensions(package: Package) -> None:
    # A digest that is new here: from now on it is trusted by its digest alone.
    if package.digest not in _CHECKED:
        compile_package(package, check_dimensions=True)
        _CHECKED.add(package.digest)


def _require_same(key: Key, published: str | None, package: Package) -> None:
    if published is not None and published != package.digest:
        raise PublishedDigestDiffers(name="/".join(key), published=published[:12], found=package.digest[:12])
