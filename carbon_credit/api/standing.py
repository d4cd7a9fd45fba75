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


class Standings:
    """Remembers for STANDING_HOLDS that a credential, party and citizen were in good standing."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._seen: OrderedDict[tuple[str, uuid.UUID], datetime] = OrderedDict()
        self._lock = threading.Lock()

    def require(self, claims: Claims, *, now: datetime) -> None:
        """Raises CallerSuspended where the credential, the party or the citizen no longer stands."""
        key = (claims.client_id, claims.subject_id)
        with self._lock:
            seen = self._seen.get(key)
        if seen is not None and seen <= now < seen + STANDING_HOLDS:
            return
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
