"""Receivers that are real HTTP servers on the loopback, checked by the reference library, and a short way
to have something happen and be told."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from uuid import UUID

import orjson
import pytest
from sqlalchemy.orm import Session
from standardwebhooks import Webhook

from carbon_credit.catalogue.operations import seed
from carbon_credit.identity.operations import create_party
from carbon_credit.kernel import clock
from carbon_credit.kernel.db import Database
from carbon_credit.kernel.outbox import Notice, emit_all
from carbon_credit.kernel.unit_of_work import transact, unit_of_work
from carbon_credit.sweeps.importing import Hands
from carbon_credit.sweeps.webhooks import tell_endpoints
from carbon_credit.webhooks import operations, queries
from carbon_credit.webhooks.addresses import Outlet

PROGRAMME = "x-gd-sz"
LOOPBACK = Outlet(production=False, hosts=("127.0.0.1", "localhost", "::1"))
Answer = tuple[int, bytes, dict[str, str]]


@dataclass(frozen=True)
class Got:
    """A request as it came. `told`: the body, as the reference library gives it after it has verified it."""

    headers: dict[str, str]
    body: bytes
    told: Any = None

    @property
    def id(self) -> UUID:
        """The id of the message."""
        return UUID(self.headers["webhook-id"])


@dataclass
class Receiver:
    """What came, in order, and what is answered. What none of its `secrets` accepts is 401."""

    port: int = 0
    secrets: list[str] = field(default_factory=list)
    got: list[Got] = field(default_factory=list)
    # Before the answer; called with the number of the request, from 0.
    answer: Callable[[int], Answer] = lambda _number: (204, b"", {})
    most_at_once: int = 0
    _inside: int = 0
    _lock: Any = field(default_factory=threading.Lock)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}/hooks?city=sz"

    @property
    def types(self) -> list[str]:
        """Of all that came."""
        return [orjson.loads(one.body)["type"] for one in self.got]

    def take(self, headers: dict[str, str], body: bytes) -> Answer:
        """One request."""
        with self._lock:
            told = self._verified(headers, body)
            self.got.append(Got(headers, body, told))
            number = len(self.got) - 1
            self._inside += 1
            self.most_at_once = max(self.most_at_once, self._inside)
        try:
            return (401, b"", {}) if self.secrets and told is None else self.answer(number)
        finally:
            with self._lock:
                self._inside -= 1

    def _verified(self, headers: dict[str, str], body: bytes) -> Any:
        for secret in self.secrets:
            try:
                return Webhook(secret).verify(body, headers)
            except Exception:
                continue
        return None


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    receiver: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        headers = {name.lower(): value for name, value in self.headers.items()} | {"path": self.path}
        status, answer, more = self.receiver.take(headers, body)
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(answer))} | more).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, format: str, *_: Any) -> None:
        """Quiet."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Quiet: senders hang up here."""


@pytest.fixture
def listen() -> Iterator[Callable[[], Receiver]]:
    """Opens receivers."""
    servers: list[ThreadingHTTPServer] = []

    def open_one() -> Receiver:
        receiver = Receiver()
        server = _Server(("127.0.0.1", 0), type("Handler", (_Handler,), {"receiver": receiver}))
        receiver.port = server.server_port
        servers.append(server)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return receiver

    yield open_one
    for server in servers:
        server.shutdown()
        server.server_close()


@dataclass
class Post:
    """A merchant of a rehearsal, who is told things. `now` moves only by hand."""

    database: Database
    now: datetime = field(default_factory=clock.now)
    merchant: UUID = field(init=False)
    rival: UUID = field(init=False)

    def __post_init__(self) -> None:
        with unit_of_work(self.database) as session:
            seed(session, root=self.database.settings.methodologies_dir, now=self.now)
            self.merchant, self.rival = (
                create_party(session, programme=PROGRAMME, role="merchant", name=name, now=self.now).id
                for name in ("Tea house", "Bookshop")
            )

    def act(self, deed: Callable[[Session], Any]) -> Any:
        """In one unit of work."""
        return transact(self.database, deed)

    def look(self, deed: Callable[[Session], Any]) -> Any:
        """Read only."""
        with unit_of_work(self.database, read_only=True) as session:
            return deed(session)

    def endpoint(self, receiver: Receiver | str, *types: str, party: UUID | None = None) -> UUID:
        """The receiver's, who learns the secret."""
        url = receiver if isinstance(receiver, str) else receiver.url
        made = self.act(
            lambda session: operations.create_endpoint(
                session,
                programme=PROGRAMME,
                party_id=party or self.merchant,
                url=url,
                types=types or ("*",),
                note=None,
                created_by="test",
                outlet=LOOPBACK,
                now=self.now,
            )
        )
        if isinstance(receiver, Receiver):
            receiver.secrets.append(made.secret)
        return UUID(str(made.endpoint_id))

    def happen(self, count: int = 1, *, type: str = "redemption.consumed", party: UUID | None = None) -> Any:
        """So many things; the ids of the messages."""
        told = [
            Notice(PROGRAMME, party or self.merchant, type, UUID(int=number), {"fen": number})
            for number in range(count)
        ]
        return self.act(lambda session: emit_all(session, notices=told, now=self.now))

    def tell(self, *, later: timedelta = timedelta(), outlet: Outlet = LOOPBACK, **more: Any) -> int:
        """Send what is due, this much later; how many attempts were recorded."""
        self.now += later
        return tell_endpoints(hands(self.database, lambda: self.now), outlet, **more)

    def seen(self, endpoint_id: UUID) -> queries.EndpointRecord:
        """The endpoint as its owner sees it."""
        found = self.look(
            lambda session: queries.endpoint(
                session, party_id=self.merchant, endpoint_id=endpoint_id, now=self.now
            )
        )
        assert isinstance(found, queries.EndpointRecord)
        return found

    def log(self, endpoint_id: UUID) -> list[queries.DeliveryRecord]:
        """What was sent to it, newest first."""
        found = self.look(lambda session: queries.deliveries(session, endpoint_id=endpoint_id, limit=10_000))
        assert isinstance(found, list)
        return found

    def attempts(self, endpoint_id: UUID, message_id: UUID) -> tuple[queries.AttemptRecord, ...]:
        """Of one message."""
        found = self.look(
            lambda session: queries.message(session, endpoint_id=endpoint_id, message_id=message_id)
        )
        assert isinstance(found, queries.MessageRecord)
        return found.attempts


def hands(database: Database, now: Callable[[], datetime]) -> Hands:
    """Units of work on the database, by that clock."""

    def look(deed: Callable[[Session, datetime], Any], /) -> Any:
        with unit_of_work(database, read_only=True) as session:
            return deed(session, now())

    def act(deed: Callable[[Session, datetime], Any], /) -> Any:
        at = now()
        return transact(database, lambda session: deed(session, at))

    return Hands(act, look, now, "test")


@pytest.fixture
def post(database: Database) -> Post:
    """On both databases."""
    return Post(database)
