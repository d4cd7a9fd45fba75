"""Whose trips they were, from a list of the operator's own: for files that name no rider.

A CSV with `citizen` (the value of the link) and either `trip` (the id of the event) or `line` (the line of
the trips file). Kept in a private file that has no name, so that nothing is left of it, even after a crash.
"""

import sqlite3
from pathlib import Path

from carbon_credit.imports.errors import RidersUnreadable
from carbon_credit.imports.formats import Column, open_rows
from carbon_credit.imports.spill import nameless

_COLUMNS = (
    Column(("citizen",)),
    Column(("trip", "trip_id", "id"), required=False),
    Column(("line", "row"), required=False),
)
_AT_ONCE = 5_000


class Riders:
    """Trip or line -> the value of the citizen's link. `close` forgets everything."""

    def __init__(self, path: Path) -> None:
        self._base = nameless()
        self._base.execute("CREATE TABLE rider (trip TEXT PRIMARY KEY, citizen TEXT) WITHOUT ROWID")
        try:
            self._load(path)
        except BaseException:
            self.close()
            raise

    def of_trip(self, trip: str) -> str | None:
        """The citizen of the event with this id."""
        return self._citizen("t" + trip)

    def of_line(self, line: int) -> str | None:
        """The citizen of the trip on this line."""
        return self._citizen(f"l{line}")

    def close(self) -> None:
        """Give the space back."""
        self._base.close()

    def _citizen(self, key: str) -> str | None:
        row = self._base.execute("SELECT citizen FROM rider WHERE trip = ?", (key,)).fetchone()
        return row[0] if row else None

    def _load(self, path: Path) -> None:
        pending: list[tuple[str, str]] = []
        for record in open_rows(path).records(_COLUMNS):
            citizen, trip, line = record.values or ("", "", "")
            if not citizen or bool(trip) == bool(line):
                raise RidersUnreadable(line=record.line, why="a row is a citizen and either a trip or a line")
            if line and not (line.isascii() and line.isdigit()):
                raise RidersUnreadable(line=record.line, why="a line is a whole number")
            pending.append(("t" + trip if trip else f"l{int(line)}", citizen))
            if len(pending) == _AT_ONCE:
                self._put(pending, record.line)
                pending = []
        self._put(pending, 0)

    def _put(self, rows: list[tuple[str, str]], line: int) -> None:
        try:
            self._base.executemany("INSERT INTO rider VALUES (?, ?)", rows)
        except sqlite3.IntegrityError:
            raise RidersUnreadable(line=line, why="before it, a trip or a line is named twice") from None
