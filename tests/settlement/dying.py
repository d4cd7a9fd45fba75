"""`settle month` at a given moment, killed with -9 at named points: `dying.py INSTANT POINTS COMMAND...`.

POINTS, with commas between them, are WHAT:WHEN:TURN. WHAT: a key of STATEMENTS. WHEN: `said`, the statement
was executed and its transaction is not committed; or `committed`, it just was. TURN: the first time is 1.
Each kills a process of its own, forked from one that has loaded everything; nothing is said or cleaned up.
Without points the command runs to its end.
"""

import os
import re
import signal
import sys
from datetime import datetime
from typing import Any

import psycopg
from sqlalchemy import Engine, event
from sqlalchemy.engine.default import DefaultDialect

from carbon_credit.cli.main import main
from carbon_credit.kernel import clock

STATEMENTS = {
    "steps": re.compile(r"INSERT INTO settlement_step\b"),
    "closing": re.compile(r"INSERT INTO period_closing\b"),
    "day": re.compile(r"INSERT INTO period \("),
    "cut-off": re.compile(r"UPDATE settlement_step SET .*\bnote\b"),
    "step": re.compile(r"UPDATE settlement_step SET .*\bended_at\b"),
    "items": re.compile(r"INSERT INTO statement_item\b"),
    "statement": re.compile(r"INSERT INTO statement \("),
    "progress": re.compile(r"INSERT INTO statement_progress\b"),
}


class Doom:
    """Counts the turns, and dies."""

    def __init__(self, what: str, when: str, turn: int) -> None:
        self._pattern, self._when, self._left = STATEMENTS[what], when, turn
        self._here = False

    def said(self, statement: str) -> None:
        """Something was said to the database, and the answer has come."""
        if not self._here and self._pattern.search(statement):
            self._here = True  # once in a transaction
            if self._when == "said":
                self._turn()

    def ended(self, *, committed: bool) -> None:
        """The transaction is over."""
        here, self._here = self._here, False
        if here and committed and self._when == "committed":
            self._turn()

    def _turn(self) -> None:
        self._left -= 1
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL)


def doom(fate: Doom) -> None:
    """Listen to all that is said: what goes past SQLAlchemy goes through the driver's cursor."""
    execute, commit, rollback = psycopg.Cursor.execute, DefaultDialect.do_commit, DefaultDialect.do_rollback

    def executing(cursor: Any, query: Any, *more: Any, **named: Any) -> Any:
        found = execute(cursor, query, *more, **named)
        fate.said(query.decode() if isinstance(query, bytes) else str(query))
        return found

    @event.listens_for(Engine, "after_cursor_execute")
    def executed(connection: Any, _cursor: Any, statement: str, *_more: Any) -> None:
        if connection.dialect.name == "sqlite":
            fate.said(statement)

    def committing(dialect: Any, connection: Any) -> None:
        commit(dialect, connection)
        fate.ended(committed=True)

    def rolling_back(dialect: Any, connection: Any) -> None:
        rollback(dialect, connection)
        fate.ended(committed=False)

    psycopg.Cursor.execute = executing  # type: ignore[method-assign,assignment]
    DefaultDialect.do_commit = committing  # type: ignore[method-assign]
    DefaultDialect.do_rollback = rolling_back  # type: ignore[method-assign]


def dies(points: str) -> None:
    """Run the command once for each point, in a child that must die there; stops where one lives."""
    for point in points.split(","):
        what, when, turn = point.split(":")
        child = os.fork()
        if child == 0:
            doom(Doom(what, when, int(turn)))
            main()
            os._exit(0)  # it lived
        _, status = os.waitpid(child, 0)
        if not os.WIFSIGNALED(status) or os.WTERMSIG(status) != signal.SIGKILL:
            sys.exit(f"the point {point!r} was never reached")


if __name__ == "__main__":
    moment, deaths = datetime.fromisoformat(sys.argv[1]), sys.argv[2]
    sys.argv[1:] = sys.argv[3:]
    clock.now = lambda: moment
    if deaths:
        dies(deaths)
    else:
        main()
