"""What happened is told to who listens, and the reference library of Standard Webhooks accepts it."""

from collections.abc import Callable
from datetime import timedelta
from uuid import UUID

import orjson
import pytest
from standardwebhooks import Webhook

from carbon_credit.kernel.digest import canonical_json
from carbon_credit.webhooks import operations, queries
from carbon_credit.webhooks.errors import WebhookDisabled
from carbon_credit.webhooks.types import TYPES
from tests.webhooks.conftest import LOOPBACK, PROGRAMME, Post, Receiver

Listen = Callable[[], Receiver]


def test_the_reference_library_accepts_what_is_sent(post: Post, listen: Listen) -> None:
    receiver = listen()
    endpoint = post.endpoint(receiver)
    (message,) = post.happen()
    assert post.tell() == 1
    (got,) = receiver.got
    assert got.told == {
        "type": "redemption.consumed",
        "timestamp": post.now.isoformat().replace("+00:00", "Z"),
        "data": {"programme": PROGRAMME, "id": str(UUID(int=0)), "fen": 0},
    }
    assert got.id == message
    assert int(got.headers["webhook-timestamp"]) == int(post.now.timestamp())
    assert got.headers["path"] == "/hooks?city=sz"
    assert got.headers["content-type"] == "application/json"
    assert got.headers["host"] == f"127.0.0.1:{receiver.port}"
    (delivery,) = post.log(endpoint)
    assert (delivery.state, delivery.attempts, delivery.outcome) == ("delivered", 1, "delivered")
    (attempt,) = post.attempts(endpoint, message)
    assert (attempt.number, attempt.status, attempt.attempted_at) == (1, 204, post.now)
    assert post.tell(later=timedelta(days=1)) == 0


def test_only_what_is_wanted_is_told_and_only_to_whom_it_concerns(post: Post, listen: Listen) -> None:
    some, every, rival = listen(), listen(), listen()
    post.endpoint(some, "redemption.consumed", "statement.issued")
    post.endpoint(every)
    post.endpoint(rival, party=post.rival)
    for kind in ("redemption.held", "redemption.consumed", "statement.issued"):
        post.happen(type=kind)
    post.happen(type="payment.sent", party=post.rival)
    assert post.tell() == 6
    assert sorted(some.types) == ["redemption.consumed", "statement.issued"]
    assert sorted(every.types) == ["redemption.consumed", "redemption.held", "statement.issued"]
    assert rival.types == ["payment.sent"]
    assert all(one.told is not None for one in some.got + every.got + rival.got)


def test_where_nobody_listens_nothing_is_kept(post: Post, listen: Listen) -> None:
    post.happen(3)
    assert post.tell() == 0
    receiver = listen()
    endpoint = post.endpoint(receiver)
    replayed = post.act(
        lambda s: operations.replay_span(
            s,
            party_id=post.merchant,
            endpoint_id=endpoint,
            since=post.now - timedelta(days=1),
            until=post.now + timedelta(days=1),
            delivered_too=True,
            now=post.now,
        )
    )
    assert (replayed, post.tell(), receiver.got) == (0, 0, [])


def test_during_a_rotation_both_secrets_sign_and_then_the_new_one(post: Post, listen: Listen) -> None:
    receiver = listen()
    endpoint = post.endpoint(receiver)
    old = receiver.secrets[0]
    new = post.act(
        lambda s: operations.rotate_secret(
            s, party_id=post.merchant, endpoint_id=endpoint, overlap_s=60, now=post.now
        )
    ).secret
    assert new != old
    post.happen()
    post.tell()
    (got,) = receiver.got
    assert len(got.headers["webhook-signature"].split(" ")) == 2
    for secret in (old, new):
        assert Webhook(secret).verify(got.body, got.headers) == orjson.loads(got.body)
    assert [one.ends_at for one in post.seen(endpoint).secrets] == [post.now + timedelta(seconds=60), None]
    receiver.secrets[:] = [old]
    post.happen()
    post.tell(later=timedelta(seconds=61))
    assert post.log(endpoint)[0].outcome == "status-401"
    receiver.secrets[:] = [new]
    post.tell(later=timedelta(seconds=6))
    assert receiver.got[-1].told is not None
    assert len(receiver.got[-1].headers["webhook-signature"].split(" ")) == 1


def test_a_rotation_without_overlap_ends_the_old_secret_at_once(post: Post, listen: Listen) -> None:
    receiver = listen()
    endpoint = post.endpoint(receiver)
    for _ in range(6):  # none stays, so there are never too many
        made = post.act(
            lambda s: operations.rotate_secret(
                s, party_id=post.merchant, endpoint_id=endpoint, overlap_s=0, now=post.now
            )
        )
    post.happen()
    post.tell()
    assert receiver.got[0].told is None
    assert Webhook(made.secret).verify(receiver.got[0].body, receiver.got[0].headers)
    assert len(post.seen(endpoint).secrets) == 1


def test_a_test_goes_to_one_endpoint_whatever_it_wants(post: Post, listen: Listen) -> None:
    receiver, other = listen(), listen()
    endpoint = post.endpoint(receiver, "payment.sent")
    post.endpoint(other)
    message = post.act(
        lambda s: operations.send_test(s, party_id=post.merchant, endpoint_id=endpoint, now=post.now)
    )
    assert post.tell() == 1
    assert [(one.id, one.told["type"]) for one in receiver.got] == [(message, "webhook.test")]
    assert other.got == []
    disable(post, endpoint)
    with pytest.raises(WebhookDisabled):
        post.act(
            lambda s: operations.send_test(s, party_id=post.merchant, endpoint_id=endpoint, now=post.now)
        )


def disable(post: Post, endpoint: UUID, state: str = "disabled") -> None:
    post.act(
        lambda s: operations.change_endpoint(
            s, party_id=post.merchant, endpoint_id=endpoint, state=state, outlet=LOOPBACK, now=post.now
        )
    )


def test_while_disabled_nothing_is_sent_and_what_was_missed_can_be_replayed(
    post: Post, listen: Listen
) -> None:
    receiver = listen()
    endpoint = post.endpoint(receiver, "redemption.consumed")
    before = post.happen(2)
    post.tell()
    disable(post, endpoint)
    since = post.seen(endpoint).disabled_at
    post.now += timedelta(minutes=1)  # a receiver takes what is at most five minutes off
    missed = post.happen(3)
    post.happen(type="redemption.held")  # which it does not want
    assert (post.tell(), len(receiver.got)) == (0, 2)
    disable(post, endpoint, "active")
    assert post.tell() == 0

    def replay(*, delivered_too: bool) -> int:
        return int(
            post.act(
                lambda s: operations.replay_span(
                    s,
                    party_id=post.merchant,
                    endpoint_id=endpoint,
                    since=since,
                    until=post.now + timedelta(seconds=1),
                    delivered_too=delivered_too,
                    now=post.now,
                )
            )
        )

    assert replay(delivered_too=False) == 3
    assert post.tell() == 3
    assert sorted(one.id for one in receiver.got) == sorted(before + missed)
    assert replay(delivered_too=False) == 0
    assert replay(delivered_too=True) == 5
    assert post.tell() == 5
    bodies = {(one.id, one.body) for one in receiver.got}
    assert len(receiver.got) == 10
    assert len(bodies) == 5, "a replay says the same under the same id"


def test_one_message_is_replayed_however_it_ended(post: Post, listen: Listen) -> None:
    receiver = listen()
    endpoint = post.endpoint(receiver)
    first, _ = post.happen(2)
    post.tell()
    again = post.act(
        lambda s: operations.replay_message(
            s, party_id=post.merchant, endpoint_id=endpoint, message_id=first, now=post.now
        )
    )
    assert (again, post.tell()) == (1, 1)
    assert [one.id for one in receiver.got].count(first) == 2
    assert [one.number for one in post.attempts(endpoint, first)] == [1, 2]


def test_every_type_that_can_be_told_has_words_for_people() -> None:
    assert all(en and zh and len(kind) <= 40 for kind, (en, zh) in TYPES.items())
    assert canonical_json(dict(TYPES))


def test_the_log_of_a_deleted_endpoint_is_not_found(post: Post, listen: Listen) -> None:
    receiver = listen()
    endpoint = post.endpoint(receiver)
    post.happen(2)
    post.act(lambda s: operations.delete_endpoint(s, party_id=post.merchant, endpoint_id=endpoint))
    assert post.tell() == 0
    assert receiver.got == []
    assert post.look(lambda s: queries.endpoints_of(s, party_id=post.merchant, now=post.now)) == []
    post.endpoint(receiver)  # the address is free again
