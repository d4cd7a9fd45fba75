"""Proof that redemptions hold: each state is that of what was held for it in the ledger."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from carbon_credit.kernel.bulk import one_of
from carbon_credit.ledger.audit import Finding
from carbon_credit.ledger.references import hold_states
from carbon_credit.redemption.models import Redemption, RedemptionLot

_AT_ONCE = 2_000
_EXPECTED = {"held": "open", "consumed": "settled", "cancelled": "released", "expired": "released"}


def audit(session: Session) -> list[Finding]:
    """Every finding, naming table and row; none when the redemptions hold. Read in portions."""
    findings: list[Finding] = []
    for portion in _portions(session):
        findings += _check(session, portion)
    return findings


def _portions(session: Session) -> Iterator[Sequence[Any]]:
    columns = (Redemption.id, Redemption.state, Redemption.points, Redemption.stock_hold_id)
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
    pending_ids = [row.stock_hold_id for row in portion]
    pending_ids += [hold_id for held in lots.values() for hold_id, _ in held]
    states = hold_states(session, pending_ids=pending_ids)
    for row in portion:
        held = lots[row.id]
        found = {states.get(number) or "missing" for number in (row.stock_hold_id, *(one for one, _ in held))}
        if found != {_EXPECTED[row.state]}:
            detail = f"it is {row.state}, its holds are {', '.join(sorted(found))}"
            yield Finding("redemption-state", "redemption", str(row.id), detail)
        points = sum(points for _, points in held)
        if points != row.points:
            detail = f"its lots hold {points} points, its price is {row.points}"
            yield Finding("redemption-points", "redemption", str(row.id), detail)
