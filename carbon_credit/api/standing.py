"""Whether the holder of a token may still act: asked of the database, remembered for two seconds."""

import threading
import uuid
from collections import OrderedDict
from datetime import datetime, timedelta

from carbon_credit.identity.queries import require_standing
from carbon_credit.identity.scopes import CITIZEN
from carbon_credit.identity.tokens import Claims
from carbon_credit.kernel.db import Database
from carbon_credit.kernel.unit_of_work import unit_of_work

# How long a caller may go on after a revocation or suspension.
STANDING_HOLDS = timedelta(seconds=2)
_REMEMBERED = 10_000
_ASKING = 64  # callers at once, about
_PATIENCE_S = 1

_Key = tuple[str, uuid.UUID]


class Standings:
    """Remembers for STANDING_HOLDS that a credential, party and citizen were in good standing."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._seen: OrderedDict[_Key, datetime] = OrderedDict()
        self._lock = threading.Lock()
        self._asking = [threading.Lock() for _ in range(_ASKING)]

    def require(self, claims: Claims, *, now: datetime) -> None:
        """Raises CallerSuspended where the credential, the party or the citizen no longer stands."""
        key = (claims.client_id, claims.subject_id)
        if self._stands(key, now):
            return
        # Of many requests of one caller, one asks: the others wait for what it learns, but not for long.
        asking = self._asking[hash(key) % _ASKING]
        had = asking.acquire(timeout=_PATIENCE_S)
        try:
            if not self._stands(key, now):
                self._ask(key, claims, now)
        finally:
            if had:
                asking.release()

    def _stands(self, key: _Key, now: datetime) -> bool:
        with self._lock:
            seen = self._seen.get(key)
        # Who waited may have come a moment before the one who asked.
        return seen is not None and abs(now - seen) < STANDING_HOLDS

    def _ask(self, key: _Key, claims: Claims, now: datetime) -> None:
        is_citizen = claims.role == CITIZEN
        with unit_of_work(self._database, read_only=True) as session:
            require_standing(
                session,
                client_id=claims.client_id,
                party_id=claims.actor_id if is_citizen else claims.subject_id,
                citizen_id=claims.subject_id if is_citizen else None,
            )
        with self._lock:
            self._seen[key] = now
            self._seen.move_to_end(key)
            while len(self._seen) > _REMEMBERED:
                self._seen.popitem(last=False)
