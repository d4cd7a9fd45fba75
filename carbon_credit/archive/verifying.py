"""Checking an archive: files, rows and seal blocks, each against what says what it must be.

Nothing is believed: the manifest bears the installation's MAC, each row its own, and the blocks of the
ledger's seal chain are recomputed from the transfers in the file. With a session, the blocks are also held
against the database, which keeps them whatever becomes of the rows.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from carbon_credit.archive.exporting import sha256_of
from carbon_credit.archive.layout import (
    TABLES,
    FilePart,
    Manifest,
    SealedBlock,
    file_schema,
    library,
    mac_of,
    python_type,
    read_manifest,
    table_of,
)
from carbon_credit.kernel.db import keys_of
from carbon_credit.kernel.digest import same
from carbon_credit.ledger.seals import GENESIS, Block, blocks_within

Progress = Callable[[int], None]

_AT_ONCE = 10_000


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong, and with what: a file, a row's id or a block."""

    file: str
    detail: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was read and what was found. No problems: the archive is what was written."""

    month: str
    rows: int
    problems: tuple[Problem, ...]

    def as_dict(self) -> dict[str, Any]:
        """JSON-able: `ok`, `month`, `rows`, `problems`."""
        told = [{"file": one.file, "detail": one.detail} for one in self.problems]
        return {"ok": not told, "month": self.month, "rows": self.rows, "problems": told}


def verify_archive(
    session: Session, *, folder: Path, maximum: int = 100, progress: Progress | None = None
) -> Verdict:
    """Everything that is wrong with the archive, at most `maximum` problems. Raises ArchiveNotFound."""
    key = keys_of(session).mac
    manifest, genuine = read_manifest(folder, key)
    rows = 0

    def count(done: int) -> None:
        nonlocal rows
        rows += done
        if progress is not None:
            progress(done)

    problems: list[Problem] = []
    for problem in _problems(session, key, folder, manifest, genuine, count):
        problems.append(problem)
        if len(problems) >= maximum:
            break
    return Verdict(manifest.month, rows, tuple(problems))


def _problems(
    session: Session, key: bytes, folder: Path, manifest: Manifest, genuine: bool, progress: Progress
) -> Iterator[Problem]:
    if not genuine:
        yield Problem("manifest.json", "it bears no MAC of this installation: written elsewhere, or changed")
    if set(manifest.tables) != set(TABLES):
        yield Problem("manifest.json", f"it names {', '.join(sorted(manifest.tables))}")
    yield from _blocks_in_database(session, manifest)
    for name in TABLES:
        part = manifest.tables.get(name)
        if part is None:
            continue
        path = folder / part.file
        if not path.is_file():
            yield Problem(part.file, "the file is missing")
            continue
        if path.stat().st_size != part.bytes or sha256_of(path) != part.sha256:
            yield Problem(part.file, "the file was changed after it was written")
        try:
            yield from _rows(key, name, path, part, manifest, progress)
        except (library().ArrowException, OSError):
            yield Problem(part.file, "it cannot be read as the Parquet file that it was")


def _rows(
    key: bytes, name: str, path: Path, part: FilePart, manifest: Manifest, progress: Progress
) -> Iterator[Problem]:
    since = None if manifest.since is None else UUID(manifest.since)
    before = UUID(manifest.before)
    chain, last = Block(GENESIS), None
    seals = _Seals(manifest.blocks if name == "transfer" else ())
    for portion in _portions(name, path):
        for *row, mac in portion:
            row_id = row[0]
            if not same(mac, mac_of(key, name, tuple(row))):
                yield Problem(part.file, f"row {row_id} was changed after it was written")
            if (last is not None and row_id <= last) or row_id >= before or (since and row_id < since):
                yield Problem(part.file, f"row {row_id} is out of order or of another month")
            chain.add(row_id, mac)
            yield from (Problem(part.file, told) for told in seals.add(row_id, mac))
            last = row_id
        progress(len(portion))
    yield from (Problem(part.file, told) for told in seals.end())
    ends = (None if chain.first_id is None else str(chain.first_id), None if last is None else str(last))
    if (chain.count, chain.digest(), *ends) != (part.rows, part.chain, part.first_id, part.last_id):
        yield Problem(part.file, f"{part.rows} rows were written, {chain.count} others are there")


def _portions(name: str, path: Path) -> Iterator[list[tuple[Any, ...]]]:
    """The rows of a file as the database gave them, in the order of the table's columns."""
    arrow = library()
    table = table_of(name)
    schema = file_schema(table)
    is_id = [python_type(column.type) is UUID for column in table.columns]
    with arrow.parquet.ParquetFile(path) as file:
        if not file.schema_arrow.equals(schema):
            raise arrow.ArrowInvalid("other columns")
        for batch in file.iter_batches(batch_size=_AT_ONCE):
            columns = [column.to_pylist() for column in batch.columns]
            ids = [
                [None if one is None else UUID(bytes=one) for one in values] if an_id else values
                for an_id, values in zip(is_id, columns, strict=True)
            ]
            yield list(zip(*ids, strict=True))


class _Seals:
    """The seal blocks of the manifest, recomputed row by row."""

    def __init__(self, blocks: tuple[SealedBlock, ...]) -> None:
        self._waiting = list(reversed(blocks))
        self._open: tuple[SealedBlock, Block] | None = None

    def add(self, row_id: UUID, mac: bytes) -> Iterator[str]:
        """The next transfer; says what is wrong with the blocks that end before it."""
        if self._open is not None and row_id > UUID(self._open[0].last_id):
            yield from self._close()
        # Blocks of before partitions may reach over the ends of a month: these are the database's to prove.
        if self._open is None and self._waiting and row_id >= UUID(self._waiting[-1].first_id):
            block = self._waiting.pop()
            self._open = (block, Block(block.previous_digest))
        if self._open is not None:
            self._open[1].add(row_id, mac)

    def end(self) -> Iterator[str]:
        """What is wrong with the blocks that are left."""
        if self._open is not None:
            yield from self._close()
        yield from (f"no rows of seal block {block.number}" for block in reversed(self._waiting))

    def _close(self) -> Iterator[str]:
        assert self._open is not None  # noqa: S101
        block, found = self._open
        self._open = None
        if (found.count, found.digest()) != (block.row_count, block.digest):
            yield f"{block.row_count} rows were sealed in block {block.number}, {found.count} are there"


def _blocks_in_database(session: Session, manifest: Manifest) -> Iterator[Problem]:
    since = None if manifest.since is None else UUID(manifest.since)
    kept = {
        one.number: (str(one.first_id), str(one.last_id), one.row_count, one.digest, one.previous_digest)
        for one in blocks_within(session, table="transfer", since=since, before=UUID(manifest.before))
    }
    written = {
        one.number: (one.first_id, one.last_id, one.row_count, one.digest, one.previous_digest)
        for one in manifest.blocks
    }
    for number in sorted(kept.keys() | written.keys()):
        if kept.get(number) != written.get(number):
            yield Problem("manifest.json", f"seal block {number} is not the one that the database keeps")
