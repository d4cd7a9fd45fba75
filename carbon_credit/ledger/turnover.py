"""What moved on accounts in a time, by code: for reports of a citizen, an offer, a fund."""

import uuid
from collections.abc import Collection
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, case, func, select, true
from sqlalchemy.orm import Session

from carbon_credit.kernel.bulk import one_of
from carbon_credit.ledger.accounts import AccountKey, account_id
from carbon_credit.ledger.models import ACCOUNT, TRANSFER

# The phases that move posted sums.
MOVING = ("posted", "settled")


def moved_by_code(
    session: Session,
    *,
    keys: Collection[AccountKey],
    start: datetime | None = None,
    end: datetime | None = None,
) -> dict[str, int]:
    """What came to the accounts `keys` less what went from them, by code, effective in [start, end)."""
    if not keys:
        return {}
    ids = [account_id(key) for key in keys]
    within: list[ColumnElement[bool]] = [TRANSFER.c.phase.in_(MOVING)]
    if start is not None:
        within.append(TRANSFER.c.effective_at >= start)
    if end is not None:
        within.append(TRANSFER.c.effective_at < end)
    found: dict[str, int] = {}
    for column, sign in ((TRANSFER.c.credit_account, 1), (TRANSFER.c.debit_account, -1)):
        statement = (
            select(TRANSFER.c.code, func.sum(TRANSFER.c.amount))
            .where(one_of(session, column, ids), *within)
            .group_by(TRANSFER.c.code)
        )
        for code, total in session.execute(statement):
            found[code] = found.get(code, 0) + sign * int(total)
    return found


def held_by_group(
    session: Session, *, references: Select[*tuple[Any, ...]], key: AccountKey, codes: Collection[str]
) -> dict[Any, int]:
    """What the account `key` got by `codes`, less what it gave, for the references that the statement
    selects as `id`, added up by its second column. References are ids that tell their time."""
    wanted = references.subquery()
    group = list(wanted.c)[1]
    found: dict[Any, int] = {}
    for column, sign in ((TRANSFER.c.credit_account, 1), (TRANSFER.c.debit_account, -1)):
        statement = (
            select(group, func.sum(TRANSFER.c.amount))
            .join(wanted, wanted.c.id == TRANSFER.c.reference)
            .where(column == account_id(key), TRANSFER.c.code.in_(codes), TRANSFER.c.phase.in_(MOVING))
            .group_by(group)
        )
        for name, total in session.execute(statement):
            found[name] = found.get(name, 0) + sign * int(total)
    return found


def moved_by_group(
    session: Session,
    *,
    programme: str,
    references: Select[*tuple[Any, ...]],
    gains: Collection[str],
    losses: Collection[str],
    start: datetime,
    end: datetime,
) -> dict[Any, int]:
    """What moved by the codes `gains` less by `losses`, effective in [start, end), for the references that
    the statement selects as `id`, added up by its second column. One statement, however many these are."""
    wanted = references.subquery()
    group = list(wanted.c)[1]
    statement = (
        select(group, func.sum(_signed(gains)))
        .join(wanted, wanted.c.id == TRANSFER.c.reference)
        .where(*_within(programme, [*gains, *losses], start, end))
        .group_by(group)
    )
    return {name: int(total) for name, total in session.execute(statement)}


def moved_by_owner(
    session: Session,
    *,
    programme: str,
    kind: str,
    codes: Collection[str],
    start: datetime | None,
    end: datetime,
) -> dict[uuid.UUID, int]:
    """What left the accounts of a kind by `codes` less what came back by them, in [start, end), by owner;
    without `start`: ever before."""
    found: dict[uuid.UUID, int] = {}
    for column, sign in ((TRANSFER.c.debit_account, 1), (TRANSFER.c.credit_account, -1)):
        statement = (
            select(ACCOUNT.c.owner, func.sum(TRANSFER.c.amount))
            .join(ACCOUNT, ACCOUNT.c.id == column)
            .where(ACCOUNT.c.kind == kind, *_within(programme, codes, start, end))
            .group_by(ACCOUNT.c.owner)
        )
        for owner, total in session.execute(statement):
            found[owner] = found.get(owner, 0) + sign * int(total)
    return {owner: total for owner, total in found.items() if total}


def total_moved(
    session: Session,
    *,
    programme: str,
    gains: Collection[str],
    losses: Collection[str],
    start: datetime,
    end: datetime,
) -> int:
    """What moved in the whole programme by the codes `gains` less by `losses`, effective in [start, end)."""
    statement = select(func.coalesce(func.sum(_signed(gains)), 0)).where(
        *_within(programme, [*gains, *losses], start, end)
    )
    return int(session.scalar(statement) or 0)


def received(
    session: Session, *, key: AccountKey, codes: Collection[str], end: datetime
) -> list[tuple[str, int]]:
    """Code and amount of all that came to an account by `codes`, effective before `end`, in order of time."""
    statement = (
        select(TRANSFER.c.code, TRANSFER.c.amount)
        .where(
            TRANSFER.c.credit_account == account_id(key),
            TRANSFER.c.code.in_(codes),
            TRANSFER.c.phase.in_(MOVING),
            TRANSFER.c.effective_at < end,
        )
        .order_by(TRANSFER.c.effective_at, TRANSFER.c.id)
    )
    return [(code, amount) for code, amount in session.execute(statement)]


def _within(
    programme: str, codes: Collection[str], start: datetime | None, end: datetime
) -> tuple[ColumnElement[bool], ...]:
    return (
        TRANSFER.c.programme == programme,
        TRANSFER.c.code.in_(codes),
        TRANSFER.c.phase.in_(MOVING),
        true() if start is None else TRANSFER.c.effective_at >= start,
        TRANSFER.c.effective_at < end,
    )


def _signed(gains: Collection[str]) -> ColumnElement[int]:
    return case((TRANSFER.c.code.in_(gains), TRANSFER.c.amount), else_=-TRANSFER.c.amount)
