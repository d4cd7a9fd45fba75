"""Which partitions of a month may go to slow disk: it is settled, and its archive proves it."""

from datetime import date, datetime
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.orm import Session

from carbon_credit.archive.errors import (
    ArchiveNotProved,
    ArchiveOfAnotherMonth,
    ShelvesNeedPostgreSQL,
    TablespaceForbidden,
    TablespaceNotFound,
)
from carbon_credit.archive.exporting import settled_span
from carbon_credit.archive.layout import read_manifest
from carbon_credit.archive.verifying import Progress, verify_archive
from carbon_credit.kernel.db import is_postgresql, keys_of
from carbon_credit.kernel.partitions import Partition, partitions
from carbon_credit.kernel.shelves import elsewhere, is_usable


def to_shelve(
    session: Session,
    *,
    month: date,
    tablespace: str,
    archive: Path,
    now: datetime,
    progress: Progress | None = None,
) -> list[Partition]:
    """The month's partitions that are not in the tablespace yet; none when all are.

    The archive of the month is read whole where something is left to move: `progress` hears of its rows.
    Raises ShelvesNeedPostgreSQL, TablespaceNotFound, TablespaceForbidden, MonthNotOver, MonthNotSealed,
    MonthNotClosed, MonthWithinAnother, ArchiveNotFound, ArchiveOfAnotherMonth, ArchiveNotProved.
    """
    if not is_postgresql(session):
        raise ShelvesNeedPostgreSQL
    usable = is_usable(session, tablespace)
    if usable is None:
        raise TablespaceNotFound(tablespace=tablespace)
    if not usable:
        user = session.scalar(text("SELECT current_user"))
        raise TablespaceForbidden(tablespace=tablespace, user=user)
    span = settled_span(session, month, now)
    others = elsewhere(session, tablespace)
    found = [one for one in partitions(session) if one.month == month and one.name in others]
    if not found:
        return []
    manifest, _ = read_manifest(archive, keys_of(session).mac)
    if (manifest.month, manifest.before) != (span.name, str(span.before)):
        raise ArchiveOfAnotherMonth(folder=str(archive), found=manifest.month, month=span.name)
    verdict = verify_archive(session, folder=archive, maximum=1, progress=progress)
    for problem in verdict.problems:
        raise ArchiveNotProved(folder=str(archive), month=span.name, file=problem.file, detail=problem.detail)
    return found
