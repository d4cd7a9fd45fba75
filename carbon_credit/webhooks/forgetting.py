"""Forgetting what is old, and sealing secrets anew after the installation's key was changed."""

from datetime import datetime, timedelta

from sqlalchemy import delete, exists, select
from sqlalchemy.orm import Session

from carbon_credit.kernel.bulk import one_of
from carbon_credit.kernel.db import keys_of
from carbon_credit.webhooks.models import (
    WebhookAttempt,
    WebhookDelivery,
    WebhookEndpoint,
    WebhookMessage,
    WebhookSecret,
)
from carbon_credit.webhooks.queries import KEPT_DAYS
from carbon_credit.webhooks.signing import key_id, open_sealed, seal


def forget(session: Session, *, now: datetime, limit: int) -> int:
    """Delete up to `limit` messages whose time is over with all that was tried, deleted endpoints of which
    nothing is left, and secrets that have ended; how many messages."""
    old = list(
        session.scalars(
            select(WebhookMessage.id)
            .where(WebhookMessage.created_at < now - timedelta(days=KEPT_DAYS))
            .order_by(WebhookMessage.created_at)
            .limit(limit)
            .with_for_update(skip_locked=True)  # what is replayed at this moment is left for the next time
        )
    )
    if old:
        # Whoever records an attempt at this moment is waited for, and its attempt is deleted too.
        theirs = select(WebhookDelivery.id).where(one_of(session, WebhookDelivery.message_id, old))
        session.execute(theirs.with_for_update()).all()
        quietly = {"synchronize_session": False}
        session.execute(
            delete(WebhookAttempt).where(WebhookAttempt.delivery_id.in_(theirs)), execution_options=quietly
        )
        for column in (WebhookDelivery.message_id, WebhookMessage.id):
            session.execute(
                delete(column.class_).where(one_of(session, column, old)), execution_options=quietly
            )
    session.execute(delete(WebhookSecret).where(WebhookSecret.ends_at < now - timedelta(days=1)))
    left = exists().where(WebhookDelivery.endpoint_id == WebhookEndpoint.id)
    session.execute(
        delete(WebhookEndpoint).where(WebhookEndpoint.state == "deleted", ~left),
        execution_options={"synchronize_session": False},
    )
    return len(old)


def reseal(session: Session, *, limit: int) -> int:
    """Seal up to `limit` secrets with the installation's key of today that were sealed with the former one;
    how many. Raises WebhookSecretUnreadable."""
    keys = keys_of(session)
    stale = select(WebhookSecret).where(WebhookSecret.key_id != key_id(keys)).limit(limit)
    rows = list(session.scalars(stale.with_for_update()))
    for row in rows:
        row.sealed = seal(keys, open_sealed(keys, row.sealed, secret_id=row.id), secret_id=row.id)
        row.key_id = key_id(keys)
    session.flush()
    return len(rows)
