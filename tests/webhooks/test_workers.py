"""Many senders at once: everything arrives, mostly once; nobody slow holds up the others; nothing dies with
the process that has it in hand."""

import multiprocessing
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from carbon_credit.kernel import clock
from carbon_credit.kernel.db import Database
from carbon_credit.kernel.settings import Settings
from carbon_credit.sweeps.webhooks import FOR_FAILING, SENDERS, tell_endpoints
from carbon_credit.webhooks.claiming import IN_HAND, LEASE, Attempted, claim, record
from carbon_credit.webhooks.ladder import ATTEMPTS
from carbon_credit.webhooks.sending import Parcel, Receipt
from carbon_credit.webhooks.spreading import spread
from tests.webhooks.conftest import LOOPBACK, Post, Receiver, hands

Listen = Callable[[], Receiver]
PATIENCE_S = 60
DELIVERED = Receipt("delivered", 1, 204)
FAILED = Receipt("status-500", 1, 500)


def taken(post: Post, *, limit: int = SENDERS, failing: int = FOR_FAILING) -> list[Parcel]:
    """Claimed, as by a process that has got so far."""
    post.act(lambda s: spread(s, now=post.now, limit=1000))
    found = post.act(lambda s: claim(s, now=post.now, limit=limit, failing_limit=failing))
    assert isinstance(found, list)
    return found


def recorded(post: Post, receipt: Receipt, *parcels: Parcel) -> int:
    attempts = [Attempted(parcel, receipt, post.now) for parcel in parcels]
    return int(post.act(lambda s: record(s, attempts=attempts, now=post.now)))


def test_workers_at_once_send_everything_once_and_not_too_much_to_one(post: Post, listen: Listen) -> None:
    receivers = [listen() for _ in range(3)]
    for receiver in receivers:
        post.endpoint(receiver)
    told = [post.happen(20) for _ in range(4)]
    ready = threading.Barrier(4)

    def work(_number: int) -> int:
        database = Database(post.database.settings)
        ready.wait()
        try:
            return tell_endpoints(hands(database, clock.now), LOOPBACK)
        finally:
            database.dispose()

    with ThreadPoolExecutor(4) as pool:
        done = list(pool.map(work, range(4)))
    expected = Counter(message for ids in told for message in ids)
    for receiver in receivers:
        assert Counter(got.id for got in receiver.got) == expected
        assert all(got.told is not None for got in receiver.got)
        assert receiver.most_at_once <= IN_HAND
    assert sum(done) == 3 * 80


def test_a_receiver_that_hangs_does_not_hold_up_the_others(post: Post, listen: Listen) -> None:
    hanging, lively = listen(), listen()
    stuck, served = threading.Event(), threading.Event()

    def hang(_number: int) -> Any:
        stuck.wait(PATIENCE_S)
        return 204, b"", {}

    def serve(number: int) -> Any:
        if number == 49:
            served.set()
        return 204, b"", {}

    hanging.answer, lively.answer = hang, serve
    slow, quick = post.endpoint(hanging), post.endpoint(lively)
    post.happen(50)
    worker = threading.Thread(target=post.tell)
    worker.start()
    assert served.wait(PATIENCE_S), "all fifty, while the other still hangs"
    assert 1 <= len(hanging.got) <= IN_HAND
    stuck.set()
    worker.join(PATIENCE_S)
    for endpoint in (slow, quick):
        assert {one.state for one in post.log(endpoint)} == {"delivered"}


def test_what_fails_gets_half_of_the_senders_and_one_message_at_a_time(post: Post) -> None:
    failing = [post.endpoint(f"http://127.0.0.1:{port}/") for port in range(1, 13)]
    post.happen()
    first = taken(post)
    assert len(first) == 12
    recorded(post, FAILED, *first)
    post.now += timedelta(minutes=10)
    post.happen(9)
    assert len(taken(post)) == FOR_FAILING
    healthy = post.endpoint("http://127.0.0.1:99/")
    post.happen(9)
    second = taken(post, failing=0)
    assert {parcel.endpoint_id for parcel in second} == {healthy}
    assert len(second) == IN_HAND
    assert taken(post, failing=0) == [], "it has its hands full"
    third = taken(post)
    assert Counter(parcel.endpoint_id for parcel in third).most_common(1)[0][1] == 1
    assert len(third) == 4, "the other four that fail: the first eight have something in hand"
    assert set(failing) >= {parcel.endpoint_id for parcel in third}
    assert all(parcel.failing for parcel in third)


def test_endpoints_take_turns(post: Post) -> None:
    for port in range(1, 7):
        post.endpoint(f"http://127.0.0.1:{port}/")
    post.happen(20)
    seen: Counter[UUID] = Counter()
    for _ in range(6):
        post.now += timedelta(seconds=1)
        parcels = taken(post, limit=2)
        recorded(post, DELIVERED, *parcels)
        seen += Counter(parcel.endpoint_id for parcel in parcels)
    assert sorted(seen.values()) == [2] * 6


def test_what_a_dead_worker_had_is_sent_again_when_its_time_is_over(post: Post, listen: Listen) -> None:
    receiver = listen()
    endpoint = post.endpoint(receiver)
    (message,) = post.happen()
    (lost,) = taken(post)
    assert post.tell(later=LEASE - timedelta(milliseconds=1)) == 0
    assert post.tell(later=timedelta(milliseconds=1)) == 1
    assert [got.id for got in receiver.got] == [message]
    assert [one.number for one in post.attempts(endpoint, message)] == [2], "of the first nobody knows"
    # It was not dead, only slow: what it says now is too late.
    assert recorded(post, FAILED, lost) == 0
    assert post.log(endpoint)[0].state == "delivered"
    assert post.seen(endpoint).failures == 0


def test_a_message_that_kills_every_sender_is_given_up(post: Post) -> None:
    endpoint = post.endpoint("http://127.0.0.1:1/")
    post.happen()
    for number in range(1, ATTEMPTS + 1):
        (parcel,) = taken(post)
        assert parcel.number == number
        post.now += LEASE
    assert taken(post) == []
    (delivery,) = post.log(endpoint)
    assert (delivery.state, delivery.attempts, delivery.outcome) == ("failed", ATTEMPTS, "cut-off")


def test_an_attempt_is_recorded_once(post: Post) -> None:
    endpoint = post.endpoint("http://127.0.0.1:1/")
    post.happen()
    (parcel,) = taken(post)
    assert recorded(post, FAILED, parcel) == 1
    assert recorded(post, FAILED, parcel) == 0
    assert recorded(post, DELIVERED, parcel) == 0
    assert post.seen(endpoint).failures == 1


def _worker(settings: Settings) -> None:
    database = Database(settings)
    tell_endpoints(hands(database, clock.now), LOOPBACK)


def test_killed_between_sending_and_recording_it_is_sent_again_under_the_same_id(
    post: Post, listen: Listen
) -> None:
    """The receiver has the message, and the sender dies before it knows: kill -9 from within the request."""
    receiver = listen()
    endpoint = post.endpoint(receiver)
    (message,) = post.happen()
    child = multiprocessing.get_context("spawn").Process(target=_worker, args=(post.database.settings,))

    def kill(number: int) -> Any:
        if number == 0:
            child.kill()
            child.join(PATIENCE_S)
        return 204, b"", {}

    receiver.answer = kill
    child.start()
    child.join(PATIENCE_S)
    assert child.exitcode == -9
    (delivery,) = post.log(endpoint)
    assert (delivery.state, delivery.attempts) == ("sending", 1)
    assert post.tell(later=timedelta(seconds=1)) == 0
    assert post.tell(later=LEASE + timedelta(minutes=1)) == 1
    assert [got.id for got in receiver.got] == [message, message]
    assert receiver.got[0].body == receiver.got[1].body
    assert all(got.told is not None for got in receiver.got)
    assert post.log(endpoint)[0].state == "delivered"
    assert post.tell(later=LEASE) == 0


@pytest.mark.parametrize("spread_before", [False, True])
def test_killed_before_sending_nothing_is_lost(post: Post, listen: Listen, *, spread_before: bool) -> None:
    receiver = listen()
    post.endpoint(receiver)
    told = post.happen(3)
    with post.database.write_session() as session:  # never committed: as if the process had died here
        spread(session, now=post.now, limit=10)
        if spread_before:
            claim(session, now=post.now, limit=10, failing_limit=10)
    assert post.tell() == 3
    assert sorted(got.id for got in receiver.got) == told
