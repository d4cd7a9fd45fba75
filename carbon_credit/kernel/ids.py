"""Identifiers: UUID version 7, so that rows written together lie together."""

import secrets
import uuid
from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from typing import Any

from uuid_utils import uuid7 as _uuid7

from carbon_credit.kernel.clock import microseconds

# More than the clocks of two nodes may differ. Wider costs nothing: months are what is left out.
_SKEW = timedelta(days=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_UNKNOWN = uuid.SafeUUID.unknown
_ROOM = 1 << 31
_UUID: Any = uuid.UUID
_new = object.__new__
# The two slots of an id, set at once: `object.__setattr__` looks each of them up by name first.
_set_int, _set_safe = _UUID.int.__set__, _UUID.is_safe.__set__


def id_of(number: int) -> uuid.UUID:
    """The id that is this 128-bit number: what `uuid.UUID(int=number)` makes, at a sixth of the time.

    Ids come by the ten thousand from the database and from digests, where nothing is to be checked.
    """
    made = _new(uuid.UUID)
    _set_int(made, number)
    _set_safe(made, _UNKNOWN)
    return made


def new_id() -> uuid.UUID:
    """A fresh id that sorts by the time it was made."""
    return id_of(_uuid7().int)


def new_ids(count: int) -> list[uuid.UUID]:
    """So many fresh ids at once, in ascending order: at half the time of so many calls.

    They are the numbers that follow one fresh id. The last of its bits are chance; one of them is cleared,
    so that counting on never reaches the part that orders the ids of a process.
    """
    first = _uuid7().int & ~_ROOM
    if count >= _ROOM:
        raise ValueError("too many ids at once")
    return [id_of(number) for number in range(first, first + count)]


def random_id() -> uuid.UUID:
    """A fresh id that tells nothing, not even when it was made: for citizens."""
    return uuid.UUID(bytes=secrets.token_bytes(16), version=4)


def first_id_at(instant: datetime) -> uuid.UUID:
    """The least id that can have been made at `instant`: a time range is a range of ids."""
    return uuid.UUID(int=max(microseconds(instant) // 1000, 0) << 80)


def made_at(row_id: uuid.UUID) -> datetime:
    """When an id was made, to the millisecond."""
    return _EPOCH + timedelta(milliseconds=row_id.int >> 80)


def made_since(ids: Collection[uuid.UUID]) -> uuid.UUID | None:
    """The least id of whatever was made because of one of `ids`, and therefore later.

    A statement that looks for the consequences of rows by another column says so with it, and passes over
    the partitions of the months before. None where nothing can be said: no ids, or one of another version.
    Only for what `new_id` made: a digest that looks like an id would tell a time by chance.
    """
    least = None
    for row_id in ids:
        number = row_id.int
        if (number >> 76) & 0xF != 7:
            return None
        if least is None or number < least:
            least = number
    return None if least is None else first_id_at(made_at(uuid.UUID(int=least)) - _SKEW)
