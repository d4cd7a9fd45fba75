"""The verbs of the ledger. Each takes many transfers and is one act: all of them, or an error.

Order of locks, the same in every verb, so that two batches cannot deadlock: open holds by id, then
new accounts by id, then existing accounts (see `locks`), then everything else, which is only appended.
A hold that many want at one moment goes by `hot.hold_hot`.
"""

import uuid
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime
from operator import itemgetter
from typing import Any, TypeAlias

import psycopg
from sqlalchemy import delete, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from carbon_credit.kernel.bulk import add_to_rows, append_columns, append_rows, insert_new, one_of
from carbon_credit.kernel.clock import microseconds
from carbon_credit.kernel.db import keys_of
from carbon_credit.kernel.digest import row_mac
from carbon_credit.kernel.ids import new_id
from carbon_credit.kernel.quantity import MAX_QUANTITY
from carbon_credit.ledger.accounts import AccountKey, account_id
from carbon_credit.ledger.chart import check_account, side_of
from carbon_credit.ledger.entries import (
    COLUMNS,
    Entry,
    Transfer,
    added,
    added_by,
    column_macs,
    enter,
    entered,
)
from carbon_credit.ledger.errors import (
    AmountTooLarge,
    DebtOverpaid,
    HoldExceeded,
    HoldExpired,
    HoldResolved,
    HoldUnknown,
    InsufficientBalance,
    RangeSealed,
    TransferConflict,
    TransferInvalid,
    TransferUnknown,
)
from carbon_credit.ledger.locks import LockedAccount, existing_accounts, lock_accounts, lock_if_open
from carbon_credit.ledger.models import ACCOUNT, OPEN_HOLD, RESOLUTION, SUMS, TRANSFER
from carbon_credit.ledger.queries import entries_of, keys_by_id, parts
from carbon_credit.ledger.reversals import note_reversals
from carbon_credit.ledger.seals import quiet_of, sealed_through

_REVERSES = COLUMNS.index("reverses_id")
Change: TypeAlias = tuple[uuid.UUID, int, int, int, int]


def post(session: Session, *, transfers: Sequence[Transfer], now: datetime) -> None:
    """Post `transfers` at once. One whose id and content are there already is passed over.

    Only the result counts: an account may give what the same call brings it.
    Raises InsufficientBalance, DebtOverpaid, OutsideChart, TransferInvalid, TransferConflict,
    ReversalExceeded.
    """
    keys: dict[AccountKey, uuid.UUID] = {}
    _write_new(session, enter(transfers, phase="posted", now=now, keys=keys), keys=keys, now=now)


def post_fresh(
    session: Session,
    *,
    transfers: Sequence[Transfer],
    now: datetime,
    accounts: Collection[AccountKey] = (),
    also: Collection[uuid.UUID] = (),
    then: Callable[[Mapping[int, LockedAccount]], Sequence[Transfer]] | None = None,
) -> None:
    """Post `transfers` whose ids were made for this call, so that nobody can have posted them before.

    `accounts` are opened and locked with those of the transfers, and of the ids `also` those that are open
    are locked; what `then` makes of all of these is posted with them, and moves between them only. Raises
    as post does.
    """
    keys: dict[AccountKey, uuid.UUID] = {}
    columns = entered(transfers, phase="posted", now=now, keys=keys)
    for key in accounts:
        if key not in keys:
            check_account(key)
            keys[key] = account_id(key)
    if not keys:
        return
    locked = open_and_lock(session, keys, also)
    if then is not None:
        more = entered(then(locked), phase="posted", now=now, keys=keys)
        columns = [[*those, *these] for those, these in zip(columns, more, strict=True)]
    if not columns[0]:
        return
    if any(columns[_REVERSES]):
        entries = map(Entry._make, zip(*columns, strict=True))
        note_reversals(session, [entry for entry in entries if entry.reverses_id is not None])
    _write_columns(session, columns, changes_of(added_by(zip(*columns[4:8], strict=True)), locked))


def hold(session: Session, *, transfers: Sequence[Transfer], now: datetime) -> None:
    """Hold `transfers`: the amount is no longer available to the debit account, and not yet the other's.

    Ends by settle, release or, from `expires_at` on, by expire only. Raises as post does.
    """
    keys: dict[AccountKey, uuid.UUID] = {}
    held = _write_new(session, enter(transfers, phase="pending", now=now, keys=keys), keys=keys, now=now)
    append_rows(
        session, OPEN_HOLD, ("pending_id", "expires_at"), [(entry.id, entry.expires_at) for entry in held]
    )


def settle(
    session: Session,
    *,
    pending_ids: Collection[uuid.UUID],
    now: datetime,
    amounts: Mapping[uuid.UUID, int] | None = None,
    effective_at: datetime | None = None,
) -> None:
    """Post what is held; where `amounts` says less than is held, the rest is released in the same act.

    `effective_at` is `now` unless given. Raises HoldUnknown, HoldResolved, HoldExpired, HoldExceeded.
    """
    ends: list[Entry] = []
    for entry in _open_holds(session, pending_ids):
        amount = (amounts or {}).get(entry.id, entry.amount)
        if entry.expires_at is not None and entry.expires_at <= now:
            raise HoldExpired
        if type(amount) is not int or amount <= 0:
            raise TransferInvalid(
                why="the amount to settle is not a whole number above zero; release the hold"
            )
        if amount > entry.amount:
            raise HoldExceeded
        ends.append(_end(entry, "settled", amount, now=now, effective_at=effective_at))
        if amount < entry.amount:
            ends.append(_end(entry, "released", entry.amount - amount, now=now, effective_at=effective_at))
    _write_ends(session, ends)


def release(
    session: Session,
    *,
    pending_ids: Collection[uuid.UUID],
    now: datetime,
    effective_at: datetime | None = None,
) -> None:
    """Give back what is held, in time or past it. Raises HoldUnknown, HoldResolved."""
    held = _open_holds(session, pending_ids)
    _write_ends(
        session, [_end(entry, "released", entry.amount, now=now, effective_at=effective_at) for entry in held]
    )


def expire(session: Session, *, now: datetime, limit: int) -> list[uuid.UUID]:
    """Give back up to `limit` holds that are past their time; the ids of the holds that ended."""
    due = (
        select(OPEN_HOLD.c.pending_id)
        .where(OPEN_HOLD.c.expires_at <= now)
        .order_by(OPEN_HOLD.c.expires_at, OPEN_HOLD.c.pending_id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    held = _open_holds(session, list(session.scalars(due)))
    _write_ends(session, [_end(entry, "expired", entry.amount, now=now) for entry in held])
    return [entry.id for entry in held]


def reverse(
    session: Session,
    *,
    transfer_ids: Sequence[uuid.UUID],
    code: str,
    now: datetime,
    effective_at: datetime,
    amounts: Mapping[uuid.UUID, int] | None = None,
) -> list[uuid.UUID]:
    """Take posted or settled transfers back, whole or by `amounts`; the ids of the new transfers.

    Each new one goes the other way under `code` and names the old one. Raises TransferUnknown,
    ReversalExceeded, and as post does.
    """
    old = entries_of(session, ids=transfer_ids)
    if len(old) < len(set(transfer_ids)):
        raise TransferUnknown(what="transfer")
    keys = keys_by_id(
        session, ids={account for e in old.values() for account in (e.debit_account, e.credit_account)}
    )
    new = [
        Transfer(
            id=new_id(),
            code=code,
            debit=keys[old[transfer_id].credit_account],
            credit=keys[old[transfer_id].debit_account],
            amount=(amounts or {}).get(transfer_id, old[transfer_id].amount),
            effective_at=effective_at,
            reference=old[transfer_id].reference,
            reverses_id=transfer_id,
        )
        for transfer_id in sorted(old)
    ]
    post(session, transfers=new, now=now)
    return [transfer.id for transfer in new]


def _write_new(
    session: Session, entries: list[Entry], *, keys: Mapping[AccountKey, uuid.UUID], now: datetime
) -> list[Entry]:
    """Open the accounts, lock them, and write those entries that are not there yet; these are returned."""
    if not entries:
        return []
    entries = _distinct(entries)
    _refuse_sealed(session, entries, now=now)
    locked = open_and_lock(session, keys)
    # Only now: whoever posts the same transfer at the same moment has to pass the same accounts.
    known = entries_of(session, ids=[entry.id for entry in entries])
    if any(entry.id in known and known[entry.id].content != entry.content for entry in entries):
        raise TransferConflict
    fresh = [entry for entry in entries if entry.id not in known]
    changes = changes_of(added(fresh), locked)
    note_reversals(session, [entry for entry in fresh if entry.reverses_id is not None])
    _write(session, fresh, changes)
    return fresh


def open_and_lock(
    session: Session, keys: Mapping[AccountKey, uuid.UUID], also: Collection[uuid.UUID] = ()
) -> dict[int, LockedAccount]:
    """Open those accounts that are not there yet, then lock them all, and of `also` those that are open."""
    locked = lock_if_open(session, ids=keys.values(), also=also)
    if locked is not None:
        return locked
    open_accounts(session, keys)
    return lock_accounts(session, ids=[*keys.values(), *also])


def open_accounts(session: Session, keys: Mapping[AccountKey, uuid.UUID]) -> None:
    """Open those accounts that are not there yet."""
    present = existing_accounts(session, ids=keys.values())
    rows = [
        (account, key.programme, key.asset, key.kind, key.owner, key.lot, side_of(key.kind), 0, 0, 0, 0)
        for key, account in keys.items()
        if account not in present
    ]
    columns = ("id", "programme", "asset", "kind", "owner", "lot", "side", *SUMS)
    insert_new(session, ACCOUNT, columns, sorted(rows, key=itemgetter(0)), "id")


def _write(session: Session, entries: Sequence[Entry], changes: Sequence[Change]) -> None:
    """Append the entries and add the changes, which were checked, to the balances."""
    if entries:
        _write_columns(session, list(zip(*entries, strict=True)), changes)


def _write_columns(session: Session, columns: Sequence[Sequence[Any]], changes: Sequence[Change]) -> None:
    """The same of entries, one at least, that are given by their columns."""
    append_entries(session, columns)
    add_to_rows(session, ACCOUNT, "id", SUMS, changes)


def append_entries(session: Session, columns: Sequence[Sequence[Any]]) -> None:
    """Write entries, one at least, given by their columns, each with its MAC. What they do to the balances
    is the caller's to write."""
    macs = column_macs(keys_of(session).mac, columns)
    try:
        append_columns(session, TRANSFER, COLUMNS, [*columns, macs])
    except (psycopg.errors.UniqueViolation, IntegrityError) as error:
        # The id came with other accounts in another transaction, so that the locks did not meet.
        if isinstance(getattr(error, "orig", error), psycopg.errors.UniqueViolation):
            raise TransferConflict from error
        raise


def changes_of(sums: Mapping[int, Sequence[int]], locked: Mapping[int, LockedAccount]) -> list[Change]:
    """What of `sums` (see `added`) goes to each locked account. Raises where its balance does not allow it.

    The constraints of the table say the same; looked at first, the error can name the account, and
    the transaction stays usable.
    """
    changes: list[Change] = []
    for number, (debits, credits, debits_held, credits_held) in sums.items():
        account = locked.get(number)
        if account is None:  # derived: nothing to check, nothing to update
            continue
        before = account.balance
        debits_posted = before.debits_posted + debits
        credits_posted = before.credits_posted + credits
        credits_pending = before.credits_pending + credits_held
        posted = credits_posted - debits_posted
        if account.side == "guarded" and posted - before.debits_pending - debits_held < 0:
            raise InsufficientBalance(kind=account.kind, asset=account.asset)
        if account.side == "debt" and posted + credits_pending > 0:
            raise DebtOverpaid(kind=account.kind, asset=account.asset)
        if max(debits_posted, credits_posted, credits_pending) > MAX_QUANTITY:
            raise AmountTooLarge(kind=account.kind, asset=account.asset)
        changes.append((account.id, debits, credits, debits_held, credits_held))
    return changes


def _open_holds(session: Session, pending_ids: Collection[uuid.UUID]) -> list[Entry]:
    """The held transfers, by id, locked until the transaction ends. Raises HoldUnknown, HoldResolved."""
    wanted = sorted(set(pending_ids))
    found: set[uuid.UUID] = set()
    for part in parts(session, wanted):
        statement = (
            select(OPEN_HOLD.c.pending_id)
            .where(one_of(session, OPEN_HOLD.c.pending_id, part))
            .order_by(OPEN_HOLD.c.pending_id)
            .with_for_update()
        )
        found.update(session.scalars(statement))
    missing = [pending_id for pending_id in wanted if pending_id not in found]
    if missing:
        outcome = session.scalar(
            select(RESOLUTION.c.outcome).where(one_of(session, RESOLUTION.c.pending_id, missing)).limit(1)
        )
        if outcome is None:
            raise HoldUnknown(what="hold")
        raise HoldResolved(outcome=outcome)
    held = entries_of(session, ids=wanted)
    return [held[pending_id] for pending_id in wanted]


def _end(
    entry: Entry, phase: str, amount: int, *, now: datetime, effective_at: datetime | None = None
) -> Entry:
    return entry._replace(
        id=new_id(),
        phase=phase,
        amount=amount,
        pending_id=entry.id,
        expires_at=None,
        effective_at=effective_at or now,
        recorded_at=now,
    )


def _write_ends(session: Session, ends: Sequence[Entry]) -> None:
    """Write the entries that end holds, and how each hold ended: as its first entry says."""
    if not ends:
        return
    locked = lock_accounts(
        session, ids={a for entry in ends for a in (entry.debit_account, entry.credit_account)}
    )
    changes = changes_of(added(ends), locked)
    first: dict[uuid.UUID, Entry] = {}
    for entry in ends:
        if entry.pending_id is not None:
            first.setdefault(entry.pending_id, entry)
    key = keys_of(session).mac
    rows = [(pending_id, entry.phase, entry.id, entry.recorded_at) for pending_id, entry in first.items()]
    append_rows(
        session,
        RESOLUTION,
        ("pending_id", "outcome", "transfer_id", "resolved_at", "mac"),
        [(*row, row_mac(key, "pending_resolution", *row)) for row in rows],
    )
    for part in parts(session, list(first)):
        session.execute(delete(OPEN_HOLD).where(one_of(session, OPEN_HOLD.c.pending_id, part)))
    _write(session, ends, changes)


def _distinct(entries: Iterable[Entry]) -> list[Entry]:
    """Each id once. Raises TransferConflict for one id with two contents."""
    found: dict[uuid.UUID, Entry] = {}
    for entry in entries:
        if found.setdefault(entry.id, entry) != entry:
            raise TransferConflict
    return list(found.values())


def _refuse_sealed(session: Session, entries: Sequence[Entry], *, now: datetime) -> None:
    """Raises RangeSealed for an id inside a sealed range. A young id cannot be: no question is asked."""
    oldest = min(entry.id for entry in entries)
    made_at_ms = oldest.int >> 80  # the first 48 bits of a UUIDv7
    if made_at_ms > microseconds(now - quiet_of(session)) // 1000:
        return
    last = sealed_through(session, table="transfer")
    if last is not None and oldest <= last:
        raise RangeSealed
