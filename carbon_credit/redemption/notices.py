"""What merchants, and the apps through which citizens redeem, are told, in the same transaction."""

import uuid
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy.orm import Session

from carbon_credit.kernel.outbox import Notice, Value, emit_all


class Heard(NamedTuple):
    """A redemption, as it is told of. Nothing of the citizen. `partner_id`: None where no app held it."""

    id: uuid.UUID
    programme: str
    merchant_id: uuid.UUID
    partner_id: uuid.UUID | None
    offer_id: uuid.UUID
    points: int
    value_fen: int


def tell(session: Session, what: str, of: Sequence[Heard], *, now: datetime, **more: Value) -> None:
    """Tell each merchant, and each partner, `what` happened; `more` is told beside the redemption."""
    notices = [
        Notice(
            programme=one.programme,
            audience=audience,
            type=what,
            subject_id=one.id,
            data={
                "redemption_id": one.id,
                "offer_id": one.offer_id,
                "points": one.points,
                "value_fen": one.value_fen,
                **more,
            },
        )
        for one in of
        for audience in (one.merchant_id, one.partner_id)
        if audience is not None
    ]
    emit_all(session, notices=notices, now=now)
