"""What a receiver answers, and what follows: again later, given up, disabled."""

from collections.abc import Callable
from datetime import timedelta
from email.utils import format_datetime

import pytest

from carbon_credit.webhooks import queries
from carbon_credit.webhooks.ladder import (
    ATTEMPTS,
    JITTER_PERCENT,
    MAX_RETRY_AFTER_S,
    STEPS_S,
    rest_after,
    wait_after,
)
from tests.webhooks.conftest import Answer, Post, Receiver
from tests.webhooks.test_telling import disable

Listen = Callable[[], Receiver]
HOUR = timedelta(hours=1)


def middle(spread: int) -> int:
    """A chance that always falls on the step itself."""
    return spread // 2


def always(status: int, headers: dict[str, str] | None = None, body: bytes = b"") -> Callable[[int], Answer]:
    return lambda _number: (status, body, headers or {})


def deaf(listen: Listen, status: int = 500, **more: str) -> Receiver:
    receiver = listen()
    receiver.answer = always(status, {name.replace("_", "-"): value for name, value in more.items()})
    return receiver


def test_the_ladder_is_climbed_to_its_end_and_then_the_endpoint_is_disabled(
    post: Post, listen: Listen
) -> None:
    receiver, other = deaf(listen), listen()
    endpoint = post.endpoint(receiver, "redemption.consumed")
    post.endpoint(other, "webhook.disabled")
    receiver.secrets.clear()  # days go by, which the reference library would not accept
    other.secrets.clear()
    (message,) = post.happen()
    began = post.now
    for number, step_s in enumerate(STEPS_S, 1):
        assert post.tell(chance=middle) == 1
        (delivery,) = post.log(endpoint)
        assert (delivery.state, delivery.attempts, delivery.outcome) == ("waiting", number, "status-500")
        assert delivery.next_at == post.now + timedelta(seconds=step_s)
        assert post.tell(later=timedelta(seconds=step_s) - timedelta(milliseconds=1), chance=middle) == 0
        post.now += timedelta(milliseconds=1)
    assert post.seen(endpoint).state == "active"
    assert post.tell(chance=middle) == 1 + 1  # the last one, and the other endpoint is told of it
    (delivery,) = post.log(endpoint)
    assert (delivery.state, delivery.attempts, delivery.next_at) == ("failed", ATTEMPTS, None)
    assert [one.number for one in post.attempts(endpoint, message)] == list(range(1, ATTEMPTS + 1))
    seen = post.seen(endpoint)
    assert (seen.state, seen.disabled_reason, seen.disabled_at) == ("disabled", "failing", post.now)
    assert (seen.failures, seen.failing_since) == (ATTEMPTS, began)
    assert other.types == ["webhook.disabled"]
    assert {(got.id, got.body) for got in receiver.got} == {(message, receiver.got[0].body)}
    stamps = [int(got.headers["webhook-timestamp"]) for got in receiver.got]
    assert stamps == sorted(set(stamps)), "each attempt has a time of its own"
    assert [row.id for row in troubled(post)] == [endpoint]


def troubled(post: Post) -> list[queries.TroubledRecord]:
    found = post.look(lambda s: queries.troubled(s, programme="x-gd-sz", after=None, limit=10))
    assert isinstance(found, list)
    return found


def test_a_message_given_up_does_not_disable_what_works_otherwise(post: Post, listen: Listen) -> None:
    receiver = listen()
    endpoint = post.endpoint(receiver)
    receiver.secrets.clear()
    (sour,) = post.happen()
    receiver.answer = lambda number: (500 if receiver.got[number].id == sour else 204, b"", {})
    for _ in range(ATTEMPTS):
        post.happen()
        post.tell(later=timedelta(hours=27), chance=middle)
    post.tell(later=timedelta(hours=1))  # what had to rest because the other failed before it
    ended = {one.message_id: one.state for one in post.log(endpoint)}
    assert ended.pop(sour) == "failed"
    assert set(ended.values()) == {"delivered"}
    assert post.seen(endpoint).state == "active"


def test_after_its_owner_enables_it_an_endpoint_begins_afresh(post: Post, listen: Listen) -> None:
    receiver = deaf(listen, 410)
    endpoint = post.endpoint(receiver)
    post.happen()
    post.tell()
    disable(post, endpoint, "active")
    seen = post.seen(endpoint)
    assert (seen.state, seen.failures, seen.failing_since) == ("active", 0, None)
    assert (seen.rests_until, seen.disabled_at, seen.disabled_reason) == (None, None, None)
    receiver.answer = always(200)
    post.happen()
    assert post.tell() == 1


def test_410_disables_at_once(post: Post, listen: Listen) -> None:
    receiver = deaf(listen, 410)
    endpoint = post.endpoint(receiver)
    post.happen()
    assert post.tell() == 1
    seen = post.seen(endpoint)
    assert (seen.state, seen.disabled_reason) == ("disabled", "gone")
    assert post.log(endpoint)[0].state == "failed"
    post.happen(3)
    assert post.tell(later=HOUR) == 0
    assert len(receiver.got) == 1


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_every_2xx_is_a_success(post: Post, listen: Listen, status: int) -> None:
    receiver = deaf(listen, status)
    endpoint = post.endpoint(receiver)
    post.happen()
    post.tell()
    assert post.log(endpoint)[0].state == "delivered"


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_redirections_are_not_followed(post: Post, listen: Listen, status: int) -> None:
    elsewhere = listen()
    receiver = deaf(listen, status, Location=elsewhere.url)
    endpoint = post.endpoint(receiver)
    post.happen()
    assert post.tell() == 1
    assert elsewhere.got == []
    assert (post.log(endpoint)[0].state, post.log(endpoint)[0].outcome) == ("waiting", f"status-{status}")


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("as_date", [False, True])
def test_a_receiver_says_when_to_come_again(
    post: Post, listen: Listen, status: int, *, as_date: bool
) -> None:
    asked = format_datetime(post.now + timedelta(seconds=600), usegmt=True) if as_date else "600"
    receiver = deaf(listen, status, Retry_After=asked)
    endpoint = post.endpoint(receiver)
    post.happen(1)
    post.tell(chance=middle)
    post.happen(5)
    assert post.tell(later=timedelta(seconds=598), chance=middle) == 0, "the others wait as well"
    receiver.answer = always(204)
    receiver.secrets.clear()
    post.tell(later=timedelta(seconds=2), chance=middle)
    post.tell(later=timedelta(seconds=1), chance=middle)
    assert {one.state for one in post.log(endpoint)} == {"delivered"}


@pytest.mark.parametrize("asked", ["", "soon", "-1", "1e9", "٣", "Thu, 99 Nov 2026 00:00:00 GMT"])
def test_what_a_receiver_says_badly_is_passed_over(post: Post, listen: Listen, asked: str) -> None:
    receiver = listen()
    receiver.answer = always(429, {"Retry-After": asked.encode().decode("latin-1")})
    endpoint = post.endpoint(receiver)
    post.happen()
    assert post.tell(chance=middle) == 1
    assert post.log(endpoint)[0].next_at == post.now + timedelta(seconds=STEPS_S[0])


def test_what_a_receiver_asks_for_has_a_bound() -> None:
    longest = timedelta(seconds=MAX_RETRY_AFTER_S)
    assert wait_after(1, retry_after_s=10**9, chance=middle) == longest
    assert rest_after(1, retry_after_s=10**9) == longest
    assert wait_after(9, retry_after_s=1, chance=middle) == timedelta(seconds=STEPS_S[8]), "never sooner"


def test_waits_are_spread_around_their_step_and_never_far_from_it() -> None:
    for rung, step_s in enumerate(STEPS_S, 1):
        step = timedelta(seconds=step_s)
        waits = [wait_after(rung) for _ in range(200)]
        assert len(set(waits)) > 50
        for wait in waits:
            assert wait is not None
            assert abs(wait - step) <= step * JITTER_PERCENT / 100
    assert wait_after(ATTEMPTS) is None
    assert [rest_after(n).seconds for n in (1, 2, 3, 4, 5, 6, 7, 100)] == [1, 2, 4, 8, 16, 32, 60, 60]


def test_of_an_answer_only_the_beginning_is_kept_and_no_secret(post: Post, listen: Listen) -> None:
    receiver = listen()
    endpoint = post.endpoint(receiver)
    secret = receiver.secrets[0]
    receiver.answer = lambda number: (
        500,
        f"no\x00 {secret} and {receiver.got[number].headers['webhook-signature']}\r\n".encode()
        + b"x" * 10**6,
        {},
    )
    (message,) = post.happen()
    post.tell()
    (attempt,) = post.attempts(endpoint, message)
    assert attempt.excerpt is not None
    assert attempt.excerpt.startswith("no  whsec_… and v1,… xxx")
    assert len(attempt.excerpt) == 256
    assert secret.removeprefix("whsec_") not in attempt.excerpt
