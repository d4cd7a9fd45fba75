"""A line that says how far a long measurement is, where somebody waits for it."""

import sys
from time import perf_counter

_FIRST_S, _AGAIN_S = 10, 5


class Progress:
    """Told on stderr from the tenth second on: on a terminal one line that changes, else a line a minute."""

    def __init__(self, what: str, whole: int) -> None:
        self._what = what
        self._whole = whole
        self._begin = perf_counter()
        self._next = self._begin + _FIRST_S
        self._changes = sys.stderr.isatty()
        self._told = False

    @property
    def is_due(self) -> bool:
        """Whether it is time to say something."""
        return perf_counter() >= self._next

    def at(self, done: int) -> None:
        """So many are done."""
        if not self.is_due:
            return
        now = perf_counter()
        self._next = now + (_AGAIN_S if self._changes else 12 * _AGAIN_S)
        self._told = True
        share = 100 * done // self._whole if self._whole else 100
        line = f"  {self._what}: {done:,} of {self._whole:,} ({share} %), {now - self._begin:.0f} s"
        print(
            f"\r{line}" if self._changes else line,
            end="" if self._changes else "\n",
            file=sys.stderr,
            flush=True,
        )

    def close(self) -> None:
        """It is over: what follows begins a line of its own."""
        if self._told and self._changes:
            print(file=sys.stderr, flush=True)
