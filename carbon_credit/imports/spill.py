"""Room for more than memory holds: a private database file without a name.

SQLite makes it in the folder of temporary files and unlinks it at once: no other process can open it, and
nothing is left when the program ends, however it ends. `SQLITE_TMPDIR` says where.
"""

import errno
import sqlite3
from collections.abc import Iterable, Iterator
from typing import TypeAlias

CACHE_KB = 8_192
_NO_ROOM = "no room left in the folder of temporary files (SQLITE_TMPDIR)"

Spilled: TypeAlias = tuple[str, int, int, str, str, int]


def nameless() -> sqlite3.Connection:
    """An empty database of one's own, in a bounded part of memory and the rest on disk."""
    base = sqlite3.connect("", isolation_level=None, check_same_thread=False)
    base.execute(f"PRAGMA cache_size = -{CACHE_KB}")
    base.execute("PRAGMA journal_mode = OFF")
    base.execute("PRAGMA synchronous = OFF")
    base.execute("PRAGMA temp_store = FILE")
    return base


class SwipeSpill:
    """Swipes as they come, given back ordered by card, time, kind, place and line.

    A swipe is (card, microseconds, kind, place, station, line).
    """

    def __init__(self) -> None:
        self._base = nameless()
        self._base.execute(
            "CREATE TABLE swipe (card TEXT, at INTEGER, kind INTEGER, place TEXT, station TEXT, line INTEGER)"
        )
        self._base.execute("BEGIN")

    def put(self, swipes: Iterable[Spilled]) -> None:
        """Add some."""
        try:
            self._base.executemany("INSERT INTO swipe VALUES (?, ?, ?, ?, ?, ?)", swipes)
        except sqlite3.OperationalError as error:
            raise OSError(errno.ENOSPC, _NO_ROOM) from error

    def in_order(self) -> Iterator[Spilled]:
        """All of them, sorted outside of memory."""
        try:
            yield from self._base.execute("SELECT * FROM swipe ORDER BY card, at, kind, place, line")
        except sqlite3.OperationalError as error:
            raise OSError(errno.ENOSPC, _NO_ROOM) from error

    def close(self) -> None:
        """Give the space back."""
        self._base.close()
