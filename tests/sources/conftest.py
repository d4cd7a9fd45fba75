"""A partner that is asked for its trips, served by a real HTTP server on the loopback."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import orjson
import pytest
from sqlalchemy.orm import Session

from carbon_credit.kernel.db import Database
from carbon_credit.kernel.unit_of_work import transact, unit_of_work
from carbon_credit.sources.operations import add_source
from carbon_credit.sources.queries import SourceRecord, source_by_id
from carbon_credit.sweeps.importing import Hands
from carbon_credit.sweeps.sources import Polled, poll
from tests.world import NOW, World, metro

Answer = tuple[int, bytes, dict[str, str]]


@dataclass
class Partner:
    """Trips that are visible, with the time at which they were received; and what to do with a request."""

    trips: list[tuple[datetime, dict[str, Any]]] = field(default_factory=list)
    asked: list[dict[str, str]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    # Before an answer: may change it. Called with the number of the request, from 0.
    spoil: Callable[[int, Answer], Answer | None] = lambda _number, answer: answer
    url: str = ""

    def commit(self, event_id: str, received_at: datetime, **more: Any) -> None:
        """A trip becomes visible, perhaps long after it was received."""
        self.trips.append((received_at, metro(event_id, **more)))

    def answer(self, query: dict[str, str]) -> Answer:
        """A page, in the order of `received_at`; the cursor is a place in that order."""
        after = query.get("received_after")
        since = datetime.fromisoformat(after) if after else datetime.min.replace(tzinfo=NOW.tzinfo)
        found = sorted((trip for trip in self.trips if trip[0] >= since), key=lambda trip: trip[0])
        start, limit = int(query.get("cursor", "0")), int(query["limit"])
        part = found[start : start + limit]
        more = str(start + limit) if len(found) > start + limit else None
        items = [{"received_at": at, "event": event, "note": "ours"} for at, event in part]
        return 200, orjson.dumps({"events": items, "next_cursor": more}), {}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    partner: Partner

    def do_GET(self) -> None:
        partner = self.partner
        parts = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        number = len(partner.asked)
        partner.asked.append(query)
        partner.headers.append(dict(self.headers))
        answer = partner.spoil(number, partner.answer(query))
        if answer is None:  # the server dies in the middle
            self.close_connection = True
            return
        status, body, headers = answer
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(body))} | headers).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *_: Any) -> None:
        """Quiet."""


@pytest.fixture
def partner() -> Iterator[Partner]:
    """A partner, listening."""
    found = Partner()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"partner": found}))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    found.url = f"http://127.0.0.1:{server.server_port}/trips?city=sz"
    yield found
    server.shutdown()
    thread.join()
    server.server_close()


def hands(database: Database, now: datetime) -> Hands:
    """Units of work on the database, at that moment."""

    def look(deed: Callable[[Session, datetime], Any], /) -> Any:
        with unit_of_work(database, read_only=True) as session:
            return deed(session, now)

    def act(deed: Callable[[Session, datetime], Any], /) -> Any:
        return transact(database, lambda session: deed(session, now))

    return Hands(act, look, lambda: now, "test")


@dataclass
class Pull:
    """A world whose partner is polled."""

    world: World
    source_id: UUID
    now: datetime = NOW
    environ: dict[str, str] = field(default_factory=dict)
    waited: list[int] = field(default_factory=list)

    @property
    def database(self) -> Database:
        """Where it is credited."""
        return self.world.database

    @property
    def source(self) -> SourceRecord:
        """As it is now."""
        with unit_of_work(self.database, read_only=True) as session:
            return source_by_id(session, source_id=self.source_id)

    def poll(self, *, later: timedelta = timedelta()) -> Polled:
        """One poll, this much later."""
        self.now += later
        return poll(
            hands(self.database, self.now), self.source_id, environ=self.environ, wait=self.waited.append
        )


def add(world: World, address: str, **more: Any) -> UUID:
    """A source of the world's partner."""
    given = {"name": "trips", "kind": "poll", "queue": None, "secret_env": None, "page_size": 10}
    given |= {"overlap_s": 600, "hosts": world.database.settings.source_hosts, "now": NOW} | more
    return transact(
        world.database,
        lambda session: (
            add_source(
                session, programme=world.programme, partner_id=world.partner, address=address, **given
            ).id
        ),
    )


@pytest.fixture
def pull(database: Database, partner: Partner) -> Pull:
    """On both databases."""
    world = World(database)
    return Pull(world, add(world, partner.url))
