"""What is sent beside an uploaded file: a mapping, whose trips they were, where the stations are.

Kept in the database with the job, so that whichever host reads the file has them, and gone with the parts
of the file: a list of riders names people.
"""

from collections.abc import Mapping
from typing import TypeAlias
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from carbon_credit.imports.models import ImportEnclosure

MAPPING, RIDERS, STATIONS = "mapping", "riders", "stations"
MAX_MAPPING_BYTES = 131_072

Enclosed: TypeAlias = Mapping[str, bytes]
"""MAPPING, RIDERS, STATIONS -> the bytes, for those that were sent."""


def keep(session: Session, *, job_id: UUID, enclosed: Enclosed) -> None:
    """Keep them with a new job."""
    session.add_all(ImportEnclosure(job_id=job_id, name=name, body=body) for name, body in enclosed.items())
    session.flush()


def enclosed_with(session: Session, *, job_id: UUID) -> dict[str, bytes]:
    """What was sent with the job's file."""
    statement = select(ImportEnclosure.name, ImportEnclosure.body).where(ImportEnclosure.job_id == job_id)
    return {row.name: row.body for row in session.execute(statement)}
