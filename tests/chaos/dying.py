"""The command line, killed with -9 at named points: `python dying.py POINT:TURN[,POINT:TURN...] COMMAND...`.

Each point kills a process of its own, in this order, forked from one that has loaded everything.

The product knows nothing of this. The driver's cursor and connection are wrapped here, so a point is what
the process has just said to PostgreSQL. A turn is a transaction that claims events: at its TURN-th time
the process kills itself, as the kernel would, with nothing said and nothing cleaned up.
"""

import os
import re
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg

# In the order in which a batch comes past them.
STATEMENTS = {
    "claims": re.compile(r"INSERT INTO event_claim\b"),
    "tallies": re.compile(r"(INSERT INTO|FROM|COPY) day_tally\b"),
    "events": re.compile(r"(INSERT INTO|COPY) event\b"),
    "reductions": re.compile(r"(INSERT INTO|COPY) reduction\b"),
    "transfers": re.compile(r"(INSERT INTO|COPY) transfer\b"),
    "balances": re.compile(r"(UPDATE|INSERT INTO) account\b"),
}
POINTS = (*STATEMENTS, "before commit", "after commit")


class Doom:
    """Counts the turns, and dies."""

    def __init__(self, point: str, turn: int) -> None:
        self._point = point
        self._left = turn
        self._claiming = False
        self._passed = False

    def said(self, statement: object) -> None:
        """Something was said to the database, and the answer has come."""
        text = statement.decode() if isinstance(statement, bytes) else str(statement)
        if STATEMENTS["claims"].search(text):
            self._claiming, self._passed = True, False
        pattern = STATEMENTS.get(self._point)
        # Once in a transaction: its rows may come in several statements.
        if self._claiming and not self._passed and pattern is not None and pattern.search(text):
            self._passed = True
            self._turn()

    def committing(self) -> None:
        """The transaction is about to be committed."""
        if self._claiming and self._point == "before commit":
            self._turn()

    def ended(self, *, committed: bool) -> None:
        """It is over; of the answer nobody knows yet."""
        claiming, self._claiming = self._claiming, False
        if claiming and committed and self._point == "after commit":
            self._turn()

    def _turn(self) -> None:
        self._left -= 1
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL)


def doom(point: str, turn: int) -> None:
    """Wrap the driver."""
    fate = Doom(point, turn)
    execute, copy = psycopg.Cursor.execute, psycopg.Cursor.copy
    commit, rollback = psycopg.Connection.commit, psycopg.Connection.rollback

    def executing(cursor: Any, query: Any, *more: Any, **named: Any) -> Any:
        found = execute(cursor, query, *more, **named)
        fate.said(query)
        return found

    @contextmanager
    def copying(cursor: Any, statement: Any, *more: Any, **named: Any) -> Iterator[Any]:
        with copy(cursor, statement, *more, **named) as opened:
            yield opened
        fate.said(statement)

    def committing(connection: Any) -> None:
        fate.committing()
        commit(connection)
        fate.ended(committed=True)

    def rolling_back(connection: Any) -> None:
        rollback(connection)
        fate.ended(committed=False)

    psycopg.Cursor.execute, psycopg.Cursor.copy = executing, copying  # type: ignore[method-assign,assignment]
    psycopg.Connection.commit = committing  # type: ignore[method-assign]
    psycopg.Connection.rollback = rolling_back  # type: ignore[method-assign]


def lives(points: str) -> None:
    """Run the command once for each point, in a child that must die there; stops where one lives."""
    for one in points.split(","):
        point, _, turn = one.rpartition(":")
        child = os.fork()
        if child == 0:
            doom(point, int(turn))
            main()
            os._exit(0)  # it lived
        _, status = os.waitpid(child, 0)
        if not os.WIFSIGNALED(status) or os.WTERMSIG(status) != signal.SIGKILL:
            sys.exit(f"the point {point!r} was never reached")


if __name__ == "__main__":
    from carbon_credit.cli.main import main

    deaths = sys.argv[1]
    sys.argv[1:] = sys.argv[2:]
    lives(deaths)
