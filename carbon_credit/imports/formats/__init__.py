"""The files that operators deliver, row by row: csv, tsv, NDJSON, JSON, xlsx, Parquet; plain, .gz or .zst.

What a file is, is seen from its first bytes and not from its name. Nothing is held but what is at hand.
"""

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from carbon_credit.imports.errors import FileUnreadable, FormatUnknown
from carbon_credit.imports.formats.delimited import DelimitedFile
from carbon_credit.imports.formats.json_lines import JsonFile
from carbon_credit.imports.formats.packing import Damaged, first_block
from carbon_credit.imports.formats.parquet import PARQUET_MAGIC, ParquetTable
from carbon_credit.imports.formats.source import FORMATS as FORMATS
from carbon_credit.imports.formats.source import PLAIN as PLAIN
from carbon_credit.imports.formats.source import Column as Column
from carbon_credit.imports.formats.source import Layout as Layout
from carbon_credit.imports.formats.source import Record as Record
from carbon_credit.imports.formats.source import RowSource as RowSource
from carbon_credit.imports.formats.spreadsheet import ZIP_MAGIC, Spreadsheet

_READERS: Final[Mapping[str, Callable[..., RowSource]]] = {
    "csv": DelimitedFile,
    "tsv": DelimitedFile,
    "ndjson": JsonFile,
    "json": JsonFile,
    "xlsx": Spreadsheet,
    "parquet": ParquetTable,
}


def open_rows(
    path: Path, *, format: str | None = None, progress: Callable[[int, int], None] | None = None
) -> RowSource:
    """The rows of one file, to be read once. `format`: one of FORMATS; None: seen from the content.

    `progress(done_bytes, total_bytes)` is called now and then, in bytes of the file on disk. Raises
    `FileUnreadable`, `FormatUnknown` here; what is wrong inside shows when the rows are read.
    """
    found = format or file_format(path)
    if found not in _READERS:
        raise FormatUnknown(file=path.name, known=", ".join(FORMATS))
    return _READERS[found](path, progress=progress, format=found)


def file_format(path: Path) -> str:
    """What the first bytes say: one of FORMATS. Raises `FileUnreadable`, `FormatUnknown`."""
    try:
        head = first_block(path)
    except Damaged:
        return "csv"  # the packing is broken at once: whoever reads it says so, with the line
    except OSError as error:
        raise FileUnreadable(file=path.name, why=error.strerror or str(error)) from None
    if head.startswith(ZIP_MAGIC):
        return "xlsx"
    if head.startswith(PARQUET_MAGIC):
        return "parquet"
    if head.startswith((b"%PDF", b"\xd0\xcf\x11\xe0", b"7z\xbc\xaf", b"Rar!", b"SQLite format 3")):
        raise FormatUnknown(file=path.name, known=", ".join(FORMATS))
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if text.startswith((b"{", b"[")):
        return "json" if text.startswith(b"[") else "ndjson"
    return "tsv" if b"\t" in text.partition(b"\n")[0] else "csv"


def file_digest(path: Path) -> str:
    """SHA-256 (hex) of the bytes as they were delivered, packed or not."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
