"""Delimited text as operators send it: comma, tab, semicolon or bar, any column order or quoting.

One physical line is one row: card files have no line breaks inside fields, and in this way a stray
quotation mark spoils its own row and no other.
"""

import csv
from collections.abc import Iterator
from operator import itemgetter
from pathlib import Path
from typing import Any

from carbon_credit.imports.errors import FileEmpty
from carbon_credit.imports.formats.lines import line_blocks, text_blocks
from carbon_credit.imports.formats.packing import Progress
from carbon_credit.imports.formats.source import PLAIN, Columns, Layout, Record, locate

DELIMITERS = (",", ";", "|")


class DelimitedFile:
    """A text file with a line of column names."""

    def __init__(self, path: Path, *, progress: Progress | None = None, format: str = "csv") -> None:
        self.name = path.name
        self.format = format
        self.rows = 0
        self._path = path
        self._progress = progress

    def records(self, columns: Columns, layout: Layout = PLAIN) -> Iterator[Record]:
        """The columns named, of every data row.

        Where the file as a whole fails: `FileUnreadable`, `FileTruncated`, `FileEncoding`, `FileEmpty`,
        `ColumnsMissing`, `ColumnsRepeated`, `LineTooLong`.
        """
        split: Any = None
        texts = text_blocks(self._path, encoding=layout.encoding, progress=self._progress)
        for first, lines in line_blocks(texts, file=self.name):
            for number, text in enumerate(lines, first):
                if not text or text.isspace() or number <= layout.skip_rows:
                    continue
                if split is None:
                    delimiter, names = self._header(text, layout)
                    split = _splitter(delimiter, len(names), locate(names, columns, file=self.name))
                    if layout.names is None:
                        continue
                self.rows += 1
                yield Record(number, split(text))
        if split is None:
            raise FileEmpty(file=self.name)

    def _header(self, text: str, layout: Layout) -> tuple[str, list[str]]:
        """The delimiter and the names of the columns, from the first line."""
        delimiter = layout.delimiter
        if delimiter is None:
            delimiter = "\t" if "\t" in text else max(DELIMITERS, key=text.count)
        names = list(layout.names) if layout.names is not None else _fields(text, delimiter) or []
        return delimiter, names


def _splitter(delimiter: str, width: int, places: tuple[int, ...]) -> Any:
    """text -> the values asked for, or None where it has another number of fields or broken quoting."""
    # A column that is absent points behind the last field: an empty one is put there.
    absent = width in places
    pick: Any = itemgetter(*places) if len(places) > 1 else lambda fields: [fields[places[0]]]

    def split(text: str) -> tuple[str, ...] | None:
        fields = _fields(text, delimiter) if '"' in text else text.split(delimiter)
        if fields is None or len(fields) != width or "\0" in text:
            return None
        if absent:
            fields.append("")
        return tuple([value.strip() for value in pick(fields)])

    return split


def _fields(text: str, delimiter: str) -> list[str] | None:
    """The fields of one line, or None where its quoting is broken."""
    if text[0] == '"' == text[-1]:
        # Everything quoted, and no quotation mark inside: one split instead of a reader.
        fields = text[1:-1].split(f'"{delimiter}"')
        if text.count('"') == 2 * len(fields):
            return fields
    try:
        return next(csv.reader((text,), delimiter=delimiter, strict=True, skipinitialspace=True))
    except csv.Error:
        return None
