"""A transfer as callers give it, and as the rows of the `transfer` table hold it."""

import uuid
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple, TypeVar

from msgspec import Struct

from carbon_credit.kernel.digest import is_alike, mac_with
from carbon_credit.kernel.quantity import MAX_QUANTITY
from carbon_credit.ledger.accounts import AccountKey, account_id
from carbon_credit.ledger.chart import BACK_ONLY, check_account, check_transfer
from carbon_credit.ledger.errors import TransferInvalid

K = TypeVar("K")


class Transfer(Struct, frozen=True, gc=False):
    """From `debit` to `credit`. `id`: a UUIDv7 (kernel.ids.new_id). `amount`: in the asset's unit, > 0.

    `expires_at` is for holds only; `reverses_id` names the transfer that this one takes back.
    """

    id: uuid.UUID
    code: str
    debit: AccountKey
    credit: AccountKey
    amount: int
    effective_at: datetime
    reference: uuid.UUID | None = None
    reverses_id: uuid.UUID | None = None
    expires_at: datetime | None = None


class Entry(NamedTuple):
    """A row of `transfer` without its MAC, in the order of the columns."""

    id: uuid.UUID
    programme: str
    asset: str
    code: str
    phase: str
    debit_account: uuid.UUID
    credit_account: uuid.UUID
    amount: int
    pending_id: uuid.UUID | None
    reverses_id: uuid.UUID | None
    expires_at: datetime | None
    effective_at: datetime
    recorded_at: datetime
    reference: uuid.UUID | None

    @property
    def content(self) -> tuple[object, ...]:
        """What must be equal for a transfer that arrives twice: everything but when it was recorded."""
        return (*self[:12], self.reference)


COLUMNS = (*Entry._fields, "mac")

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

# What a row adds to the posted and the pending sum of its two accounts, in amounts.
EFFECTS: dict[str, tuple[int, int]] = {
    "posted": (1, 0),
    "pending": (0, 1),
    "settled": (1, -1),
    "released": (0, -1),
    "expired": (0, -1),
}


def added(entries: Iterable[Entry]) -> dict[int, list[int]]:
    """What `entries` together add to each account that they touch, in the order of `Balance`. Accounts are
    named by the number of their id: an id is hashed by Python code."""
    return added_by(entry[4:8] for entry in entries)


def added_by(rows: Iterable[tuple[str, uuid.UUID, uuid.UUID, int]]) -> dict[int, list[int]]:
    """The same of rows that are given by phase, accounts and amount."""
    sums: dict[int, list[int]] = {}
    last, debit = None, [0, 0, 0, 0]
    for phase, debited, credited, amount in rows:
        posts, holds = EFFECTS[phase]
        if debited is not last:  # mostly one account pays all
            last, debit = debited, sums.setdefault(debited.int, [0, 0, 0, 0])
        credit = sums.get(credited.int)
        if credit is None:
            credit = sums[credited.int] = [0, 0, 0, 0]
        debit[0] += posts * amount
        debit[2] += holds * amount
        credit[1] += posts * amount
        credit[3] += holds * amount
    return sums


def entry_mac(key: bytes, entry: Entry) -> bytes:
    """16 bytes of HMAC-SHA256 over the row.

    Its own form of kernel.digest.row_mac, at half the time: this one is computed for each transfer. Only
    the four words have no fixed alphabet, so only they need their lengths.
    """
    words = "".join([f"{len(word)}:{word}" for word in entry[1:5]])
    ids = " ".join([_hex(entry.id), *map(_hex, entry[5:7]), *map(_hex, entry[8:10]), _hex(entry.reference)])
    times = " ".join(map(_instant, entry[10:13]))
    text = f"transfer {ids} {entry.amount} {times} {words}"
    return mac_with(key)(text.encode())[:16]


def entry_macs(key: bytes, entries: Sequence[Entry]) -> list[bytes]:
    """`entry_mac` of each, at less than half the time: what many entries share is written once."""
    return column_macs(key, list(zip(*entries, strict=True))) if entries else []


def column_macs(key: bytes, columns: Sequence[Sequence[Any]]) -> list[bytes]:
    """The same of entries, one at least, that are given by their columns."""
    mac = mac_with(key)
    times: dict[datetime | None, str] = _Made(_instant)
    words: dict[tuple[str, ...], str] = _Made(lambda four: "".join([f"{len(word)}:{word}" for word in four]))
    (number, programme, asset, code, phase, debit, credit, amount) = columns[:8]
    (pending, reverses, expires, effective, recorded, reference) = columns[8:]
    ids = map(_hexes, (number, debit, credit, pending, reverses, reference))
    instants = [[times[one] for one in column] for column in (expires, effective, recorded)]
    said = [words[four] for four in zip(programme, asset, code, phase, strict=True)]
    rows = zip(*ids, amount, *instants, said, strict=True)
    return [
        mac(f"transfer {a} {b} {c} {d} {e} {f} {mg} {t} {u} {v} {four}".encode())[:16]
        for a, b, c, d, e, f, mg, t, u, v, four in rows
    ]


class _Made(dict[K, str]):
    """Texts of values, each made once."""

    def __init__(self, make: Callable[[K], str]) -> None:
        self._make = make

    def __missing__(self, value: K) -> str:
        made = self[value] = self._make(value)
        return made


def enter(
    transfers: Iterable[Transfer], *, phase: str, now: datetime, keys: dict[AccountKey, uuid.UUID]
) -> list[Entry]:
    """The rows of `transfers`, checked against the chart; fills `keys` with the ids of their accounts."""
    columns = entered(list(transfers), phase=phase, now=now, keys=keys)
    return list(map(Entry._make, zip(*columns, strict=True)))


def entered(
    transfers: Sequence[Transfer], *, phase: str, now: datetime, keys: dict[AccountKey, uuid.UUID]
) -> list[Sequence[Any]]:
    """`enter` by columns, without making a row for each."""
    debits, credits = _accounts_of(transfers, pending=phase == "pending", keys=keys)
    count = len(transfers)
    return [
        [one.id for one in transfers],
        [one.debit[0] for one in transfers],
        [one.debit[1] for one in transfers],
        [one.code for one in transfers],
        [phase] * count,
        debits,
        credits,
        [one.amount for one in transfers],
        [None] * count,
        [one.reverses_id for one in transfers],
        [one.expires_at for one in transfers],
        [one.effective_at for one in transfers],
        [now] * count,
        [one.reference for one in transfers],
    ]


def _accounts_of(
    transfers: Sequence[Transfer], *, pending: bool, keys: dict[AccountKey, uuid.UUID]
) -> tuple[list[uuid.UUID], list[uuid.UUID]]:
    """The ids of the accounts that each debits and credits, when all of it has been checked."""
    debits: list[uuid.UUID] = []
    credits: list[uuid.UUID] = []
    before: Transfer | None = None
    for one in transfers:
        # The chart is asked once for a run of transfers of one form, from one account.
        alike = before is not None and one.code == before.code and one.debit is before.debit
        if not alike or before is None or one.credit[:3] != before.credit[:3]:
            check_transfer(one.code, one.debit, one.credit, pending=pending)
        _check(one, pending=pending)
        if before is None or one.debit is not before.debit:
            debit = _account(one.debit, keys)
        debits.append(debit)
        credits.append(_account(one.credit, keys))
        before = one
    return debits, credits


def _account(key: AccountKey, keys: dict[AccountKey, uuid.UUID]) -> uuid.UUID:
    known = keys.get(key)
    if known is None:
        check_account(key)
        known = keys[key] = account_id(key)
    return known


def _check(transfer: Transfer, *, pending: bool) -> None:
    if type(transfer.amount) is not int or not 0 < transfer.amount <= MAX_QUANTITY:
        raise TransferInvalid(why="the amount is not a whole number above zero")
    if (transfer.id.int >> 76) & 15 != 7:
        raise TransferInvalid(why="the id is not a UUID of version 7")
    if transfer.effective_at.tzinfo is None or (transfer.expires_at and transfer.expires_at.tzinfo is None):
        raise TransferInvalid(why="a time without time zone")
    if transfer.expires_at is not None and not pending:
        raise TransferInvalid(why="only a hold expires")
    if transfer.reverses_id is None and transfer.code in BACK_ONLY:
        raise TransferInvalid(why=f"{transfer.code} names the transfer that it takes back")
    if transfer.reverses_id is not None and pending:
        raise TransferInvalid(why="a reversal cannot be held")


def _hex(number: uuid.UUID | None) -> str:
    return number.hex if number else "-"


def _hexes(column: Sequence[uuid.UUID | None]) -> list[str]:
    if is_alike(column):
        return [_hex(column[0])] * len(column)
    return ["-" if one is None else one.int.to_bytes(16, "big").hex() for one in column]


def _instant(instant: datetime | None) -> str:
    return str((instant - _EPOCH) // _MICROSECOND) if instant else "-"
