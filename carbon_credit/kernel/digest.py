"""Canonical bytes and what is computed over them: content digests, keyed digests, row MACs."""

import hashlib
import hmac
import uuid
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from functools import lru_cache
from itertools import repeat
from operator import is_
from typing import Any, TypeAlias

import orjson

from carbon_credit.kernel.clock import microseconds
from carbon_credit.kernel.ids import id_of

_PLAIN = frozenset((str, int, bool, type(None)))
Field: TypeAlias = str | int | bytes | uuid.UUID | datetime | date | None


def typed_json(value: Mapping[str, object]) -> bytes:
    """`canonical_json` of what has passed a type that allows no float, so that none has to be looked for."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


def canonical_json(value: object) -> bytes:
    """UTF-8 JSON with sorted keys and no spaces. Floats are refused: they have no exact form."""
    _refuse_floats(value)
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


def _refuse_floats(value: object) -> None:
    if isinstance(value, float):
        raise TypeError("a float has no canonical form; send an integer or a decimal string")
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else ()
    for item in items:
        if type(item) not in _PLAIN:  # most are, and a call for each would cost more than the JSON
            _refuse_floats(item)


def sha256_hex(data: bytes) -> str:
    """Lower-case hexadecimal SHA-256."""
    return hashlib.sha256(data).hexdigest()


def keyed_digest(key: bytes, *parts: str) -> uuid.UUID:
    """128 bits of HMAC-SHA256 over length-prefixed `parts`, as a UUID for compact unique keys."""
    return id_of(int.from_bytes(mac_with(key)(_framed(parts))[:16], "big"))


def keyed_digests(key: bytes, first: tuple[str, ...], lasts: Sequence[str]) -> list[uuid.UUID]:
    """`keyed_digest` of the `first` parts and each of the `lasts`."""
    mac, head = mac_with(key), _framed(first).decode()
    digests = [mac(f"{head}{len(last)}:{last}".encode()) for last in lasts]
    return [id_of(int.from_bytes(digest[:16], "big")) for digest in digests]


def row_mac(key: bytes, table: str, *fields: Field) -> bytes:
    """16 bytes of HMAC-SHA256 over the row's columns in a fixed order, named by its table."""
    return mac_with(key)(_framed((table, *map(_text, fields))))[:16]


def row_macs(key: bytes, table: str, rows: Sequence[Sequence[Field]]) -> list[bytes]:
    """`row_mac` of each of the rows of one table, at a third of the time where there are many."""
    return column_macs(key, table, list(zip(*rows, strict=True)))


def column_macs(key: bytes, table: str, columns: Sequence[Sequence[Field]]) -> list[bytes]:
    """The same of rows that are given by their columns, of one length each."""
    if not columns:
        return []
    mac = mac_with(key)
    parts: list[Sequence[str]] = []
    fixed = f"{len(table)}:{table}"
    for column in columns:
        first = column[0]
        # What all rows say alike stands before the next column that differs.
        if is_alike(column):
            fixed += _part(_text(first))
            continue
        if fixed:
            parts.append([fixed] * len(column))
            fixed = ""
        parts.append(_column(column))
    parts.append([fixed] * len(columns[0]))
    return [mac("".join(row).encode())[:16] for row in zip(*parts, strict=True)]


def is_alike(column: Sequence[Any]) -> bool:
    """Whether a column, not empty, holds one object over and over: the programme, the partner, the present
    instant. True also where there is one row only."""
    first = column[0]
    return column[-1] is first and all(map(is_, column, repeat(first)))


@lru_cache(maxsize=16)
def mac_with(key: bytes) -> Callable[[bytes], bytes]:
    """HMAC-SHA256 with a key, as a function of the message.

    What depends on the key alone is computed once; the module `hmac` does it for every message, which for
    short ones is more than half of the time.
    """
    block = (hashlib.sha256(key).digest() if len(key) > 64 else key).ljust(64, b"\0")
    inner = hashlib.sha256(bytes(octet ^ 0x36 for octet in block))
    outer = hashlib.sha256(bytes(octet ^ 0x5C for octet in block))

    def mac(message: bytes) -> bytes:
        first, second = inner.copy(), outer.copy()
        first.update(message)
        second.update(first.digest())
        return second.digest()

    return mac


def same(left: bytes | str, right: bytes | str) -> bool:
    """Equality in constant time."""
    a = left.encode() if isinstance(left, str) else left
    b = right.encode() if isinstance(right, str) else right
    return hmac.compare_digest(a, b)


def _framed(parts: tuple[str, ...]) -> bytes:
    # Length prefixes: ("ab", "c") and ("a", "bc") must not collide.
    return "".join([f"{len(part)}:{part}" for part in parts]).encode()


def _column(values: Sequence[Field]) -> Sequence[str]:
    """The framed texts of one column. Columns are of one type."""
    kinds = set(map(type, values))
    if len(kinds) == 1:
        framed = _FRAMED.get(kinds.pop())
        if framed is not None:
            return framed(values)
    return [_part(_text(value)) for value in values]


def _framed_ids(values: Sequence[Any]) -> list[str]:
    return [f"33:u{value.int.to_bytes(16, 'big').hex()}" for value in values]


def _framed_texts(values: Sequence[Any]) -> list[str]:
    made = {value: f"{len(value) + 1}:s{value}" for value in set(values)}  # mostly the same few words
    return [made[value] for value in values]


def _framed_numbers(values: Sequence[Any]) -> list[str]:
    return [f"{len(text)}:{text}" for text in [f"i{value}" for value in values]]


def _framed_days(values: Sequence[Any]) -> list[str]:
    made = {value: _part(_text(value)) for value in set(values)}
    return [made[value] for value in values]


_FRAMED: dict[type, Callable[[Sequence[Any]], list[str]]] = {
    uuid.UUID: _framed_ids,
    str: _framed_texts,
    int: _framed_numbers,
    date: _framed_days,
}


def _part(text: str) -> str:
    return f"{len(text)}:{text}"


def _text(field: Field) -> str:
    # A type letter first, so that None, "" and 0 differ.
    match field:
        case str():
            return f"s{field}"
        case int():
            return f"i{field}"
        case uuid.UUID():
            return f"u{field.int.to_bytes(16, 'big').hex()}"
        case datetime():  # before date: it is one
            return f"t{microseconds(field)}"
        case date():
            return f"d{field.isoformat()}"
        case bytes():
            return f"b{field.hex()}"
        case None:
            return "n"
