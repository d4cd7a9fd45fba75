"""A lean load generator: many keep-alive connections, one thread, one `select` loop.

It shares the machine with the server that it measures, so it does as little as it can: requests are
bytes made beforehand or by a cheap function, and of an answer only status and length are read.
"""

import selectors
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from math import inf
from time import perf_counter

_END = b"\r\n\r\n"
_LENGTH = b"content-length:"
_READ = 65_536
_SILENCE_S = 60


@dataclass(slots=True)
class Load:
    """What came back: seconds of each answer, how many of each status, and the time that it all took."""

    seconds: float = 0.0
    statuses: dict[int, int] = field(default_factory=dict)
    latencies: list[float] = field(default_factory=list)

    @property
    def rate(self) -> float:
        """Answers a second."""
        return len(self.latencies) / self.seconds

    def quantile_ms(self, share: float) -> float:
        """The time within which this share of the answers came, in milliseconds."""
        ordered = sorted(self.latencies)
        return ordered[min(int(len(ordered) * share), len(ordered) - 1)] * 1000


def post(path: str, body: bytes, *, token: str | None = None) -> bytes:
    """A POST of JSON, as it goes over the wire."""
    who = f"Authorization: Bearer {token}\r\n" if token else ""
    head = f"POST {path} HTTP/1.1\r\nHost: bench\r\n{who}Content-Type: application/json\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def run(port: int, *, connections: int, make: Callable[[], bytes | None], seconds: float = inf) -> Load:
    """Each connection sends what `make` gives, waits for the answer, and goes on for `seconds`.

    None from `make`: there is nothing left to send.
    """
    loads = Load()
    selector = selectors.DefaultSelector()
    for _ in range(connections):
        one = _Connection(port)
        selector.register(one.socket, selectors.EVENT_READ, one)
    begin = perf_counter()
    end = begin + seconds
    for key in list(selector.get_map().values()):
        _next(selector, key.data, make())
    while selector.get_map():
        ready = selector.select(timeout=_SILENCE_S)
        if not ready:
            raise RuntimeError("the server has fallen silent")
        for key, _ in ready:
            answered = key.data.receive()
            if answered is None:
                continue
            now = perf_counter()
            loads.statuses[answered] = loads.statuses.get(answered, 0) + 1
            loads.latencies.append(now - key.data.sent_at)
            _next(selector, key.data, make() if now < end else None)
    loads.seconds = perf_counter() - begin
    selector.close()
    return loads


def _next(selector: selectors.BaseSelector, one: "_Connection", request: bytes | None) -> None:
    if request is not None:
        one.send(request)
        return
    selector.unregister(one.socket)
    one.socket.close()


class _Connection:
    """One client: a request out, an answer in, again."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._read = b""
        self.sent_at = 0.0

    def send(self, request: bytes) -> None:
        """Send the request; what has been read is forgotten."""
        self._read = b""
        self.sent_at = perf_counter()
        self.socket.sendall(request)

    def receive(self) -> int | None:
        """The status of the answer once it is whole, else None."""
        part = self.socket.recv(_READ)
        if not part:
            raise RuntimeError(f"the server hung up after {self._read[:200]!r}")
        self._read += part
        head_end = self._read.find(_END)
        if head_end < 0:
            return None
        head = self._read[:head_end].lower()
        place = head.find(_LENGTH)
        line_end = head.find(b"\r\n", place)
        length = int(head[place + len(_LENGTH) : line_end if line_end > 0 else None])
        if len(self._read) < head_end + len(_END) + length:
            return None
        return int(self._read[9:12])
