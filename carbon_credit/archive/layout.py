"""What an archive looks like: tables, columns of a file, the manifest and what proves it."""

import hmac
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date, datetime
from pathlib import Path
from types import ModuleType
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import Table

from carbon_credit.archive.errors import ArchiveLibraryMissing, ArchiveNotFound
from carbon_credit.kernel.db import Base
from carbon_credit.kernel.digest import row_mac
from carbon_credit.ledger.entries import Entry, entry_mac

MANIFEST = "manifest.json"
FORMAT = 1
# In the order in which they refer to each other.
TABLES = ("event", "reduction", "reduction_adjustment", "transfer")


@dataclass(frozen=True, slots=True)
class FilePart:
    """One table's file. `chain`: the digest of ids and MACs in the order of ids; ids None without rows."""

    file: str
    rows: int
    first_id: str | None
    last_id: str | None
    bytes: int
    sha256: str
    chain: str


@dataclass(frozen=True, slots=True)
class SealedBlock:
    """A seal block of transfers that lies within the month, as the ledger chained it."""

    number: int
    first_id: str
    last_id: str
    row_count: int
    digest: str
    previous_digest: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """What an archive says of itself. Its rows have `since` <= id < `before`; None: from the first on."""

    month: str
    since: str | None
    before: str
    written_at: str
    tables: Mapping[str, FilePart]
    blocks: tuple[SealedBlock, ...]

    def signed(self, key: bytes) -> bytes:
        """The bytes of the file: JSON with the MAC of the installation that wrote it."""
        body = {"format": FORMAT, **asdict(self)}
        body["mac"] = _mac(key, body)
        return orjson.dumps(body, option=orjson.OPT_SORT_KEYS | orjson.OPT_INDENT_2) + b"\n"


def read_manifest(folder: Path, key: bytes) -> tuple[Manifest, bool]:
    """The manifest of an archive, and whether this installation wrote it. Raises ArchiveNotFound."""
    try:
        body = orjson.loads((folder / MANIFEST).read_bytes())
        mac = str(body.pop("mac"))
        genuine = hmac.compare_digest(mac, _mac(key, body)) and body.pop("format") == FORMAT
        body.pop("format", None)
        tables = {name: FilePart(**part) for name, part in body.pop("tables").items()}
        blocks = tuple(SealedBlock(**block) for block in body.pop("blocks"))
        return Manifest(**body, tables=tables, blocks=blocks), genuine
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        raise ArchiveNotFound(folder=str(folder)) from None


def table_of(name: str) -> Table:
    """The table as its subject declares it. Archiving is about how rows are kept, whoever's they are."""
    return Base.metadata.tables[name]


def mac_of(key: bytes, table: str, row: tuple[Any, ...]) -> bytes:
    """The MAC that a row must bear; `row` in the order of the columns, without its MAC."""
    if table == "transfer":
        return entry_mac(key, Entry(*row))
    return row_mac(key, table, *row)


def library() -> ModuleType:
    """pyarrow with its Parquet half. Raises ArchiveLibraryMissing."""
    try:
        import pyarrow  # lazy: an extra, and half a second
        import pyarrow.parquet  # lazy: an extra
    except ImportError:
        raise ArchiveLibraryMissing from None
    found: ModuleType = pyarrow
    return found


def file_schema(table: Table) -> Any:
    """The columns of a table's file: ids as 16 bytes, instants in microseconds UTC, exact integers."""
    arrow = library()
    kinds = {
        UUID: arrow.binary(16),
        str: arrow.string(),
        int: arrow.int64(),
        bool: arrow.bool_(),
        bytes: arrow.binary(),
        date: arrow.date32(),
        datetime: arrow.timestamp("us", tz="UTC"),
    }
    return arrow.schema(
        [
            arrow.field(one.name, kinds[python_type(one.type)], nullable=bool(one.nullable))
            for one in table.columns
        ]
    )


def python_type(kind: Any) -> type:
    """What a column's values are."""
    found: type = getattr(kind, "impl_instance", kind).python_type
    return found


def _mac(key: bytes, body: Mapping[str, Any]) -> str:
    canonical = orjson.dumps(body, option=orjson.OPT_SORT_KEYS).decode()
    return row_mac(key, "archive manifest", canonical).hex()
