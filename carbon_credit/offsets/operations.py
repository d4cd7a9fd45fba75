"""The verbs of offsets: register a project, open, fill and freeze a batch, verify it, register it.

`actor` is who acts (a party's id, or the name given at the command line); it goes into the log of steps.
Every verb takes `programme`, so that another programme's batch is not found.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from carbon_credit.catalogue import queries as catalogue
from carbon_credit.kernel.digest import canonical_json
from carbon_credit.kernel.ids import new_id
from carbon_credit.kernel.quantity import MG_PER_TONNE
from carbon_credit.offsets import filling, freezing, guards, queries, registry, serials, states
from carbon_credit.offsets.errors import (
    BatchAlreadyOpen,
    MethodologyNotBatchable,
    NotAWholeTonne,
    NotIndependent,
    NotTheVerifier,
    ProjectExists,
    ProjectInvalid,
    RegistryExternal,
)
from carbon_credit.offsets.models import Batch, Project
from carbon_credit.offsets.queries import BatchRecord, ProjectRecord
from carbon_credit.offsets.selection import Exclusions, Preview, Progress, free_ranges, kilograms_text
from carbon_credit.offsets.steps import take_step, write_step
from carbon_credit.verifier.serial import series_of

_CODE = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*\Z")
_PREPARING = frozenset({"open", "fill", "freeze"})


@dataclass(frozen=True, slots=True)
class ProjectTerms:
    """What is registered of a project. Crediting period half-open; texts in Chinese and English."""

    code: str
    name_zh: str
    name_en: str
    owner: str
    applicant: str
    boundary_zh: str
    boundary_en: str
    methodology_id: str
    activity_types: Sequence[str]
    crediting_from: date
    crediting_to: date
    filing_number: str | None = None
    registry_kind: str = "internal"


def create_project(
    session: Session, *, programme: str, terms: ProjectTerms, actor: str, now: datetime
) -> ProjectRecord:
    """Register a project. Raises ProgrammeNotFound, ProjectInvalid, ProjectExists."""
    rules = catalogue.programme_rules(session, programme=programme)
    if not _CODE.match(terms.code) or len(terms.code) > 32:
        raise ProjectInvalid(why="the code is of lower-case letters, digits and single hyphens, at most 32")
    if terms.crediting_from >= terms.crediting_to:
        raise ProjectInvalid(why="the crediting period ends before it begins")
    if terms.registry_kind not in ("internal", "external"):
        raise ProjectInvalid(why="the registry is internal or external")
    unknown = sorted(set(terms.activity_types) - set(rules.activities))
    if unknown or not terms.activity_types:
        raise ProjectInvalid(why=f"no such activity type: {', '.join(unknown) or 'none given'}")
    if all(known.methodology_id != terms.methodology_id for known in catalogue.versions(session)):
        raise ProjectInvalid(why=f"no such methodology: {terms.methodology_id}")
    taken = select(Project.id).where(Project.programme == programme, Project.code == terms.code)
    if session.scalar(taken) is not None:
        raise ProjectExists(project=terms.code)
    row = Project(
        id=new_id(),
        programme=programme,
        rehearsal=rules.rehearsal,
        code=terms.code,
        name_zh=terms.name_zh,
        name_en=terms.name_en,
        owner=terms.owner,
        applicant=terms.applicant,
        boundary_zh=terms.boundary_zh,
        boundary_en=terms.boundary_en,
        methodology_id=terms.methodology_id,
        filing_number=terms.filing_number,
        activity_types=" ".join(sorted(set(terms.activity_types))),
        crediting_from=terms.crediting_from,
        crediting_to=terms.crediting_to,
        registry_kind=terms.registry_kind,
        created_by=actor,
        created_at=now,
    )
    session.add(row)
    session.flush()
    return queries.project_record(row)


def preview(
    session: Session,
    *,
    programme: str,
    project_id: UUID,
    methodology_version: str,
    starts_on: date,
    ends_before: date,
    now: datetime,
    progress: Progress | None = None,
) -> Preview:
    """What a batch would hold and what not, with reasons; nothing is written. An open batch of the same
    project, version and period counts as free. Raises ProjectNotFound, PeriodInvalid, MethodologyNotFound."""
    project = queries.project(session, programme=programme, project_id=project_id)
    guards.check_period(project, starts_on, ends_before)
    version = catalogue.version(session, methodology_id=project.methodology_id, version=methodology_version)
    wanted = queries.criteria(
        session,
        project=project,
        version=methodology_version,
        digest=version.digest,
        starts_on=starts_on,
        ends_before=ends_before,
    )
    own = guards.open_batch_id(session, project_id, methodology_version, starts_on, ends_before)
    exclusions = Exclusions()
    count = eligible_mg = 0
    for free in free_ranges(
        session, wanted, now=now, exclusions=exclusions, progress=progress, own_batch=own
    ):
        count += 1
        eligible_mg += free.mg
    listed = exclusions.listed() + guards.not_closed(session, wanted)
    return Preview(reductions=count, eligible_mg=eligible_mg, exclusions=listed)


def open_batch(
    session: Session,
    *,
    programme: str,
    project_id: UUID,
    methodology_version: str,
    starts_on: date,
    ends_before: date,
    actor: str,
    now: datetime,
) -> BatchRecord:
    """Open an empty batch; its vintage is the year of the period. Raises ProjectNotFound, PeriodInvalid,
    MethodologyNotFound, MethodologyNotBatchable, SandboxRefused, BatchAlreadyOpen."""
    project = queries.project(session, programme=programme, project_id=project_id)
    guards.check_period(project, starts_on, ends_before)
    version = catalogue.version(session, methodology_id=project.methodology_id, version=methodology_version)
    if version.state == "draft" and not project.rehearsal:
        raise MethodologyNotBatchable(
            methodology=project.methodology_id, version=methodology_version, why="it is not published"
        )
    guards.check_official(session, project, version.digest, now)
    filling.lock_filling(session, programme=programme, methodology_id=project.methodology_id)
    present = guards.open_batch_id(session, project_id, methodology_version, starts_on, ends_before)
    if present is not None:
        raise BatchAlreadyOpen(batch=present)
    row = Batch(
        id=new_id(),
        programme=programme,
        rehearsal=project.rehearsal,
        project_id=project_id,
        methodology_id=project.methodology_id,
        methodology_version=methodology_version,
        version_digest=version.digest,
        starts_on=starts_on,
        ends_before=ends_before,
        vintage=starts_on.year,
        state="open",
        prepared_by=actor,
        opened_at=now,
        exclusions="[]",
    )
    session.add(row)
    session.flush()
    write_step(
        session,
        batch_id=row.id,
        step="open",
        from_state=None,
        to_state="open",
        actor=actor,
        detail={},
        now=now,
    )
    return queries.batch(session, programme=programme, batch_id=row.id)


def fill_batch(
    session: Session,
    *,
    programme: str,
    batch_id: UUID,
    actor: str,
    now: datetime,
    most_tonnes: int | None = None,
    progress: Progress | None = None,
) -> Preview:
    """Fill an open batch anew with whole tonnes, at most `most_tonnes`: what it held is given back first.

    Raises BatchNotFound, StepNotAllowed, NotAWholeTonne (and then nothing is changed by the caller's
    rollback), Busy.
    """
    batch = _for_step(session, programme, batch_id, "fill")
    filling.lock_filling(session, programme=programme, methodology_id=batch.methodology_id)
    wanted = guards.criteria_of(session, batch)
    filling.give_back(session, batch_id=batch_id)
    count, found = filling.fill(
        session, batch_id=batch_id, criteria=wanted, most_tonnes=most_tonnes, now=now, progress=progress
    )
    if count == 0:
        raise NotAWholeTonne(left_kg=kilograms_text(found.eligible_mg))
    found = Preview(
        found.reductions, found.eligible_mg, found.exclusions + guards.not_closed(session, wanted)
    )
    exclusions = queries.exclusions_json(found.exclusions)
    take_step(
        session,
        batch=batch,
        step="fill",
        actor=actor,
        now=now,
        detail={"items": count, "eligible_mg": found.eligible_mg},
        values={"exclusions": canonical_json(exclusions).decode()},
    )
    return found


def freeze_batch(
    session: Session,
    *,
    programme: str,
    batch_id: UUID,
    actor: str,
    now: datetime,
    progress: Progress | None = None,
) -> BatchRecord:
    """Fix the set: root, totals and tonnes; the milligrams move from the citizens to the batch.

    Raises BatchNotFound, StepNotAllowed, BatchEmpty, BatchStale, SandboxRefused, InsufficientBalance.
    """
    batch = _for_step(session, programme, batch_id, "freeze")
    filling.lock_filling(session, programme=programme, methodology_id=batch.methodology_id)
    project = queries.project(session, programme=programme, project_id=batch.project_id)
    guards.check_official(session, project, batch.version_digest, now)
    wanted = guards.criteria_of(session, batch)
    frozen = freezing.freeze(session, batch=batch, criteria=wanted, now=now, progress=progress)
    sums: dict[str, object] = {
        "merkle_root": frozen.merkle_root,
        "leaf_count": frozen.leaf_count,
        "gross_mg": frozen.gross_mg,
        "credited_mg": frozen.credited_mg,
        "batch_mg": frozen.batch_mg,
        "tonnes": frozen.batch_mg // MG_PER_TONNE,
    }
    values = {**sums, "salt": frozen.salt, "frozen_at": now, "prepared_by": actor}
    return take_step(session, batch=batch, step="freeze", actor=actor, now=now, detail=sums, values=values)


def start_verification(
    session: Session, *, programme: str, batch_id: UUID, actor: str, now: datetime
) -> BatchRecord:
    """A verifier takes the frozen batch on, or takes it up again after corrections.

    Raises BatchNotFound, StepNotAllowed, NotIndependent, NotTheVerifier.
    """
    batch = _for_step(session, programme, batch_id, "start_verification")
    _require_independent(session, batch, actor)
    return take_step(
        session, batch=batch, step="start_verification", actor=actor, now=now, values={"verifier": actor}
    )


def request_corrections(
    session: Session, *, programme: str, batch_id: UUID, actor: str, finding: str, now: datetime
) -> BatchRecord:
    """The verifier asks for something. Raises BatchNotFound, StepNotAllowed, NotTheVerifier."""
    batch = _for_step(session, programme, batch_id, "request_corrections")
    _require_independent(session, batch, actor)
    detail = {"finding": finding}
    return take_step(session, batch=batch, step="request_corrections", actor=actor, now=now, detail=detail)


def verify_batch(
    session: Session, *, programme: str, batch_id: UUID, actor: str, statement: str, now: datetime
) -> BatchRecord:
    """The verifier states that the batch is right; `statement` is the number of the statement.

    Raises BatchNotFound, StepNotAllowed, NotIndependent, NotTheVerifier.
    """
    batch = _for_step(session, programme, batch_id, "verify")
    _require_independent(session, batch, actor)
    values = {"statement": statement}
    return take_step(session, batch=batch, step="verify", actor=actor, now=now, detail=values, values=values)


def reject_batch(
    session: Session, *, programme: str, batch_id: UUID, actor: str, reason: str, now: datetime
) -> BatchRecord:
    """End the batch without tonnes: its milligrams go back to the citizens and may enter another.

    Also how an operator gives up an open batch. Raises BatchNotFound, StepNotAllowed.
    """
    batch = _for_step(session, programme, batch_id, "reject")
    # Ranges that become free are joined with free ones beside them, which nobody may take meanwhile.
    filling.lock_filling(session, programme=programme, methodology_id=batch.methodology_id)
    rejected = take_step(session, batch=batch, step="reject", actor=actor, now=now, detail={"reason": reason})
    filling.give_back(session, batch_id=batch_id)
    if batch.state != "open":
        freezing.release(session, batch=batch, now=now)
    return rejected


def apply_batch(
    session: Session, *, programme: str, batch_id: UUID, actor: str, now: datetime, document: str = ""
) -> BatchRecord:
    """Apply for registration of a verified batch; `document` is the number of the application.

    Raises BatchNotFound, StepNotAllowed.
    """
    batch = _for_step(session, programme, batch_id, "apply")
    return take_step(session, batch=batch, step="apply", actor=actor, now=now, detail={"document": document})


def return_batch(
    session: Session, *, programme: str, batch_id: UUID, actor: str, reason: str, now: datetime
) -> BatchRecord:
    """The registry hands the application back. Raises BatchNotFound, StepNotAllowed."""
    batch = _for_step(session, programme, batch_id, "return")
    return take_step(session, batch=batch, step="return", actor=actor, now=now, detail={"reason": reason})


def register_batch(
    session: Session, *, programme: str, batch_id: UUID, actor: str, now: datetime
) -> BatchRecord:
    """Enter the batch in the internal registry: one serial number for each tonne.

    Raises BatchNotFound, StepNotAllowed, RegistryExternal, SerialsExhausted.
    """
    batch = _for_step(session, programme, batch_id, "register")
    project = queries.project(session, programme=programme, project_id=batch.project_id)
    if project.registry_kind != "internal":
        raise RegistryExternal
    numbers = registry.issue_range(session, batch=batch, project=project, now=now)
    freezing.issue(session, batch=batch, now=now)
    first, last = serials.texts(series_of(programme, project.code), batch.vintage, numbers)
    detail = {"first": first, "last": last, "tonnes": len(numbers)}
    return take_step(session, batch=batch, step="register", actor=actor, now=now, detail=detail)


def _for_step(session: Session, programme: str, batch_id: UUID, step: str) -> BatchRecord:
    """The batch, locked, in a state that allows the step. Raises BatchNotFound, StepNotAllowed."""
    batch = queries.batch_for_step(session, programme=programme, batch_id=batch_id)
    states.require(step, batch.state)
    return batch


def _require_independent(session: Session, batch: BatchRecord, actor: str) -> None:
    """Raises NotIndependent for who prepared the batch, NotTheVerifier where another one began."""
    preparers = {step.actor for step in queries.steps(session, batch_id=batch.id) if step.step in _PREPARING}
    if actor in preparers:
        raise NotIndependent(why="who prepared a batch cannot verify it")
    if batch.verifier is not None and batch.verifier != actor:
        raise NotTheVerifier(why="another verifier began")
