"""Locks on the accounts that hold a balance: always in the same order.

Grams, then debts, then the rest, then what many share (`chart.SHARED`), each by id. So one posting of grams
and points meets no other that posts them one after the other the wrong way round, debts come before the lots
that pay them, and a row that many want is locked last.
"""

import uuid
from collections.abc import Collection, Iterable
from typing import Any, NamedTuple

from sqlalchemy.orm import Session

from carbon_credit.kernel import wire
from carbon_credit.kernel.bulk import driver, rows_by
from carbon_credit.kernel.db import is_postgresql
from carbon_credit.ledger.accounts import CO2E, Balance
from carbon_credit.ledger.chart import SHARED
from carbon_credit.ledger.models import ACCOUNT, SUMS
from carbon_credit.ledger.queries import parts

_COLUMNS = ("id", "kind", "asset", "side", *SUMS)
_HOLDS = "side <> 'derived'"
_SHARED = ", ".join(f"'{kind}'" for kind in sorted(SHARED))
_CLASS = f"WHEN asset = '{CO2E}' THEN 0 WHEN side = 'debt' THEN 1 WHEN kind IN ({_SHARED}) THEN 3 ELSE 2"
_ORDER = f"CASE {_CLASS} END, id"
_LOCK_IF_OPEN = (
    f"SELECT {', '.join(_COLUMNS)} FROM account WHERE id = ANY (%b::uuid[]) AND {_HOLDS} "  # noqa: S608
    f"AND (SELECT count(*) FROM account WHERE id = ANY (%b::uuid[])) = %s ORDER BY {_ORDER} FOR UPDATE"
)


class LockedAccount(NamedTuple):
    """An account as it stands while nobody else can change it."""

    id: uuid.UUID
    kind: str
    asset: str
    side: str
    balance: Balance


def lock_accounts(session: Session, *, ids: Collection[uuid.UUID]) -> dict[int, LockedAccount]:
    """Those of the accounts that hold a balance, locked until the end, by the number of their id. Derived
    ones stay free."""
    locked: dict[int, LockedAccount] = {}
    for part in parts(session, list(set(ids))):
        rows = rows_by(session, ACCOUNT, _COLUMNS, "id", part, where=_HOLDS, order=_ORDER, lock=True)
        locked |= _locked(rows)
    return locked


def lock_if_open(
    session: Session, *, ids: Collection[uuid.UUID], also: Collection[uuid.UUID] = ()
) -> dict[int, LockedAccount] | None:
    """`lock_accounts` of `ids` and `also` (each once) where all of `ids` have been opened; else None, and
    nothing is locked. In one statement: accounts are opened once and used ever after."""
    if not is_postgresql(session):  # a writer is alone there, so that looking first costs no order of locks
        if len(existing_accounts(session, ids=ids)) < len(ids):
            return None
        return lock_accounts(session, ids=[*ids, *also])
    named = {one.int.to_bytes(16, "big"): one for one in (*ids, *also)}
    needed, every = wire.array("uuid", list(ids)), wire.array("uuid", [*ids, *also])
    cursor = wire.cursor_of_octets(driver(session))
    rows = cursor.execute(_LOCK_IF_OPEN, (every, needed, len(ids))).fetchall()
    # None found is also the answer where all of them are derived: the caller then looks again.
    return _locked((named[row[0]], *row[1:]) for row in rows) if rows else None


def existing_accounts(session: Session, *, ids: Collection[uuid.UUID]) -> set[uuid.UUID]:
    """Those of `ids` whose account has been opened, by a transaction that has ended or by this one."""
    found: set[uuid.UUID] = set()
    for part in parts(session, list(set(ids))):
        found.update(row[0] for row in rows_by(session, ACCOUNT, ("id",), "id", part))
    return found


def _locked(rows: Iterable[tuple[Any, ...]]) -> dict[int, LockedAccount]:
    return {
        number.int: LockedAccount(number, kind, asset, side, Balance._make(sums))
        for number, kind, asset, side, *sums in rows
    }
