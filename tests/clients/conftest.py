"""A server on a real port, for clients that are programs of their own."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from werkzeug.serving import make_server

from tests.api.conftest import Town, town, town_template

__all__ = ["Live", "live", "town", "town_template"]


@dataclass(frozen=True)
class Live:
    """Where it listens, and who lives there."""

    address: str
    town: Town


@pytest.fixture
def live(town: Town) -> Iterator[Live]:
    server = make_server("127.0.0.1", 0, town.app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield Live(address=f"http://127.0.0.1:{server.server_port}", town=town)
    server.shutdown()
    thread.join()
    server.server_close()
