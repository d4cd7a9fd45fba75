"""Workbooks: repeatable bytes, text that stays text, exact numbers."""

import io
from datetime import date
from pathlib import Path

import openpyxl
import pytest

from carbon_credit.documents import xlsx
from carbon_credit.documents.xlsx import Column, Sheet, TooManyRows, write_workbook

ROWS = [
    [date(2026, 11, 21), "公交 bus.ride", 12, 388_440],
    [date(2026, 11, 22), '=HYPERLINK("http://example.invalid")', 0, 10**17 + 1],
    [date(2026, 11, 23), None, -1, 999_999_999_999_999],
]


def _sheet(rows: list[list[xlsx.Cell]]) -> Sheet:
    return Sheet("汇总 Summary", [Column("日期 date", 12), Column("活动"), Column("n"), Column("mg")], rows)


def _bytes(rows: list[list[xlsx.Cell]]) -> bytes:
    target = io.BytesIO()
    write_workbook(target, title="汇总", author="tests", sheets=[_sheet(rows)])
    return target.getvalue()


def test_the_same_rows_give_the_same_bytes(tmp_path: Path) -> None:
    write_workbook(tmp_path / "a.xlsx", title="汇总", author="tests", sheets=[_sheet(ROWS)])
    assert _bytes(ROWS) == _bytes(ROWS) == (tmp_path / "a.xlsx").read_bytes()
    assert _bytes(ROWS) != _bytes(ROWS[:2])


def test_another_reader_finds_what_was_written() -> None:
    page = openpyxl.load_workbook(io.BytesIO(_bytes(ROWS)))["汇总 Summary"]
    cells = [[cell.value for cell in row] for row in page.iter_rows(min_row=2)]
    assert cells[0][0].date() == date(2026, 11, 21)
    assert cells[0][1:] == ["公交 bus.ride", 12, 388_440]
    assert cells[2][1:] == [None, -1, 999_999_999_999_999]


def test_text_is_never_a_formula_and_big_integers_keep_every_digit() -> None:
    page = openpyxl.load_workbook(io.BytesIO(_bytes(ROWS)))["汇总 Summary"]
    assert page["B3"].data_type == "s"
    assert page["B3"].value == '=HYPERLINK("http://example.invalid")'
    assert page["D3"].value == "100000000000000001"


def test_more_rows_than_the_format_holds_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(xlsx, "MAX_ROWS", 2)
    with pytest.raises(TooManyRows) as refusal:
        _bytes(ROWS)
    assert "2 rows" in refusal.value.message("en")
