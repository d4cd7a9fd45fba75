"""Identifiers: UUID version 7, so that rows written together lie together."""

import secrets
import uuid
from datetime import UTC, datetime, timedelta

from uuid_utils.compat import uuid7

from carbon_credit.kernel.clock import microseconds

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def new_id() -> uuid.UUID:
    """A fresh id that sorts by the time it was made."""
    return uuid7()


def random_id() -> uuid.UUID:
    """A fresh id that tells nothing, not even when it was made: for citizens."""
    return uuid.UUID(bytes=secrets.token_bytes(16), version=4)


def first_id_at(instant: datetime) -> uuid.UUID:
    """The least id that can have been made at `instant`: a time range is a range of ids."""
    return uuid.UUID(int=max(microseconds(instant) // 1000, 0) << 80)


def made_at(row_id: uuid.UUID) -> datetime:
    """When an id was made, to the millisecond."""
    return _EPOCH + timedelta(milliseconds=row_id.int >> 80)
