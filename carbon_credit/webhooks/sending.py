"""One attempt: a POST over a connection of its own, bounded in time and in what is read. No database here."""

import io
import logging
import re
import socket
import ssl
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from functools import cache
from http.client import HTTPConnection, HTTPException, HTTPResponse
from time import perf_counter
from typing import Any, cast
from uuid import UUID

from carbon_credit.webhooks.addresses import Outlet, reachable, require_usable
from carbon_credit.webhooks.errors import WebhookUrlRefused
from carbon_credit.webhooks.signing import headers

CONNECT_S = 5
TOTAL_S = 20  # resolving apart, from the first connection to the last byte that is read
EXCERPT = 256
_log = logging.getLogger(__name__)
_AGENT = "carbon-credit-webhooks/1"
_SECRET = re.compile(r"(whsec_|v1,)[A-Za-z0-9+/=_-]+")
_UNSEEN = re.compile(r"[\x00-\x1f\x7f-\x9f]+")


@dataclass(frozen=True, slots=True)
class Parcel:
    """What is to be sent. `number`: of the attempt; `failing`: the endpoint failed the last time."""

    delivery_id: UUID
    endpoint_id: UUID
    message_id: UUID
    number: int
    url: str
    body: bytes = field(repr=False)
    secrets: tuple[bytes, ...] = field(repr=False)
    failing: bool = False


@dataclass(frozen=True, slots=True)
class Receipt:
    """How an attempt ended. `outcome`: "delivered", "status-500", "timeout", ... `status` None: no answer."""

    outcome: str
    duration_ms: int
    status: int | None = None
    excerpt: str | None = None
    retry_after_s: int | None = None

    @property
    def delivered(self) -> bool:
        """The receiver has taken it."""
        return self.outcome == "delivered"


def send(parcel: Parcel, outlet: Outlet, *, timestamp: int, tls: ssl.SSLContext | None = None) -> Receipt:
    """Try once. Whatever goes wrong is told, never raised; redirections are not followed."""
    began = perf_counter()
    try:
        status, excerpt, after = _posted(parcel, outlet, timestamp, tls or _trusting())
        outcome = "delivered" if 200 <= status <= 299 else f"status-{status}"
        return Receipt(outcome, _ms_since(began), status, excerpt, after)
    except WebhookUrlRefused:
        outcome = "address-refused"
    except socket.gaierror:
        outcome = "name-not-found"
    except TimeoutError:
        outcome = "timeout"
    except ssl.SSLError:
        outcome = "tls-failed"
    except OSError:
        outcome = "connection-failed"
    except (HTTPException, ValueError):
        outcome = "answer-unreadable"
    except Exception as error:  # one message that nobody has thought of must not stop all others
        _log.exception("webhook attempt %s: %s", parcel.delivery_id, type(error).__name__)
        outcome = "broken"
    return Receipt(outcome, _ms_since(began))


def _posted(
    parcel: Parcel, outlet: Outlet, timestamp: int, tls: ssl.SSLContext
) -> tuple[int, str, int | None]:
    parts = require_usable(parcel.url, outlet)
    host = parts.hostname or ""
    secure = parts.scheme == "https"
    port = parts.port or (443 if secure else 80)
    numbers = reachable(host, port, outlet)
    deadline = perf_counter() + TOTAL_S
    connection = HTTPConnection(host, port)
    connection.auto_open = 0  # the library must never connect by itself: it would ask for the name again
    sock = _connected(numbers, port, deadline)
    try:
        if secure:
            # The certificate is that of the name, wherever the name led to.
            sock.settimeout(_left(deadline))
            sock = tls.wrap_socket(sock, server_hostname=host)
        connection.sock = sock
        sock.settimeout(_left(deadline))
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        sent = {
            "Host": parts.netloc,
            "User-Agent": _AGENT,
            "Content-Type": "application/json",
            "Accept-Encoding": "identity",
            "Connection": "close",
            **headers(parcel.secrets, message_id=parcel.message_id, timestamp=timestamp, body=parcel.body),
        }
        connection.request("POST", target, body=parcel.body, headers=sent)
        response = HTTPResponse(cast(socket.socket, _Hurried(sock, deadline)), method="POST")
        response.begin()
        return response.status, _excerpt(response), _retry_after(response, timestamp)
    finally:
        sock.close()


def _connected(numbers: list[str], port: int, deadline: float) -> socket.socket:
    failed: OSError | None = None
    for number in numbers:
        try:
            return socket.create_connection((number, port), timeout=min(CONNECT_S, _left(deadline)))
        except OSError as error:
            failed = error
    raise failed or OSError("no address")


class _Hurried(io.RawIOBase):
    """What is read from a socket until a deadline: a byte now and then does not put it off."""

    def __init__(self, sock: socket.socket, deadline: float) -> None:
        self._sock, self._deadline = sock, deadline

    def makefile(self, _mode: str) -> io.BufferedReader:
        """What HTTPResponse asks its socket for."""
        return io.BufferedReader(self)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._sock.settimeout(_left(self._deadline))
        return self._sock.recv_into(buffer)


def _left(deadline: float) -> float:
    left = deadline - perf_counter()
    if left <= 0:
        raise TimeoutError
    return left


def _ms_since(began: float) -> int:
    return int((perf_counter() - began) * 1000)


def _excerpt(response: HTTPResponse) -> str:
    """The first characters, for the owner to see what went wrong: nothing that looks like a secret."""
    try:
        found = response.read1(4 * EXCERPT)
    except (OSError, HTTPException, ValueError):
        return ""  # the status has come, and that is what counts
    text = _SECRET.sub(r"\1…", found.decode("utf-8", errors="replace"))
    return _UNSEEN.sub(" ", text).strip()[:EXCERPT]


def _retry_after(response: HTTPResponse, timestamp: int) -> int | None:
    """Seconds or a date, as RFC 9110 has it; None where nothing usable is said."""
    text = response.headers.get("Retry-After", "").strip()
    if response.status not in (429, 503) or not text.isascii():
        return None
    if text.isdigit():
        return int(text[:9])
    try:
        return max(int(parsedate_to_datetime(text).timestamp()) - timestamp, 0)
    except (ValueError, OverflowError):
        return None


@cache
def _trusting() -> ssl.SSLContext:
    """Certificates are checked against the system's authorities, or SSL_CERT_FILE."""
    return ssl.create_default_context()
