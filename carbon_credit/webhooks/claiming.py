"""Who has what in hand: claiming what is due, and recording how it ended.

A claim is a transaction of its own, and so is the record of an attempt; the sending is between them, in
none. Whoever dies in between loses the claim when its lease is over, and the message is sent again.

All that happens to deliveries of an endpoint happens with the endpoint's row locked, so that the number in
hand is counted right whoever claims. Order of locks: endpoints by id, then their deliveries.
"""

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import Table, case, exists, func, or_, select, update
from sqlalchemy.orm import Session

from carbon_credit.kernel.bulk import append_rows, one_of, set_in_rows
from carbon_credit.kernel.db import is_postgresql, keys_of
from carbon_credit.kernel.outbox import emit
from carbon_credit.webhooks.ladder import ATTEMPTS, Chance, rest_after, wait_after
from carbon_credit.webhooks.models import (
    WebhookAttempt,
    WebhookDelivery,
    WebhookEndpoint,
    WebhookMessage,
    WebhookSecret,
)
from carbon_credit.webhooks.sending import Parcel, Receipt
from carbon_credit.webhooks.signing import open_sealed
from carbon_credit.webhooks.types import DISABLED

LEASE = timedelta(minutes=3)  # longer than resolving a name and sending can take
IN_HAND = 4  # of one endpoint at a time, in all processes together
GIVE_UP_AFTER = timedelta(days=3)  # of nothing but failures

_OPEN = ("waiting", "sending")
_DELIVERY: Table = WebhookDelivery.__table__  # type: ignore[assignment]
_ATTEMPT: Table = WebhookAttempt.__table__  # type: ignore[assignment]
_ATTEMPT_COLUMNS = ("delivery_id", "number", "attempted_at", "duration_ms", "status", "outcome", "excerpt")


@dataclass(frozen=True, slots=True)
class Attempted:
    """An attempt that is over."""

    parcel: Parcel
    receipt: Receipt
    at: datetime


def claim(session: Session, *, now: datetime, limit: int, failing_limit: int) -> list[Parcel]:
    """Take up to `limit` deliveries that are due, of them at most `failing_limit` to endpoints that failed
    the last time: slow and dead receivers must not hold up the others. Endpoints take turns.
    """
    if limit <= 0:
        return []
    endpoints = _with_something_due(session, now, limit)
    if not endpoints:
        return []
    _end_cut_off(session, [row.id for row in endpoints], now)
    in_hand = _in_hand(session, [row.id for row in endpoints], now)
    claimed: dict[UUID, WebhookEndpoint] = {}
    for row in endpoints:
        failing = row.failing_since is not None
        most = (1 if failing else IN_HAND) - in_hand.get(row.id, 0)
        most = min(most, limit - len(claimed), failing_limit if failing else limit)
        if most > 0:
            due = _due(session, row.id, now, most)
            failing_limit -= len(due) if failing else 0
            claimed |= dict.fromkeys(due, row)
    if not claimed:
        return []
    session.execute(
        update(WebhookDelivery)
        .where(one_of(session, WebhookDelivery.id, list(claimed)))
        .values(
            state="sending",
            next_at=now + LEASE,
            attempts=WebhookDelivery.attempts + 1,
            rung=WebhookDelivery.rung + 1,
        ),
        execution_options={"synchronize_session": False},
    )
    served = {row.id for row in claimed.values()}
    session.execute(
        update(WebhookEndpoint).where(one_of(session, WebhookEndpoint.id, served)).values(served_at=now),
        execution_options={"synchronize_session": False},
    )
    return _parcels(session, claimed, now)


def record(
    session: Session, *, attempts: Sequence[Attempted], now: datetime, chance: Chance | None = None
) -> int:
    """Write down how attempts ended, and what follows: done, again later, given up, endpoint disabled.

    Returns how many were still their makers' to record: one whose lease was over is another's.
    """
    endpoints = {
        row.id: row
        for row in session.scalars(
            select(WebhookEndpoint)
            .where(one_of(session, WebhookEndpoint.id, {one.parcel.endpoint_id for one in attempts}))
            .order_by(WebhookEndpoint.id)
            .with_for_update(),
            execution_options={"populate_existing": True},
        )
    }
    theirs = {
        row.id: row
        for row in session.execute(
            select(WebhookDelivery.id, WebhookDelivery.state, WebhookDelivery.attempts, WebhookDelivery.rung)
            .where(one_of(session, WebhookDelivery.id, {one.parcel.delivery_id for one in attempts}))
            .with_for_update()
        )
    }
    changes, log = [], []
    for one in sorted(attempts, key=lambda one: one.at):
        row = theirs.get(one.parcel.delivery_id)
        if row is None or (row.state, row.attempts) != ("sending", one.parcel.number):
            continue
        endpoint = endpoints[one.parcel.endpoint_id]
        receipt = one.receipt
        wait = (
            None
            if receipt.delivered or receipt.status == 410
            else wait_after(
                row.rung, retry_after_s=receipt.retry_after_s, **({"chance": chance} if chance else {})
            )
        )
        state = "delivered" if receipt.delivered else "failed" if wait is None else "waiting"
        ended_at = None if wait is not None else now
        changes.append((row.id, state, now + (wait or timedelta()), receipt.outcome, ended_at))
        log.append(
            (
                row.id,
                row.attempts,
                one.at,
                receipt.duration_ms,
                receipt.status,
                receipt.outcome,
                receipt.excerpt,
            )
        )
        if _note(endpoint, receipt, last=wait is None, now=now):
            _tell_owner(session, endpoint, now)
    set_in_rows(session, _DELIVERY, "id", ("state", "next_at", "outcome", "ended_at"), changes)
    append_rows(session, _ATTEMPT, _ATTEMPT_COLUMNS, log)
    session.flush()
    return len(changes)


def _note(endpoint: WebhookEndpoint, receipt: Receipt, *, last: bool, now: datetime) -> bool:
    """What an attempt means for the endpoint; whether it is disabled for it.

    It is given up when a message was tried for the last time, and nothing has arrived for days.
    """
    if receipt.delivered:
        endpoint.failures, endpoint.failing_since, endpoint.rests_until = 0, None, None
        return False
    endpoint.failures += 1
    endpoint.failing_since = endpoint.failing_since or now
    endpoint.rests_until = now + rest_after(endpoint.failures, retry_after_s=receipt.retry_after_s)
    if endpoint.state != "active":
        return False
    reason = None
    if receipt.status == 410:
        reason = "gone"
    elif last and endpoint.failing_since <= now - GIVE_UP_AFTER:
        reason = "failing"
    if reason is not None:
        endpoint.state, endpoint.disabled_at, endpoint.disabled_reason = "disabled", now, reason
    return reason is not None


def _tell_owner(session: Session, endpoint: WebhookEndpoint, now: datetime) -> None:
    """By another endpoint, where there is one; the API shows it in any case."""
    emit(
        session,
        programme=endpoint.programme,
        audience=endpoint.party_id,
        type=DISABLED,
        subject_id=endpoint.id,
        data={"url": endpoint.url, "reason": endpoint.disabled_reason},
        now=now,
    )


def _with_something_due(session: Session, now: datetime, limit: int) -> list[WebhookEndpoint]:
    """Endpoints that may be sent to, locked; healthy ones first, then who was served longest ago.

    Those that another process has at this moment are passed over.
    """
    due = (
        exists()
        .where(WebhookDelivery.endpoint_id == WebhookEndpoint.id)
        .where(WebhookDelivery.state.in_(_OPEN), WebhookDelivery.next_at <= now)
    )
    wanted = (
        select(WebhookEndpoint)
        .where(WebhookEndpoint.state == "active")
        .where(or_(WebhookEndpoint.rests_until.is_(None), WebhookEndpoint.rests_until <= now), due)
        .order_by(case((WebhookEndpoint.failing_since.is_(None), 0), else_=1), WebhookEndpoint.served_at)
        .limit(2 * limit)  # some have their hands full
    )
    if is_postgresql(session):
        wanted = wanted.with_for_update(skip_locked=True)
    return list(session.scalars(wanted, execution_options={"populate_existing": True}))


def _end_cut_off(session: Session, endpoint_ids: Collection[UUID], now: datetime) -> None:
    """A message of which the last attempt was cut off too is given up: it may be what kills its senders."""
    session.execute(
        update(WebhookDelivery)
        .where(one_of(session, WebhookDelivery.endpoint_id, endpoint_ids))
        .where(WebhookDelivery.state == "sending", WebhookDelivery.next_at <= now)
        .where(WebhookDelivery.rung >= ATTEMPTS)
        .values(state="failed", outcome="cut-off", ended_at=now),
        execution_options={"synchronize_session": False},
    )


def _in_hand(session: Session, endpoint_ids: Collection[UUID], now: datetime) -> dict[UUID, int]:
    counts = (
        select(WebhookDelivery.endpoint_id, func.count())
        .where(one_of(session, WebhookDelivery.endpoint_id, endpoint_ids))
        .where(WebhookDelivery.state == "sending", WebhookDelivery.next_at > now)
        .group_by(WebhookDelivery.endpoint_id)
    )
    return {row[0]: row[1] for row in session.execute(counts)}


def _due(session: Session, endpoint_id: UUID, now: datetime, limit: int) -> list[UUID]:
    wanted = (
        select(WebhookDelivery.id)
        .where(WebhookDelivery.endpoint_id == endpoint_id)
        .where(WebhookDelivery.state.in_(_OPEN), WebhookDelivery.next_at <= now)
        .order_by(WebhookDelivery.next_at)
        .limit(limit)
    )
    return list(session.scalars(wanted))


def _parcels(session: Session, claimed: dict[UUID, WebhookEndpoint], now: datetime) -> list[Parcel]:
    keys = keys_of(session)
    secrets: defaultdict[UUID, list[bytes]] = defaultdict(list)
    in_force = (
        select(WebhookSecret)
        .where(one_of(session, WebhookSecret.endpoint_id, {row.id for row in claimed.values()}))
        .where(or_(WebhookSecret.ends_at.is_(None), WebhookSecret.ends_at > now))
    )
    for one in session.scalars(in_force.order_by(WebhookSecret.id.desc())):  # the current one signs first
        secrets[one.endpoint_id].append(open_sealed(keys, one.sealed, secret_id=one.id))
    wanted = (
        select(WebhookDelivery.id, WebhookDelivery.attempts, WebhookMessage.id, WebhookMessage.body)
        .join(WebhookMessage, WebhookMessage.id == WebhookDelivery.message_id)
        .where(one_of(session, WebhookDelivery.id, list(claimed)))
    )
    found = {row[0]: row for row in session.execute(wanted)}
    return [
        Parcel(
            delivery_id=delivery_id,
            endpoint_id=endpoint.id,
            message_id=found[delivery_id][2],
            number=found[delivery_id][1],
            url=endpoint.url,
            body=found[delivery_id][3],
            secrets=tuple(secrets[endpoint.id]),
            failing=endpoint.failing_since is not None,
        )
        for delivery_id, endpoint in claimed.items()
        if delivery_id in found  # forgotten since it was looked for
    ]
