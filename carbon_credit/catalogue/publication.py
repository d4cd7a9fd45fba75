"""A version's way: draft, published, retired. Each step after the first is the act of two parties of one
programme (`four_eyes`).

The database holds the same: it refuses the step without two approvals of exactly these bytes.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from carbon_credit.catalogue import queries
from carbon_credit.catalogue.errors import (
    DraftChanged,
    FileNotInPackage,
    OfficialUnconfirmed,
    SecondOperatorNeeded,
    VersionNotInState,
    VersionTaken,
)
from carbon_credit.catalogue.four_eyes import agreed
from carbon_credit.catalogue.library import check_package
from carbon_credit.catalogue.official import unconfirmed
from carbon_credit.catalogue.publishable import require_publishable
from carbon_credit.catalogue.queries import VersionRecord
from carbon_credit.catalogue.recording import (
    APPROVAL,
    DRAFT,
    FOR_ALL,
    FOR_REHEARSAL,
    PUBLISHED,
    RETIRED,
    VERSION,
    Actor,
    add_versions,
    approve_rows,
    hold_catalogue,
    refresh_stamp,
    replace_version,
    values_of,
)
from carbon_credit.methodology.engine import compile_package
from carbon_credit.methodology.loader import OVERLAY, Package, package_from_files


@dataclass(frozen=True, slots=True)
class Step:
    """Where the version stands after an approval. `done`: False while a second operator is awaited."""

    version: VersionRecord
    done: bool


def upload(session: Session, *, files: Mapping[str, bytes], actor: Actor, now: datetime) -> VersionRecord:
    """Keep a package as a draft, in place of the draft that was there. With overlay.yaml the version with
    the overlay is kept, too; the answer is the one without.

    Raises a DataError for the first fault of the files, FileNotInPackage, VersionTaken.
    """
    package = package_from_files({name: data for name, data in files.items() if name != OVERLAY})
    packages = [package] + ([package_from_files(files)] if OVERLAY in files else [])
    kept = {name for one in packages for name in one.files}
    for name in sorted(files):
        if name not in kept:
            raise FileNotInPackage(file=name[:80])
    activities = queries.programme_rules(session, programme=actor.programme).activities
    hold_catalogue(session)
    for one in packages:
        check_package(one, activities)
        compile_package(one, check_dimensions=True)
        keep_draft(session, one, origin="upload", now=now)
    refresh_stamp(session)
    return _record(session, package)


def keep_draft(session: Session, package: Package, *, origin: str, now: datetime) -> None:
    """Add a draft, or give the draft that is there these bytes. Raises VersionTaken."""
    values = values_of(package, origin=origin, now=now)
    key = (VERSION.c.methodology_id == values["methodology_id"], VERSION.c.version == values["version"])
    known = session.execute(select(VERSION.c.state, VERSION.c.bundle_sha256).where(*key)).one_or_none()
    if known is None:
        add_versions(session, [values])
        return
    if known.state != DRAFT:
        raise VersionTaken(name=package.name, state=known.state)
    if known.bundle_sha256 != values["bundle_sha256"]:
        replace_version(session, values)


def approve_publication(
    session: Session,
    *,
    methodology_id: str,
    version: str,
    digest: str,
    actor: Actor,
    on: date,
    now: datetime,
) -> Step:
    """`actor` is for publishing the bytes under `digest`; with the second party's approval they are.

    What two operators of a real programme approve is published for all; what two of a rehearsal approve,
    for rehearsals, until two of a real programme have. `on`: today, for dates of best-before.
    Raises MethodologyNotFound, VersionNotInState, DraftChanged, SecondOperatorNeeded, NotPublishable,
    OfficialUnconfirmed, CaseFailed and the DataErrors of dimensions.
    """
    hold_catalogue(session)
    record = queries.version(session, methodology_id=methodology_id, version=version)
    name = f"{methodology_id}/{version}"
    wider = record.state == PUBLISHED and record.published_for == FOR_REHEARSAL and not actor.rehearsal
    if record.state != DRAFT and not wider:
        raise VersionNotInState(name=name, state=_told(record), needed=DRAFT)
    if digest != record.digest:
        raise DraftChanged(name=name, found=record.digest[:12], given=digest[:12])
    package = queries.compiled_by_digest(session, digest=digest).package
    files = queries.package_files(session, methodology_id=methodology_id, version=version)
    published = {
        one.version
        for one in queries.versions(session)
        if one.methodology_id == methodology_id and one.state != DRAFT
    }
    require_publishable(package_from_files(files), published=published, on=on)
    _approve(session, record, act="publish", actor=actor, now=now)
    for_all = agreed(_approvals(session, record, "publish", real=True))
    published_for = FOR_ALL if for_all else FOR_REHEARSAL
    if published_for == record.published_for:
        return Step(record, done=False)
    if not for_all and not agreed(_approvals(session, record, "publish")):
        return Step(record, done=False)
    unproven = unconfirmed(session, package, rehearsal=published_for == FOR_REHEARSAL)
    if unproven:
        raise OfficialUnconfirmed(name=name, parts=", ".join(unproven))
    _move(session, record, state=PUBLISHED, published_for=published_for, published_at=now)
    return Step(_record(session, package), done=True)


def approve_retirement(
    session: Session,
    *,
    methodology_id: str,
    version: str,
    reason: str,
    actor: Actor,
    now: datetime,
) -> Step:
    """`actor` is for no longer applying a published version; with the second party's approval it is not.

    What it has credited stays. Raises MethodologyNotFound, VersionNotInState, SecondOperatorNeeded.
    """
    hold_catalogue(session)
    record = queries.version(session, methodology_id=methodology_id, version=version)
    if record.state != PUBLISHED:
        raise VersionNotInState(name=f"{methodology_id}/{version}", state=_told(record), needed=PUBLISHED)
    _approve(session, record, act="retire", actor=actor, now=now, reason=reason)
    if not agreed(_approvals(session, record, "retire", real=record.published_for == FOR_ALL)):
        return Step(record, done=False)
    _move(session, record, state=RETIRED)
    return Step(
        queries.version(session, methodology_id=methodology_id, version=version),
        done=True,
    )


def _approve(
    session: Session,
    record: VersionRecord,
    *,
    act: str,
    actor: Actor,
    now: datetime,
    reason: str | None = None,
) -> None:
    own = [
        one
        for one in queries.approvals(session, methodology_id=record.methodology_id, version=record.version)
        if (one.party_id, one.act, one.digest, one.bundle_sha256)
        == (actor.party_id, act, record.digest, record.bundle_sha256)
    ]
    if own:
        name = f"{record.methodology_id}/{record.version}"
        raise SecondOperatorNeeded(name=name, day=own[0].recorded_at.date().isoformat())
    row = {name: getattr(record, name) for name in ("methodology_id", "version", "digest", "bundle_sha256")}
    approve_rows(session, [row], act=act, actor=actor, now=now, reason=reason)


def _approvals(
    session: Session, record: VersionRecord, act: str, *, real: bool = False
) -> set[tuple[str, UUID]]:
    """(programme, party) of who is for the act; with `real` without those of rehearsals."""
    statement = select(APPROVAL.c.programme, APPROVAL.c.party_id).where(
        APPROVAL.c.methodology_id == record.methodology_id,
        APPROVAL.c.version == record.version,
        APPROVAL.c.digest == record.digest,
        APPROVAL.c.bundle_sha256 == record.bundle_sha256,
        APPROVAL.c.act == act,
        *([~APPROVAL.c.rehearsal] if real else []),
    )
    return {(row.programme, row.party_id) for row in session.execute(statement)}


def _move(session: Session, record: VersionRecord, **values: Any) -> None:
    statement = update(VERSION).where(
        VERSION.c.methodology_id == record.methodology_id, VERSION.c.version == record.version
    )
    session.execute(statement.values(values))
    refresh_stamp(session)


def _record(session: Session, package: Package) -> VersionRecord:
    return queries.version(session, methodology_id=package.methodology.id, version=package.version)


def _told(record: VersionRecord) -> str:
    return f"{record.state} for rehearsals" if record.published_for == FOR_REHEARSAL else record.state
