"""Reads of projects, batches, their steps and serial numbers."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

import orjson
from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from carbon_credit.catalogue.queries import compiled_by_digest
from carbon_credit.kernel.bulk import one_of
from carbon_credit.offsets import serials
from carbon_credit.offsets.errors import BatchNotFound, ProjectNotFound, SerialNotFound
from carbon_credit.offsets.models import Batch, BatchItem, BatchStep, Project, SerialRange
from carbon_credit.offsets.selection import Criteria, Exclusion
from carbon_credit.quantification.periods import closed_years
from carbon_credit.verifier.serial import Serial

_ITEMS_AT_ONCE = 2_000


@dataclass(frozen=True, slots=True)
class ProjectRecord:
    """A project. `activity_types` are those that its batches take."""

    id: UUID
    programme: str
    rehearsal: bool
    code: str
    name_zh: str
    name_en: str
    owner: str
    applicant: str
    boundary_zh: str
    boundary_en: str
    methodology_id: str
    filing_number: str | None
    activity_types: tuple[str, ...]
    crediting_from: date
    crediting_to: date
    registry_kind: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class BatchRecord:
    """A batch. Sums and root are None while it is open. `exclusions`: what the last filling left out."""

    id: UUID
    programme: str
    rehearsal: bool
    project_id: UUID
    methodology_id: str
    methodology_version: str
    version_digest: str
    starts_on: date
    ends_before: date
    vintage: int
    state: str
    prepared_by: str
    verifier: str | None
    statement: str | None
    opened_at: datetime
    frozen_at: datetime | None
    leaf_count: int | None
    gross_mg: int | None
    credited_mg: int | None
    batch_mg: int | None
    tonnes: int | None
    merkle_root: str | None
    exclusions: tuple[Exclusion, ...]


@dataclass(frozen=True, slots=True)
class StepRecord:
    """A step that a batch took."""

    id: UUID
    step: str
    from_state: str | None
    to_state: str
    actor: str
    detail: dict[str, object]
    recorded_at: datetime


@dataclass(frozen=True, slots=True)
class SerialRecord:
    """A range of serial numbers, first and last in it, one a tonne."""

    id: UUID
    programme: str
    batch_id: UUID
    vintage: int
    first: str
    last: str
    tonnes: int
    state: str
    issued_at: datetime


@dataclass(frozen=True, slots=True)
class Item:
    """A range of a reduction in a batch. `total_mg`: what the reduction counted for at the freeze."""

    position: int
    reduction_id: UUID
    from_mg: int
    to_mg: int
    total_mg: int


def project_by_code(session: Session, *, programme: str, code: str) -> ProjectRecord:
    """The programme's project of that code. Raises ProjectNotFound."""
    wanted = (Project.programme == programme, Project.code == code)
    row = session.scalars(select(Project).where(*wanted)).one_or_none()
    if row is None:
        raise ProjectNotFound(what="project")
    return project_record(row)


def project(session: Session, *, programme: str, project_id: UUID) -> ProjectRecord:
    """The programme's project. Raises ProjectNotFound."""
    row = session.get(Project, project_id)
    if row is None or row.programme != programme:
        raise ProjectNotFound(what="project")
    return project_record(row)


def projects(
    session: Session, *, programme: str, after: UUID | None = None, limit: int
) -> list[ProjectRecord]:
    """Projects by id, from the one after `after`."""
    statement = select(Project).where(Project.programme == programme).order_by(Project.id).limit(limit)
    if after is not None:
        statement = statement.where(Project.id > after)
    return [project_record(row) for row in session.scalars(statement)]


def batch(session: Session, *, programme: str, batch_id: UUID) -> BatchRecord:
    """The programme's batch. Raises BatchNotFound."""
    row = session.get(Batch, batch_id, populate_existing=True)
    if row is None or row.programme != programme:
        raise BatchNotFound(what="batch")
    return batch_record(row)


def batch_for_step(session: Session, *, programme: str, batch_id: UUID) -> BatchRecord:
    """The programme's batch, its row locked until the transaction ends. Raises BatchNotFound."""
    row = session.get(Batch, batch_id, populate_existing=True, with_for_update=True)
    if row is None or row.programme != programme:
        raise BatchNotFound(what="batch")
    return batch_record(row)


def batches(
    session: Session,
    *,
    programme: str,
    state: str | None = None,
    verifier: str | None = None,
    after: UUID | None = None,
    limit: int,
) -> list[BatchRecord]:
    """Batches by id, from the one after `after`; of one state, taken on by one verifier."""
    statement = select(Batch).where(Batch.programme == programme).order_by(Batch.id).limit(limit)
    if state is not None:
        statement = statement.where(Batch.state == state)
    if verifier is not None:
        statement = statement.where(Batch.verifier == verifier)
    if after is not None:
        statement = statement.where(Batch.id > after)
    return [batch_record(row) for row in session.scalars(statement)]


def steps(session: Session, *, batch_id: UUID) -> list[StepRecord]:
    """Every step of a batch, in order."""
    statement = select(BatchStep).where(BatchStep.batch_id == batch_id).order_by(BatchStep.id)
    return [
        StepRecord(
            id=row.id,
            step=row.step,
            from_state=row.from_state,
            to_state=row.to_state,
            actor=row.actor,
            detail=orjson.loads(row.detail),
            recorded_at=row.recorded_at,
        )
        for row in session.scalars(statement)
    ]


def serials_of_batch(session: Session, *, batch_id: UUID) -> list[SerialRecord]:
    """The ranges issued for a batch, by their numbers."""
    wanted = select(SerialRange).where(SerialRange.batch_id == batch_id)
    return [_serial(row) for row in session.scalars(wanted.order_by(SerialRange.first_no))]


def serial_ranges(
    session: Session, *, programme: str, after: UUID | None = None, limit: int
) -> list[SerialRecord]:
    """Ranges of the programme by id, from the one after `after`."""
    statement = select(SerialRange).where(SerialRange.programme == programme)
    if after is not None:
        statement = statement.where(SerialRange.id > after)
    return [_serial(row) for row in session.scalars(statement.order_by(SerialRange.id).limit(limit))]


def range_of(session: Session, *, serial: Serial) -> SerialRecord:
    """The range that holds the serial number, of whatever programme. Raises SerialNotFound."""
    statement = select(SerialRange).where(
        SerialRange.series == serial.series,
        SerialRange.vintage == serial.vintage,
        SerialRange.first_no <= serial.number,
        SerialRange.last_no >= serial.number,
    )
    row = session.scalars(statement).one_or_none()
    if row is None:
        raise SerialNotFound
    return _serial(row)


def items(session: Session, *, batch_id: UUID) -> Iterator[list[Item]]:
    """The items of a batch by position, in portions."""
    after = 0
    columns = (
        BatchItem.position,
        BatchItem.reduction_id,
        BatchItem.from_mg,
        BatchItem.to_mg,
        BatchItem.total_mg,
    )
    while True:
        statement = (
            select(*columns)
            .where(BatchItem.batch_id == batch_id, BatchItem.position > after)
            .order_by(BatchItem.position)
            .limit(_ITEMS_AT_ONCE)
        )
        portion = [
            Item(row.position, row.reduction_id, row.from_mg, row.to_mg, row.total_mg)
            for row in session.execute(statement)
        ]
        if not portion:
            return
        yield portion
        after = portion[-1].position


def salt(session: Session, *, batch_id: UUID) -> bytes | None:
    """The batch's salt: 32 bytes, None while it is open or once the salt was deleted."""
    return session.scalar(select(Batch.salt).where(Batch.id == batch_id))


def spoken_for(session: Session, *, reduction_ids: Collection[UUID]) -> set[UUID]:
    """Those of the reductions of which something lies in a batch, or was retired by its citizen."""
    if not reduction_ids:
        return set()
    mine = one_of(session, BatchItem.reduction_id, reduction_ids)
    taken = or_(BatchItem.batch_id.is_not(None), BatchItem.retirement_id.is_not(None))
    return set(session.scalars(select(BatchItem.reduction_id).where(mine, taken)))


def criteria(
    session: Session,
    *,
    project: ProjectRecord,
    version: str,
    digest: str,
    starts_on: date,
    ends_before: date,
) -> Criteria:
    """What a batch of this project, version (its text by `digest`) and period is made of."""
    year = starts_on.replace(month=1, day=1)
    return Criteria(
        programme=project.programme,
        rehearsal=project.rehearsal,
        methodology_id=project.methodology_id,
        methodology_version=version,
        method=compiled_by_digest(session, digest=digest),
        year_closed=bool(closed_years(session, project.programme, {year})),
        activity_types=frozenset(project.activity_types),
        starts_on=starts_on,
        ends_before=ends_before,
        vintage=starts_on.year,
    )


def project_record(row: Project) -> ProjectRecord:
    """The row as callers see it."""
    return ProjectRecord(
        id=row.id,
        programme=row.programme,
        rehearsal=row.rehearsal,
        code=row.code,
        name_zh=row.name_zh,
        name_en=row.name_en,
        owner=row.owner,
        applicant=row.applicant,
        boundary_zh=row.boundary_zh,
        boundary_en=row.boundary_en,
        methodology_id=row.methodology_id,
        filing_number=row.filing_number,
        activity_types=tuple(row.activity_types.split()),
        crediting_from=row.crediting_from,
        crediting_to=row.crediting_to,
        registry_kind=row.registry_kind,
        created_at=row.created_at,
    )


def batch_record(row: Batch) -> BatchRecord:
    """The row as callers see it."""
    return BatchRecord(
        id=row.id,
        programme=row.programme,
        rehearsal=row.rehearsal,
        project_id=row.project_id,
        methodology_id=row.methodology_id,
        methodology_version=row.methodology_version,
        version_digest=row.version_digest,
        starts_on=row.starts_on,
        ends_before=row.ends_before,
        vintage=row.vintage,
        state=row.state,
        prepared_by=row.prepared_by,
        verifier=row.verifier,
        statement=row.statement,
        opened_at=row.opened_at,
        frozen_at=row.frozen_at,
        leaf_count=row.leaf_count,
        gross_mg=row.gross_mg,
        credited_mg=row.credited_mg,
        batch_mg=row.batch_mg,
        tonnes=row.tonnes,
        merkle_root=row.merkle_root,
        exclusions=read_exclusions(row.exclusions),
    )


def read_exclusions(text: str) -> tuple[Exclusion, ...]:
    """Exclusions from their stored form."""
    return tuple(Exclusion(reason, count, mg) for reason, count, mg in orjson.loads(text))


def exclusions_json(exclusions: Sequence[Exclusion]) -> list[list[str | int | None]]:
    """Exclusions in their stored form: [reason, reductions, milligrams]."""
    return [[one.reason, one.count, one.mg] for one in exclusions]


def _serial(row: SerialRange) -> SerialRecord:
    first, last = serials.texts(row.series, row.vintage, serials.Range(row.first_no, row.last_no))
    return SerialRecord(
        id=row.id,
        programme=row.programme,
        batch_id=row.batch_id,
        vintage=row.vintage,
        first=first,
        last=last,
        tonnes=row.tonnes,
        state=row.state,
        issued_at=row.issued_at,
    )
