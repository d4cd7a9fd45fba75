"""Messages that are replayed at the moment at which they are forgotten: one of the two has them, in words."""

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from carbon_credit.webhooks import claiming, operations
from carbon_credit.webhooks.errors import WebhookMessageNotFound
from carbon_credit.webhooks.forgetting import forget
from carbon_credit.webhooks.queries import KEPT_DAYS
from carbon_credit.webhooks.spreading import spread
from tests.webhooks.conftest import Post

MONTH = timedelta(days=KEPT_DAYS, seconds=1)
PATIENCE_S = 60


class Meanwhile:
    """Runs a deed beside what the test does; how it ended is asked for later."""

    def __init__(self, deed: Callable[[], Any]) -> None:
        self._deed, self._found = deed, None
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._found = self._deed()
        except BaseException as error:
            self._found = error

    def waits(self) -> bool:
        """Whether it is still at it after half a second."""
        self._thread.join(0.5)
        return self._thread.is_alive()

    def end(self) -> Any:
        """What came of it, an error too."""
        self._thread.join(PATIENCE_S)
        return self._found


def old_message(post: Post) -> tuple[UUID, UUID]:
    """A message that may be forgotten now, and an endpoint that never got it: a replay adds a row for it."""
    post.endpoint("http://127.0.0.1:9/first")
    (message,) = post.happen()
    post.act(lambda s: spread(s, now=post.now, limit=10))
    endpoint = post.endpoint("http://127.0.0.1:9/second")
    post.now += MONTH
    return endpoint, message


def replay(post: Post, endpoint: UUID, message: UUID) -> Callable[..., int]:
    return lambda s: operations.replay_message(
        s, party_id=post.merchant, endpoint_id=endpoint, message_id=message, now=post.now
    )


def replay_all(post: Post, endpoint: UUID) -> Callable[..., int]:
    return lambda s: operations.replay_span(
        s,
        party_id=post.merchant,
        endpoint_id=endpoint,
        since=post.now - 2 * MONTH,
        until=post.now,
        delivered_too=True,
        now=post.now,
    )


def test_what_is_being_forgotten_is_not_found(post: Post) -> None:
    endpoint, message = old_message(post)
    with post.database.write_session() as session:
        assert forget(session, now=post.now, limit=10) == 1
        one = Meanwhile(lambda: post.act(replay(post, endpoint, message)))
        assert one.waits()
        session.commit()
    found = one.end()
    assert isinstance(found, WebhookMessageNotFound), found
    assert post.act(replay_all(post, endpoint)) == 0


def test_a_span_of_which_a_part_is_being_forgotten_is_the_rest(post: Post) -> None:
    endpoint, _ = old_message(post)
    post.now -= timedelta(days=1)
    (young,) = post.happen()
    post.act(lambda s: spread(s, now=post.now, limit=10))
    post.now += timedelta(days=1)
    with post.database.write_session() as session:
        assert forget(session, now=post.now, limit=10) == 1
        span = Meanwhile(lambda: post.act(replay_all(post, endpoint)))
        assert span.waits()
        session.commit()
    assert span.end() == 1
    assert [one.message_id for one in post.log(endpoint)] == [young]


@pytest.mark.parametrize("whole_span", [False, True])
def test_what_is_being_replayed_is_not_forgotten_now(post: Post, *, whole_span: bool) -> None:
    endpoint, message = old_message(post)
    deed = replay_all(post, endpoint) if whole_span else replay(post, endpoint, message)
    with post.database.write_session() as session:
        assert deed(session) == 1
        sweep = Meanwhile(lambda: post.act(lambda s: forget(s, now=post.now, limit=10)))
        if post.database.settings.embedded:
            assert sweep.waits(), "and finds a message that nobody is at any more"
        else:
            assert sweep.end() == 0
        session.commit()
    if not post.database.settings.embedded:
        assert len(post.log(endpoint)) == 1
        assert post.act(lambda s: forget(s, now=post.now, limit=10)) == 1
    assert (sweep.end(), post.log(endpoint)) == (int(post.database.settings.embedded), [])
    with pytest.raises(WebhookMessageNotFound):
        post.act(replay(post, endpoint, message))


def test_what_is_forgotten_while_it_is_claimed_is_not_sent(
    post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between looking for what is due and taking it, in a worker that claims."""
    endpoint, message = old_message(post)
    post.act(replay(post, endpoint, message))
    if post.database.settings.embedded:
        pytest.skip("a writer is alone there: nobody forgets while somebody claims")
    look = claiming._due

    def due(*given: Any) -> list[UUID]:
        found = look(*given)
        post.act(lambda s: forget(s, now=post.now, limit=10))
        return found

    monkeypatch.setattr(claiming, "_due", due)
    assert post.act(lambda s: claiming.claim(s, now=post.now, limit=10, failing_limit=10)) == []
