"""`Idempotency-Key` at the edge: whose key it is, for which request, and what a replay looks like."""

import hashlib
import re
from collections.abc import Callable
from datetime import datetime

from flask import request
from sqlalchemy.orm import Session

from carbon_credit.api.auth import Caller
from carbon_credit.api.body import body_bytes
from carbon_credit.kernel import idempotency
from carbon_credit.kernel.errors import Busy, Conflict, Invalid
from carbon_credit.kernel.idempotency import Answer
from carbon_credit.kernel.unit_of_work import DATABASE_ERRORS, is_locked

HEADER = "Idempotency-Key"
REPLAYED = "Idempotency-Replayed"
PATTERN = r"^[\x21-\x7e]{1,128}$"
_KEY = re.compile(PATTERN)


class IdempotencyKeyInvalid(Invalid):
    code = "idempotency-key-invalid"
    en = "An Idempotency-Key is 1 to 128 visible ASCII characters without spaces; a UUID is a good one."
    zh = "Idempotency-Key 须为 1 至 128 个可见 ASCII 字符且不含空格；建议使用 UUID。"


class IdempotencyInProgress(Conflict):
    code = "idempotency-in-progress"
    en = "The first request with this Idempotency-Key is still running. Ask again in a moment."
    zh = "使用该 Idempotency-Key 的首个请求仍在处理，请稍后重试。"


def key_of_request() -> str | None:
    """The key that came with this request, if any. Raises IdempotencyKeyInvalid."""
    key = request.headers.get(HEADER)
    if key is not None and not _KEY.match(key):
        raise IdempotencyKeyInvalid
    return key


def request_hash() -> str:
    """What the key stands for: method, address and body."""
    digest = hashlib.sha256()
    for part in (request.method.encode(), request.full_path.encode(), body_bytes()):
        digest.update(len(part).to_bytes(8, "big") + part)
    return digest.hexdigest()


def once(
    session: Session, *, caller: Caller, key: str, now: datetime, deed: Callable[[], tuple[int, bytes]]
) -> Answer:
    """Do `deed` once for this key of this caller. Raises IdempotencyInProgress while the first runs."""
    session.connection()  # on SQLite any writer keeps us waiting here, and that is not the key's doing
    begun = False

    def begin() -> tuple[int, bytes]:
        nonlocal begun
        begun = True
        return deed()

    try:
        return idempotency.once(
            session, caller=caller.key, key=key, request_hash=request_hash(), now=now, deed=begin
        )
    except (Busy, *DATABASE_ERRORS) as error:
        # A lock that was not had before the deed began is the key's own.
        if not begun and (isinstance(error, Busy) or is_locked(error)):
            raise IdempotencyInProgress from error
        raise
