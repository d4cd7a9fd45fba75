"""The four sums of accounts, computed from transfers by the database. Other files add conditions."""

import uuid
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Subquery, case, cast, func, literal, select, union_all
from sqlalchemy.orm import Session

from carbon_credit.ledger.accounts import Balance
from carbon_credit.ledger.entries import EFFECTS
from carbon_credit.ledger.models import OPENING, SUMS, TRANSFER

NOTHING = literal(0, BigInteger)


def sums_by_account(*conditions: ColumnElement[bool]) -> Subquery:
    """account, debits_posted, credits_posted, debits_pending, credits_pending over matching transfers."""
    debits = select(
        TRANSFER.c.debit_account.label("account"),
        *_named(_sum(effect_on_posted()), NOTHING, _sum(effect_on_pending()), NOTHING),
    )
    credits = select(
        TRANSFER.c.credit_account.label("account"),
        *_named(NOTHING, _sum(effect_on_posted()), NOTHING, _sum(effect_on_pending())),
    )
    both = union_all(
        debits.where(*conditions).group_by(TRANSFER.c.debit_account),
        credits.where(*conditions).group_by(TRANSFER.c.credit_account),
    ).subquery()
    return (
        select(both.c.account, *_named(*(_sum(both.c[name]) for name in SUMS)))
        .group_by(both.c.account)
        .subquery()
    )


def sums_of(session: Session, account: uuid.UUID, *conditions: ColumnElement[bool]) -> Balance:
    """The sums of one account over matching transfers, by the index of each side."""
    sides = []
    for column in (TRANSFER.c.debit_account, TRANSFER.c.credit_account):
        sums = (func.coalesce(_sum(effect_on_posted()), 0), func.coalesce(_sum(effect_on_pending()), 0))
        sides.append(session.execute(select(*sums).where(column == account, *conditions)).one())
    (debits_posted, debits_pending), (credits_posted, credits_pending) = sides
    return Balance(int(debits_posted), int(credits_posted), int(debits_pending), int(credits_pending))


def last_opening(session: Session, account: uuid.UUID) -> tuple[Balance, uuid.UUID | None]:
    """The last opening balance of an account and the id through which it counts; zeros and None without."""
    row = session.execute(
        select(*(OPENING.c[name] for name in SUMS), OPENING.c.through_id)
        .where(OPENING.c.account_id == account)
        .order_by(OPENING.c.period.desc())
        .limit(1)
    ).first()
    return (Balance(*row[:4]), row.through_id) if row else (Balance(), None)


def effect_on_posted() -> ColumnElement[int]:
    """What a transfer adds to the posted sums of its accounts."""
    return _times({phase: posts for phase, (posts, _) in EFFECTS.items()})


def effect_on_pending() -> ColumnElement[int]:
    """What it adds to their pending sums."""
    return _times({phase: holds for phase, (_, holds) in EFFECTS.items()})


def _times(factors: dict[str, int]) -> ColumnElement[int]:
    return case(
        {phase: TRANSFER.c.amount * factor for phase, factor in factors.items()}, value=TRANSFER.c.phase
    )


def _sum(expression: ColumnElement[int]) -> ColumnElement[int]:
    # sum() of a bigint is numeric on PostgreSQL; a balance fits a bigint, or it could not be stored.
    return cast(func.sum(expression), BigInteger)


def _named(*sums: ColumnElement[int]) -> list[Any]:
    return [expression.label(name) for expression, name in zip(sums, SUMS, strict=True)]
