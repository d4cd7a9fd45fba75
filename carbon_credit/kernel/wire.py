"""PostgreSQL's binary form of columns of values, for COPY and for array parameters.

The driver asks for each value what it is; here a column is written in one go, because all its values
are of one type. That is a quarter of the time, and on the path of a batch most of what the driver costs.
"""

import struct
import uuid
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, cast

from psycopg import Connection, Cursor
from psycopg.abc import Buffer
from psycopg.adapt import Dumper, Loader
from psycopg.pq import Format
from psycopg.types.array import ListBinaryDumper
from psycopg.types.string import ByteaBinaryLoader

from carbon_credit.kernel.digest import is_alike
from carbon_credit.kernel.ids import id_of

Column = Sequence[Any]

_NULL = b"\xff\xff\xff\xff"
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_FIRST_DAY = date(2000, 1, 1).toordinal()
_SIGNATURE = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_TRAILER = b"\xff\xff"
_INT2, _INT4, _INT8 = struct.Struct(">ih"), struct.Struct(">ii"), struct.Struct(">iq")
_HEAD = struct.Struct(">iiIii")
_LENGTH = struct.Struct(">i")


def _ids(column: Column) -> list[bytes]:
    return [
        _NULL if one is None else b"\x00\x00\x00\x10" + one.int.to_bytes(16, "big")
        for one in column
    ]  # fmt: skip


def _texts(column: Column) -> list[bytes]:
    # A few words over and over, or all different: the words of the first are written once.
    made = {one: _NULL if one is None else _text(one) for one in set(column)}
    return [made[one] for one in column]


def _text(word: str) -> bytes:
    text = word.encode()
    return _LENGTH.pack(len(text)) + text


def _numbers(size: int, packed: struct.Struct) -> Callable[[Column], list[bytes]]:
    def write(column: Column) -> list[bytes]:
        pack = packed.pack
        return [_NULL if one is None else pack(size, one) for one in column]

    return write


def _truths(column: Column) -> list[bytes]:
    words = {True: b"\x00\x00\x00\x01\x01", False: b"\x00\x00\x00\x01\x00", None: _NULL}
    return [words[one] for one in column]


def _instants(column: Column) -> list[bytes]:
    pack = _INT8.pack
    return [_NULL if one is None else pack(8, (one - _EPOCH) // _MICROSECOND) for one in column]


def _days(column: Column) -> list[bytes]:
    made = {one: _NULL if one is None else _INT4.pack(4, one.toordinal() - _FIRST_DAY) for one in set(column)}
    return [made[one] for one in column]


def _octets(column: Column) -> list[bytes]:
    length = _LENGTH.pack
    return [_NULL if one is None else length(len(one)) + one for one in column]


# Name of the type as a column says it -> (name as a cast says it, its number, the writer).
_TYPES: dict[str, tuple[str, int, Callable[[Column], list[bytes]]]] = {
    "uuid": ("uuid", 2950, _ids),
    "varchar": ("varchar", 1043, _texts),
    "text": ("text", 25, _texts),
    "smallint": ("int2", 21, _numbers(2, _INT2)),
    "integer": ("int4", 23, _numbers(4, _INT4)),
    "bigint": ("int8", 20, _numbers(8, _INT8)),
    "boolean": ("bool", 16, _truths),
    "timestamp with time zone": ("timestamptz", 1184, _instants),
    "date": ("date", 1082, _days),
    "bytea": ("bytea", 17, _octets),
}


class Encoded(bytes):
    """A parameter that is in binary form already. The statement says its type by a cast."""


class _EncodedDumper(Dumper):
    format = Format.BINARY

    def dump(self, obj: Any) -> Buffer | None:
        return cast(Encoded, obj)  # it is bytes; a copy of columns is some megabytes


class _IdLoader(Loader):
    def load(self, data: Buffer) -> uuid.UUID:
        return id_of(int(bytes(data).replace(b"-", b""), 16))


class _IdBinaryLoader(Loader):
    format = Format.BINARY

    def load(self, data: Buffer) -> uuid.UUID:
        return id_of(int.from_bytes(data, "big"))


def prepare(connection: Connection[Any]) -> None:
    """Teach a connection these forms; lists that come without them go as binary arrays too."""
    connection.adapters.register_dumper(list, ListBinaryDumper)
    connection.adapters.register_dumper(Encoded, _EncodedDumper)
    connection.adapters.register_loader("uuid", _IdLoader)
    connection.adapters.register_loader("uuid", _IdBinaryLoader)


def cursor_of_octets(connection: Connection[Any]) -> Cursor[Any]:
    """A cursor that gives ids as their 16 octets: for statements whose answer names one id over and over.
    To load an id costs more than all else in a row."""
    cursor = connection.cursor(binary=True)
    cursor.adapters.register_loader("uuid", ByteaBinaryLoader)
    return cursor


def cast_name(kind: str) -> str:
    """The name of an array's element type in a cast. Without a length: too long a text is to be an error."""
    return _TYPES[kind][0]


def array(kind: str, column: Column) -> Encoded:
    """A column as one array parameter."""
    _name, number, _write = _TYPES[kind]
    fields = _fields(kind, column)
    return Encoded(_HEAD.pack(1, _NULL in fields, number, len(fields), 1) + b"".join(fields))


def copied(kinds: Sequence[str], columns: Sequence[Column]) -> bytes:
    """All columns as the body of a COPY in binary form."""
    count = len(columns[0])
    fields: list[list[bytes]] = []
    fixed = struct.pack(">h", len(columns))
    for kind, column in zip(kinds, columns, strict=True):
        write = _TYPES[kind][2]
        # What all rows say alike is written once, before the next column that differs.
        if is_alike(column):
            fixed += write(column[:1])[0]
            continue
        if fixed:
            fields.append([fixed] * count)
            fixed = b""
        fields.append(write(column))
    fields.append([fixed] * count)
    rows: Iterable[tuple[bytes, ...]] = zip(*fields, strict=True)
    return b"".join((_SIGNATURE, *map(b"".join, rows), _TRAILER))


def _fields(kind: str, column: Column) -> list[bytes]:
    write = _TYPES[kind][2]
    if len(column) > 1 and is_alike(column):
        return write(column[:1]) * len(column)
    return write(column)
