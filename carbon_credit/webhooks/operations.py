"""Write verbs of an endpoint's owner: create, change, delete, another secret, a test, a replay."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

import orjson
from sqlalchemy import ColumnElement, delete, exists, func, insert, or_, select, update
from sqlalchemy.orm import Session

from carbon_credit.kernel.bulk import lock_alone, one_of
from carbon_credit.kernel.db import keys_of
from carbon_credit.kernel.ids import new_id, new_ids
from carbon_credit.webhooks import signing
from carbon_credit.webhooks.addresses import Outlet, require_usable
from carbon_credit.webhooks.errors import (
    WebhookDisabled,
    WebhookMessageNotFound,
    WebhookNotFound,
    WebhookReplayTooLarge,
    WebhookSecretsTooMany,
    WebhookTooMany,
    WebhookUrlTaken,
)
from carbon_credit.webhooks.models import (
    WebhookDelivery,
    WebhookEndpoint,
    WebhookMessage,
    WebhookSecret,
    WebhookSubscription,
)
from carbon_credit.webhooks.queries import KEPT_DAYS
from carbon_credit.webhooks.spreading import body_of
from carbon_credit.webhooks.types import EVERYTHING, TEST

MAX_ENDPOINTS = 20  # of a party
MAX_SECRETS = 4  # of an endpoint, in force at once
MAX_REPLAY = 10_000
MAX_OVERLAP_S = 7 * 86400


@dataclass(frozen=True, slots=True)
class NewSecret:
    """What is shown once."""

    endpoint_id: UUID
    secret: str = field(repr=False)


def create_endpoint(
    session: Session,
    *,
    programme: str,
    party_id: UUID,
    url: str,
    types: Collection[str],
    note: str | None,
    created_by: str,
    outlet: Outlet,
    now: datetime,
) -> NewSecret:
    """A new endpoint and its first secret. Raises WebhookUrlRefused, WebhookUrlTaken, WebhookTooMany."""
    require_usable(url, outlet)
    lock_alone(session, f"webhooks {party_id}")
    used = select(WebhookEndpoint.url).where(
        WebhookEndpoint.party_id == party_id, WebhookEndpoint.state != "deleted"
    )
    urls = set(session.scalars(used))
    if url in urls:
        raise WebhookUrlTaken
    if len(urls) >= MAX_ENDPOINTS:
        raise WebhookTooMany(limit=MAX_ENDPOINTS)
    row = WebhookEndpoint(
        id=new_id(),
        programme=programme,
        party_id=party_id,
        url=url,
        note=note,
        state="active",
        failures=0,
        served_at=now,
        created_by=created_by,
        created_at=now,
    )
    session.add(row)
    session.flush()
    _subscribe(session, row.id, types)
    return _add_secret(session, row.id, now)


def change_endpoint(
    session: Session,
    *,
    party_id: UUID,
    endpoint_id: UUID,
    url: str | None = None,
    types: Collection[str] | None = None,
    note: str | None = None,
    state: str | None = None,
    outlet: Outlet,
    now: datetime,
) -> None:
    """Change what is given. `state` active: begin afresh, whatever was wrong; disabled: by its owner.

    Raises WebhookNotFound, WebhookUrlRefused, WebhookUrlTaken.
    """
    lock_alone(session, f"webhooks {party_id}")
    row = _locked(session, party_id, endpoint_id)
    if url is not None and url != row.url:
        require_usable(url, outlet)
        used = select(WebhookEndpoint.id).where(
            WebhookEndpoint.party_id == party_id,
            WebhookEndpoint.url == url,
            WebhookEndpoint.state != "deleted",
        )
        if session.scalars(used).first() is not None:
            raise WebhookUrlTaken
        row.url = url
    if types is not None:
        session.execute(delete(WebhookSubscription).where(WebhookSubscription.endpoint_id == row.id))
        _subscribe(session, row.id, types)
    if note is not None:
        row.note = note
    if state == "active":
        row.state, row.disabled_at, row.disabled_reason = "active", None, None
        row.failures, row.failing_since, row.rests_until = 0, None, None
    elif state == "disabled" and row.state == "active":
        row.state, row.disabled_at, row.disabled_reason = "disabled", now, "owner"
    session.flush()


def delete_endpoint(session: Session, *, party_id: UUID, endpoint_id: UUID) -> None:
    """Nothing more is sent, and its secrets are gone at once; what was sent is forgotten by a sweep.

    Raises WebhookNotFound.
    """
    row = _locked(session, party_id, endpoint_id)
    row.state, row.disabled_at, row.disabled_reason = "deleted", None, None
    row.note = None
    for table in (WebhookSecret, WebhookSubscription):
        session.execute(delete(table).where(table.endpoint_id == row.id))
    session.flush()


def rotate_secret(
    session: Session, *, party_id: UUID, endpoint_id: UUID, overlap_s: int, now: datetime
) -> NewSecret:
    """Another secret. Those before it sign too for `overlap_s` seconds more, at most as long as they had.

    Raises WebhookNotFound, WebhookSecretsTooMany.
    """
    row = _locked(session, party_id, endpoint_id)
    ends_at = now + timedelta(seconds=overlap_s)
    session.execute(
        update(WebhookSecret)
        .where(WebhookSecret.endpoint_id == row.id)
        .where(or_(WebhookSecret.ends_at.is_(None), WebhookSecret.ends_at > ends_at))
        .values(ends_at=ends_at)
    )
    session.execute(
        delete(WebhookSecret).where(WebhookSecret.endpoint_id == row.id, WebhookSecret.ends_at <= now)
    )
    in_force = select(func.count()).select_from(WebhookSecret).where(WebhookSecret.endpoint_id == row.id)
    if session.scalar(in_force) >= MAX_SECRETS:  # type: ignore[operator]
        raise WebhookSecretsTooMany(limit=MAX_SECRETS)
    return _add_secret(session, row.id, now)


def send_test(session: Session, *, party_id: UUID, endpoint_id: UUID, now: datetime) -> UUID:
    """Have a test message sent to this endpoint, whatever it subscribes to; the id of the message.

    Raises WebhookNotFound, WebhookDisabled.
    """
    row = _locked(session, party_id, endpoint_id)
    if row.state != "active":
        raise WebhookDisabled
    message_id = new_id()
    data = orjson.dumps({"url": row.url}).decode()
    session.add(
        WebhookMessage(
            id=message_id,
            programme=row.programme,
            party_id=party_id,
            type=TEST,
            subject_id=row.id,
            body=body_of(type=TEST, programme=row.programme, subject_id=row.id, data=data, at=now),
            created_at=now,
        )
    )
    session.flush()
    session.execute(insert(WebhookDelivery).values(**_fresh(message_id, row.id, now)))
    return message_id


def replay_message(
    session: Session, *, party_id: UUID, endpoint_id: UUID, message_id: UUID, now: datetime
) -> int:
    """Send one message again, however it ended; 0 where it is being sent at this moment.

    Raises WebhookNotFound, WebhookMessageNotFound.
    """
    row = _locked(session, party_id, endpoint_id)
    kept = _kept(session, WebhookMessage.id == message_id, WebhookMessage.party_id == party_id)
    if not kept:
        raise WebhookMessageNotFound(days=KEPT_DAYS)
    return _replay(session, row.id, kept, True, now)


def replay_span(
    session: Session,
    *,
    party_id: UUID,
    endpoint_id: UUID,
    since: datetime,
    until: datetime,
    delivered_too: bool,
    now: datetime,
) -> int:
    """Send again what happened in [since, until) and this endpoint wants: what failed or was never sent to
    it, and what it has got as well where `delivered_too`; how many messages.

    Raises WebhookNotFound, WebhookReplayTooLarge.
    """
    row = _locked(session, party_id, endpoint_id)
    kept = _kept(
        session,
        WebhookMessage.party_id == party_id,
        WebhookMessage.created_at >= since,
        WebhookMessage.created_at < until,
        WebhookMessage.type != TEST,
        exists()
        .where(WebhookSubscription.endpoint_id == row.id)
        .where(WebhookSubscription.type.in_((EVERYTHING, WebhookMessage.type))),
    )
    if len(kept) > MAX_REPLAY:
        raise WebhookReplayTooLarge(limit=MAX_REPLAY)
    return _replay(session, row.id, kept, delivered_too, now)


def _kept(session: Session, *wanted: ColumnElement[bool]) -> Sequence[UUID]:
    """Which messages those are, one more than a replay may have at most. They stay until the transaction
    ends: whoever forgets old ones passes them over, and what is being forgotten now is none of them."""
    statement = select(WebhookMessage.id).where(*wanted).limit(MAX_REPLAY + 1)
    return session.scalars(statement.with_for_update(read=True, key_share=True)).all()


def _replay(
    session: Session, endpoint_id: UUID, messages: Sequence[UUID], delivered_too: bool, now: datetime
) -> int:
    """What is being sent is left alone: it ends by itself, or is tried again."""
    if not messages:
        return 0
    again = ("waiting", "failed", "delivered") if delivered_too else ("waiting", "failed")
    theirs = (
        WebhookDelivery.endpoint_id == endpoint_id,
        one_of(session, WebhookDelivery.message_id, messages),
    )
    changed = session.execute(
        update(WebhookDelivery)
        .where(*theirs, WebhookDelivery.state.in_(again))
        .values(state="waiting", rung=0, next_at=now, ended_at=None),
        execution_options={"synchronize_session": False},
    )
    sent = set(session.scalars(select(WebhookDelivery.message_id).where(*theirs)))
    missing = [one for one in messages if one not in sent]
    if missing:
        rows = [
            _fresh(message_id, endpoint_id, now) | {"id": row_id}
            for row_id, message_id in zip(new_ids(len(missing)), missing, strict=True)
        ]
        session.execute(insert(WebhookDelivery), rows)
    return int(changed.rowcount) + len(missing)  # type: ignore[attr-defined]


def _fresh(message_id: UUID, endpoint_id: UUID, now: datetime) -> dict[str, object]:
    return {
        "id": new_id(),
        "message_id": message_id,
        "endpoint_id": endpoint_id,
        "state": "waiting",
        "attempts": 0,
        "rung": 0,
        "next_at": now,
        "created_at": now,
    }


def _locked(session: Session, party_id: UUID, endpoint_id: UUID) -> WebhookEndpoint:
    wanted = (
        select(WebhookEndpoint)
        .where(WebhookEndpoint.id == endpoint_id, WebhookEndpoint.party_id == party_id)
        .where(WebhookEndpoint.state != "deleted")
    )
    row = session.scalars(
        wanted.with_for_update(), execution_options={"populate_existing": True}
    ).one_or_none()
    if row is None:
        raise WebhookNotFound
    return row


def _subscribe(session: Session, endpoint_id: UUID, types: Collection[str]) -> None:
    kept = {EVERYTHING} if EVERYTHING in types else set(types)
    session.add_all(WebhookSubscription(endpoint_id=endpoint_id, type=kind) for kind in sorted(kept))
    session.flush()


def _add_secret(session: Session, endpoint_id: UUID, now: datetime) -> NewSecret:
    keys, secret_id, secret = keys_of(session), new_id(), signing.new_secret()
    session.add(
        WebhookSecret(
            id=secret_id,
            endpoint_id=endpoint_id,
            sealed=signing.seal(keys, secret, secret_id=secret_id),
            key_id=signing.key_id(keys),
            created_at=now,
        )
    )
    session.flush()
    return NewSecret(endpoint_id, signing.shown(secret))
