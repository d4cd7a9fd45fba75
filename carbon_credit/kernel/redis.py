"""What the nodes of an installation share and may lose: counters in Redis, nothing that matters.

Redis is asked with short timeouts, and never raises to a caller: where it does not answer, it is left
alone for a while and the caller does without.
"""

import logging
from datetime import datetime, timedelta
from typing import cast

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

TIMEOUT_S = 0.25  # float ok: seconds to wait
LEFT_ALONE = timedelta(seconds=5)

_log = logging.getLogger(__name__)


class SharedCounts:
    """Counters that end by themselves. Safe to use from many threads."""

    def __init__(self, url: str) -> None:
        self._redis = Redis.from_url(
            url,
            socket_connect_timeout=TIMEOUT_S,
            socket_timeout=TIMEOUT_S,
            retry=Retry(NoBackoff(), 0),
            health_check_interval=30,
        )
        self._leave_alone_until: datetime | None = None

    def add_one(self, name: str, *, ttl_s: int, now: datetime) -> int | None:
        """Count `name` one up, and forget it in `ttl_s`; the count, or None where Redis does not answer."""
        if self._leave_alone_until is not None and now < self._leave_alone_until:
            return None
        try:
            with self._redis.pipeline(transaction=True) as pipe:
                pipe.incr(name)
                pipe.expire(name, ttl_s)
                count = cast(int, pipe.execute()[0])
        except (RedisError, OSError) as error:
            # Once for each silence, not for each request.
            _log.warning("Redis does not answer (%s); counting in this process", type(error).__name__)
            self._leave_alone_until = now + LEFT_ALONE
            return None
        self._leave_alone_until = None
        return count

    def answers(self) -> bool:
        """Whether Redis answers now."""
        try:
            return bool(self._redis.ping())
        except (RedisError, OSError):
            return False

    def close(self) -> None:
        """Close all connections."""
        self._redis.close()


def open_shared_counts(url: str | None) -> SharedCounts | None:
    """The counters at `url`; None where the installation has no Redis. Connects when first used."""
    return SharedCounts(url) if url else None
