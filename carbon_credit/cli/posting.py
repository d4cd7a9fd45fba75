"""Posting events to a running API as a partner's server does: a token, several connections, patience."""

import queue
import threading
import time
from array import array
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from http.client import HTTPException
from typing import Any
from zlib import crc32

import click
import orjson

from carbon_credit.cli.remote import AGAIN, Remote

ATTEMPTS = 12
_LONGEST_WAIT_S = 30


@dataclass(slots=True)
class Posted:
    """What the API answered. `micros`: how long each request took, its repetitions left out."""

    statuses: Counter[str] = field(default_factory=Counter)
    micros: "array[int]" = field(default_factory=lambda: array("q"))
    retried: int = 0
    elapsed_s: int | float = 0

    def as_dict(self) -> dict[str, Any]:
        """Counts, events per second, and the median and 99th percentile of a request in milliseconds."""
        ordered = sorted(self.micros)
        events = sum(self.statuses.values())
        told: dict[str, Any] = {"outcomes": dict(sorted(self.statuses.items())), "requests": len(ordered)}
        told |= {"retried": self.retried, "events_per_second": self._rate(events)}
        for name, share in (("p50_ms", 50), ("p99_ms", 99)):
            told[name] = round(ordered[(len(ordered) - 1) * share // 100] / 1000, 1) if ordered else None
        return told

    def add(self, other: "Posted") -> None:
        """Count what another connection did."""
        self.statuses.update(other.statuses)
        self.micros.extend(other.micros)
        self.retried += other.retried

    def _rate(self, events: int) -> int:
        return round(events / self.elapsed_s) if self.elapsed_s else 0


@dataclass(frozen=True, slots=True)
class Target:
    """Where to post, as whom, over how many connections, and how many events in a request (1: one by one)."""

    url: str
    client: str = field(repr=False)
    connections: int
    batch: int
    rate: int | None = None


def post(
    target: Target, events: Iterable[dict[str, object]], *, done: Callable[[int], None] = lambda _n: None
) -> Posted:
    """Post all; an event and its repetitions go over one connection, so that they arrive in order.

    Raises click.ClickException where the API refuses the client, or does not answer after many attempts.
    """
    lines = [_Line(target, done) for _ in range(target.connections)]
    begin = time.perf_counter()
    waiting: list[list[bytes]] = [[] for _ in lines]
    sent = 0
    for event in events:
        place = crc32(str(event["id"]).partition("-bad")[0].encode()) % len(lines)
        waiting[place].append(orjson.dumps(event))
        if len(waiting[place]) < target.batch:
            continue
        if target.rate:
            time.sleep(max(begin + sent / target.rate - time.perf_counter(), 0))
        sent += len(waiting[place])
        if not lines[place].put(waiting[place]):
            break
        waiting[place] = []
    for line, rest in zip(lines, waiting, strict=True):
        line.put(rest or None)
    for line, rest in zip(lines, waiting, strict=True):
        line.finish(ended=not rest)
    posted = Posted(elapsed_s=time.perf_counter() - begin)
    for line in lines:
        posted.add(line.posted)
        if line.failure is not None:
            raise click.ClickException(str(line.failure)) from line.failure
    return posted


class _Line(threading.Thread):
    """One connection and what waits for it."""

    def __init__(self, target: Target, done: Callable[[int], None]) -> None:
        super().__init__(daemon=True)
        self.failure: Exception | None = None
        self.posted = Posted()
        self._target, self._done = target, done
        self._queue: queue.Queue[list[bytes] | None] = queue.Queue(maxsize=4)
        self._remote = Remote(target.url, target.client)
        self.start()

    def put(self, events: list[bytes] | None) -> bool:
        """Hand over a request's events, or that nothing comes any more; false where this line has failed."""
        while self.is_alive():
            try:
                self._queue.put(events, timeout=1)
            except queue.Full:
                continue
            return True
        return False

    def finish(self, *, ended: bool) -> None:
        """Wait until all is answered. `ended`: it knows already that nothing comes any more."""
        if not ended:
            self.put(None)
        self.join()

    def run(self) -> None:
        """Post until there is nothing left."""
        try:
            while (events := self._queue.get()) is not None:
                self._post(events)
        except (OSError, HTTPException, ValueError, click.ClickException) as error:
            self.failure = error
        finally:
            self._remote.close()

    def _post(self, events: list[bytes]) -> None:
        path, kind, body = "/v1/events", "application/json", events[0]
        if self._target.batch > 1:
            path, kind, body = "/v1/events/batch", "application/x-ndjson", b"\n".join(events)
        status = 0
        for attempt in range(ATTEMPTS):
            begin = time.perf_counter()
            wait_s, answer = None, b""
            try:
                status, wait_s, answer = self._remote.ask("POST", path, body, kind)
            except (OSError, HTTPException):
                self._remote.close()  # the next request opens it again
                status = 503
            if status == 401 and attempt == 0:
                self._remote.forget_token()
                continue
            if status not in AGAIN:
                self.posted.micros.append(round((time.perf_counter() - begin) * 1_000_000))
                self._count(status, answer, len(events))
                return
            self.posted.retried += 1
            time.sleep(min(2**attempt / 10 if wait_s is None else wait_s, _LONGEST_WAIT_S))
        raise click.ClickException(f"{self._target.url} does not take events; the last answer was {status}")

    def _count(self, status: int, answer: bytes, size: int) -> None:
        told = orjson.loads(answer)
        if status in (200, 201, 202) and self._target.batch > 1:
            self.posted.statuses.update(told["counts"])
        elif status in (200, 201, 202):
            self.posted.statuses[told["status"]] += 1
        elif status == 422 and self._target.batch == 1:
            self.posted.statuses["invalid"] += 1
        else:
            raise click.ClickException(f"{status} {told.get('code')}: {told.get('detail')}")
        self._done(size)
