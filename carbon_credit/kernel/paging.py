"""Pages of a list: a limit with a maximum, and an opaque cursor that says where the next one begins.

A cursor is base64url of canonical JSON. It is not signed: it holds only a position in a list that
the caller may read anyway, and every query filters by the caller before it looks at the position.
"""

import base64
import binascii
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar
from uuid import UUID

import orjson

from carbon_credit.kernel.digest import canonical_json
from carbon_credit.kernel.errors import Invalid

T = TypeVar("T")

DEFAULT_LIMIT = 50
MAX_LIMIT = 200
MAX_CURSOR_LENGTH = 512


class CursorInvalid(Invalid):
    code = "cursor-invalid"
    en = "The cursor is not one that this list has given out. Begin again without a cursor."
    zh = "游标不是由本列表签发的。请去掉游标，从头开始。"


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Part of a list. `next_cursor` is None on the last part."""

    items: list[T]
    next_cursor: str | None


def cut(rows: Sequence[T], limit: int, position: Callable[[T], Sequence[str | int]]) -> Page[T]:
    """A page of `limit` out of up to `limit + 1` rows that were read; `position` of its last row
    becomes the cursor."""
    items = list(rows[:limit])
    more = len(rows) > limit
    return Page(items=items, next_cursor=cursor(*position(items[-1])) if more else None)


def cursor(*position: str | int) -> str:
    """The position as opaque text."""
    return base64.urlsafe_b64encode(canonical_json(list(position))).rstrip(b"=").decode()


def position(text: str, *kinds: type) -> tuple[str | int, ...]:
    """The position in `text`, whose parts must be of `kinds` (str or int). Raises CursorInvalid."""
    try:
        padded = text + "=" * (-len(text) % 4)
        parts = orjson.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
    except (ValueError, binascii.Error) as error:
        raise CursorInvalid from error
    fits = isinstance(parts, list) and len(parts) == len(kinds)
    if not fits or any(type(part) is not kind for part, kind in zip(parts, kinds, strict=True)):
        raise CursorInvalid
    return tuple(parts)


def id_position(text: str | None) -> UUID | None:
    """The id in a cursor that holds one id; None without a cursor. Raises CursorInvalid."""
    if text is None:
        return None
    (part,) = position(text, str)
    try:
        return UUID(str(part))
    except ValueError as error:
        raise CursorInvalid from error
