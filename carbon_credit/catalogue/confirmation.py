"""Confirming a value by its official document, and composing the version in which it is official."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from carbon_credit.catalogue import queries
from carbon_credit.catalogue.composing import Confirmed, composed
from carbon_credit.catalogue.errors import (
    PartOfficialAlready,
    PartUnknown,
    PartWithoutValue,
    SecondOperatorNeeded,
    StatedDiffers,
    VersionNotInState,
    VersionSuperseded,
)
from carbon_credit.catalogue.official import pairs
from carbon_credit.catalogue.parts import Part, parts_of, same_statement
from carbon_credit.catalogue.publication import keep_draft
from carbon_credit.catalogue.queries import VersionRecord
from carbon_credit.catalogue.recording import (
    DRAFT,
    FOR_REHEARSAL,
    PUBLISHED,
    Actor,
    append_confirmation,
    hold_catalogue,
    refresh_stamp,
)
from carbon_credit.methodology.definition import Grade
from carbon_credit.methodology.loader import Package, package_from_files


@dataclass(frozen=True, slots=True)
class Finding:
    """What an operator has found. `stated`: the value of `part` as the document states it; `file_sha256`:
    of the document's file, which is not kept."""

    part: str
    stated: str
    document: str
    number: str
    clause: str
    file_sha256: str
    address: str | None = None


@dataclass(frozen=True, slots=True)
class Confirmation:
    """`draft`: the version that was composed; None while a second operator is awaited."""

    part: str
    grade: str
    draft: VersionRecord | None


def confirm(
    session: Session, *, methodology_id: str, version: str, finding: Finding, actor: Actor, now: datetime
) -> Confirmation:
    """Record that `actor` has found a part of a published version in an official document. With another
    operator's equal finding a draft is composed, or extended, in which the part is `official`.

    Raises MethodologyNotFound, VersionNotInState, VersionSuperseded, PartUnknown, PartWithoutValue,
    PartOfficialAlready, StatedDiffers, SecondOperatorNeeded.
    """
    hold_catalogue(session)
    record = queries.version(session, methodology_id=methodology_id, version=version)
    known = [one for one in queries.versions(session) if one.methodology_id == methodology_id]
    _require_in_force(record, known, actor)
    package = queries.compiled_by_digest(session, digest=record.digest).package
    part = _checked_part(package, finding)
    before = queries.confirmations(session, methodology_id=methodology_id)
    alike = (record.digest, part.name, part.stated, finding.file_sha256, finding.number, finding.clause)
    for one in before:
        same = (one.digest, one.part, one.stated, one.file_sha256, one.number, one.clause) == alike
        if same and one.party_id == actor.party_id:
            raise SecondOperatorNeeded(name=part.name, day=one.recorded_at.date().isoformat())
    append_confirmation(
        session,
        {
            "methodology_id": methodology_id,
            "version": version,
            "digest": record.digest,
            "part": part.name,
            "stated": part.stated,
            "document": finding.document,
            "number": finding.number,
            "clause": finding.clause,
            "address": finding.address,
            "file_sha256": finding.file_sha256,
            "party_id": actor.party_id,
            "programme": actor.programme,
            "rehearsal": actor.rehearsal,
            "actor": actor.key,
            "recorded_at": now,
        },
    )
    found = [
        one
        for one in pairs(
            queries.confirmations(session, methodology_id=methodology_id), rehearsal=actor.rehearsal
        )
        if one[0].digest == record.digest
    ]
    if not any(one.part == part.name for one, _ in found):
        return Confirmation(part.name, str(part.grade), None)
    draft = _compose(session, package, found, known, actor, now)
    return Confirmation(part.name, Grade.OFFICIAL.value, draft)


def _require_in_force(record: VersionRecord, known: Sequence[VersionRecord], actor: Actor) -> None:
    name = f"{record.methodology_id}/{record.version}"
    hidden = record.published_for == FOR_REHEARSAL and not actor.rehearsal
    if record.state != PUBLISHED or hidden:
        state = f"{record.state} for rehearsals" if hidden else record.state
        raise VersionNotInState(name=name, state=state, needed=PUBLISHED)
    for one in known:
        seen = one.state == PUBLISHED and (actor.rehearsal or one.published_for != FOR_REHEARSAL)
        if seen and one.supersedes == record.version:
            raise VersionSuperseded(name=name, newer=one.version)


def _checked_part(package: Package, finding: Finding) -> Part:
    parts = parts_of(package)
    part = parts.get(finding.part)
    if part is None:
        raise PartUnknown(name=package.name, part=finding.part[:160], known=", ".join(parts))
    if part.stated is None:
        raise PartWithoutValue(name=package.name, part=part.name)
    if part.grade is Grade.OFFICIAL:
        raise PartOfficialAlready(name=package.name, part=part.name)
    if not same_statement(finding.stated, part.stated):
        raise StatedDiffers(part=part.name, held=part.stated, stated=finding.stated[:200])
    return part


def _compose(
    session: Session,
    base: Package,
    found: Sequence[tuple[queries.ConfirmationRecord, queries.ConfirmationRecord]],
    known: Sequence[VersionRecord],
    actor: Actor,
    now: datetime,
) -> VersionRecord:
    """The draft that follows from everything that is confirmed of `base`: the same whatever the order in
    which it was asked for. Where a part was confirmed twice, the later document holds."""
    origin = "rehearsal" if actor.rehearsal else "confirmation"
    own = [
        int(one.version[1:])
        for one in known
        if (one.state, one.origin, one.supersedes) == (DRAFT, origin, base.version)
    ]
    highest = max(int(one.version.partition("+")[0][1:]) for one in known)
    latest = {first.part: first for first, _ in found}
    confirmed = [
        Confirmed(
            part=name,
            document=latest[name].document,
            number=latest[name].number,
            clause=latest[name].clause,
            address=latest[name].address,
            file_sha256=latest[name].file_sha256,
        )
        for name in parts_of(base)
        if name in latest
    ]
    on = max(second.recorded_at for _, second in found).date()
    version = own[0] if own else highest + 1
    package = package_from_files(composed(base, confirmed=confirmed, version=version, on=on))
    keep_draft(session, package, origin=origin, now=now)
    refresh_stamp(session)
    return queries.version(session, methodology_id=package.methodology.id, version=package.version)
