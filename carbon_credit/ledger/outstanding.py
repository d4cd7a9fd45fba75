"""What moved the points of citizens, before a month, in it and after it, by lot: for the report of a month.

One pass over all transfers of points of the programme: for a report once a month, not for a path of events.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal, NamedTuple, TypeAlias

from sqlalchemy import BigInteger, ColumnElement, Select, case, cast, func, literal, select, union_all
from sqlalchemy.orm import Session

from carbon_credit.ledger.accounts import POINTS
from carbon_credit.ledger.models import ACCOUNT, TRANSFER
from carbon_credit.ledger.sums import NOTHING, effect_on_pending, effect_on_posted

When: TypeAlias = Literal["before", "within", "after"]

LOTS = "citizen.points"
OWED = "citizen.points_due"


class Flow(NamedTuple):
    """What the transfers of one code did to all accounts of one kind and lot (its last day; "" of what is
    owed). `posted`: credits less debits; `held`: what was put on hold less what ended."""

    kind: str
    lot: str
    code: str
    when: When
    posted: int
    held: int


class Stored(NamedTuple):
    """What the accounts of one kind and lot hold at present, by their stored balances."""

    kind: str
    lot: str
    posted: int
    held: int


def flows_of_points(session: Session, *, programme: str, start: datetime, end: datetime) -> list[Flow]:
    """Everything that moved points of citizens, by whether it was recorded before `start`, before `end` or
    since. Together it is what `stored_points` says, or the ledger is broken."""
    when: ColumnElement[str] = case(
        (TRANSFER.c.recorded_at < start, literal("before")),
        (TRANSFER.c.recorded_at < end, literal("within")),
        else_=literal("after"),
    )
    posted, pending = effect_on_posted(), effect_on_pending()
    debits = _side(programme, when, TRANSFER.c.debit_account, -posted, pending)
    credits = _side(programme, when, TRANSFER.c.credit_account, posted, NOTHING)
    both = union_all(debits, credits).subquery()
    names = [both.c[name] for name in ("kind", "lot", "code", "moment")]
    statement = (
        select(*names, *(cast(func.sum(both.c[name]), BigInteger) for name in ("posted", "held")))
        .group_by(*names)
        .order_by(*names)
    )
    return [Flow(*row) for row in session.execute(statement)]


def stored_points(session: Session, *, programme: str) -> Sequence[Stored]:
    """The balances of the same accounts, summed by kind and lot."""
    posted = func.sum(ACCOUNT.c.credits_posted - ACCOUNT.c.debits_posted)
    sums = [cast(one, BigInteger) for one in (posted, func.sum(ACCOUNT.c.debits_pending))]
    statement = (
        select(ACCOUNT.c.kind, ACCOUNT.c.lot, *sums)
        .where(ACCOUNT.c.programme == programme, ACCOUNT.c.kind.in_((LOTS, OWED)))
        .group_by(ACCOUNT.c.kind, ACCOUNT.c.lot)
        .order_by(ACCOUNT.c.kind, ACCOUNT.c.lot)
    )
    return [Stored(*row) for row in session.execute(statement)]


def _side(
    programme: str,
    when: ColumnElement[str],
    account: ColumnElement[object],
    posted: ColumnElement[int],
    held: ColumnElement[int],
) -> Select[str, str, str, str, int, int]:
    return (
        select(
            ACCOUNT.c.kind,
            ACCOUNT.c.lot,
            TRANSFER.c.code,
            when.label("moment"),
            posted.label("posted"),
            held.label("held"),
        )
        .join_from(TRANSFER, ACCOUNT, ACCOUNT.c.id == account)
        .where(TRANSFER.c.programme == programme, TRANSFER.c.asset == POINTS)
        .where(ACCOUNT.c.kind.in_((LOTS, OWED)))
    )
