"""Reads of programmes and methodology versions. Parsed and compiled once per digest."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date

import orjson
from sqlalchemy import select, tuple_
from sqlalchemy.orm import Session

from carbon_credit.catalogue.activities import read_activities
from carbon_credit.catalogue.errors import MethodologyNotFound, ProgrammeNotFound
from carbon_credit.catalogue.models import MethodologyVersion, NetworkVersion, Profile, Programme
from carbon_credit.catalogue.profile import parse_profile
from carbon_credit.catalogue.rules import ProgrammeRules, version_name
from carbon_credit.methodology.engine import CompiledMethodology, compile_package
from carbon_credit.methodology.loader import package_from_files

# Content under a digest never changes, so what was made of it can be kept by the digest.
_COMPILED: dict[str, CompiledMethodology] = {}
_RULES: dict[tuple[str, str], ProgrammeRules] = {}
_MOST_RULES = 500


@dataclass(frozen=True, slots=True)
class VersionRecord:
    """A methodology version as the catalogue holds it."""

    methodology_id: str
    version: str
    digest: str
    state: str
    grade: str
    effective_from: date | None
    effective_to: date | None


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
    """The rules of the programme as they are now. Raises ProgrammeNotFound."""
    statement = select(Programme.phase, Programme.profile_digest).where(Programme.code == programme)
    row = session.execute(statement).one_or_none()
    if row is None:
        raise ProgrammeNotFound(programme=programme)
    return rules_by_digest(session, digest=row.profile_digest, phase=row.phase)


def rules_by_digest(session: Session, *, digest: str, phase: str) -> ProgrammeRules:
    """The rules under a digest, also those of the past: postings name them."""
    key = (digest, phase)
    if key not in _RULES:
        body = session.get_one(Profile, digest).body
        texts = orjson.loads(body)
        profile = parse_profile(texts["profile"].encode(), file="profile")
        wanted = {(spec.methodology, version_name(spec.version)) for spec in profile.bindings}
        if len(_RULES) >= _MOST_RULES:
            _RULES.clear()
        _RULES[key] = ProgrammeRules(
            profile=profile,
            activities=read_activities(texts["activities"].encode()),
            compiled=_compiled_versions(session, wanted),
            digest=digest,
            phase=phase,
        )
    return _RULES[key]


def compiled_by_digest(session: Session, *, digest: str) -> CompiledMethodology:
    """The methodology version under a digest, ready to run. Raises MethodologyNotFound."""
    if digest not in _COMPILED:
        statement = select(MethodologyVersion).where(MethodologyVersion.digest == digest)
        row = session.scalars(statement).one_or_none()
        if row is None:
            raise MethodologyNotFound(name=digest[:12])
        _COMPILED[digest] = compile_package(package_from_files(files_of(row.bundle)), check_dimensions=False)
    return _COMPILED[digest]


def versions(session: Session) -> list[VersionRecord]:
    """All methodology versions, by id and version."""
    order = (MethodologyVersion.methodology_id, MethodologyVersion.version)
    return [_version(row) for row in session.scalars(select(MethodologyVersion).order_by(*order))]


def version(session: Session, *, methodology_id: str, version: str) -> VersionRecord:
    """One version. Raises MethodologyNotFound."""
    return _version(_version_row(session, methodology_id, version))


def package_files(session: Session, *, methodology_id: str, version: str) -> dict[str, bytes]:
    """The files of a version, as published. Raises MethodologyNotFound."""
    return files_of(_version_row(session, methodology_id, version).bundle)


def networks_of(session: Session, *, programme: str) -> dict[str, bytes]:
    """Digest -> csv of the programme's metro networks."""
    statement = select(NetworkVersion.digest, NetworkVersion.body).where(
        NetworkVersion.programme == programme
    )
    return {digest: body for digest, body in session.execute(statement)}  # noqa: C416


def files_of(bundle: bytes) -> dict[str, bytes]:
    """A stored bundle as file name -> bytes."""
    return {name: text.encode() for name, text in orjson.loads(bundle).items()}


def _version_row(session: Session, methodology_id: str, version: str) -> MethodologyVersion:
    row = session.get(MethodologyVersion, (methodology_id, version))
    if row is None:
        raise MethodologyNotFound(name=f"{methodology_id}/{version}")
    return row


def _version(row: MethodologyVersion) -> VersionRecord:
    return VersionRecord(
        methodology_id=row.methodology_id,
        version=row.version,
        digest=row.digest,
        state=row.state,
        grade=row.grade,
        effective_from=row.effective_from,
        effective_to=row.effective_to,
    )


def _compiled_versions(
    session: Session, wanted: set[tuple[str, str]]
) -> Mapping[tuple[str, str], CompiledMethodology]:
    if not wanted:
        return {}
    return dict(_each_compiled(session, wanted))


def _each_compiled(
    session: Session, wanted: set[tuple[str, str]]
) -> Iterator[tuple[tuple[str, str], CompiledMethodology]]:
    key = tuple_(MethodologyVersion.methodology_id, MethodologyVersion.version)
    columns = (MethodologyVersion.methodology_id, MethodologyVersion.version, MethodologyVersion.digest)
    for methodology_id, version, digest in session.execute(select(*columns).where(key.in_(list(wanted)))):
        yield (methodology_id, version), compiled_by_digest(session, digest=digest)
