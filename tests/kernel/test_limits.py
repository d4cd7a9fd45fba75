"""Rate limits: exact in Redis, in process without it, and never a failure of their own."""

import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from carbon_credit.kernel.limits import MOST_NAMES, Limiter, Verdict
from carbon_credit.kernel.redis import LEFT_ALONE, TIMEOUT_S, SharedCounts, open_shared_counts
from tests.conftest import missing

START = datetime(2026, 11, 21, 4, 0, 0, tzinfo=UTC)  # begins a window of a minute


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def redis_server(folder: Path, port: int) -> Iterator[str]:
    """A Redis of the test's own; its address."""
    program = shutil.which("redis-server")
    if program is None:
        missing("no redis-server program")
    command = [str(program), "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        for _ in range(200):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.02)
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        server.terminate()
        server.wait(10)


@pytest.fixture
def shared(tmp_path: Path) -> Iterator[Callable[[], SharedCounts]]:
    """Connections to one Redis, as several nodes would have them."""
    opened: list[SharedCounts] = []
    with redis_server(tmp_path, free_port()) as url:

        def connect() -> SharedCounts:
            opened.append(SharedCounts(url))
            return opened[-1]

        yield connect
        for one in opened:
            one.close()


def take(limiter: Limiter, count: int, now: datetime, name: str = "token 203.0.113.7") -> list[bool]:
    return [limiter.hit(name, limit=3, window_s=60, now=now).allowed for _ in range(count)]


def check_a_window(limiter: Limiter) -> None:
    late = START + timedelta(seconds=59, microseconds=999_999)
    assert take(limiter, 2, START) == [True, True]
    assert take(limiter, 2, late) == [True, False]
    assert limiter.hit("token 203.0.113.7", limit=3, window_s=60, now=late) == Verdict(False, 1)
    assert limiter.hit("token 203.0.113.7", limit=3, window_s=60, now=START) == Verdict(False, 60)
    assert take(limiter, 1, late, "another") == [True]
    assert limiter.hit("token 203.0.113.7", limit=3, window_s=3600, now=late) == Verdict(True, 0)
    assert take(limiter, 4, START + timedelta(seconds=60)) == [True, True, True, False]


def test_a_window_in_this_process() -> None:
    check_a_window(Limiter())


def test_a_window_in_redis(shared: Callable[[], SharedCounts]) -> None:
    check_a_window(Limiter(shared()))


def test_nodes_share_one_window(shared: Callable[[], SharedCounts]) -> None:
    one, other = Limiter(shared()), Limiter(shared())
    assert take(one, 2, START) + take(other, 2, START) + take(one, 1, START) == [True] * 3 + [False] * 2


@pytest.mark.parametrize("where", ["process", "redis"])
def test_many_threads_get_exactly_the_limit(where: str, request: pytest.FixtureRequest) -> None:
    limiter = Limiter(request.getfixturevalue("shared")() if where == "redis" else None)
    ready = threading.Barrier(8)

    def hit(_: int) -> int:
        ready.wait()
        return sum(limiter.hit("x", limit=100, window_s=60, now=START).allowed for _ in range(25))

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(hit, range(8))) == 100


def test_redis_forgets_and_holds_no_name(shared: Callable[[], SharedCounts]) -> None:
    counts = shared()
    Limiter(counts).hit("token 203.0.113.7", limit=3, window_s=60, now=START)
    [key] = counts._redis.keys("*")
    assert b"203" not in key.split(b":")[-1]
    assert 0 < counts._redis.ttl(key) <= 60


def test_redis_that_stops_in_the_middle_is_done_without(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    port = free_port()
    with redis_server(tmp_path, port) as url:
        counts = SharedCounts(url)
        limiter = Limiter(counts)
        assert counts.answers()
        assert take(limiter, 4, START) == [True, True, True, False]
    assert not counts.answers()
    # This process begins to count for itself: wider, but never a refusal for the wrong reason.
    assert take(limiter, 5, START) == [True, True, True, False, False]
    assert len(caplog.records) == 1, "said once, not for each request"
    with redis_server(tmp_path, port):
        assert counts.add_one("k", ttl_s=60, now=START) is None, "left alone for a while"
        later = START + LEFT_ALONE
        assert counts.add_one("k", ttl_s=60, now=later) == 1
        assert take(limiter, 4, START + timedelta(seconds=60)) == [True, True, True, False]
    counts.close()


def test_redis_that_does_not_answer_costs_one_short_wait() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        counts = SharedCounts(f"redis://127.0.0.1:{silent.getsockname()[1]}/0")
        limiter = Limiter(counts)
        began = time.monotonic()
        assert take(limiter, 50, START) == [True] * 3 + [False] * 47
        assert time.monotonic() - began < 20 * TIMEOUT_S
        counts.close()


def test_without_an_address_there_is_no_redis() -> None:
    assert open_shared_counts(None) is None


def test_names_in_this_process_are_bounded() -> None:
    limiter = Limiter()
    for number in range(MOST_NAMES + 10):
        limiter.hit(str(number), limit=1, window_s=60, now=START)
    assert len(limiter._local._counts) == MOST_NAMES
    assert not limiter.hit(str(MOST_NAMES), limit=1, window_s=60, now=START).allowed
