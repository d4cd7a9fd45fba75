"""The zip of a dossier, in the one form that is valid: stored members, one date, nothing hidden.

An ordinary unzip opens it. But a zip as such can say one thing in two places, carry bytes that no
reader shows, and blow up when opened; so the writer makes, and the reader takes, exactly one sequence
of bytes for given names and contents. A changed byte in a header is found like any other.
"""

import hashlib
import io
import re
import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, TypeAlias

from carbon_credit.verifier.report import differs

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

MAX_MEMBERS = 200
MAX_BYTES = 2**32 - 2  # of the whole: the classic format, without the 64-bit extension
WHOLE = "(zip)"  # stands where a difference is about the container

_PART = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,79}\Z")
_MAX_NAME = 150
_LOCAL = struct.Struct("<4s5H3I2H")
_CENTRAL = struct.Struct("<4s6H3I5H2I")
_END = struct.Struct("<4s4H2IH")
_VERSION, _STORED, _MIDNIGHT, _1980 = 20, 0, 0, 0x21
_UNIX, _REGULAR_FILE = 3 << 8, 0o100644 << 16
_CHUNK = 1 << 20

Content: TypeAlias = bytes | Path


@dataclass(frozen=True, slots=True)
class Member:
    """A file in the container; `offset` is where its bytes begin."""

    name: str
    offset: int
    size: int
    crc: int


def valid_name(name: str) -> bool:
    """Relative, ASCII, no `..`, no leading dot, at most 150 characters and six folders."""
    parts = name.split("/")
    return len(name) <= _MAX_NAME and len(parts) <= 7 and all(_PART.match(part) for part in parts)


def write_container(target: IO[bytes], members: Sequence[tuple[str, Content]]) -> None:
    """Write `members` in the given order. Reads each file twice and holds none in memory.

    ValueError where the result would not be a valid container.
    """
    _refuse_invalid(members)
    directory = b""
    offset = 0
    for name, content in members:
        size, crc = _measure(content)
        if offset + size > MAX_BYTES - 1_000_000:
            raise ValueError("a dossier can't be larger than 4 GiB")
        target.write(_local_header(name, size, crc))
        for chunk in _chunks(content):
            target.write(chunk)
        directory += _central_header(name, size, crc, offset)
        offset += _LOCAL.size + len(name) + size
    target.write(directory + _end_record(len(members), len(directory), offset))


class Container:
    """A zip opened for reading. Construction checks every byte that is not content. Raises Differs."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self.members: dict[str, Member] = {}
        self._read_local_headers()
        self._compare_directory()

    def read(self, name: str, *, limit: int) -> bytes:
        """The bytes of a member. Raises Differs where it is missing or longer than `limit`."""
        if name not in self.members:
            raise differs(name, "file", expected="present", found="missing")
        member = self.members[name]
        if member.size > limit:
            raise differs(name, "bytes", expected=f"at most {limit}", found=member.size)
        return b"".join(self._contents(member))

    def digest(self, name: str) -> str:
        """The sha256 of a member, in hex; checks its CRC on the way. Raises Differs."""
        member = self.members[name]
        digest, crc = hashlib.sha256(), 0
        for chunk in self._contents(member):
            digest.update(chunk)
            crc = zlib.crc32(chunk, crc)
        if crc != member.crc:
            raise differs(name, "crc32", expected=f"{member.crc:08x}", found=f"{crc:08x}")
        return digest.hexdigest()

    def open(self, name: str) -> "MemberReader":
        """A member as a stream of bytes."""
        return MemberReader(self._stream, self.members[name])

    def _contents(self, member: Member) -> Iterator[bytes]:
        reader = MemberReader(self._stream, member)
        while chunk := reader.read(_CHUNK):
            yield chunk

    def _read_local_headers(self) -> None:
        self._stream.seek(0, 2)
        total = self._stream.tell()
        if total > MAX_BYTES:
            raise differs(WHOLE, "bytes", expected=f"at most {MAX_BYTES}", found=total)
        position = 0
        seen: set[str] = set()
        while True:
            self._stream.seek(position)
            head = self._stream.read(_LOCAL.size)
            if position == 0 and head[:2] != b"PK":
                raise differs(WHOLE, "kind of file", expected="a zip", found="something else")
            if head[:4] != b"PK\x03\x04" or len(head) < _LOCAL.size:
                break
            crc, size, length = _LOCAL.unpack(head)[6], _LOCAL.unpack(head)[8], _LOCAL.unpack(head)[9]
            name = self._stream.read(min(length, _MAX_NAME)).decode("ascii", "replace")
            if not valid_name(name) or name.lower() in seen:
                raise differs(
                    WHOLE, f"name of member {len(seen) + 1}", expected="a plain, unused name", found=name
                )
            found, expected = head + name.encode(), _local_header(name, size, crc)
            if found != expected:
                raise differs(WHOLE, f"header of {name}", expected=expected, found=found)
            position += len(expected)
            if position + size > total:
                raise differs(WHOLE, f"bytes of {name}", expected=size, found=total - position)
            self.members[name] = Member(name, position, size, crc)
            seen.add(name.lower())
            if len(seen) > MAX_MEMBERS:
                raise differs(WHOLE, "members", expected=f"at most {MAX_MEMBERS}", found="more")
            position += size
        self._directory_at = position

    def _compare_directory(self) -> None:
        # What follows the members is fully determined by them.
        start = 0
        self._stream.seek(self._directory_at)
        directory_size = 0
        for member in self.members.values():
            expected = _central_header(member.name, member.size, member.crc, start)
            found = self._stream.read(len(expected))
            if found != expected:
                raise differs(WHOLE, f"directory entry of {member.name}", expected=expected, found=found)
            start = member.offset + member.size
            directory_size += len(expected)
        end = _end_record(len(self.members), directory_size, start)
        found = self._stream.read(len(end) + 1)
        if found != end:
            raise differs(WHOLE, "end", expected=end, found=found)


class MemberReader(io.RawIOBase):
    """A read-only view of one member."""

    def __init__(self, stream: IO[bytes], member: Member) -> None:
        super().__init__()
        self._stream = stream
        self._position = member.offset
        self._end = member.offset + member.size

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer", /) -> int:
        view = memoryview(buffer).cast("B")
        self._stream.seek(self._position)
        data = self._stream.read(min(len(view), self._end - self._position))
        view[: len(data)] = data
        self._position += len(data)
        return len(data)


def _refuse_invalid(members: Sequence[tuple[str, Content]]) -> None:
    names = [name for name, _content in members]
    if len({name.lower() for name in names}) != len(names):
        raise ValueError("two members of a dossier have the same name")
    if len(names) > MAX_MEMBERS or not all(map(valid_name, names)):
        raise ValueError(f"a dossier has at most {MAX_MEMBERS} members with plain names")


def _measure(content: Content) -> tuple[int, int]:
    size = crc = 0
    for chunk in _chunks(content):
        size += len(chunk)
        crc = zlib.crc32(chunk, crc)
    return size, crc


def _chunks(content: Content) -> Iterator[bytes]:
    if isinstance(content, bytes):
        yield content
        return
    with content.open("rb") as file:
        while chunk := file.read(_CHUNK):
            yield chunk


def _local_header(name: str, size: int, crc: int) -> bytes:
    fixed = (b"PK\x03\x04", _VERSION, 0, _STORED, _MIDNIGHT, _1980)
    return _LOCAL.pack(*fixed, crc, size, size, len(name), 0) + name.encode()


def _central_header(name: str, size: int, crc: int, offset: int) -> bytes:
    fixed = (b"PK\x01\x02", _UNIX | _VERSION, _VERSION, 0, _STORED, _MIDNIGHT, _1980)
    return (
        _CENTRAL.pack(*fixed, crc, size, size, len(name), 0, 0, 0, 0, _REGULAR_FILE, offset) + name.encode()
    )


def _end_record(count: int, size: int, offset: int) -> bytes:
    return _END.pack(b"PK\x05\x06", 0, 0, count, count, size, offset, 0)
