"""One table in every format and packing: the same rows come out; and what spoils each as a whole."""

import gzip
import hashlib
import io
import json
import sys
import tracemalloc
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from random import Random

import openpyxl
import pyarrow
import pyarrow.parquet
import pytest

from carbon_credit.imports.errors import (
    ColumnsMissing,
    ColumnsRepeated,
    FileEmpty,
    FileInflated,
    FileTruncated,
    FormatUnknown,
    LibraryMissing,
    LineTooLong,
    SheetMissing,
)
from carbon_credit.imports.formats import (
    Column,
    Layout,
    RowSource,
    file_digest,
    file_format,
    open_rows,
    packing,
    spreadsheet,
)
from tests.imports.formats.samples import MAKERS, NAMES, PACKINGS, ROWS, parquet_bytes, xlsx_bytes


def source(folder: Path, data: bytes) -> RowSource:
    path = folder / "rows"  # no ending: only the content tells
    path.write_bytes(data)
    return open_rows(path)


def values(folder: Path, data: bytes, columns: tuple[str | Column, ...], **layout: object) -> list[object]:
    found = source(folder, data).records(columns, Layout(**layout))  # type: ignore[arg-type]
    return [record.values for record in found]


@pytest.mark.parametrize("packing_name", PACKINGS)
@pytest.mark.parametrize("kind", MAKERS)
def test_every_format_gives_the_same_rows(kind: str, packing_name: str, tmp_path: Path) -> None:
    data = PACKINGS[packing_name](MAKERS[kind](NAMES, ROWS))
    reading = source(tmp_path, data)
    assert file_format(tmp_path / "rows") == reading.format == kind
    wanted = ("km", Column(("no-such",), required=False), Column(("NAME", "station")), "id", "at")
    if kind in ("ndjson", "json"):  # their names are compared as written
        wanted = ("km", Column(("no-such",), required=False), Column(("name", "station")), "id", "at")
    records = list(reading.records(wanted))
    first = {"csv": 2, "tsv": 2, "xlsx": 2}.get(kind, 1)
    assert [record.line for record in records] == [first, first + 1, first + 2]
    assert reading.rows == 3
    for record, (number, name, at, km) in zip(records, ROWS, strict=True):
        assert record.values is not None
        read_km, absent, read_name, read_number, read_at = record.values
        assert (absent, read_name, read_number) == ("", name, number)
        assert Decimal(read_km) == Decimal(km)
        assert datetime.fromisoformat(read_at) == datetime.fromisoformat(at)


@pytest.mark.parametrize("kind", MAKERS)
def test_a_file_that_is_cut_off_is_said_so(kind: str, tmp_path: Path) -> None:
    rows = [(str(n), "南山", "2026-11-21 08:03:11", "1.5") for n in range(2_000)]
    data = MAKERS[kind](NAMES, rows)
    for pack in (PACKINGS["gz"], PACKINGS["zst"]):
        packed = pack(data)
        with pytest.raises(FileTruncated):
            values(tmp_path, packed[: len(packed) * 2 // 3], NAMES)
        with pytest.raises(FileTruncated):
            values(tmp_path, packed[:-2], NAMES)
    if kind in ("json", "xlsx", "parquet"):  # of lines of text nobody can tell
        with pytest.raises(FileTruncated):
            values(tmp_path, data[: len(data) * 2 // 3], NAMES)


@pytest.mark.parametrize("kind", MAKERS)
def test_columns_are_checked_before_any_row(kind: str, tmp_path: Path) -> None:
    data = MAKERS[kind](NAMES, ROWS)
    with pytest.raises(ColumnsMissing, match="fare"):
        values(tmp_path, data, ("id", "fare"))
    if kind not in ("ndjson", "json"):
        with pytest.raises(ColumnsRepeated, match="id"):
            values(tmp_path, data, (Column(("id", "name")),))


@pytest.mark.parametrize("kind", ["csv", "xlsx"])
def test_a_header_further_down_and_a_file_without_one(kind: str, tmp_path: Path) -> None:
    names = ("报表", "", "", "")
    data = MAKERS[kind](names, [("", "", "2026-11-21 00:00:00", ""), NAMES, *ROWS]) if kind == "csv" else b""
    if kind == "xlsx":
        book = openpyxl.Workbook()
        sheet = book.active
        assert sheet is not None
        for row in [("报表",), (None,), NAMES, *ROWS]:
            sheet.append(row)
        out = io.BytesIO()
        book.save(out)
        data = out.getvalue()
    found = list(source(tmp_path, data).records(("id",), Layout(skip_rows=2)))
    assert [(record.line, record.values) for record in found] == [(4, ("1",)), (5, ("2",)), (6, ("3",))]
    whole = MAKERS["csv"](ROWS[0], ROWS[1:])
    assert values(tmp_path, whole, ("name", "id"), names=NAMES) == [("南山", "1"), ("a, b", "2"), ("", "3")]


def test_headers_alone_are_no_rows_and_nothing_at_all_is_an_error(tmp_path: Path) -> None:
    for kind in ("csv", "tsv", "xlsx"):
        assert values(tmp_path, MAKERS[kind](NAMES, []), NAMES) == []
    for data in (b"", gzip.compress(b""), b"\n\n \n", xlsx_bytes((), [])):
        with pytest.raises(FileEmpty):
            values(tmp_path, data, NAMES)


def test_semicolons_bars_and_bytes_that_are_no_text(tmp_path: Path) -> None:
    assert values(tmp_path, b"a;b\n1,5;2\n", ("a", "b")) == [("1,5", "2")]
    assert values(tmp_path, b"a|b\n1|2\n", ("a", "b")) == [("1", "2")]
    assert values(tmp_path, b"a,b\n1,2;3\n", ("a", "b"), delimiter=",") == [("1", "2;3")]
    assert values(tmp_path, b"a,b\n1,\x00\n3,4\n", ("a", "b")) == [None, ("3", "4")]
    with pytest.raises(FormatUnknown):
        open_rows(_written(tmp_path, b"%PDF-1.7"))


@pytest.mark.parametrize("encoding", ["gb18030", "gbk", "utf-16", "utf-8-sig", "big5"])
def test_other_encodings_are_read_when_the_mapping_says_so(encoding: str, tmp_path: Path) -> None:
    text = "a,b\n" + "1,南山\r\n" * 60_000  # letters lie across the ends of blocks
    found = values(tmp_path, text.encode(encoding), ("a", "b"), encoding=encoding)
    assert len(found) == 60_000
    assert set(found) == {("1", "南山")}


def test_json_reaches_into_objects_and_survives_what_is_none(tmp_path: Path) -> None:
    data = (
        b'{"a":{"b":{"c":7}},"l":["x","y"],"n":1.10,"t":true}\n[1]\n{"a":\n{"a":{"b":1},"l":[{}],"n":null}\n'
    )
    assert values(tmp_path, data, ("a.b.c", "l", "n", Column(("t",), required=False))) == [
        ("7", "x,y", "1.10", "true"),
        None,
        None,
        ("", "[{}]", "", ""),
    ]
    answer = b'{"version":"2.0.0","data":{"trips":[ {"id":1} ,\n\n{"id":2}]},"links":{}}'
    assert values(tmp_path, answer, ("id",), items="trips") == [("1",), ("2",)]
    with pytest.raises(LineTooLong):
        values(tmp_path, b'[{"id":"' + b"x" * 5_000_000 + b'"}]', ("id",))


def test_a_list_longer_than_a_block_is_read_piece_by_piece(tmp_path: Path) -> None:
    data = json.dumps([{"id": n, "pad": "]," * 150} for n in range(20_000)]).encode()
    found = list(source(tmp_path, data).records(("id",)))
    assert [record.values for record in found] == [(str(n),) for n in range(20_000)]
    assert [record.line for record in found] == list(range(1, 20_001))


def test_what_follows_a_list_is_checked_as_well(tmp_path: Path) -> None:
    data = gzip.compress(
        b'{"trips":[{"id":1}],"links":"' + Random(1).randbytes(300_000).hex().encode() + b'"}'
    )
    assert values(tmp_path, data, ("id",), items="trips") == [("1",)]
    with pytest.raises(FileTruncated):
        values(tmp_path, data[:-20], ("id",), items="trips")


def test_a_sheet_by_name(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    sheet = book.create_sheet("十一月")
    sheet.append(["id"])
    sheet.append([5])
    book.save(tmp_path / "rows")
    reading = open_rows(tmp_path / "rows")
    assert [r.values for r in reading.records(("id",), Layout(sheet="十一月"))] == [("5",)]
    with pytest.raises(SheetMissing, match="十一月"):
        list(open_rows(tmp_path / "rows").records(("id",), Layout(sheet="十二月")))


@pytest.mark.parametrize("pack", ["gz", "zst"])
def test_a_bomb_is_refused_before_it_fills_anything(
    pack: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(LineTooLong):  # one endless line
        values(tmp_path, PACKINGS[pack](b"a,b\n" + b"0" * 50_000_000), ("a",))
    monkeypatch.setattr(packing, "INFLATED_FREE", 1_000_000)
    with pytest.raises(FileInflated):  # endless empty ones
        values(tmp_path, PACKINGS[pack](b"a,b\n" + b"\n" * 50_000_000), ("a",))


def test_a_workbook_is_measured_whatever_its_directory_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spreadsheet, "MAX_UNPACKED_BYTES", 20_000)
    data = xlsx_bytes(NAMES, [ROWS[0]] * 500)
    with pytest.raises(FileInflated):
        values(tmp_path, data, NAMES)


def test_a_missing_library_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module, data in (
        ("zstandard", PACKINGS["zst"](b"a\n1\n")),
        ("python_calamine", xlsx_bytes(NAMES, ROWS)),
        ("pyarrow", parquet_bytes(NAMES, ROWS)),
    ):
        with monkeypatch.context() as patch:
            patch.setitem(sys.modules, module, None)
            with pytest.raises(LibraryMissing, match=r"carbon-credit\[files\]"):
                values(tmp_path, data, ("a",))


def test_the_digest_is_of_the_bytes_as_delivered(tmp_path: Path) -> None:
    packed = gzip.compress(b"a\n1\n")
    assert file_digest(_written(tmp_path, packed)) == hashlib.sha256(packed).hexdigest()


def test_a_private_copy_is_gone_afterwards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    reading = source(tmp_path, gzip.compress(parquet_bytes(NAMES, ROWS))).records(NAMES)
    next(reading)
    (folder,) = temporary.iterdir()
    assert folder.stat().st_mode & 0o777 == 0o700
    reading.close()  # type: ignore[attr-defined]
    assert list(temporary.iterdir()) == []
    with pytest.raises(FileTruncated):
        values(tmp_path, gzip.compress(parquet_bytes(NAMES, ROWS)[:-9]), NAMES)
    assert list(temporary.iterdir()) == []


@pytest.mark.parametrize("kind", ["csv", "ndjson", "json"])
def test_ten_times_the_rows_take_no_more_memory(kind: str, tmp_path: Path) -> None:
    def peak(count: int) -> int:
        row = {"csv": b"%d,x,2026-11-21 08:03:11,1\n"}.get(kind, b'{"id":%d,"name":"x","at":"","km":1}\n')
        path = tmp_path / "rows"
        with path.open("wb") as out:
            out.write(b"id,name,at,km\n" if kind == "csv" else b"[" if kind == "json" else b"")
            for number in range(count):
                out.write(row % number + (b"," if kind == "json" and number < count - 1 else b""))
            out.write(b"]" if kind == "json" else b"")
        tracemalloc.start()
        try:
            assert sum(1 for _ in open_rows(path).records(NAMES)) == count
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    assert peak(200_000 if kind == "csv" else 60_000) < 1.2 * peak(20_000)


def test_parquet_is_read_in_batches(tmp_path: Path) -> None:
    pool = pyarrow.default_memory_pool()

    def grown(count: int) -> int:
        path = tmp_path / f"{count}.parquet"
        table = pyarrow.table(
            {"id": list(range(count)), "name": [f"n{number:020d}" for number in range(count)]}
        )
        pyarrow.parquet.write_table(table, path, row_group_size=10_000)
        del table
        before, most = pool.bytes_allocated(), 0
        for record in open_rows(path).records(("id", "name")):
            if record.line % 1_000 == 0:
                most = max(most, pool.bytes_allocated() - before)
        return most

    assert grown(100_000) < 1.5 * grown(20_000)


def _written(folder: Path, data: bytes) -> Path:
    path = folder / "rows"
    path.write_bytes(data)
    return path
