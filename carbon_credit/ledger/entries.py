"""A transfer as callers give it, and as the rows of the `transfer` table hold it."""

import hmac
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from carbon_credit.kernel.quantity import MAX_QUANTITY
from carbon_credit.ledger.accounts import AccountKey, Balance, account_id
from carbon_credit.ledger.chart import check_account, check_transfer
from carbon_credit.ledger.errors import TransferInvalid


@dataclass(frozen=True, slots=True)
class Transfer:
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


def net(entries: Iterable[Entry]) -> dict[uuid.UUID, Balance]:
    """What `entries` together add to each account that they touch."""
    sums: dict[uuid.UUID, list[int]] = {}
    for entry in entries:
        posts, holds = EFFECTS[entry.phase]
        debit = sums.setdefault(entry.debit_account, [0, 0, 0, 0])
        credit = sums.setdefault(entry.credit_account, [0, 0, 0, 0])
        debit[0] += posts * entry.amount
        debit[2] += holds * entry.amount
        credit[1] += posts * entry.amount
        credit[3] += holds * entry.amount
    return {account: Balance(*four) for account, four in sums.items()}


def entry_mac(key: bytes, entry: Entry) -> bytes:
    """16 bytes of HMAC-SHA256 over the row.

    Its own form of kernel.digest.row_mac, at half the time: this one is computed for each transfer. Only
    the four words have no fixed alphabet, so only they need their lengths.
    """
    words = "".join([f"{len(word)}:{word}" for word in entry[1:5]])
    ids = " ".join([_hex(entry.id), *map(_hex, entry[5:7]), *map(_hex, entry[8:10]), _hex(entry.reference)])
    times = " ".join(map(_instant, entry[10:13]))
    text = f"transfer {ids} {entry.amount} {times} {words}"
    return hmac.digest(key, text.encode(), "sha256")[:16]


def enter(
    transfers: Iterable[Transfer], *, phase: str, now: datetime, keys: dict[AccountKey, uuid.UUID]
) -> list[Entry]:
    """The rows of `transfers`, checked against the chart; fills `keys` with the ids of their accounts."""
    found: list[Entry] = []
    for transfer in transfers:
        _check(transfer, pending=phase == "pending")
        accounts = []
        for key in (transfer.debit, transfer.credit):
            account = keys.get(key)
            if account is None:
                check_account(key)
                account = keys[key] = account_id(key)
            accounts.append(account)
        found.append(
            Entry(
                id=transfer.id,
                programme=transfer.debit.programme,
                asset=transfer.debit.asset,
                code=transfer.code,
                phase=phase,
                debit_account=accounts[0],
                credit_account=accounts[1],
                amount=transfer.amount,
                pending_id=None,
                reverses_id=transfer.reverses_id,
                expires_at=transfer.expires_at,
                effective_at=transfer.effective_at,
                recorded_at=now,
                reference=transfer.reference,
            )
        )
    return found


def _check(transfer: Transfer, *, pending: bool) -> None:
    check_transfer(transfer.code, transfer.debit, transfer.credit, pending=pending)
    if type(transfer.amount) is not int or not 0 < transfer.amount <= MAX_QUANTITY:
        raise TransferInvalid(why="the amount is not a whole number above zero")
    if transfer.id.version != 7:
        raise TransferInvalid(why="the id is not a UUID of version 7")
    if transfer.effective_at.tzinfo is None or (transfer.expires_at and transfer.expires_at.tzinfo is None):
        raise TransferInvalid(why="a time without time zone")
    if transfer.expires_at is not None and not pending:
        raise TransferInvalid(why="only a hold expires")
    if transfer.reverses_id is not None and pending:
        raise TransferInvalid(why="a reversal cannot be held")


def _hex(number: uuid.UUID | None) -> str:
    return number.hex if number else "-"


def _instant(instant: datetime | None) -> str:
    return str((instant - _EPOCH) // _MICROSECOND) if instant else "-"
