"""RabbitMQ: real queues; a consumer that is killed, one that is stopped, several at once."""

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import orjson
import pytest
from kombu import Connection, Message, Queue
from sqlalchemy import text

from carbon_credit.kernel.db import Database
from carbon_credit.kernel.settings import Settings
from carbon_credit.kernel.unit_of_work import unit_of_work
from carbon_credit.sources.errors import SourceSecretMissing
from carbon_credit.sources.queries import SourceRecord, refusals_of, source_by_id
from carbon_credit.tasks.consuming import Consumer
from tests.conftest import missing
from tests.sources.conftest import add
from tests.world import World, metro

BROKER = os.environ.get("TEST_BROKER_URL", "amqp://guest:guest@127.0.0.1:5672//")


@dataclass
class Line:
    """A queue of the test's own and a world that it is read into."""

    world: World
    source: SourceRecord
    connection: Connection

    def send(self, *bodies: bytes) -> None:
        """Messages, durable and confirmed."""
        producer = self.connection.Producer(routing_key=self.source.queue or "")
        for body in bodies:
            producer.publish(body, content_type="application/json", content_encoding="binary")

    def consume(self, **more: Any) -> Counter[str]:
        """Until the queue is empty."""
        consumer = Consumer(self.world.database, self.source, environ=ENVIRON, wait_ms=50)
        return consumer.run(threading.Event(), until_empty=True, **more)

    def waiting(self, suffix: str = "") -> int:
        """Messages that are in the queue and with nobody."""
        declared = self.connection.default_channel.queue_declare(f"{self.source.queue}{suffix}", passive=True)
        return int(declared.message_count)

    def events(self) -> int:
        """How many events were credited in the database."""
        with unit_of_work(self.world.database, read_only=True) as session:
            return int(session.execute(text("SELECT count(*) FROM event")).scalar_one())


ENVIRON = {"TRIPS_USER": "guest:guest"}


@pytest.fixture
def broker() -> Iterator[Connection]:
    connection = Connection(BROKER, connect_timeout=3, transport_options={"confirm_publish": True})
    try:
        connection.connect()
    except OSError:
        missing("no RabbitMQ at TEST_BROKER_URL")
    yield connection
    connection.release()


def line_of(database: Database, broker: Connection, *, people: int = 2, page_size: int = 100) -> Line:
    world = World(database, people=people)
    queue = f"cc_test_{uuid.uuid4().hex[:12]}"
    given = {"kind": "rabbitmq", "queue": queue, "secret_env": "TRIPS_USER", "page_size": page_size}
    parts = broker.info()
    source_id = add(world, f"amqp://127.0.0.1:{parts['port']}/%2F", **given)
    for name in (queue, f"{queue}.dead"):
        Queue(name, channel=broker.default_channel, durable=True).declare()
    with unit_of_work(database, read_only=True) as session:
        return Line(world, source_by_id(session, source_id=source_id), broker)


@pytest.fixture
def line(database: Database, broker: Connection) -> Iterator[Line]:
    found = line_of(database, broker)
    yield found
    remove(found)


def remove(line: Line) -> None:
    for suffix in ("", ".dead"):
        line.connection.default_channel.queue_delete(f"{line.source.queue}{suffix}")


def rides(count: int, *, people: int = 2) -> list[bytes]:
    days = 28
    return [
        orjson.dumps(
            metro(
                f"M-{n}", person=n % people, at=f"2026-10-{1 + n % days:02d}T08:00:00+08:00", distance_m=8300
            )
        )
        for n in range(count)
    ]


def test_messages_are_credited_in_groups_and_then_acknowledged(line: Line) -> None:
    groups: list[int] = []
    line.send(*rides(250))
    assert line.consume(done=groups.append) == Counter(credited=250)
    assert sum(groups) == 250
    assert max(groups) == 100
    assert (line.waiting(), line.waiting(".dead"), line.events()) == (0, 0, 250)
    line.send(*rides(250))
    assert line.consume() == Counter(duplicate=250)
    assert line.events() == 250


def test_what_is_no_event_is_put_aside_with_its_reason(line: Line) -> None:
    ride, *_ = rides(1)
    poison = [b"no json", b'{"id": "X"}', b"[1]", orjson.dumps(metro("far", distance_m=10**12)), b""]
    line.send(poison[0], ride, *poison[1:], orjson.dumps(metro("nobody", person=99)))
    assert line.consume() == Counter(credited=1, invalid=5, rejected=1)
    assert (line.waiting(), line.waiting(".dead")) == (0, 5)
    dead = Queue(f"{line.source.queue}.dead", channel=line.connection.default_channel)
    aside = [dead.get(no_ack=True) for _ in poison]
    assert [message.body or b"" for message in aside] == poison
    reasons = [message.headers["reason"] for message in aside]
    assert reasons == ["not-json", "event-invalid", "event-invalid", "event-invalid", "not-json"]
    with unit_of_work(line.world.database, read_only=True) as session:
        told = refusals_of(session, source_id=line.source.id)
    assert told == {"event-invalid": 3, "not-json": 2}


def test_a_lost_commit_gives_the_messages_back(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    line.send(*rides(30))

    class Gone(BaseException):
        """As if the process were killed after the commit and before the acknowledgement."""

    def gone(*_: object, **__: object) -> None:
        raise Gone

    with monkeypatch.context() as here:
        here.setattr("kombu.message.Message.ack", gone)
        with pytest.raises(Gone):
            line.consume()
    assert line.events() == 30
    until(lambda: line.waiting() == 30)
    assert line.consume() == Counter(duplicate=30)
    assert line.events() == 30


def test_a_connection_that_breaks_after_the_commit_is_made_again(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    line.send(*rides(150))
    acked: list[bool] = []

    def breaking(message: Message, *arguments: Any, **more: Any) -> None:
        acked.append(len(acked) > 0)
        if not acked[-1]:
            raise ConnectionResetError  # as a broker that restarts
        ack(message, *arguments, **more)

    ack = Message.ack
    monkeypatch.setattr(Message, "ack", breaking)
    assert line.consume() == Counter(credited=50, duplicate=100)
    assert (line.events(), line.waiting()) == (150, 0)


def test_a_secret_that_is_missing_and_a_broker_that_is_away(line: Line, database: Database) -> None:
    with pytest.raises(SourceSecretMissing):
        Consumer(database, line.source, environ={}).run(threading.Event())
    away = replace(line.source, address="amqp://127.0.0.1:1/")
    stop = threading.Event()
    threading.Timer(1, stop.set).start()
    begin = time.perf_counter()
    assert Consumer(database, away, environ=ENVIRON).run(stop) == Counter()
    assert time.perf_counter() - begin < 10


def until(true: Any, seconds: int = 30) -> None:
    end = time.perf_counter() + seconds
    while not true():
        assert time.perf_counter() < end, "it never came true"
        time.sleep(0.1)


def spawn(line: Line, settings: Settings, folder: Path) -> "subprocess.Popen[bytes]":
    """`source consume` in a process of its own, on the database of the test."""
    shutil.copytree(settings.var_dir / "keys", folder / "keys", dirs_exist_ok=True)
    environ = os.environ | ENVIRON
    environ |= {"DATABASE_URL": line.world.database.settings.database_url, "CARBON_CREDIT_VAR": str(folder)}
    command = [sys.executable, "-c", "from carbon_credit.cli.main import main; main()", "source", "consume"]
    command += ["--programme", line.world.programme, line.source.name, "--json", "--wait-ms", "50"]
    return subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_5000_events_a_consumer_killed_in_the_middle_and_two_after_it(
    request: pytest.FixtureRequest, broker: Connection, base_settings: Settings, tmp_path: Path, kind: str
) -> None:
    database: Database = request.getfixturevalue(f"{kind}_database")
    people, count = 200, 5_000
    line = line_of(database, broker, people=people, page_size=200)
    try:
        line.send(*rides(count, people=people))
        first = spawn(line, base_settings, tmp_path / "var")
        until(lambda: line.events() >= 600, 60)
        first.kill()
        first.communicate()
        at_kill = line.events()
        assert at_kill < count
        both = [spawn(line, base_settings, tmp_path / "var") for _ in range(2)]
        until(lambda: line.events() == count and line.waiting() == 0, 120)
        told: Counter[str] = Counter()
        for process in both:
            process.send_signal(signal.SIGTERM)
            out, _ = process.communicate(timeout=30)
            assert process.returncode == 0
            told.update(orjson.loads(out)["outcomes"])
        # Everything that was not acknowledged came again; what had been committed came as a duplicate.
        assert told["credited"] == count - at_kill
        assert told["duplicate"] <= 200
        assert set(told) <= {"credited", "duplicate"}
        assert sum(line.world.grams(person) for person in range(people)) == count * 388_440
        assert (line.waiting(), line.waiting(".dead")) == (0, 0)
    finally:
        remove(line)
