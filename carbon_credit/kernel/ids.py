"""Identifiers: UUID version 7, so that rows written together lie together."""

import secrets
import uuid

from uuid_utils.compat import uuid7


def new_id() -> uuid.UUID:
    """A fresh id that sorts by the time it was made."""
    return uuid7()


def random_id() -> uuid.UUID:
    """A fresh id that tells nothing, not even when it was made: for citizens."""
    return uuid.UUID(bytes=secrets.token_bytes(16), version=4)
