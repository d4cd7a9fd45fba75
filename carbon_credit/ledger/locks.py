"""Locks on the accounts that hold a balance: always in the order of their ids."""

import uuid
from collections.abc import Collection
from typing import NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from carbon_credit.kernel.bulk import one_of
from carbon_credit.ledger.accounts import Balance
from carbon_credit.ledger.models import ACCOUNT, SUMS
from carbon_credit.ledger.queries import parts


class LockedAccount(NamedTuple):
    """An account as it stands while nobody else can change it."""

    kind: str
    asset: str
    side: str
    balance: Balance


def lock_accounts(session: Session, *, ids: Collection[uuid.UUID]) -> dict[uuid.UUID, LockedAccount]:
    """Those of the accounts that hold a balance, locked until the end. Derived ones stay free."""
    columns = [ACCOUNT.c[name] for name in ("id", "kind", "asset", "side", *SUMS)]
    locked: dict[uuid.UUID, LockedAccount] = {}
    for part in parts(session, list(set(ids))):
        statement = (
            select(*columns)
            .where(one_of(session, ACCOUNT.c.id, part), ACCOUNT.c.side != "derived")
            .order_by(ACCOUNT.c.id)
            .with_for_update()
        )
        for account_id, kind, asset, side, *sums in session.execute(statement):
            locked[account_id] = LockedAccount(kind, asset, side, Balance(*sums))
    return locked


def existing_accounts(session: Session, *, ids: Collection[uuid.UUID]) -> set[uuid.UUID]:
    """Those of `ids` whose account has been opened, by a transaction that has ended or by this one."""
    found: set[uuid.UUID] = set()
    for part in parts(session, list(set(ids))):
        found.update(session.scalars(select(ACCOUNT.c.id).where(one_of(session, ACCOUNT.c.id, part))))
    return found
