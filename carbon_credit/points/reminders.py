"""Reminders of points that end: to the partners through which a citizen takes part, once for each lot.

The row that says so and the messages are one transaction, so nobody is told twice and nobody is forgotten.
What comes into the lot afterwards is not told again: the account shows it.
"""

from datetime import datetime, timedelta
from typing import cast

from sqlalchemy import ColumnElement, Table, exists
from sqlalchemy.orm import Session

from carbon_credit.catalogue.queries import programme_rules
from carbon_credit.identity.linked import partners_of
from carbon_credit.kernel.bulk import append_rows, lock_alone
from carbon_credit.kernel.clock import business_day
from carbon_credit.kernel.outbox import Notice, emit_all
from carbon_credit.ledger.queries import lots_ending
from carbon_credit.points.models import PointsReminder

EXPIRING = "points.expiring"

_REMINDER = cast(Table, PointsReminder.__table__)
_COLUMNS = ("citizen_id", "lot", "programme", "points", "reminded_at")


def remind(session: Session, *, programme: str, now: datetime, limit: int) -> int:
    """Remind of up to `limit` lots that end within the days that the programme says; how many.

    Zero where it says none. One at a time does this in a programme: another waits, and finds what is left.
    """
    rules = programme_rules(session, programme=programme)
    rule = rules.profile.points_reminder
    if rule is None:
        return 0
    lock_alone(session, f"points reminders {programme}")
    today = business_day(now, rules.time_zone)
    found = lots_ending(
        session,
        programme=programme,
        first=today,
        last=today + timedelta(days=rule.days_before),
        limit=limit,
        unless=_reminded,
    )
    rows = [(lot.citizen_id, lot.expiry.isoformat(), programme, lot.available, now) for lot in found]
    append_rows(session, _REMINDER, _COLUMNS, rows)
    partners = partners_of(session, citizen_ids={lot.citizen_id for lot in found})
    notices = [
        Notice(
            programme,
            partner,
            EXPIRING,
            lot.citizen_id,
            {"citizen_id": lot.citizen_id, "points": lot.available, "last_day": lot.expiry},
        )
        for lot in found
        for partner in partners.get(lot.citizen_id, ())
    ]
    emit_all(session, notices=notices, now=now)
    return len(found)


def _reminded(owner: ColumnElement[object], lot: ColumnElement[str]) -> ColumnElement[bool]:
    return exists().where(_REMINDER.c.citizen_id == owner, _REMINDER.c.lot == lot)
