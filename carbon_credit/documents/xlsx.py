"""Workbooks, written row by row through a temporary file: memory does not grow with the rows."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, TypeAlias

from xlsxwriter import Workbook
from xlsxwriter.format import Format
from xlsxwriter.worksheet import Worksheet

from carbon_credit.kernel.errors import TooLarge

Cell: TypeAlias = str | int | date | None

MAX_ROWS = 1_048_575  # the format's 1,048,576 less the heading row
_MAX_EXACT = 10**15  # a spreadsheet keeps 15 significant digits of a number
_CREATED = datetime(2000, 1, 1)  # noqa: DTZ001 - the file format has no zone; fixed, so that bytes repeat


class TooManyRows(TooLarge):
    """A sheet can't hold the rows; the caller splits them or writes CSV."""

    code = "sheet-too-large"
    en = "The sheet would have more than {limit} rows. Use the CSV file instead."
    zh = "工作表将超过 {limit} 行，请改用 CSV 文件。"


@dataclass(frozen=True)
class Column:
    """A heading, and the width in characters."""

    heading: str
    width: int = 14


@dataclass(frozen=True)
class Sheet:
    """Rows are read once, in order. Each has as many cells as there are columns."""

    name: str
    columns: Sequence[Column]
    rows: Iterable[Sequence[Cell]]
    note: str = ""  # shown in the page header, for a watermark such as 演练


def write_workbook(target: Path | IO[bytes], *, title: str, author: str, sheets: Sequence[Sheet]) -> None:
    """Write `sheets` to `target`. The same sheets give the same bytes. Raises TooManyRows."""
    destination = str(target) if isinstance(target, Path) else target
    with TemporaryDirectory(prefix="workbook-") as scratch:
        options = {"constant_memory": True, "strings_to_formulas": False, "tmpdir": scratch}
        book = Workbook(destination, options)
        try:
            _write_sheets(book, title, author, sheets)
        except BaseException:
            # The library closes its row files only when it writes the book, which will not happen now.
            for page in book.worksheets():
                page.row_data_fh.close()
            raise
        book.close()


def _write_sheets(book: Workbook, title: str, author: str, sheets: Sequence[Sheet]) -> None:
    book.set_properties({"title": title, "author": author, "created": _CREATED})
    styles = _Styles(
        heading=book.add_format({"bold": True, "bg_color": "#E3EFE6", "border": 1, "text_wrap": True}),
        number=book.add_format({"num_format": "#,##0"}),
        day=book.add_format({"num_format": "yyyy-mm-dd"}),
    )
    for sheet in sheets:
        _write_sheet(book.add_worksheet(sheet.name), sheet, styles)


@dataclass(frozen=True)
class _Styles:
    heading: Format
    number: Format
    day: Format


def _write_sheet(page: Worksheet, sheet: Sheet, styles: _Styles) -> None:
    for index, column in enumerate(sheet.columns):
        page.set_column(index, index, column.width)
    page.freeze_panes(1, 0)
    page.set_landscape()
    page.set_paper(9)  # A4
    page.fit_to_pages(1, 0)
    page.repeat_rows(0)
    if sheet.note:
        page.set_header(f"&C{sheet.note.replace('&', '&&')}")
    for index, column in enumerate(sheet.columns):
        page.write_string(0, index, column.heading, styles.heading)
    for number, row in enumerate(sheet.rows, start=1):
        if number > MAX_ROWS:
            raise TooManyRows(limit=MAX_ROWS)
        for index, cell in enumerate(row):
            _write_cell(page, number, index, cell, styles)


def _write_cell(page: Worksheet, row: int, column: int, cell: Cell, styles: _Styles) -> None:
    match cell:
        case None:
            return
        case int() if abs(cell) < _MAX_EXACT:
            page.write_number(row, column, cell, styles.number)
        case date():
            midnight = datetime(cell.year, cell.month, cell.day)  # noqa: DTZ001 - a calendar day, no instant
            page.write_datetime(row, column, midnight, styles.day)
        case _:
            # write_string, never write: text that begins with "=" stays text.
            page.write_string(row, column, str(cell))
