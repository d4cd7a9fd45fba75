"""Delimited text as operators send it: plain or gzip, comma or tab, any column order or quoting.

One physical line is one row: card files have no line breaks inside fields, and in this way a stray
quotation mark spoils its own row and no other. Nothing is held but the line at hand.
"""

import csv
import gzip
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from carbon_credit.imports.errors import (
    ColumnsMissing,
    ColumnsRepeated,
    FileEmpty,
    FileEncoding,
    FileTruncated,
    FileUnreadable,
    LineTooLong,
)

MAX_LINE_BYTES = 65_536
GZIP_MAGIC = b"\x1f\x8b"
REPORT_EVERY = 2_000  # lines between two calls of `progress`


@dataclass(frozen=True, slots=True)
class Record:
    """One data row. `values` in the order asked for, white space trimmed; None: it cannot be split."""

    line: int
    values: tuple[str, ...] | None


class DelimitedFile:
    """A file to be read once. `rows` counts the data rows seen so far, blank lines left out.

    `progress(done_bytes, total_bytes)` is called now and then, in bytes of the file on disk.
    """

    def __init__(self, path: Path, *, progress: Callable[[int, int], None] | None = None) -> None:
        self.name = path.name
        self.rows = 0
        self._path = path
        self._progress = progress

    def records(self, columns: Sequence[str]) -> Iterator[Record]:
        """The columns named, of every data row.

        Where the file as a whole fails: `FileUnreadable`, `FileTruncated`, `FileEncoding`, `FileEmpty`,
        `ColumnsMissing`, `ColumnsRepeated`, `LineTooLong`.
        """
        lines = self._lines()
        delimiter, width, picked = self._header(lines, columns)
        for number, text in lines:
            self.rows += 1
            fields = _split(text, delimiter)
            if fields is None or len(fields) != width:
                yield Record(number, None)
            else:
                yield Record(number, tuple(fields[index].strip() for index in picked))

    def _header(
        self, lines: Iterator[tuple[int, str]], columns: Sequence[str]
    ) -> tuple[str, int, tuple[int, ...]]:
        """Delimiter, number of fields, and where the columns asked for are."""
        text = next(lines, (0, ""))[1].removeprefix("\ufeff")
        if not text:
            raise FileEmpty(file=self.name)
        delimiter = "\t" if "\t" in text else ","
        names = [name.strip().lower() for name in _split(text, delimiter) or ()]
        missing = [column for column in columns if column not in names]
        if missing:
            raise ColumnsMissing(file=self.name, columns=", ".join(missing))
        twice = [column for column in columns if names.count(column) > 1]
        if twice:
            raise ColumnsRepeated(file=self.name, columns=", ".join(twice))
        return delimiter, len(names), tuple(names.index(column) for column in columns)

    def _lines(self) -> Iterator[tuple[int, str]]:
        """(line number, text) of every line that is not blank."""
        offset = 0
        for number, raw in enumerate(self._raw_lines(), start=1):
            try:
                text = raw.decode("utf-8").rstrip("\r\n")
            except UnicodeDecodeError as error:
                raise FileEncoding(file=self.name, byte=offset + error.start, line=number) from None
            offset += len(raw)
            if text.strip():
                yield number, text

    def _raw_lines(self) -> Iterator[bytes]:
        number = 0
        try:
            total = self._path.stat().st_size
            with self._path.open("rb") as raw:
                packed = raw.read(2) == GZIP_MAGIC
                raw.seek(0)
                stream = gzip.GzipFile(fileobj=raw) if packed else raw
                while line := stream.readline(MAX_LINE_BYTES + 1):
                    number += 1
                    if len(line) > MAX_LINE_BYTES:
                        raise LineTooLong(file=self.name, line=number, limit=MAX_LINE_BYTES)
                    yield line
                    if self._progress and number % REPORT_EVERY == 0:
                        self._progress(raw.tell(), total)
            if self._progress:
                self._progress(total, total)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise FileTruncated(file=self.name, line=number) from error
        except OSError as error:
            raise FileUnreadable(file=self.name, why=error.strerror or str(error)) from None


def _split(text: str, delimiter: str) -> list[str] | None:
    """The fields of one line, or None where its quoting is broken."""
    if '"' not in text:
        return text.split(delimiter)
    try:
        return next(csv.reader((text,), delimiter=delimiter, strict=True, skipinitialspace=True))
    except csv.Error:
        return None
