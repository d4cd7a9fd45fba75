"""Canonical bytes and what is computed over them: content digests, keyed digests, row MACs."""

import hashlib
import hmac
import uuid
from datetime import date, datetime
from typing import TypeAlias

import orjson

from carbon_credit.kernel.clock import microseconds

Field: TypeAlias = str | int | bytes | uuid.UUID | datetime | date | None


def canonical_json(value: object) -> bytes:
    """UTF-8 JSON with sorted keys and no spaces. Floats are refused: they have no exact form."""
    _refuse_floats(value)
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


def _refuse_floats(value: object) -> None:
    if isinstance(value, float):
        raise TypeError("a float has no canonical form; send an integer or a decimal string")
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else ()
    for item in items:
        if not isinstance(item, str | int):  # most are, and a call for each would cost more than the JSON
            _refuse_floats(item)


def sha256_hex(data: bytes) -> str:
    """Lower-case hexadecimal SHA-256."""
    return hashlib.sha256(data).hexdigest()


def keyed_digest(key: bytes, *parts: str) -> uuid.UUID:
    """128 bits of HMAC-SHA256 over length-prefixed `parts`, as a UUID for compact unique keys."""
    return uuid.UUID(bytes=hmac.digest(key, _framed(parts), "sha256")[:16])


def row_mac(key: bytes, table: str, *fields: Field) -> bytes:
    """16 bytes of HMAC-SHA256 over the row's columns in a fixed order, named by its table."""
    return hmac.digest(key, _framed((table, *map(_text, fields))), "sha256")[:16]


def same(left: bytes | str, right: bytes | str) -> bool:
    """Equality in constant time."""
    a = left.encode() if isinstance(left, str) else left
    b = right.encode() if isinstance(right, str) else right
    return hmac.compare_digest(a, b)


def _framed(parts: tuple[str, ...]) -> bytes:
    # Length prefixes: ("ab", "c") and ("a", "bc") must not collide.
    return "".join([f"{len(part)}:{part}" for part in parts]).encode()


def _text(field: Field) -> str:
    # A type letter first, so that None, "" and 0 differ.
    match field:
        case str():
            return f"s{field}"
        case int():
            return f"i{field}"
        case uuid.UUID():
            return f"u{field.hex}"
        case datetime():  # before date: it is one
            return f"t{microseconds(field)}"
        case date():
            return f"d{field.isoformat()}"
        case bytes():
            return f"b{field.hex()}"
        case None:
            return "n"
