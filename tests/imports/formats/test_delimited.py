"""Reading operator files: what spoils a row, and what spoils the whole file."""

import gzip
from pathlib import Path

import pytest

from carbon_credit.imports.errors import (
    ColumnsMissing,
    ColumnsRepeated,
    FileEmpty,
    FileEncoding,
    FileTruncated,
    FileUnreadable,
    LineTooLong,
)
from carbon_credit.imports.formats.delimited import DelimitedFile
from carbon_credit.imports.formats.lines import MAX_LINE
from carbon_credit.imports.formats.packing import BLOCK_BYTES
from carbon_credit.imports.formats.source import Record


def read(folder: Path, data: bytes, columns: tuple[str, ...] = ("a", "b")) -> list[Record]:
    path = folder / "swipes.csv"
    path.write_bytes(data)
    return list(DelimitedFile(path).records(columns))


@pytest.mark.parametrize(
    "data",
    [
        b"a,b\n1,2\n",
        b"b,a\n2,1\n",
        b"a\tb\r\n1\t2\r\n",
        b'"a","b"\n"1","2"',
        b"\xef\xbb\xbfA, b ,c\n 1,2 ,3\n",
        gzip.compress(b"a,b\n1,2\n", mtime=0),
    ],
)
def test_order_quoting_delimiter_mark_and_packing_do_not_matter(tmp_path: Path, data: bytes) -> None:
    assert read(tmp_path, data) == [Record(2, ("1", "2"))]


def test_a_spoilt_row_spoils_no_other(tmp_path: Path) -> None:
    records = read(tmp_path, b'a,b\n1,2\n"3,4\n5\n\n6,7,8\n"9""","1,0"\n')
    assert records == [
        Record(2, ("1", "2")),
        Record(3, None),
        Record(4, None),
        Record(6, None),
        Record(7, ('9"', "1,0")),
    ]


def test_blank_lines_are_no_rows(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"a,b\n\n1,2\n   \n")
    file = DelimitedFile(path)
    assert [record.line for record in file.records(("a",))] == [3]
    assert file.rows == 1


def test_another_encoding_is_named_by_byte_and_line(tmp_path: Path) -> None:
    good = "a,b\n1,南山\n".encode()
    with pytest.raises(FileEncoding) as caught:
        read(tmp_path, good + "2,罗湖\n".encode("gb18030"))
    assert caught.value.details == {
        "file": "swipes.csv",
        "encoding": "UTF-8",
        "byte": len(good) + 2,
        "line": 3,
    }
    assert "iconv" in caught.value.message("zh")
    with pytest.raises(FileEncoding):
        read(tmp_path, "a,b\n1,2\n".encode("utf-16"))


def test_a_cut_or_damaged_gzip_is_told_apart(tmp_path: Path) -> None:
    whole = gzip.compress(b"a,b\n" + b"".join(b"%d,2\n" % n for n in range(5000)), mtime=0)
    with pytest.raises(FileTruncated):
        read(tmp_path, whole[:-12])
    with pytest.raises(FileTruncated):
        read(tmp_path, whole[:200] + b"\0\0\0\0" + whole[204:])


def test_the_layout_is_checked_before_any_row(tmp_path: Path) -> None:
    with pytest.raises(FileEmpty):
        read(tmp_path, b"")
    with pytest.raises(ColumnsMissing, match="b"):
        read(tmp_path, b"a,c\n1,2\n")
    with pytest.raises(ColumnsRepeated, match="a"):
        read(tmp_path, b"a,b,a\n1,2,3\n")
    with pytest.raises(LineTooLong, match="Line 2 "):
        read(tmp_path, b"a,b\n" + b"1" * (MAX_LINE + 1))


def test_a_missing_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(FileUnreadable, match=r"nothing\.csv"):
        list(DelimitedFile(tmp_path / "nothing.csv").records(("a",)))
    with pytest.raises(FileUnreadable):
        list(DelimitedFile(tmp_path).records(("a",)))


def test_progress_ends_with_the_whole_file(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"a,b\n" + b"1,2\n" * (BLOCK_BYTES // 2))
    calls: list[tuple[int, int]] = []
    file = DelimitedFile(path, progress=lambda done, total: calls.append((done, total)))
    assert sum(1 for _ in file.records(("a",))) == BLOCK_BYTES // 2
    size = path.stat().st_size
    assert calls == sorted(calls)
    assert len(calls) > 2
    assert calls[-1] == (size, size)
