"""Crediting what waited and is due: found in the database, and credited by the verb that credits all else."""

from collections import defaultdict
from datetime import datetime
from uuid import UUID

import msgspec
from sqlalchemy.orm import Session

from carbon_credit.events import operations as claims
from carbon_credit.events import waiting as events
from carbon_credit.events.waiting import Waiting
from carbon_credit.kernel.bulk import lock_alone
from carbon_credit.quantification.operations import credit


def credit_due(session: Session, *, now: datetime, limit: int) -> int:
    """Decide up to `limit` events whose time has come, those due for longest first; how many.

    Facts are those of now, and consent is that of the moment when it happened. One at a time does this:
    another waits, and then finds what is left. Nobody else takes that lock, so nothing can deadlock on it.
    """
    lock_alone(session, "events waiting")
    by_partner: dict[tuple[str, UUID], list[Waiting]] = defaultdict(list)
    found = events.due(session, now=now, limit=limit)
    for one in found:
        by_partner[one.programme, one.partner_id].append(one)
    for programme, partner_id in sorted(by_partner):
        those = by_partner[programme, partner_id]
        outcomes = credit(
            session,
            programme=programme,
            partner_id=partner_id,
            payloads=[msgspec.to_builtins(one.event) for one in those],
            now=now,
            backfill=True,
        )
        # Read and judged when it was accepted: if it no longer can be, the catalogue has changed.
        unread = [one.claim_key for one, outcome in zip(those, outcomes, strict=True) if outcome.error]
        claims.refuse_waiting(session, claim_keys=unread, reason="not-quantifiable")
    return len(found)
