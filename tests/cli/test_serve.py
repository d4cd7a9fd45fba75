"""The server as its own processes: each listens for itself, and all end together."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from socket import socket

import pytest

from carbon_credit.cli.importing import DOOR

LISTENING = "0A"  # as the kernel writes it in /proc/net/tcp
PATIENCE_S = 60


@pytest.fixture
def port(tmp_path: Path) -> Iterator[int]:
    """The port of a server of two processes."""
    with socket() as probe:
        probe.bind(("127.0.0.1", 0))
        number = int(probe.getsockname()[1])
    command = [sys.executable, "-c", DOOR, "serve", "--port", str(number), "--workers", "2", "--threads", "2"]
    environ = {**os.environ, "CARBON_CREDIT_VAR": str(tmp_path), "CARBON_CREDIT_ENV": "development"}
    environ.pop("DATABASE_URL", None)
    with (tmp_path / "log").open("wb") as log:
        server = subprocess.Popen(command, env=environ, stdout=log, stderr=log)
        try:
            _await(number, server, tmp_path / "log")
            yield number
        finally:
            server.terminate()
            assert server.wait(timeout=PATIENCE_S) == 0, (tmp_path / "log").read_text()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux spreads connections over listeners")
def test_the_kernel_spreads_connections_over_the_processes(port: int) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while listeners(port) != 2 and time.monotonic() < deadline:
        time.sleep(0.1)  # the second process may start a little later
    assert listeners(port) == 2


def listeners(port: int) -> int:
    """How many sockets listen on the port."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return sum(row[3] == LISTENING and int(row[1].rsplit(":", 1)[1], 16) == port for row in rows)


def _await(port: int, server: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline and server.poll() is None:
        connection = HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            connection.request("GET", "/healthz")
            assert connection.getresponse().status == 200
        except OSError:
            time.sleep(0.1)
        else:
            return
        finally:
            connection.close()
    raise AssertionError(f"the server does not answer: {log.read_text()}")
