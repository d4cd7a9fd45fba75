"""What was posted for something, found by its reference: for subjects that audit themselves."""

import uuid
from collections.abc import Collection, Iterator
from typing import Any

from sqlalchemy import Select, case, func, select
from sqlalchemy.orm import Session

from carbon_credit.kernel.bulk import later_than, one_of
from carbon_credit.ledger.models import OPEN_HOLD, RESOLUTION, TRANSFER
from carbon_credit.ledger.queries import parts


def posted_by_reference(
    session: Session, *, references: Collection[uuid.UUID], gains: Collection[str], losses: Collection[str]
) -> dict[uuid.UUID, int]:
    """Sum of the amounts of the codes `gains` less those of the codes `losses`, by reference."""
    signed = case((TRANSFER.c.code.in_(gains), TRANSFER.c.amount), else_=-TRANSFER.c.amount)
    found: dict[uuid.UUID, int] = {}
    for part in parts(session, list(set(references))):
        statement = (
            select(TRANSFER.c.reference, func.sum(signed))
            .where(one_of(session, TRANSFER.c.reference, part), TRANSFER.c.code.in_([*gains, *losses]))
            .group_by(TRANSFER.c.reference)
        )
        found |= {reference: int(total) for reference, total in session.execute(statement)}
    return found


def posted_for(
    session: Session,
    *,
    references: Select[Any],
    gains: Collection[str],
    losses: Collection[str],
) -> int:
    """Sum of the amounts of the codes `gains` less those of the codes `losses`, over all that was posted
    for what the statement `references` selects. One statement, however many these are."""
    signed = case((TRANSFER.c.code.in_(gains), TRANSFER.c.amount), else_=-TRANSFER.c.amount)
    statement = select(func.coalesce(func.sum(signed), 0)).where(
        TRANSFER.c.code.in_([*gains, *losses]), TRANSFER.c.reference.in_(references)
    )
    return int(session.scalar(statement) or 0)


def held_by_reference(
    session: Session,
    *,
    references: Collection[uuid.UUID],
    accounts: Collection[uuid.UUID],
    codes: Collection[str],
) -> dict[tuple[uuid.UUID, uuid.UUID], int]:
    """What was posted for each reference into each account under `codes`, less what was posted out of it.

    References are ids that tell their time: of reductions, not of tallies.
    """
    found: dict[tuple[uuid.UUID, uuid.UUID], int] = {}
    for part in parts(session, list(set(references))):
        for column, sign in ((TRANSFER.c.credit_account, 1), (TRANSFER.c.debit_account, -1)):
            statement = (
                select(TRANSFER.c.reference, column, func.sum(TRANSFER.c.amount))
                .where(
                    one_of(session, TRANSFER.c.reference, part),
                    later_than(TRANSFER.c.id, part),
                    TRANSFER.c.code.in_(codes),
                    column.in_(accounts),
                )
                .group_by(TRANSFER.c.reference, column)
            )
            for reference, account, total in session.execute(statement):
                key = (reference, account)
                found[key] = found.get(key, 0) + sign * int(total)
    return found


def hold_states(session: Session, *, pending_ids: Collection[uuid.UUID]) -> dict[uuid.UUID, str]:
    """Of each hold: open, settled, released or expired. What was never held is not in the answer."""
    found: dict[uuid.UUID, str] = {}
    for part in parts(session, list(set(pending_ids))):
        still = select(OPEN_HOLD.c.pending_id).where(one_of(session, OPEN_HOLD.c.pending_id, part))
        found |= dict.fromkeys(session.scalars(still), "open")
        ended = select(RESOLUTION.c.pending_id, RESOLUTION.c.outcome)
        ended = ended.where(one_of(session, RESOLUTION.c.pending_id, part))
        found |= {number: outcome for number, outcome in session.execute(ended)}  # noqa: C416
    return found


def settled_as(session: Session, *, pending_ids: Collection[uuid.UUID]) -> dict[uuid.UUID, uuid.UUID]:
    """Of each hold that was settled: the transfer that did it."""
    found: dict[uuid.UUID, uuid.UUID] = {}
    for part in parts(session, list(set(pending_ids))):
        ended = select(RESOLUTION.c.pending_id, RESOLUTION.c.transfer_id).where(
            one_of(session, RESOLUTION.c.pending_id, part), RESOLUTION.c.outcome == "settled"
        )
        found |= {number: transfer_id for number, transfer_id in session.execute(ended)}  # noqa: C416
    return found


def references_posted(session: Session, *, code: str, at_once: int) -> Iterator[list[uuid.UUID]]:
    """What anything of `code` was posted for, each once, in portions of at most `at_once`."""
    after: uuid.UUID | None = None
    while True:
        wanted = TRANSFER.c.reference.is_not(None) if after is None else TRANSFER.c.reference > after
        statement = select(TRANSFER.c.reference).where(wanted, TRANSFER.c.code == code).distinct()
        found = list(session.scalars(statement.order_by(TRANSFER.c.reference).limit(at_once)))
        if found:
            yield found
        if len(found) < at_once:
            return
        after = found[-1]


def posted_out_of(
    session: Session, *, account: uuid.UUID, codes: Collection[str], back: Collection[str] = ()
) -> int:
    """What was posted out of the account under `codes`, less what came into it under `back`."""
    found = 0
    for column, named, sign in ((TRANSFER.c.debit_account, codes, 1), (TRANSFER.c.credit_account, back, -1)):
        statement = select(func.coalesce(func.sum(TRANSFER.c.amount), 0)).where(
            column == account, TRANSFER.c.code.in_(named), TRANSFER.c.phase.in_(("posted", "settled"))
        )
        found += sign * int(session.scalar(statement) or 0)
    return found
