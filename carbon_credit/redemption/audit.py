"""Proof that redemptions hold: each state is that of what was held for it in the ledger, and of its uses."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import case, func, select
from sqlalchemy.orm import Session

from carbon_credit.kernel.bulk import one_of
from carbon_credit.ledger.audit import Finding
from carbon_credit.ledger.references import hold_states
from carbon_credit.redemption.models import Consumption, Redemption, RedemptionLot
from carbon_credit.redemption.offering.audit import audit_offers

_AT_ONCE = 2_000
_EXPECTED = {"held": "open", "consumed": "settled", "cancelled": "released", "expired": "released"}


def audit(session: Session) -> list[Finding]:
    """Every finding, naming table and row; none when the redemptions hold. Read in portions."""
    findings: list[Finding] = []
    for portion in _portions(session):
        findings += _check(session, portion)
    return [*findings, *audit_offers(session)]


def _portions(session: Session) -> Iterator[Sequence[Any]]:
    columns = (
        Redemption.id,
        Redemption.state,
        Redemption.points,
        Redemption.stock_hold_id,
        Redemption.consumed_fen,
        Redemption.value_fen,
    )
    statement = select(*columns).order_by(Redemption.id).limit(_AT_ONCE)
    portion = session.execute(statement).all()
    while portion:
        yield portion
        portion = session.execute(statement.where(Redemption.id > portion[-1].id)).all()


def _check(session: Session, portion: Sequence[Any]) -> Iterator[Finding]:
    lots: defaultdict[UUID, list[tuple[UUID, int]]] = defaultdict(list)
    columns = (RedemptionLot.redemption_id, RedemptionLot.hold_id, RedemptionLot.points)
    mine = one_of(session, RedemptionLot.redemption_id, [row.id for row in portion])
    for redemption_id, hold_id, points in session.execute(select(*columns).where(mine)):
        lots[redemption_id].append((hold_id, points))
    pending_ids = [row.stock_hold_id for row in portion if row.stock_hold_id is not None]
    pending_ids += [hold_id for held in lots.values() for hold_id, _ in held]
    uses = _uses(session, [row.id for row in portion])
    states = hold_states(session, pending_ids=pending_ids)
    for row in portion:
        held = lots[row.id]
        numbers = [one for one, _ in held] + ([row.stock_hold_id] if row.stock_hold_id else [])
        found = {states.get(number) or "missing" for number in numbers}
        # What has neither piece nor price holds nothing: neutralising, which takes grams.
        if found != ({_EXPECTED[row.state]} if numbers or row.points else set()):
            detail = f"it is {row.state}, its holds are {', '.join(sorted(found))}"
            yield Finding("redemption-state", "redemption", str(row.id), detail)
        points = sum(points for _, points in held)
        if points != row.points:
            detail = f"its lots hold {points} points, its price is {row.points}"
            yield Finding("redemption-points", "redemption", str(row.id), detail)
        used = uses.get(row.id, (0, 0))
        # What is worth nothing at a till (a donation to a fund) is used when it is consumed.
        is_used = row.consumed_fen > 0 or (row.value_fen == 0 and row.state == "consumed")
        if used != (row.consumed_fen, row.points if is_used else 0):
            detail = f"{row.consumed_fen} fen of it are used; its uses are of {used[0]} fen, {used[1]} points"
            yield Finding("redemption-uses", "redemption", str(row.id), detail)


def _uses(session: Session, redemption_ids: Sequence[UUID]) -> dict[UUID, tuple[int, int]]:
    """Of each: the sum of its uses that stand, in fen and in points."""
    stands = Consumption.undone_at.is_(None)
    sums = [
        func.sum(case((stands, column), else_=0)) for column in (Consumption.value_fen, Consumption.points)
    ]
    statement = (
        select(Consumption.redemption_id, *sums)
        .where(one_of(session, Consumption.redemption_id, redemption_ids))
        .group_by(Consumption.redemption_id)
    )
    return {number: (int(fen), int(points)) for number, fen, points in session.execute(statement)}
