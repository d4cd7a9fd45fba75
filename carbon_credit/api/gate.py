"""So many at once in one process and no more: the others wait at the gate, for a while.

A batch of ten thousand events takes a hundred megabytes while it is worked on, and the interpreter works
on one at a time: many at once would be no faster and need all of the memory.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from carbon_credit.kernel.errors import Busy

PATIENCE_S = 10


class Overloaded(Busy):
    code = "overloaded"
    en = "More is posted than can be handled now. Nothing was done. Send it again in a moment, or in batches."
    zh = "当前请求量超出处理能力，未作任何处理。请稍后重试，或改用批量接口。"


class Gate:
    """Lets `most` in at once. Safe for many threads."""

    def __init__(self, most: int, *, patience_s: int = PATIENCE_S) -> None:
        self._places = threading.BoundedSemaphore(most)
        self._patience_s = patience_s

    @contextmanager
    def passed(self) -> Iterator[None]:
        """Inside the block there are at most so many. Raises Overloaded where none leaves in time."""
        if not self._places.acquire(timeout=self._patience_s):
            raise Overloaded
        try:
            yield
        finally:
            self._places.release()
