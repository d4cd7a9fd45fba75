"""What every kind of file gives: rows as tuples of text, in the columns that were asked for."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol, TypeAlias

from carbon_credit.imports.errors import ColumnsMissing, ColumnsRepeated

FORMATS = ("csv", "tsv", "ndjson", "json", "xlsx", "parquet")


class Record(NamedTuple):
    """One data row. `values` in the order asked for, white space trimmed; None: it cannot be split.

    `line` as a person finds it: the line of a text file, the row of a sheet, the n-th row of a Parquet table
    or the n-th item of a JSON list, from 1.
    """

    line: int
    values: tuple[str, ...] | None


class Column(NamedTuple):
    """One column asked for, by any of its names. Where it is not required it may be absent: always ""."""

    names: tuple[str, ...]
    required: bool = True


Columns: TypeAlias = Sequence[str | Column]


@dataclass(frozen=True, slots=True)
class Layout:
    """How a file is written. `names`: it has no header, its columns are these, in this order.

    `skip_rows`: lines before the header. `items`: the key of a JSON document that holds the list.
    """

    formats: tuple[str, ...] = FORMATS
    encoding: str = "utf-8"
    delimiter: str | None = None
    skip_rows: int = 0
    names: tuple[str, ...] | None = None
    sheet: str | None = None
    items: str | None = None


PLAIN = Layout()


class RowSource(Protocol):
    """A file to be read once. `rows` counts the data rows seen so far, blank lines left out."""

    name: str
    format: str  # one of FORMATS
    rows: int

    def records(self, columns: Columns, layout: Layout = PLAIN) -> Iterator[Record]:
        """The columns named, of every data row. Raises the errors of a file that fails as a whole."""
        ...


def wanted(columns: Columns) -> list[Column]:
    """Every column as a `Column`."""
    return [Column((one,)) if isinstance(one, str) else one for one in columns]


def locate(names: Sequence[str], columns: Columns, *, file: str) -> tuple[int, ...]:
    """Where each column is among the names of a header; what may be absent and is: behind the last one.

    Small and capital letters are the same. Raises `ColumnsMissing`, `ColumnsRepeated`.
    """
    known = [name.strip().lower() for name in names]
    asked = [(column, [name.strip().lower() for name in column.names]) for column in wanted(columns)]
    found = [[place for place, name in enumerate(known) if name in own] for _, own in asked]
    missing = [
        " / ".join(column.names)
        for (column, _), places in zip(asked, found, strict=True)
        if column.required and not places
    ]
    if missing:
        raise ColumnsMissing(file=file, columns=", ".join(missing))
    twice = [known[places[0]] for places in found if len(places) > 1]
    if twice:
        raise ColumnsRepeated(file=file, columns=", ".join(twice))
    return tuple(places[0] if places else len(known) for places in found)
