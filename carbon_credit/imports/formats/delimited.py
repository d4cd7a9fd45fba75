"""Delimited text as operators send it: comma, tab, semicolon or bar, any column order or quoting.

One physical line is one row: card files have no line breaks inside fields, and in this way a stray
quotation mark spoils its own row and no other.
"""

import csv
from collections.abc import Callable, Iterator
from operator import itemgetter
from pathlib import Path
from typing import Any, NamedTuple

from carbon_credit.imports.errors import FileEmpty
from carbon_credit.imports.formats.lines import line_blocks, text_blocks
from carbon_credit.imports.formats.packing import Progress
from carbon_credit.imports.formats.source import PLAIN, Columns, Layout, Record, locate

DELIMITERS = (",", ";", "|")


class Splitting(NamedTuple):
    """How a line falls into the values asked for: `width` fields in all, and the place of each value among
    them, `width` itself for a column that is absent."""

    delimiter: str
    width: int
    places: tuple[int, ...]


class Portion(NamedTuple):
    """Lines in a row that may hold data, blank ones included. `first`: the number of the first."""

    splitting: Splitting
    first: int
    lines: list[str]


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
        for portion in self.portions(columns, layout):
            for record in records_of(portion):
                self.rows += 1
                yield record

    def portions(self, columns: Columns, layout: Layout = PLAIN) -> Iterator[Portion]:
        """The same lines, not split yet: whoever splits them counts `rows`. Raises the same."""
        splitting: Splitting | None = None
        texts = text_blocks(self._path, encoding=layout.encoding, progress=self._progress)
        for first, lines in line_blocks(texts, file=self.name):
            begin = 0
            while splitting is None and begin < len(lines):
                text = lines[begin]
                if _is_blank(text) or first + begin <= layout.skip_rows:
                    begin += 1
                    continue
                delimiter, names = self._header(text, layout)
                splitting = Splitting(delimiter, len(names), locate(names, columns, file=self.name))
                begin += layout.names is None
            if splitting is not None and begin < len(lines):
                yield Portion(splitting, first + begin, lines[begin:] if begin else lines)
        if splitting is None:
            raise FileEmpty(file=self.name)

    def _header(self, text: str, layout: Layout) -> tuple[str, list[str]]:
        """The delimiter and the names of the columns, from the first line."""
        delimiter = layout.delimiter
        if delimiter is None:
            delimiter = "\t" if "\t" in text else max(DELIMITERS, key=text.count)
        names = list(layout.names) if layout.names is not None else _fields(text, delimiter) or []
        return delimiter, names


def records_of(portion: Portion) -> Iterator[Record]:
    """Every data row of a portion."""
    split = _splitter(portion.splitting)
    for number, text in enumerate(portion.lines, portion.first):
        if not _is_blank(text):
            yield Record(number, split(text))


def _is_blank(text: str) -> bool:
    return not text or text.isspace()


def _splitter(splitting: Splitting) -> Callable[[str], tuple[str, ...] | None]:
    """text -> the values asked for, or None where it has another number of fields or broken quoting."""
    delimiter, width, places = splitting
    # A column that is absent points behind the last field: an empty one is put there.
    absent = width in places
    pick: Any = itemgetter(*places) if len(places) > 1 else lambda fields: (fields[places[0]],)

    def split(text: str) -> tuple[str, ...] | None:
        fields = _fields(text, delimiter) if '"' in text else text.split(delimiter)
        if fields is None or len(fields) != width or "\0" in text:
            return None
        if absent:
            fields.append("")
        values: tuple[str, ...] = pick(fields)
        # Most lines have no white space at all, and one look at the line is less than one at each value.
        return values if text.split(None, 1) == [text] else tuple([value.strip() for value in values])

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
