"""Rate limits: so many in a fixed window of time, counted over all nodes where there is Redis.

Without Redis, or while it does not answer, each process counts for itself: a limit then holds per
process and is that much wider, and nobody is refused because a server is down.
"""

import threading
from collections import OrderedDict
from datetime import datetime
from typing import NamedTuple

from carbon_credit.kernel.clock import microseconds
from carbon_credit.kernel.digest import sha256_hex
from carbon_credit.kernel.redis import SharedCounts

MOST_NAMES = 20_000


class Verdict(NamedTuple):
    """`retry_after_s`: how long until the next window, where this one is used up; else 0."""

    allowed: bool
    retry_after_s: int


class Limiter:
    """Counts in Redis where it is given, else in this process."""

    def __init__(self, shared: SharedCounts | None = None) -> None:
        self._shared = shared
        self._local = _LocalCounts()

    def hit(self, name: str, *, limit: int, window_s: int, now: datetime) -> Verdict:
        """Count one more for `name`, e.g. "token 203.0.113.7": allowed while there are at most `limit`
        in the window of `window_s` seconds that `now` lies in."""
        second = microseconds(now) // 1_000_000
        window = second // window_s
        # A name may hold an address: only its digest leaves the process.
        key = f"carbon-credit:limit:{window_s}:{window}:{sha256_hex(name.encode())[:32]}"
        count = self._shared.add_one(key, ttl_s=window_s, now=now) if self._shared else None
        if count is None:
            count = self._local.add_one((name, window_s), window)
        if count <= limit:
            return Verdict(allowed=True, retry_after_s=0)
        return Verdict(allowed=False, retry_after_s=window_s - second % window_s)


class _LocalCounts:
    def __init__(self) -> None:
        self._counts: OrderedDict[tuple[str, int], tuple[int, int]] = OrderedDict()
        self._lock = threading.Lock()

    def add_one(self, key: tuple[str, int], window: int) -> int:
        with self._lock:
            last, count = self._counts.get(key, (window, 0))
            count = count + 1 if last == window else 1
            self._counts[key] = (window, count)
            self._counts.move_to_end(key)
            # Those not seen for longest go first.
            while len(self._counts) > MOST_NAMES:
                self._counts.popitem(last=False)
        return count
