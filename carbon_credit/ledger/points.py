"""Points of citizens: lots by expiry date, and what a citizen owes after spending too much.

What is taken back and was spent already becomes a debt (`citizen.points_due`); later grants pay it first.
Verbs take many citizens at once. Whoever changes points of a citizen here locks the debt first, then the
lots, so that two sweeps cannot deadlock.
"""

import uuid
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime

from msgspec import Struct
from sqlalchemy.orm import Session

from carbon_credit.kernel.bulk import write_gathered
from carbon_credit.kernel.ids import new_id, new_ids
from carbon_credit.ledger.accounts import POINTS, AccountKey, account_id
from carbon_credit.ledger.entries import Transfer
from carbon_credit.ledger.errors import TransferInvalid
from carbon_credit.ledger.locks import LockedAccount, lock_accounts
from carbon_credit.ledger.operations import post, post_fresh
from carbon_credit.ledger.queries import Lot, balances, lots_of

DUE = "citizen.points_due"


class PointsGrant(Struct, frozen=True, gc=False):
    """Points for a citizen, into the lot that expires on `lot`. `reference`: what they are given for."""

    citizen_id: uuid.UUID
    points: int
    lot: date
    reference: uuid.UUID | None
    effective_at: datetime
    code: str = "points.grant"


class PointsTakeBack(Struct, frozen=True, gc=False):
    """Points that a citizen should not have got. `lot`: where they were granted, emptied first."""

    citizen_id: uuid.UUID
    points: int
    reference: uuid.UUID | None
    effective_at: datetime
    lot: date | None = None


class PointsWriteOff(Struct, frozen=True, gc=False):
    """Points that a citizen owes and need not give back. `reference`: who decided it, or why."""

    citizen_id: uuid.UUID
    points: int
    reference: uuid.UUID | None
    effective_at: datetime


def lot_key(programme: str, citizen_id: uuid.UUID, lot: date) -> AccountKey:
    """The account of the points of a citizen that expire on `lot`."""
    return AccountKey(programme, POINTS, "citizen.points", citizen_id, lot.isoformat())


def due_key(programme: str, citizen_id: uuid.UUID) -> AccountKey:
    """The account of what a citizen owes."""
    return AccountKey(programme, POINTS, DUE, citizen_id)


def source_key(programme: str) -> AccountKey:
    """The account that points are granted from and taken back to."""
    return AccountKey(programme, POINTS, "programme.points")


def grants(
    session: Session,
    *,
    items: Sequence[PointsGrant],
    programme: str,
    now: datetime,
    beside: Sequence[Transfer] = (),
) -> None:
    """Grant points: what a citizen owes is recovered first, the rest goes into the lot.

    `beside`: transfers with fresh ids, of other assets, that are posted in the same act.
    """
    _refuse_nothing(item.points for item in items)
    source = source_key(programme)
    names = {item.lot: item.lot.isoformat() for item in items}
    lots = [
        AccountKey(programme, POINTS, "citizen.points", item.citizen_id, names[item.lot]) for item in items
    ]
    citizens = {item.citizen_id.int: item.citizen_id for item in items}.values()
    debts = [account_id(due_key(programme, one)) for one in citizens]

    def given(locked: Mapping[int, LockedAccount]) -> list[Transfer]:
        owing = [account for account in locked.values() if account.kind == DUE]
        whose = dict(zip(debts, citizens, strict=True)) if owing else {}
        due = {whose[account.id]: -account.balance.posted for account in owing}
        transfers: list[Transfer] = []
        ids = iter(new_ids(2 * len(items)))
        for item, lot in zip(items, lots, strict=True):
            recovered = min(due.get(item.citizen_id, 0), item.points) if due else 0
            if recovered:
                due[item.citizen_id] -= recovered
                debt = due_key(programme, item.citizen_id)
                transfers.append(_transfer("points.recover", source, debt, recovered, item, next(ids)))
            if item.points > recovered:
                granted = item.points - recovered
                transfers.append(_transfer(item.code, source, lot, granted, item, next(ids)))
        return transfers

    accounts = [source, *lots] if items else []
    post_fresh(session, transfers=beside, now=now, accounts=accounts, also=debts, then=given)


def take_backs(
    session: Session,
    *,
    items: Sequence[PointsTakeBack],
    programme: str,
    now: datetime,
    valid_on: date | None = None,
) -> None:
    """Take points back from what is available: the item's own lot, then the others, soonest expiry first.

    The rest is owed. With `valid_on`, lots that expired before that day are left to their expiry.
    """
    if not items:
        return
    write_gathered(session)  # what was granted a moment ago can be taken back
    _refuse_nothing(item.points for item in items)
    citizens = {item.citizen_id for item in items}
    _lock_dues(session, programme, citizens)
    left = _lock_lots(session, programme, citizens, valid_on)
    source = source_key(programme)
    transfers: list[Transfer] = []
    for item in items:
        rest = item.points
        lots = left.get(item.citizen_id, {})
        for lot in sorted(lots, key=lambda day: (day != item.lot, day)):
            taken = min(lots[lot], rest)
            if taken:
                lots[lot] -= taken
                rest -= taken
                key = lot_key(programme, item.citizen_id, lot)
                transfers.append(_transfer("points.revoke", key, source, taken, item, new_id()))
        if rest:
            debt = due_key(programme, item.citizen_id)
            transfers.append(_transfer("points.due", debt, source, rest, item, new_id()))
    post(session, transfers=transfers, now=now)


def write_offs(session: Session, *, items: Sequence[PointsWriteOff], programme: str, now: datetime) -> None:
    """Give up what citizens owe: it is the programme's loss. Raises DebtOverpaid for more than is owed."""
    _refuse_nothing(item.points for item in items)
    loss = AccountKey(programme, POINTS, "programme.points_loss")
    transfers = [
        _transfer("points.writeoff", loss, due_key(programme, item.citizen_id), item.points, item, new_id())
        for item in items
    ]
    post(session, transfers=transfers, now=now)


def dues(session: Session, *, programme: str, citizen_ids: Iterable[uuid.UUID]) -> dict[uuid.UUID, int]:
    """What citizens owe, without those who owe nothing."""
    keys = [due_key(programme, citizen_id) for citizen_id in citizen_ids]
    found = balances(session, keys=keys)
    return {key.owner: -found[key].posted for key in keys if key.owner and found[key].posted < 0}


def _lock_dues(session: Session, programme: str, citizens: set[uuid.UUID]) -> dict[uuid.UUID, int]:
    """What each citizen owes, locked; without those who never owed anything."""
    by_id = {account_id(due_key(programme, citizen)): citizen for citizen in citizens}
    locked = lock_accounts(session, ids=by_id.keys())
    return {by_id[account.id]: -account.balance.posted for account in locked.values()}


def _lock_lots(
    session: Session, programme: str, citizens: set[uuid.UUID], valid_on: date | None
) -> dict[uuid.UUID, dict[date, int]]:
    """What is available in each lot of each citizen, locked."""
    found: list[Lot] = [
        lot for lots in lots_of(session, programme=programme, citizen_ids=citizens).values() for lot in lots
    ]
    by_id = {account_id(lot_key(programme, lot.citizen_id, lot.expiry)): lot for lot in found}
    left: dict[uuid.UUID, dict[date, int]] = {}
    for account in lock_accounts(session, ids=by_id.keys()).values():
        lot = by_id[account.id]
        if valid_on is None or lot.expiry >= valid_on:
            left.setdefault(lot.citizen_id, {})[lot.expiry] = account.balance.available
    return left


def _transfer(
    code: str,
    debit: AccountKey,
    credit: AccountKey,
    amount: int,
    item: PointsGrant | PointsTakeBack | PointsWriteOff,
    number: uuid.UUID,
) -> Transfer:
    return Transfer(number, code, debit, credit, amount, item.effective_at, item.reference)


def _refuse_nothing(points: Iterable[int]) -> None:
    if any(type(number) is not int or number <= 0 for number in points):
        raise TransferInvalid(why="the number of points is not a whole number above zero")
