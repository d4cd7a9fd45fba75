"""xlsx workbooks. A sheet is read as a whole, so what it unpacks to is bounded first.

A sheet ends at 1,048,576 rows; larger files come as csv or Parquet, which are read with flat memory.
"""

import errno
import struct
import zipfile
import zlib
from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from carbon_credit.imports.errors import (
    FileEmpty,
    FileInflated,
    FileTruncated,
    FileUnreadable,
    LibraryMissing,
    SheetMissing,
)
from carbon_credit.imports.formats.packing import Damaged, Progress, unpacked
from carbon_credit.imports.formats.source import PLAIN, Columns, Layout, Record, locate

ZIP_MAGIC = b"PK\x03\x04"
MAX_UNPACKED_BYTES = 512 << 20
_STEP = 65_536
# What a damaged directory of the archive makes its reader say.
_SPOILT = (zipfile.BadZipFile, zlib.error, struct.error, NotImplementedError, Damaged)


class Spreadsheet:
    """One sheet of a workbook: the one that the layout names, or the first."""

    def __init__(self, path: Path, *, progress: Progress | None = None, format: str = "xlsx") -> None:
        self.name = path.name
        self.format = format
        self.rows = 0
        self._path = path
        self._progress = progress

    def records(self, columns: Columns, layout: Layout = PLAIN) -> Iterator[Record]:
        """The columns named, of every row that is not empty, as text."""
        try:
            import python_calamine  # lazy: an extra
        except ImportError:
            raise LibraryMissing(file=self.name, what="xlsx", library="python-calamine") from None
        try:
            with unpacked(self._path) as path:
                _check_size(path, self.name)
                with python_calamine.CalamineWorkbook.from_path(path) as book:
                    yield from self._rows(_sheet(book, layout, self.name), columns, layout)
            if self._progress:
                size = self._path.stat().st_size
                self._progress(size, size)
        except (python_calamine.CalamineError, *_SPOILT) as error:
            raise FileTruncated(file=self.name, line=self.rows) from error
        except OSError as error:
            if error.errno in (None, errno.EINVAL):  # led astray by the archive: the disk is well
                raise FileTruncated(file=self.name, line=self.rows) from error
            raise FileUnreadable(file=self.name, why=error.strerror or str(error)) from None

    def _rows(self, sheet: Any, columns: Columns, layout: Layout) -> Iterator[Record]:
        places: tuple[int, ...] | None = None
        for number, cells in enumerate(sheet.iter_rows(), 1):
            if number <= layout.skip_rows or not any(cell != "" for cell in cells):
                continue
            if places is None:
                names = list(layout.names) if layout.names else [_text(cell) for cell in cells]
                places = locate(names, columns, file=self.name)
                if layout.names is None:
                    continue
            self.rows += 1
            yield Record(number, tuple(_text(cells[at]) if at < len(cells) else "" for at in places))
        if places is None:
            raise FileEmpty(file=self.name)


def _sheet(book: Any, layout: Layout, file: str) -> Any:
    if layout.sheet is None:
        return book.get_sheet_by_index(0)
    if layout.sheet not in book.sheet_names:
        raise SheetMissing(file=file, sheet=layout.sheet, known=", ".join(book.sheet_names))
    return book.get_sheet_by_name(layout.sheet)


def _text(cell: Any) -> str:
    match cell:
        case str():
            return cell.strip()
        case bool():
            return "true" if cell else "false"
        case int():
            return str(cell)
        case datetime() | date():
            return cell.isoformat(" ") if isinstance(cell, datetime) else cell.isoformat()
        case float():
            return format(Decimal(repr(cell)).normalize(), "f")
        case _:
            return str(cell)


def _check_size(path: Path, file: str) -> None:
    """Raises `FileInflated` where the workbook is larger than can be held, whatever its directory says."""
    left = MAX_UNPACKED_BYTES
    with zipfile.ZipFile(path) as book, path.open("rb") as raw:
        for member in book.infolist():
            raw.seek(member.header_offset + 26)
            name, extra = struct.unpack("<HH", raw.read(4))
            raw.seek(name + extra, 1)
            inflate = zlib.decompressobj(-15) if member.compress_type == zipfile.ZIP_DEFLATED else None
            packed_left = member.compress_size
            while packed_left > 0 and (packed := raw.read(min(_STEP, packed_left))):
                packed_left -= len(packed)
                while packed:
                    left -= len(inflate.decompress(packed, _STEP)) if inflate else len(packed)
                    packed = inflate.unconsumed_tail if inflate else b""
                    if left < 0:
                        raise FileInflated(file=file, limit=MAX_UNPACKED_BYTES)
