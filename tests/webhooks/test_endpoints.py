"""Endpoints and their secrets in the database: bounds, sealing, forgetting."""

from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa

from carbon_credit.kernel.db import Database
from carbon_credit.kernel.keys import Keys
from carbon_credit.kernel.unit_of_work import transact, unit_of_work
from carbon_credit.tables import metadata
from carbon_credit.webhooks import operations, queries
from carbon_credit.webhooks.errors import (
    WebhookMessageNotFound,
    WebhookNotFound,
    WebhookReplayTooLarge,
    WebhookSecretsTooMany,
    WebhookSecretUnreadable,
    WebhookTooMany,
    WebhookUrlRefused,
    WebhookUrlTaken,
)
from carbon_credit.webhooks.forgetting import forget, reseal
from carbon_credit.webhooks.queries import KEPT_DAYS
from carbon_credit.webhooks.signing import key_id, open_sealed, seal, shown
from tests.webhooks.conftest import LOOPBACK, Post

URL = "http://127.0.0.1:9/"


def rotate(post: Post, endpoint: UUID, overlap_s: int, party: UUID | None = None) -> str:
    made = post.act(
        lambda s: operations.rotate_secret(
            s, party_id=party or post.merchant, endpoint_id=endpoint, overlap_s=overlap_s, now=post.now
        )
    )
    return str(made.secret)


def change(post: Post, endpoint: UUID, **more: Any) -> None:
    given = {"party_id": post.merchant, "endpoint_id": endpoint, "outlet": LOOPBACK, "now": post.now} | more
    post.act(lambda s: operations.change_endpoint(s, **given))


def rows(database: Database, table: str) -> int:
    with unit_of_work(database, read_only=True) as session:
        return session.scalar(sa.select(sa.func.count()).select_from(metadata.tables[table])) or 0


def test_an_address_is_used_once_by_a_party_and_judged_when_it_is_given(post: Post) -> None:
    first = post.endpoint(URL)
    with pytest.raises(WebhookUrlTaken):
        post.endpoint(URL)
    post.endpoint(URL, party=post.rival)
    second = post.endpoint(f"{URL}2")
    with pytest.raises(WebhookUrlTaken):
        change(post, second, url=URL)
    for url in ("http://10.0.0.1/", "https://10.0.0.1/", "http://hooks.example.com/"):
        with pytest.raises(WebhookUrlRefused):
            post.endpoint(url)
        with pytest.raises(WebhookUrlRefused):
            change(post, first, url=url)
    change(post, first, url=URL, note="the same again", types=["*", "redemption.held"])
    assert (post.seen(first).types, post.seen(first).note) == (("*",), "the same again")
    post.act(lambda s: operations.delete_endpoint(s, party_id=post.merchant, endpoint_id=first))
    change(post, second, url=URL)


def test_a_party_has_so_many_endpoints_and_an_endpoint_so_many_secrets(post: Post) -> None:
    ids = [post.endpoint(f"{URL}{number}") for number in range(operations.MAX_ENDPOINTS)]
    with pytest.raises(WebhookTooMany):
        post.endpoint(URL)
    for _ in range(operations.MAX_SECRETS - 1):
        rotate(post, ids[0], 3600)
    with pytest.raises(WebhookSecretsTooMany):
        rotate(post, ids[0], 3600)
    post.now += timedelta(seconds=3600)
    rotate(post, ids[0], 3600)
    assert len(post.seen(ids[0]).secrets) == 2


def test_the_endpoint_of_another_party_is_not_found(post: Post) -> None:
    theirs = post.endpoint(URL, party=post.rival)
    mine = post.endpoint(URL)
    post.happen(party=post.rival)
    post.tell()
    (message,) = [one.message_id for one in post.log(theirs)]
    common: dict[str, Any] = {"party_id": post.merchant, "endpoint_id": theirs}
    for deed in (
        lambda s: operations.delete_endpoint(s, **common),
        lambda s: operations.send_test(s, **common, now=post.now),
        lambda s: operations.replay_message(s, **common, message_id=message, now=post.now),
        lambda s: queries.endpoint(s, **common, now=post.now),
    ):
        with pytest.raises(WebhookNotFound):
            post.act(deed)
    with pytest.raises(WebhookNotFound):
        rotate(post, theirs, 0)
    with pytest.raises(WebhookNotFound):
        change(post, theirs, state="disabled")
    with pytest.raises(WebhookMessageNotFound):
        post.act(
            lambda s: operations.replay_message(
                s, party_id=post.merchant, endpoint_id=mine, message_id=message, now=post.now
            )
        )
    with pytest.raises(WebhookMessageNotFound):
        post.look(lambda s: queries.message(s, endpoint_id=mine, message_id=message))


def test_a_replay_has_a_size(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    endpoint = post.endpoint(URL)
    post.happen(6)
    monkeypatch.setattr(operations, "MAX_REPLAY", 5)
    post.tell()
    span = {"since": post.now, "until": post.now + timedelta(seconds=1), "delivered_too": True}
    with pytest.raises(WebhookReplayTooLarge):
        post.act(
            lambda s: operations.replay_span(
                s, party_id=post.merchant, endpoint_id=endpoint, now=post.now, **span
            )
        )


def test_a_secret_is_stored_sealed_and_bound_to_its_row(post: Post, base_settings: Any) -> None:
    keys = base_settings.keys
    secret, here, there = b"s" * 32, UUID(int=1), UUID(int=2)
    sealed = seal(keys, secret, secret_id=here)
    assert secret not in sealed
    assert open_sealed(keys, sealed, secret_id=here) == secret
    assert seal(keys, secret, secret_id=here) != sealed
    for wrong in (sealed[:-1] + bytes([sealed[-1] ^ 1]), seal(keys, secret, secret_id=there)):
        with pytest.raises(WebhookSecretUnreadable):
            open_sealed(keys, wrong, secret_id=here)
    assert shown(secret).startswith("whsec_")
    post.endpoint(URL)
    with unit_of_work(post.database, read_only=True) as session:
        stored = session.execute(sa.text("SELECT sealed FROM webhook_secret")).scalar_one()
    assert len(bytes(stored)) == 12 + 32 + 16


def test_under_another_key_secrets_are_sealed_anew_and_stay_the_same(post: Post) -> None:
    for number in range(3):
        post.endpoint(f"{URL}{number}")
    former: Keys = post.database.settings.keys
    moved = replace(former, webhook=b"n" * 32, webhook_previous=former.webhook)
    database = Database(replace(post.database.settings, keys=moved))
    wanted = sa.text("SELECT id, sealed, key_id FROM webhook_secret ORDER BY id")

    def opened(keys: Keys) -> list[bytes]:
        table = metadata.tables["webhook_secret"]
        with unit_of_work(database, read_only=True) as session:
            found = session.execute(sa.select(table.c.id, table.c.sealed).order_by(table.c.id)).all()
        return [open_sealed(keys, row.sealed, secret_id=row.id) for row in found]

    before = opened(former)
    assert [transact(database, lambda s: reseal(s, limit=2)) for _ in range(3)] == [2, 1, 0]
    assert opened(replace(moved, webhook_previous=None)) == before
    with pytest.raises(WebhookSecretUnreadable):
        opened(former)
    with unit_of_work(database, read_only=True) as session:
        assert {row.key_id for row in session.execute(wanted)} == {key_id(moved)}
    assert key_id(moved) != key_id(former)
    database.dispose()


def test_old_messages_are_forgotten_with_all_that_was_tried(post: Post) -> None:
    gone, kept = post.endpoint(URL), post.endpoint(f"{URL}2")
    rotate(post, kept, 60)
    post.happen(3)
    post.tell()
    post.act(lambda s: operations.delete_endpoint(s, party_id=post.merchant, endpoint_id=gone))
    post.now += timedelta(days=KEPT_DAYS - 1)
    young = post.happen(1)
    post.tell()

    def sweep() -> int:
        return int(post.act(lambda s: forget(s, now=post.now, limit=2)))

    assert sweep() == 0
    assert rows(post.database, "webhook_secret") == 1, "what has ended is gone"
    assert rows(post.database, "webhook_endpoint") == 2
    post.now += timedelta(days=1, seconds=1)
    assert [sweep() for _ in range(3)] == [2, 1, 0]
    assert {row.message_id for row in post.log(kept)} == set(young)
    assert rows(post.database, "webhook_message") == 1
    assert rows(post.database, "webhook_delivery") == 1
    assert rows(post.database, "webhook_endpoint") == 1
