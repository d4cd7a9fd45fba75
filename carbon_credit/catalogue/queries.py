"""Reads of programmes and methodology versions. Parsed and compiled once per digest."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import date, datetime
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import select
from sqlalchemy.orm import Session

from carbon_credit.catalogue.activities import read_activities
from carbon_credit.catalogue.errors import MethodologyNotFound, ProgrammeNotFound, StoredTextDiffers
from carbon_credit.catalogue.models import (
    CatalogueStamp,
    MethodologyApproval,
    MethodologyText,
    MethodologyVersion,
    NetworkVersion,
    Profile,
    Programme,
    ValueConfirmation,
)
from carbon_credit.catalogue.profile import parse_profile
from carbon_credit.catalogue.rules import ProgrammeRules, Successor
from carbon_credit.kernel.db import is_postgresql
from carbon_credit.methodology.engine import CompiledMethodology, compile_package
from carbon_credit.methodology.loader import Package, package_from_files

# Content under a digest never changes, so what was made of it can be kept by the digest.
_COMPILED: dict[str, CompiledMethodology] = {}
# Which version governs depends on what is published: the stamp of the catalogue is part of the key.
_RULES: dict[tuple[str, str, str], ProgrammeRules] = {}
_MOST_RULES = 500
# Asked by every call, so it is not made anew each time.
_PRESENT = "SELECT phase, profile_digest, (SELECT stamp FROM catalogue_stamp) FROM programme WHERE code = "


@dataclass(frozen=True, slots=True)
class VersionRecord:
    """A methodology version as the catalogue holds it. `bundle_sha256` covers all files, cases too."""

    methodology_id: str
    version: str
    digest: str
    state: str
    grade: str
    effective_from: date | None
    effective_to: date | None
    supersedes: str | None
    origin: str | None
    bundle_sha256: str | None
    published_for: str | None
    published_at: datetime | None
    recorded_at: datetime


@dataclass(frozen=True, slots=True)
class ApprovalRecord:
    """Who is for publishing or retiring which bytes."""

    version: str
    digest: str
    bundle_sha256: str
    act: str
    party_id: UUID
    actor: str
    rehearsal: bool
    reason: str | None
    recorded_at: datetime


@dataclass(frozen=True, slots=True)
class ConfirmationRecord:
    """Who has found `stated`, the value of `part`, in which document."""

    version: str
    digest: str
    part: str
    stated: str
    document: str
    number: str | None
    clause: str | None
    address: str | None
    file_sha256: str
    programme: str
    party_id: UUID
    actor: str
    rehearsal: bool
    recorded_at: datetime


def programme_codes(session: Session) -> list[str]:
    """Codes of all programmes of the installation, in order."""
    return list(session.scalars(select(Programme.code).order_by(Programme.code)))


def time_zone(session: Session, *, programme: str) -> str:
    """Where the programme's business days are, e.g. Asia/Shanghai. Raises ProgrammeNotFound."""
    found = session.scalar(select(Programme.time_zone).where(Programme.code == programme))
    if found is None:
        raise ProgrammeNotFound(programme=programme)
    return found


def programme_rules(session: Session, *, programme: str) -> ProgrammeRules:
    """The rules of the programme as they are now, with what is published now. Raises ProgrammeNotFound."""
    mark = "%b" if is_postgresql(session) else "?"
    rows = session.connection().exec_driver_sql(f"{_PRESENT}{mark}", (programme,)).fetchall()
    if not rows:
        raise ProgrammeNotFound(programme=programme)
    phase, digest, stamp = rows[0]
    return _rules(session, digest, phase, stamp or "")


def rules_by_digest(session: Session, *, digest: str, phase: str) -> ProgrammeRules:
    """The rules under a digest, also those of the past: postings name them. Versions that were
    superseded since are resolved as they are now."""
    return _rules(session, digest, phase, session.scalar(select(CatalogueStamp.stamp)) or "")


def compiled_by_digest(session: Session, *, digest: str) -> CompiledMethodology:
    """The methodology version under a digest, ready to run, also a draft that was replaced.

    Raises MethodologyNotFound; StoredTextDiffers where the bytes are not those of the digest.
    """
    if digest not in _COMPILED:
        bundle = session.scalar(select(MethodologyText.bundle).where(MethodologyText.digest == digest))
        if bundle is None:
            raise MethodologyNotFound(name=digest[:12])
        package = package_from_files(files_of(bundle))
        if package.digest != digest:
            raise StoredTextDiffers(name=package.name, digest=digest[:12], found=package.digest[:12])
        _COMPILED[digest] = compile_package(package, check_dimensions=False)
    return _COMPILED[digest]


def versions(session: Session) -> list[VersionRecord]:
    """All methodology versions, by id and version."""
    order = (MethodologyVersion.methodology_id, MethodologyVersion.version)
    statement = select(*_columns(MethodologyVersion, VersionRecord)).order_by(*order)
    return [VersionRecord(*row) for row in session.execute(statement)]


def version(session: Session, *, methodology_id: str, version: str) -> VersionRecord:
    """One version. Raises MethodologyNotFound."""
    row = _version_row(session, methodology_id, version)
    return VersionRecord(**{one.name: getattr(row, one.name) for one in fields(VersionRecord)})


def package_files(session: Session, *, methodology_id: str, version: str) -> dict[str, bytes]:
    """The files of a version, as published. Raises MethodologyNotFound."""
    return files_of(_version_row(session, methodology_id, version).bundle)


def published_here(session: Session) -> dict[tuple[str, str], Package]:
    """The versions that were published in this installation and did not come with a folder."""
    columns = (MethodologyVersion.methodology_id, MethodologyVersion.version, MethodologyVersion.digest)
    statement = select(*columns).where(
        MethodologyVersion.state == "published", MethodologyVersion.origin != "seed"
    )
    return {
        (row.methodology_id, row.version): compiled_by_digest(session, digest=row.digest).package
        for row in session.execute(statement).all()
    }


def approvals(session: Session, *, methodology_id: str, version: str) -> list[ApprovalRecord]:
    """Who approved what of a version, in order; also of bytes that were replaced since."""
    statement = (
        select(*_columns(MethodologyApproval, ApprovalRecord))
        .where(MethodologyApproval.methodology_id == methodology_id, MethodologyApproval.version == version)
        .order_by(MethodologyApproval.id)
    )
    return [ApprovalRecord(*row) for row in session.execute(statement)]


def confirmations(session: Session, *, methodology_id: str) -> list[ConfirmationRecord]:
    """What was confirmed of a methodology, in order, whatever the version."""
    statement = (
        select(*_columns(ValueConfirmation, ConfirmationRecord))
        .where(ValueConfirmation.methodology_id == methodology_id)
        .order_by(ValueConfirmation.id)
    )
    return [ConfirmationRecord(*row) for row in session.execute(statement)]


def networks_of(session: Session, *, programme: str) -> dict[str, bytes]:
    """Digest -> csv of the programme's metro networks."""
    statement = select(NetworkVersion.digest, NetworkVersion.body).where(
        NetworkVersion.programme == programme
    )
    return {digest: body for digest, body in session.execute(statement)}  # noqa: C416


def network_of(session: Session, *, programme: str, digest: str | None = None) -> tuple[str, bytes] | None:
    """(digest, csv) of the programme's network of that digest, or of the one that was loaded last."""
    statement = select(NetworkVersion.digest, NetworkVersion.body).where(
        NetworkVersion.programme == programme
    )
    if digest is not None:
        statement = statement.where(NetworkVersion.digest == digest)
    newest = statement.order_by(NetworkVersion.loaded_at.desc(), NetworkVersion.digest).limit(1)
    found = session.execute(newest).one_or_none()
    return None if found is None else (found.digest, found.body)


def files_of(bundle: bytes) -> dict[str, bytes]:
    """A stored bundle as file name -> bytes."""
    return {name: text.encode() for name, text in orjson.loads(bundle).items()}


def _version_row(session: Session, methodology_id: str, version: str) -> MethodologyVersion:
    row = session.get(MethodologyVersion, (methodology_id, version))
    if row is None:
        raise MethodologyNotFound(name=f"{methodology_id}/{version}")
    return row


def _columns(model: Any, record: Any) -> list[Any]:
    return [getattr(model, one.name) for one in fields(record)]


def _rules(session: Session, digest: str, phase: str, stamp: str) -> ProgrammeRules:
    key = (digest, phase, stamp)
    if key not in _RULES:
        body = session.get_one(Profile, digest).body
        texts = orjson.loads(body)
        profile = parse_profile(texts["profile"].encode(), file="profile")
        if len(_RULES) >= _MOST_RULES:
            _RULES.clear()
        wanted = {(spec.methodology, spec.version_name) for spec in profile.bindings}
        held = _held(session, {methodology_id for methodology_id, _ in wanted})
        following = {key: _following(held, key, rehearsal=profile.rehearsal) for key in wanted}
        applied = wanted | {(key[0], one.version) for key, found in following.items() for one in found}
        _RULES[key] = ProgrammeRules(
            profile=profile,
            activities=read_activities(texts["activities"].encode()),
            compiled={
                key: compiled_by_digest(session, digest=held[key].digest) for key in applied if key in held
            },
            digest=digest,
            phase=phase,
            successors=following,
            retired=frozenset(key for key in wanted if key in held and held[key].state == "retired"),
        )
    return _RULES[key]


def _held(session: Session, ids: set[str]) -> dict[tuple[str, str], Any]:
    columns = [column for column in MethodologyVersion.__table__.columns if column.name != "bundle"]
    statement = select(*columns).where(MethodologyVersion.methodology_id.in_(sorted(ids)))
    return {(row.methodology_id, row.version): row for row in session.execute(statement)}


def _following(
    held: Mapping[tuple[str, str], Any], key: tuple[str, str], *, rehearsal: bool
) -> tuple[Successor, ...]:
    """The published versions that supersede `key`, directly or over others, newest first. What only
    operators of rehearsals have approved takes nobody's place in a real programme."""
    visible = [
        row
        for row in held.values()
        if row.methodology_id == key[0] and row.state != "draft" and (rehearsal or row.published_for == "all")
    ]
    reached, found = {key[1]}, []
    for row in sorted(visible, key=_number):  # a version supersedes only one before it
        if row.supersedes in reached:
            reached.add(row.version)
            if row.state == "published":
                found.append(Successor(row.version, row.effective_from, row.effective_to))
    return tuple(reversed(found))


def _number(row: Any) -> int:
    return int(row.version.partition("+")[0].removeprefix("v"))
