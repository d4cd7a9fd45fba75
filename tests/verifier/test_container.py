"""The container opens with any unzip, and has one valid form."""

import io
import zipfile
from pathlib import Path

import pytest

from carbon_credit.verifier.container import Container, valid_name, write_container
from carbon_credit.verifier.report import Differs

MEMBERS = [("a.txt", b"one"), ("folder/b+c.csv", b""), ("z.bin", bytes(range(256)) * 10)]


def _zip(members: list[tuple[str, bytes]]) -> bytes:
    target = io.BytesIO()
    write_container(target, members)
    return target.getvalue()


def test_an_ordinary_reader_opens_it_and_finds_no_fault() -> None:
    with zipfile.ZipFile(io.BytesIO(_zip(MEMBERS))) as ordinary:
        assert ordinary.testzip() is None
        assert [(info.filename, ordinary.read(info)) for info in ordinary.infolist()] == MEMBERS
        assert {info.compress_type for info in ordinary.infolist()} == {zipfile.ZIP_STORED}


def test_files_and_bytes_give_the_same_container(tmp_path: Path) -> None:
    paths = []
    for name, content in MEMBERS:
        path = tmp_path / name.replace("/", "_")
        path.write_bytes(content)
        paths.append((name, path))
    target = io.BytesIO()
    write_container(target, paths)
    assert target.getvalue() == _zip(MEMBERS)
    container = Container(target)
    assert [container.read(name, limit=10_000) for name in container.members] == [c for _n, c in MEMBERS]
    with pytest.raises(Differs) as refusal:
        container.read("z.bin", limit=2559)
    assert refusal.value.difference.field == "bytes"


@pytest.mark.parametrize(
    "name",
    [
        "",
        "/etc/passwd",
        "../a",
        "a/../b",
        "a//b",
        "a\\b",
        ".hidden",
        "a/.b",
        "C:a",
        "名.txt",
        "a\0b",
        "a\n",
        "x" * 151,
    ],
)
def test_names_that_could_leave_the_folder_are_refused_by_writer_and_reader(name: str) -> None:
    assert not valid_name(name)
    with pytest.raises(ValueError, match="plain names"):
        _zip([(name, b"")])
    if "\0" in name or not name:
        return
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as hostile:
        hostile.writestr(zipfile.ZipInfo(name), b"")
    with pytest.raises(Differs):
        Container(target)


def test_same_names_are_refused() -> None:
    with pytest.raises(ValueError, match="same name"):
        _zip([("a", b"1"), ("A", b"2")])


def test_compressed_commented_and_extended_zips_are_refused() -> None:
    shapes: list[io.BytesIO] = []
    for compression, comment, extra in [
        (zipfile.ZIP_DEFLATED, b"", b""),
        (zipfile.ZIP_STORED, b"hidden", b""),
        (zipfile.ZIP_STORED, b"", b"\x01\x00\x04\x00abcd"),
    ]:
        target = io.BytesIO()
        with zipfile.ZipFile(target, "w") as shape:
            info = zipfile.ZipInfo("a.txt")
            info.compress_type, info.extra = compression, extra
            shape.writestr(info, b"one" * 100)
            shape.comment = comment
        shapes.append(target)
    for shape in shapes:
        with pytest.raises(Differs):
            Container(shape)


@pytest.mark.parametrize("data", [b"", b"hello", b"%PDF-1.7 a report"])
def test_what_is_no_zip_is_called_that(data: bytes) -> None:
    with pytest.raises(Differs, match="a zip"):
        Container(io.BytesIO(data))


def test_too_many_members_are_refused() -> None:
    with pytest.raises(ValueError, match="at most 200"):
        _zip([(f"f{i}", b"") for i in range(201)])
