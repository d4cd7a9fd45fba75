"""Emptying a RabbitMQ queue through the same verb: groups, one transaction each, acknowledged after it.

At least once: what was credited and not yet acknowledged when a consumer dies comes again, and is a replay.
"""

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import unquote

from kombu import Connection, Message, Producer, Queue
from kombu import Consumer as QueueReader
from kombu.exceptions import OperationalError

from carbon_credit.kernel import clock
from carbon_credit.kernel.db import Database
from carbon_credit.kernel.errors import Busy
from carbon_credit.kernel.unit_of_work import transact
from carbon_credit.sources.hosts import allowed
from carbon_credit.sources.operations import take_messages
from carbon_credit.sources.queries import SourceRecord
from carbon_credit.sweeps.sources import secret_of

_log = logging.getLogger(__name__)

DEAD = ".dead"  # the queue beside it, for what is no event
HEARTBEAT_S = 30
CONNECT_TIMEOUT_S = 10
LONGEST_WAIT_S = 30
_TICK_S = 1  # how soon a consumer sees that it is asked to stop


_TRANSPORT = Connection(transport="pyamqp").transport
# The broker went away, or the database: connect again, and what was not acknowledged comes again.
_AGAIN: tuple[type[BaseException], ...] = (
    *_TRANSPORT.connection_errors,
    *_TRANSPORT.channel_errors,
    OperationalError,
    OSError,
    Busy,
)


class Consumer:
    """One connection to the queue of a source. `wait_ms`: how long a group may wait to be full."""

    def __init__(
        self, database: Database, source: SourceRecord, *, environ: Mapping[str, str], wait_ms: int = 200
    ) -> None:
        self._database, self._source, self._wait_s = database, source, wait_ms / 1000
        self._environ = environ
        self._statuses: Counter[str] = Counter()
        self._group: list[Message] = []

    def run(
        self,
        stop: threading.Event,
        *,
        until_empty: bool = False,
        done: Callable[[int], None] = lambda _count: None,
    ) -> Counter[str]:
        """Until `stop` is set, or the queue is empty; how many messages had which status.

        Broker or database away: waits longer and longer, connects again, and gets again what it had not
        acknowledged. Raises SourceAddressRefused, SourceSecretMissing.
        """
        failures = 0
        while not stop.is_set():
            try:
                with self._connection() as connection:
                    self._drain(connection, stop, until_empty=until_empty, done=done)
                    return self._statuses
            except _AGAIN as error:
                failures += 1
                wait_s = min(2**failures, LONGEST_WAIT_S)
                _log.warning("source %s: %s; again in %s s", self._source.name, type(error).__name__, wait_s)
                stop.wait(wait_s)
        return self._statuses

    def _connection(self) -> Connection:
        parts = allowed(self._source.address, kind="rabbitmq", hosts=self._database.settings.source_hosts)
        user, _, password = (secret_of(self._source, self._environ) or "").partition(":")
        return Connection(
            hostname=parts.hostname or "",
            port=parts.port or (5671 if parts.scheme == "amqps" else 5672),
            virtual_host=unquote(parts.path[1:]) or "/",
            userid=user or None,
            password=password or None,
            ssl=parts.scheme == "amqps",
            transport="pyamqp",
            heartbeat=HEARTBEAT_S,
            connect_timeout=CONNECT_TIMEOUT_S,
            transport_options={"confirm_publish": True},
        )

    def _drain(
        self,
        connection: Connection,
        stop: threading.Event,
        *,
        until_empty: bool,
        done: Callable[[int], None],
    ) -> None:
        self._group = []
        size = self._source.page_size
        channel = connection.channel()
        queue = Queue(self._source.queue or "", durable=True)
        Queue(f"{self._source.queue}{DEAD}", channel=channel, durable=True).declare()
        # One group in hand, one on the way. What is on the way when we stop goes back to the queue.
        reader = QueueReader(
            channel, [queue], on_message=self._group.append, no_ack=False, prefetch_count=size * 2
        )
        reader.consume()
        producer = Producer(channel)
        while True:
            self._gather(connection, stop, size)
            if self._group:
                done(self._credit(producer))
            elif stop.is_set() or until_empty:
                return

    def _gather(self, connection: Connection, stop: threading.Event, size: int) -> None:
        """Wait for a first message, then until the group is full or its time is over."""
        deadline: Any = None
        while len(self._group) < size and not stop.is_set():
            left_s = _TICK_S if deadline is None else deadline - time.perf_counter()
            if left_s <= 0:
                return
            try:
                connection.drain_events(timeout=left_s)
            except TimeoutError:
                connection.heartbeat_check()
                if deadline is None:
                    return
            if self._group and deadline is None:
                deadline = time.perf_counter() + self._wait_s

    def _credit(self, producer: Producer) -> int:
        """Credit the group, put aside what is no event, and only then acknowledge."""
        group = self._group[: self._source.page_size]
        bodies = [_bytes(message.body) for message in group]
        now = clock.now()
        found, poison = transact(
            self._database,
            lambda session: take_messages(session, source=self._source, bodies=bodies, now=now),
        )
        for place, reason in sorted(poison.items()):
            producer.publish(
                bodies[place],
                routing_key=f"{self._source.queue}{DEAD}",
                serializer=None,
                content_type=group[place].content_type or "application/octet-stream",
                content_encoding="binary",
                headers={"reason": reason},
                delivery_mode=2,
                mandatory=True,
            )
        group[-1].ack(multiple=True)
        del self._group[: len(group)]
        self._statuses += found
        return len(group)


def _bytes(body: Any) -> bytes:
    return body.encode() if isinstance(body, str) else bytes(body)
