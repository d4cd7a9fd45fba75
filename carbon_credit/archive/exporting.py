"""Writing a month: each table streamed into its file, then the manifest, then the folder to its place."""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import Table, select
from sqlalchemy.orm import Session

from carbon_credit.archive.errors import (
    ArchiveExists,
    MonthNotClosed,
    MonthNotOver,
    MonthNotSealed,
    MonthWithinAnother,
)
from carbon_credit.archive.layout import (
    MANIFEST,
    TABLES,
    FilePart,
    Manifest,
    SealedBlock,
    file_schema,
    library,
    python_type,
    table_of,
)
from carbon_credit.kernel.clock import first_instant
from carbon_credit.kernel.db import keys_of
from carbon_credit.kernel.ids import first_id_at
from carbon_credit.kernel.partitions import month_after, partitions
from carbon_credit.ledger.seals import GENESIS, Block, blocks_within, sealed_through
from carbon_credit.quantification.archiving import open_months

Progress = Callable[[int], None]

PORTION = 5_000
_ROW_GROUP = 20_000  # rows that are held at once; larger groups compress no better
_REST = timedelta(days=1)  # whatever was under way at the end of the month is committed by then


@dataclass(frozen=True, slots=True)
class Span:
    """The ids of a month: `since` <= id < `before`; None where the first partition has no beginning."""

    month: date
    since: UUID | None
    before: UUID

    @property
    def name(self) -> str:
        """As people write it: 2026-10."""
        return f"{self.month:%Y-%m}"


def export_month(
    session: Session, *, month: date, folder: Path, now: datetime, progress: Progress | None = None
) -> tuple[Path, Manifest]:
    """Write the month that begins on `month` to FOLDER/2026-10; the folder and its manifest.

    The session must read one moment (a read-only unit of work does). `progress` hears how many rows were
    written. Raises MonthNotOver, MonthNotSealed, MonthNotClosed, MonthWithinAnother, ArchiveExists,
    ArchiveLibraryMissing.
    """
    library()
    span = settled_span(session, month, now)
    place = folder / span.name
    if place.exists():
        raise ArchiveExists(folder=str(place))
    partial = folder / f"{span.name}.partial"
    partial.mkdir(parents=True, exist_ok=True)  # what an interrupted run left is written over
    parts = write_files(session, span, partial, progress)
    manifest = Manifest(
        month=span.name,
        since=None if span.since is None else str(span.since),
        before=str(span.before),
        written_at=now.isoformat(),
        tables=parts,
        blocks=_blocks(session, span),
    )
    (partial / MANIFEST).write_bytes(manifest.signed(keys_of(session).mac))
    partial.rename(place)
    return place, manifest


def write_files(
    session: Session, span: Span, folder: Path, progress: Progress | None = None
) -> dict[str, FilePart]:
    """The rows of each table in `span`, a file each in `folder`."""
    return {name: _write(session, span, table_of(name), folder, progress) for name in TABLES}


def span_of(session: Session, month: date) -> Span:
    """The ids of a month. Raises MonthWithinAnother where the first partition holds it with later ones."""
    since: UUID | None = first_id_at(first_instant(month))
    before = first_id_at(first_instant(month_after(month)))
    for one in partitions(session):
        if one.is_first and one.month is not None and one.table == "transfer":
            if month < one.month:
                raise MonthWithinAnother(month=f"{month:%Y-%m}", first=f"{one.month:%Y-%m}")
            if month == one.month:
                since = None
    return Span(month, since, before)


def settled_span(session: Session, month: date, now: datetime) -> Span:
    """The ids of a month that is over, sealed and closed. Raises MonthNotOver, MonthNotSealed,
    MonthNotClosed, MonthWithinAnother."""
    span = span_of(session, month)
    if now < first_instant(month_after(month)) + _REST:
        raise MonthNotOver(month=span.name)
    _require_sealed(session, span)
    still_open = open_months(session, since=span.since, before=span.before)
    if still_open:
        told = ", ".join(f"{programme} {day:%Y-%m}" for programme, day in still_open)
        raise MonthNotClosed(month=span.name, open=told)
    return span


def sha256_of(path: Path) -> str:
    """Hexadecimal digest of a file, read in portions."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _require_sealed(session: Session, span: Span) -> None:
    transfer = table_of("transfer")
    last = session.scalar(
        select(transfer.c.id).where(*_within(transfer, span)).order_by(transfer.c.id.desc()).limit(1)
    )
    sealed = sealed_through(session, table="transfer")
    if last is not None and (sealed is None or sealed < last):
        raise MonthNotSealed(month=span.name)


def _within(table: Table, span: Span) -> list[Any]:
    found = [table.c.id < span.before]
    return found if span.since is None else [*found, table.c.id >= span.since]


def _rows(session: Session, span: Span, table: Table) -> Iterator[list[Any]]:
    statement = select(table).where(*_within(table, span)).order_by(table.c.id)
    with session.execute(statement.execution_options(yield_per=PORTION)) as result:
        for portion in result.partitions(PORTION):
            yield list(portion)


def _write(session: Session, span: Span, table: Table, folder: Path, progress: Progress | None) -> FilePart:
    """One table into its file, a row group at a time."""
    arrow = library()
    schema = file_schema(table)
    is_id = [python_type(column.type) is UUID for column in table.columns]
    id_at, mac_at = (list(table.columns.keys()).index(name) for name in ("id", "mac"))
    chain = Block(GENESIS)
    path = folder / f"{table.name}.parquet"
    with arrow.parquet.ParquetWriter(path, schema, compression="zstd") as writer:
        held: list[Any] = []
        for portion in _rows(session, span, table):
            for row in portion:
                chain.add(row[id_at], row[mac_at])
            held += portion
            if len(held) >= _ROW_GROUP:
                writer.write_table(_group(arrow, schema, is_id, held), row_group_size=len(held))
                held = []
            if progress is not None:
                progress(len(portion))
        if held:
            writer.write_table(_group(arrow, schema, is_id, held), row_group_size=len(held))
    return FilePart(
        file=path.name,
        rows=chain.count,
        first_id=None if chain.first_id is None else str(chain.first_id),
        last_id=None if chain.last_id is None else str(chain.last_id),
        bytes=path.stat().st_size,
        sha256=sha256_of(path),
        chain=chain.digest(),
    )


def _group(arrow: Any, schema: Any, is_id: list[bool], rows: list[Any]) -> Any:
    columns = [
        arrow.array([None if one is None else one.bytes for one in values] if an_id else values, type=kind)
        for an_id, values, kind in zip(is_id, zip(*rows, strict=True), schema.types, strict=True)
    ]
    return arrow.Table.from_arrays(columns, schema=schema)


def _blocks(session: Session, span: Span) -> tuple[SealedBlock, ...]:
    return tuple(
        SealedBlock(
            number=one.number,
            first_id=str(one.first_id),
            last_id=str(one.last_id),
            row_count=one.row_count,
            digest=one.digest,
            previous_digest=one.previous_digest,
        )
        for one in blocks_within(session, table="transfer", since=span.since, before=span.before)
    )
