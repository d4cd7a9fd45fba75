"""What partners delivered in a period: the rows of their files by what became of them."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from carbon_credit.imports.jobs.records import COUNTS, Counts
from carbon_credit.imports.models import ImportChunk, ImportJob


def delivered_between(
    session: Session, *, programme: str, start: datetime, end: datetime
) -> dict[UUID, Counts]:
    """By partner, over the chunks that were done from `start` until before `end`."""
    statement = (
        select(
            ImportJob.partner_id, *(func.coalesce(func.sum(getattr(ImportChunk, name)), 0) for name in COUNTS)
        )
        .join(ImportChunk, ImportChunk.job_id == ImportJob.id)
        .where(
            ImportJob.programme == programme,
            ImportJob.created_at < end,
            ImportChunk.done_at >= start,
            ImportChunk.done_at < end,
        )
        .group_by(ImportJob.partner_id)
    )
    return {
        partner_id: Counts(**dict(zip(COUNTS, (int(one) for one in counts), strict=True)))
        for partner_id, *counts in session.execute(statement)
    }
