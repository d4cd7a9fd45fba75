"""One attempt, against servers that misbehave; and TLS to the number that was judged."""

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from carbon_credit.kernel import clock
from carbon_credit.webhooks import sending
from carbon_credit.webhooks.addresses import Outlet
from carbon_credit.webhooks.sending import EXCERPT, Parcel, Receipt, send
from tests.webhooks.conftest import LOOPBACK

HOST = "hooks.example.com"
BODY = b'{"a":1}'
OK = b"HTTP/1.1 204 No Content\r\n\r\n"


def parcel(url: str) -> Parcel:
    return Parcel(UUID(int=1), UUID(int=2), UUID(int=3), 1, url, BODY, (b"k" * 32,))


@contextmanager
def serving(behave: Callable[[socket.socket], None], tls: ssl.SSLContext | None = None) -> Iterator[int]:
    """A server that does as it likes with each connection; its port."""
    listening = socket.create_server(("127.0.0.1", 0))

    def run() -> None:
        while True:
            try:
                raw, _ = listening.accept()
                connection = raw if tls is None else tls.wrap_socket(raw, server_side=True)
            except OSError:
                if listening.fileno() < 0:
                    return
                continue
            threading.Thread(target=one, args=(connection,), daemon=True).start()

    def one(connection: socket.socket) -> None:
        with connection:
            try:
                asked = b""
                while not asked.endswith(BODY):  # else closing would reset what was answered
                    asked += connection.recv(65536)
                behave(connection)
            except OSError:
                return

    threading.Thread(target=run, daemon=True).start()
    try:
        yield listening.getsockname()[1]
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()


def attempt(port: int, outlet: Outlet = LOOPBACK) -> Receipt:
    return send(parcel(f"http://127.0.0.1:{port}/"), outlet, timestamp=1)


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """A second for all, instead of twenty."""
    monkeypatch.setattr(sending, "TOTAL_S", 1)


def dripping(piece: bytes, head: bytes = b"") -> Callable[[socket.socket], None]:
    """A byte now and then, without end: no single read ever times out."""

    def behave(connection: socket.socket) -> None:
        connection.sendall(head)
        while True:
            connection.sendall(piece)
            threading.Event().wait(0.05)

    return behave


@pytest.mark.usefixtures("hurried")
@pytest.mark.parametrize(
    "behave",
    [
        lambda _connection: threading.Event().wait(30),
        dripping(b"H"),
        dripping(b"X-A: b\r\n", b"HTTP/1.1 200 OK\r\n"),
        dripping(b"HTTP/1.1 100 Continue\r\n\r\n"),
    ],
    ids=["silent", "a byte now and then", "headers without end", "continue without end"],
)
def test_no_answer_in_time_is_a_timeout(behave: Callable[[socket.socket], None]) -> None:
    with serving(behave) as port:
        receipt = attempt(port)
    assert receipt.status is None
    assert receipt.outcome in ("timeout", "answer-unreadable")  # a hundred headers come before the second
    assert not receipt.delivered


@pytest.mark.usefixtures("hurried")
def test_a_status_counts_though_the_body_never_comes() -> None:
    with serving(dripping(b"x", b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")) as port:
        assert attempt(port).delivered


def test_an_endless_body_is_not_read() -> None:
    def flood(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 500 Oh\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            connection.sendall(b"2000\r\n" + b"y" * 0x2000 + b"\r\n")

    with serving(flood) as port:
        receipt = attempt(port)
    assert (receipt.outcome, receipt.excerpt) == ("status-500", "y" * EXCERPT)


@pytest.mark.parametrize(
    ("said", "outcome"),
    [
        (b"", "connection-failed"),
        (b"SSH-2.0-OpenSSH_9.9\r\n", "answer-unreadable"),
        (b"HTTP/1.1 banana\r\n\r\n", "answer-unreadable"),
        (b"HTTP/1.1 200 OK\r\n" + b"A" * 70_000 + b"\r\n\r\n", "answer-unreadable"),
        (b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 200 + b"\r\n", "answer-unreadable"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "delivered"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n", "delivered"),
        (b"HTTP/1.1 204 No Content\r\nSet-Cookie: a=b\r\n\r\n", "delivered"),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + OK, "delivered"),
        (b"HTTP/1.0 199 What\r\n\r\n", "status-199"),
    ],
)
def test_whatever_a_server_says_is_told_and_never_raised(said: bytes, outcome: str) -> None:
    with serving(lambda connection: connection.sendall(said)) as port:
        assert attempt(port).outcome == outcome


def test_nobody_there_and_no_such_name() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    assert attempt(port).outcome == "connection-failed"

    def unknown(_host: str, _port: int) -> list[str]:
        raise socket.gaierror(socket.EAI_NONAME, "unknown")

    outlet = Outlet(production=True, resolve=unknown)
    assert send(parcel(f"https://{HOST}/"), outlet, timestamp=1).outcome == "name-not-found"


def test_of_several_numbers_the_first_that_answers_is_used() -> None:
    with serving(lambda connection: connection.sendall(OK)) as port:
        outlet = Outlet(False, ("127.0.0.1",), lambda _host, _port: ["::1", "127.0.0.1"])
        assert attempt(port, outlet).delivered


def contexts(folder: Path, name: str) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A server's context with a certificate of `name`, and a client's that trusts it."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = clock.now()
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = certificate.public_bytes(Encoding.PEM)
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / "server.pem").write_bytes(secret + pem)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(folder / "server.pem")
    return server, ssl.create_default_context(cadata=pem.decode())


@pytest.mark.parametrize(("certified", "outcome"), [(HOST, "delivered"), ("other.example.com", "tls-failed")])
def test_the_certificate_is_that_of_the_name_wherever_it_leads(
    tmp_path: Path, certified: str, outcome: str
) -> None:
    server, client = contexts(tmp_path, certified)
    asked: list[str] = []

    def resolve(host: str, _port: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"]

    with serving(lambda connection: connection.sendall(OK), server) as port:
        outlet = Outlet(production=True, hosts=(HOST,), resolve=resolve)
        receipt = send(parcel(f"https://{HOST}:{port}/"), outlet, timestamp=1, tls=client)
        assert receipt.outcome == outcome
        assert asked == [HOST], "asked once"
        stranger = send(parcel(f"https://{HOST}:{port}/"), outlet, timestamp=1)
        assert stranger.outcome == "tls-failed", "nobody vouches for it"


def test_nothing_that_is_printed_holds_a_secret() -> None:
    printed = repr(parcel("https://hooks.example.com/"))
    assert "kkkk" not in printed
    assert "secrets" not in printed
