"""What must hold before a batch is opened, filled or frozen."""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from carbon_credit.catalogue import queries as catalogue
from carbon_credit.kernel.clock import business_day
from carbon_credit.methodology.engine import not_official
from carbon_credit.offsets import queries
from carbon_credit.offsets.errors import PeriodInvalid, SandboxRefused
from carbon_credit.offsets.models import Batch
from carbon_credit.offsets.queries import BatchRecord, ProjectRecord
from carbon_credit.offsets.selection import Criteria, Exclusion
from carbon_credit.quantification.selection import open_milligrams

_SHOWN = 5


def check_period(project: ProjectRecord, starts_on: date, ends_before: date) -> None:
    """Raises PeriodInvalid unless the period lies in one year and in the crediting period."""
    if starts_on >= ends_before:
        raise PeriodInvalid(why="it ends before it begins")
    if starts_on.year != date.fromordinal(ends_before.toordinal() - 1).year:
        raise PeriodInvalid(why="it reaches over two years, and a batch has one vintage")
    if starts_on < project.crediting_from or ends_before > project.crediting_to:
        inside = f"{project.crediting_from} to {project.crediting_to}"
        raise PeriodInvalid(why=f"it is not inside the crediting period of the project, {inside}")


def check_official(session: Session, project: ProjectRecord, digest: str, now: datetime) -> None:
    """Raises SandboxRefused where a value is below official or past its review, outside rehearsal."""
    if project.rehearsal:
        return
    package = catalogue.compiled_by_digest(session, digest=digest).package
    zone = catalogue.time_zone(session, programme=project.programme)
    found = not_official(package, on=business_day(now, zone))
    if found:
        more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
        raise SandboxRefused(why="; ".join(found[:_SHOWN]) + more)


def criteria_of(session: Session, batch: BatchRecord) -> Criteria:
    """What the batch is made of."""
    project = queries.project(session, programme=batch.programme, project_id=batch.project_id)
    return queries.criteria(
        session,
        project=project,
        version=batch.methodology_version,
        digest=batch.version_digest,
        starts_on=batch.starts_on,
        ends_before=batch.ends_before,
    )


def open_batch_id(
    session: Session, project_id: UUID, version: str, starts_on: date, ends_before: date
) -> UUID | None:
    """The batch that is open for this project, version and period."""
    return session.scalar(
        select(Batch.id).where(
            Batch.project_id == project_id,
            Batch.methodology_version == version,
            Batch.starts_on == starts_on,
            Batch.ends_before == ends_before,
            Batch.state == "open",
        )
    )


def not_closed(session: Session, wanted: Criteria) -> tuple[Exclusion, ...]:
    """What is outside because its month is not closed yet."""
    mg = open_milligrams(
        session,
        programme=wanted.programme,
        methodology_id=wanted.methodology_id,
        methodology_version=wanted.methodology_version,
        starts_on=wanted.starts_on,
        ends_before=wanted.ends_before,
    )
    return (Exclusion("not-closed", None, mg),) if mg else ()
