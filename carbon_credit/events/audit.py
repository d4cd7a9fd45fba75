"""Audit of events: every row as it was written, none that a claim names is gone, and no claim either."""

from collections.abc import Callable, Iterator
from typing import Any, cast

from sqlalchemy import Select, Table, select
from sqlalchemy.orm import Session

from carbon_credit.events.models import Event, EventClaim, EventWaiting
from carbon_credit.kernel.db import keys_of
from carbon_credit.kernel.digest import row_mac, same
from carbon_credit.ledger.audit import Finding

_EVENT = cast(Table, Event.__table__)
_AT_ONCE = 5000


def audit(session: Session, *, progress: Callable[[int], None]) -> list[Finding]:
    """Every finding, naming table and row. `progress` is told how many rows were read."""
    return [*changed_rows(session, _EVENT, progress), *_claims(session), *_waiting(session)]


def changed_rows(session: Session, table: Table, progress: Callable[[int], None]) -> Iterator[Finding]:
    """Rows of `table` that their own MAC, the last column, does not fit. Read in portions."""
    key = keys_of(session).mac
    primary = [column.name for column in table.primary_key.columns]
    statement: Select[Any] = select(table).execution_options(yield_per=_AT_ONCE)
    for portion in session.execute(statement).partitions(_AT_ONCE):
        for row in portion:
            *fields, mac = row
            if not same(mac, row_mac(key, table.name, *fields)):
                name = " ".join(str(row._mapping[column]) for column in primary)
                yield Finding("row-mac", table.name, name, "the row was changed after it was written")
        progress(len(portion))


def _claims(session: Session) -> Iterator[Finding]:
    statement = (
        select(EventClaim.claim_key, EventClaim.event_id)
        .outerjoin(Event, Event.id == EventClaim.event_id)
        .where(EventClaim.event_id.is_not(None), Event.id.is_(None))
    )
    for row in session.execute(statement):
        yield Finding("event-exists", "event_claim", str(row.claim_key), f"its event {row.event_id} is gone")
    unclaimed = (
        select(Event.id)
        .outerjoin(EventClaim, EventClaim.claim_key == Event.claim_key)
        .where(EventClaim.claim_key.is_(None))
    )
    for event_id in session.scalars(unclaimed):
        yield Finding("claim-exists", "event", str(event_id), "its claim is gone: it could be credited again")


def _waiting(session: Session) -> Iterator[Finding]:
    """An event waits where its claim says so and what was reported is kept: both or neither."""
    statement = (
        select(EventClaim.claim_key, EventWaiting.claim_key.label("kept"), EventClaim.outcome)
        .outerjoin(EventWaiting, EventWaiting.claim_key == EventClaim.claim_key)
        .where((EventClaim.outcome == "waiting") != EventWaiting.claim_key.is_not(None))
    )
    for row in session.execute(statement):
        what = (
            "it is kept and does not wait" if row.kept else "what was reported is gone: it cannot be credited"
        )
        yield Finding("waiting-kept", "event_claim", str(row.claim_key), what)
    orphans = (
        select(EventWaiting.claim_key)
        .outerjoin(EventClaim, EventClaim.claim_key == EventWaiting.claim_key)
        .where(EventClaim.claim_key.is_(None))
    )
    for key in session.scalars(orphans):
        yield Finding(
            "claim-exists", "event_waiting", str(key), "its claim is gone: it could be credited twice"
        )
