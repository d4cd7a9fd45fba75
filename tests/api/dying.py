"""One request of the API, killed with -9 at named points, one process for each: `dying.py REQUEST POINT...`.

REQUEST is JSON: who (a token), method, address, key (an Idempotency-Key), body. Each process is forked from
one that has loaded everything, and must die; nothing is said, nothing is cleaned up.
"""

import json
import os
import re
import signal
import sys
from typing import Any

import psycopg
from sqlalchemy import Engine, event

from carbon_credit.factory import application
from carbon_credit.kernel.db import Database
from carbon_credit.kernel.settings import read_settings


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def doom(point: str) -> None:
    """Die when a statement that matches `point` was executed, or before or after the commit."""
    pattern = re.compile(rf"(INSERT INTO|UPDATE|DELETE FROM) {point}\b")
    execute = psycopg.Cursor.execute

    def executing(cursor: Any, query: Any, *more: Any, **named: Any) -> Any:
        found = execute(cursor, query, *more, **named)
        if pattern.search(query.decode() if isinstance(query, bytes) else str(query)):
            die()
        return found

    psycopg.Cursor.execute = executing  # type: ignore[method-assign,assignment]

    @event.listens_for(Engine, "after_cursor_execute")
    def executed(_connection: Any, _cursor: Any, statement: str, *_more: Any) -> None:
        if pattern.search(statement):
            die()

    @event.listens_for(Engine, "commit")
    def committing(_connection: Any) -> None:
        if point == "before-commit":
            die()


def ask(request: dict[str, Any]) -> None:
    settings = read_settings(os.environ)
    client = application(settings, Database(settings)).test_client()
    headers = {"Authorization": f"Bearer {request['who']}", "Idempotency-Key": request["key"]}
    answer = client.open(request["address"], method=request["method"], headers=headers, json=request["body"])
    sys.stdout.write(f"{answer.status_code} {answer.text}\n")


def main(request: dict[str, Any], points: list[str]) -> None:
    for point in points:
        child = os.fork()
        if child == 0:
            doom(point)
            ask(request)
            if point == "after-commit":  # done, and nobody was told
                die()
            os._exit(0)
        _, status = os.waitpid(child, 0)
        if not os.WIFSIGNALED(status) or os.WTERMSIG(status) != signal.SIGKILL:
            sys.exit(f"the point {point!r} was never reached")


if __name__ == "__main__":
    main(json.loads(sys.argv[1]), sys.argv[2:])
