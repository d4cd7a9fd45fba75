"""Parquet, read in small batches: what is at hand does not grow with the table."""

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

from carbon_credit.imports.errors import FileTruncated, FileUnreadable, LibraryMissing
from carbon_credit.imports.formats.packing import Progress, unpacked
from carbon_credit.imports.formats.source import PLAIN, Columns, Layout, Record, locate

PARQUET_MAGIC = b"PAR1"
BATCH_ROWS = 4_096
BUFFER_BYTES = 1 << 20


class ParquetTable:
    """`line` is the number of the row in the table, from 1."""

    def __init__(self, path: Path, *, progress: Progress | None = None, format: str = "parquet") -> None:
        self.name = path.name
        self.format = format
        self.rows = 0
        self._path = path
        self._progress = progress

    def records(self, columns: Columns, layout: Layout = PLAIN) -> Iterator[Record]:
        """The columns named, of every row, as text. Only these are read from the file."""
        try:
            import pyarrow  # lazy: an extra
            import pyarrow.parquet  # lazy: an extra
        except ImportError:
            raise LibraryMissing(file=self.name, what="Parquet", library="pyarrow") from None
        try:
            with unpacked(self._path) as path:
                yield from self._rows(pyarrow, path, columns)
        except (pyarrow.ArrowException, ValueError, OverflowError) as error:
            raise FileTruncated(file=self.name, line=self.rows) from error
        except OSError as error:
            if error.errno is None:  # of the library: nothing is wrong with the disk
                raise FileTruncated(file=self.name, line=self.rows) from error
            raise FileUnreadable(file=self.name, why=error.strerror or str(error)) from None

    def _rows(self, pyarrow: Any, path: Path, columns: Columns) -> Iterator[Record]:
        size = self._path.stat().st_size
        with pyarrow.parquet.ParquetFile(path, buffer_size=BUFFER_BYTES, pre_buffer=False) as table:
            names = [field.name for field in table.schema_arrow]
            places = locate(names, columns, file=self.name)
            read = [names[place] for place in dict.fromkeys(places) if place < len(names)]
            total = max(1, table.metadata.num_rows)
            for batch in table.iter_batches(batch_size=BATCH_ROWS, columns=read, use_threads=False):
                texts = {name: _texts(pyarrow, batch.column(name)) for name in read}
                absent = [""] * batch.num_rows
                picked = [texts[names[place]] if place < len(names) else absent for place in places]
                for values in zip(*picked, strict=True):
                    self.rows += 1
                    yield Record(self.rows, values)
                if self._progress:
                    self._progress(size * self.rows // total, size)


def _texts(pyarrow: Any, column: Any) -> list[str]:
    """A column as text: times as 2026-11-21 08:03:11, numbers in plain digits, what is null as ""."""
    kind = column.type
    types = pyarrow.types
    if types.is_dictionary(kind):
        column = column.dictionary_decode()
        kind = column.type
    if types.is_floating(kind):
        return [_plain(value) for value in column.to_pylist()]
    if types.is_nested(kind) or types.is_binary(kind) or types.is_large_binary(kind):
        return ["" if value is None else str(value).strip() for value in column.to_pylist()]
    return [value.strip() if value else "" for value in column.cast(pyarrow.string()).to_pylist()]


def _plain(value: Any) -> str:
    if value is None or value != value:  # no number is written as NaN
        return ""
    return format(Decimal(repr(value)).normalize(), "f")
