"""What points have bought, and what they can buy: from vouchers that were used and offers that are open.

No rate is set anywhere: a point is worth what people have got for it.
"""

from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction

from sqlalchemy import BigInteger, cast, func, select
from sqlalchemy.orm import Session

from carbon_credit.redemption.models import Consumption, Offer


@dataclass(frozen=True, slots=True)
class Worth:
    """`value_fen` for `points`."""

    points: int
    value_fen: int

    def of(self, points: int) -> int:
        """What so many points are worth at this ratio, in fen, rounded down."""
        return points * self.value_fen // self.points


def bought(session: Session, *, programme: str, since: datetime, before: datetime) -> Worth | None:
    """What all vouchers used in [`since`, `before`) cost and gave, without what was undone; None where
    there were none, or none that is worth money."""
    statement = select(
        func.coalesce(cast(func.sum(Consumption.points), BigInteger), 0),
        func.coalesce(cast(func.sum(Consumption.value_fen), BigInteger), 0),
    ).where(
        Consumption.programme == programme,
        Consumption.recorded_at >= since,
        Consumption.recorded_at < before,
        Consumption.undone_at.is_(None),
        Consumption.value_fen > 0,
    )
    points, value_fen = session.execute(statement).one()
    return Worth(points, value_fen) if points else None


def offered(session: Session, *, programme: str, at: datetime) -> tuple[Worth, Worth] | None:
    """Of the offers open at an instant, the one that gives least for a point and the one that gives most."""
    statement = select(Offer.points_price, Offer.value_fen).where(
        Offer.programme == programme,
        Offer.state != "draft",
        Offer.opens_at <= at,
        Offer.closes_at > at,
        Offer.points_price > 0,
        Offer.value_fen > 0,
    )
    found = [Worth(points, value_fen) for points, value_fen in session.execute(statement)]
    if not found:
        return None
    found.sort(key=lambda worth: Fraction(worth.value_fen, worth.points))
    return found[0], found[-1]
