"""Reads: balances now and at a point in time, statements, totals, lots."""

import uuid
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, TypeVar

from sqlalchemy import BigInteger, ColumnElement, Subquery, cast, func, select, union
from sqlalchemy.orm import Session

from carbon_credit.kernel.bulk import later_than, one_of
from carbon_credit.kernel.db import is_postgresql
from carbon_credit.ledger.accounts import POINTS, AccountKey, Balance, account_id
from carbon_credit.ledger.chart import side_of
from carbon_credit.ledger.entries import EFFECTS, Entry
from carbon_credit.ledger.models import ACCOUNT, SUMS, TRANSFER
from carbon_credit.ledger.sums import last_opening, sums_by_account, sums_of

T = TypeVar("T")

MAX_STATEMENT = 500
ENTRY_COLUMNS = [TRANSFER.c[name] for name in Entry._fields]
_PARAMETERS = 10_000  # SQLite takes 32,766 in one statement


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a statement. `change`: what it adds to the posted balance, negative for debits, zero
    for holds and their ends. `held`: what it adds to what the account itself has on hold."""

    entry: Entry
    change: int
    held: int


@dataclass(frozen=True, slots=True)
class Statement:
    """Lines, newest first. `next_after` is the cursor of the following page, None on the last."""

    lines: list[Line]
    next_after: uuid.UUID | None


@dataclass(frozen=True, slots=True)
class Lot:
    """Points of a citizen that expire on the same day."""

    citizen_id: uuid.UUID
    expiry: date
    available: int


def balances(session: Session, *, keys: Collection[AccountKey]) -> dict[AccountKey, Balance]:
    """The balance of each account; zeros for one that was never used.

    Those of derived accounts are added up from their transfers since the last opening balance: fine
    for a report, not for the path of an event.
    """
    by_id = {account_id(key): key for key in keys}
    found = dict.fromkeys(keys, Balance())
    stored = [number for number, key in by_id.items() if side_of(key.kind) != "derived"]
    for part in parts(session, stored):
        columns = [ACCOUNT.c[name] for name in ("id", *SUMS)]
        for number, *sums in session.execute(select(*columns).where(one_of(session, ACCOUNT.c.id, part))):
            found[by_id[number]] = Balance(*sums)
    for key in keys:
        if side_of(key.kind) == "derived":
            found[key] = _derived_balance(session, key)
    return found


def balance_at(
    session: Session,
    *,
    key: AccountKey,
    effective_at: datetime | None = None,
    recorded_at: datetime | None = None,
) -> Balance:
    """The balance by all transfers in force up to `effective_at` and known up to `recorded_at`, inclusive."""
    conditions = []
    if effective_at is not None:
        conditions.append(TRANSFER.c.effective_at <= effective_at)
    if recorded_at is not None:
        conditions.append(TRANSFER.c.recorded_at <= recorded_at)
    return sums_of(session, account_id(key), *conditions)


def statement(
    session: Session, *, keys: Collection[AccountKey], after: uuid.UUID | None = None, limit: int = 50
) -> Statement:
    """What happened to the accounts `keys`, newest first, from behind the cursor `after`.

    The order is that of ids, which never changes: what is posted meanwhile, late events too, comes before
    the first page. `limit` is at most MAX_STATEMENT. A transfer between two of the accounts is one line.
    """
    accounts = {account_id(key) for key in keys}
    if not accounts:
        return Statement(lines=[], next_after=None)
    limit = max(1, min(limit, MAX_STATEMENT))
    ends = []
    # One branch for each account and side, so that the index gives each branch its rows in order.
    for account in accounts:
        for column in (TRANSFER.c.debit_account, TRANSFER.c.credit_account):
            end = select(TRANSFER.c.id).where(column == account)
            if after is not None:
                end = end.where(TRANSFER.c.id < after)
            ends.append(select(end.order_by(TRANSFER.c.id.desc()).limit(limit + 1).subquery().c.id))
    page = union(*ends).subquery()
    ids = list(session.scalars(select(page.c.id).order_by(page.c.id.desc()).limit(limit + 1)))
    found = entries_of(session, ids=ids)
    entries = [found[number] for number in ids]
    more = len(entries) > limit
    lines = [_line(entry, accounts) for entry in entries[:limit]]
    return Statement(lines=lines, next_after=lines[-1].entry.id if more else None)


def entries_of(session: Session, *, ids: Collection[uuid.UUID]) -> dict[uuid.UUID, Entry]:
    """The transfers with these ids, as far as they exist."""
    found = {}
    for part in parts(session, list(set(ids))):
        for row in session.execute(select(*ENTRY_COLUMNS).where(one_of(session, TRANSFER.c.id, part))):
            entry = Entry(*row)
            found[entry.id] = entry
    return found


def entries_by_reference(session: Session, *, references: Collection[uuid.UUID]) -> list[Entry]:
    """The transfers that name one of `references`, ids that tell their time, in the order of their ids."""
    found: list[Entry] = []
    for part in parts(session, list(set(references))):
        found += [
            Entry(*row)
            for row in session.execute(
                select(*ENTRY_COLUMNS)
                .where(one_of(session, TRANSFER.c.reference, part))
                .where(later_than(TRANSFER.c.id, part))
            )
        ]
    return sorted(found, key=lambda entry: entry.id)


def keys_by_id(session: Session, *, ids: Collection[uuid.UUID]) -> dict[uuid.UUID, AccountKey]:
    """The keys of accounts that have been opened."""
    columns = [ACCOUNT.c[name] for name in ("id", "programme", "asset", "kind", "owner", "lot")]
    found = {}
    for part in parts(session, list(set(ids))):
        for number, *key in session.execute(select(*columns).where(one_of(session, ACCOUNT.c.id, part))):
            found[number] = AccountKey(*key)
    return found


def accounts_of(session: Session, *, programme: str, owner: uuid.UUID, asset: str) -> list[AccountKey]:
    """All accounts of one owner in one asset that were ever used; of points, every lot."""
    columns = [ACCOUNT.c[name] for name in ("programme", "asset", "kind", "owner", "lot")]
    wanted = (ACCOUNT.c.owner == owner, ACCOUNT.c.programme == programme, ACCOUNT.c.asset == asset)
    statement = select(*columns).where(*wanted).order_by(ACCOUNT.c.kind, ACCOUNT.c.lot)
    return [AccountKey(*row) for row in session.execute(statement)]


def totals(session: Session, *, programme: str, asset: str) -> dict[str, Balance]:
    """The sums over all accounts of each kind. A report: it reads all transfers of the asset."""
    columns = [cast(func.sum(ACCOUNT.c[name]), BigInteger) for name in SUMS]
    stored = (
        select(ACCOUNT.c.kind, *columns)
        .where(ACCOUNT.c.programme == programme, ACCOUNT.c.asset == asset, ACCOUNT.c.side != "derived")
        .group_by(ACCOUNT.c.kind)
    )
    found = {kind: Balance(*sums) for kind, *sums in session.execute(stored)}
    moved = sums_by_account(TRANSFER.c.programme == programme, TRANSFER.c.asset == asset)
    derived = (
        select(ACCOUNT.c.kind, *(cast(func.sum(moved.c[name]), BigInteger) for name in SUMS))
        .join(moved, moved.c.account == ACCOUNT.c.id)
        .where(ACCOUNT.c.side == "derived")
        .group_by(ACCOUNT.c.kind)
    )
    return found | {kind: Balance(*sums) for kind, *sums in session.execute(derived)}


def lots(session: Session, *, programme: str, citizen_id: uuid.UUID) -> list[Lot]:
    """The lots of a citizen that have points available, soonest expiry first."""
    return lots_of(session, programme=programme, citizen_ids=[citizen_id]).get(citizen_id, [])


def lots_of(
    session: Session, *, programme: str, citizen_ids: Collection[uuid.UUID]
) -> dict[uuid.UUID, list[Lot]]:
    """The lots of each citizen that have points available, soonest expiry first."""
    available = ACCOUNT.c.credits_posted - ACCOUNT.c.debits_posted - ACCOUNT.c.debits_pending
    found: dict[uuid.UUID, list[Lot]] = {}
    for part in parts(session, list(set(citizen_ids))):
        statement = (
            select(ACCOUNT.c.owner, ACCOUNT.c.lot, available)
            .where(
                one_of(session, ACCOUNT.c.owner, part),
                ACCOUNT.c.programme == programme,
                ACCOUNT.c.asset == POINTS,
                ACCOUNT.c.kind == "citizen.points",
                available > 0,
            )
            .order_by(ACCOUNT.c.owner, ACCOUNT.c.lot)
        )
        for owner, lot, amount in session.execute(statement):
            found.setdefault(owner, []).append(Lot(owner, date.fromisoformat(lot), amount))
    return found


def lots_ending(
    session: Session,
    *,
    programme: str,
    first: date,
    last: date,
    limit: int,
    unless: Callable[[ColumnElement[Any], ColumnElement[str]], ColumnElement[bool]],
) -> list[Lot]:
    """Up to `limit` lots whose last day lies from `first` through `last` and that have points available,
    soonest first. `unless`: of owner and lot, a condition of the caller's on lots to pass over."""
    available = ACCOUNT.c.credits_posted - ACCOUNT.c.debits_posted - ACCOUNT.c.debits_pending
    statement = (
        select(ACCOUNT.c.owner, ACCOUNT.c.lot, available)
        .where(ACCOUNT.c.programme == programme, ACCOUNT.c.lot != "", ACCOUNT.c.kind == "citizen.points")
        .where(ACCOUNT.c.lot >= first.isoformat(), ACCOUNT.c.lot <= last.isoformat(), available > 0)
        .where(~unless(ACCOUNT.c.owner, ACCOUNT.c.lot))
        .order_by(ACCOUNT.c.lot)
        .limit(limit)
    )
    return [Lot(owner, date.fromisoformat(lot), amount) for owner, lot, amount in session.execute(statement)]


def available_of(kind: str) -> Subquery:
    """owner, available and incoming (on hold for it) of every account of a kind that holds a balance, for
    others to select from."""
    return (
        select(
            ACCOUNT.c.owner,
            (ACCOUNT.c.credits_posted - ACCOUNT.c.debits_posted - ACCOUNT.c.debits_pending).label(
                "available"
            ),
            ACCOUNT.c.credits_pending.label("incoming"),
        )
        .where(ACCOUNT.c.kind == kind)
        .subquery()
    )


def parts(session: Session, values: Sequence[T]) -> Iterator[Sequence[T]]:
    """`values` in the portions that one statement takes: all of them as an array on PostgreSQL."""
    size = max(len(values), 1) if is_postgresql(session) else _PARAMETERS
    for start in range(0, len(values), size):
        yield values[start : start + size]


def _derived_balance(session: Session, key: AccountKey) -> Balance:
    opening, through_id = last_opening(session, account_id(key))
    conditions = [] if through_id is None else [TRANSFER.c.id > through_id]
    return opening.plus(sums_of(session, account_id(key), *conditions))


def _line(entry: Entry, accounts: set[uuid.UUID]) -> Line:
    posts, holds = EFFECTS[entry.phase]
    debit, credit = entry.debit_account in accounts, entry.credit_account in accounts
    return Line(
        entry=entry,
        change=posts * entry.amount * (int(credit) - int(debit)),
        held=holds * entry.amount * int(debit),
    )
