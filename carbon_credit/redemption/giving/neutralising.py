"""An offer of kind `neutralise` taken up: it holds and spends nothing here, and counts like any other.

The grams that it takes are no concern of this subject: whoever retires them asks here whether the citizen
may, and takes the id and the number.
"""

import uuid
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from carbon_credit.kernel.bulk import one_of
from carbon_credit.kernel.db import keys_of
from carbon_credit.redemption import voucher
from carbon_credit.redemption.models import Offer, Redemption
from carbon_credit.redemption.operations import choose, new_redemption
from carbon_credit.redemption.queries import OfferRecord

KIND = "neutralise"


@dataclass(frozen=True, slots=True)
class Neutralised:
    """An offer that a citizen took up. `done_at`: None where it is not done, which cannot be."""

    id: uuid.UUID
    programme: str
    citizen_id: uuid.UUID
    done_at: datetime | None


def take_up_neutralising(
    session: Session, *, programme: str, citizen_id: uuid.UUID, offer_id: uuid.UUID, now: datetime
) -> tuple[uuid.UUID, OfferRecord]:
    """The id of what was taken up, done at once, and the offer. The citizen is locked.

    Raises CitizenNotFound, OfferNotFound, OtherWay, what `check_entitled` does.
    """
    chosen = choose(
        session, programme=programme, citizen_id=citizen_id, offer_id=offer_id, kinds=(KIND,), now=now
    )
    redemption = new_redemption(session, chosen, citizen_id=citizen_id, points=0, now=now)
    redemption.state, redemption.resolved_at = "consumed", now
    session.add(redemption)
    session.flush()
    return redemption.id, chosen


def number_of(session: Session, *, redemption_id: uuid.UUID) -> str:
    """The number of its certificate: derived like a voucher's code, and stored nowhere."""
    return voucher.grouped(voucher.code_of(keys_of(session).voucher, redemption_id=redemption_id))


def by_number(session: Session, *, text: str) -> uuid.UUID | None:
    """What has that number, None where nothing has. Raises VoucherInvalid."""
    digest = voucher.digest_of(keys_of(session).voucher, code=voucher.read(text))
    return session.scalar(select(Redemption.id).where(Redemption.code_digest == digest))


def neutralised_among(session: Session, *, ids: Collection[uuid.UUID]) -> set[uuid.UUID]:
    """Those of the ids that are of an offer of this kind which was taken up."""
    mine = (one_of(session, Redemption.id, ids), Offer.kind == KIND)
    return set(
        session.scalars(select(Redemption.id).join(Offer, Offer.id == Redemption.offer_id).where(*mine))
    )


def all_neutralised(session: Session, *, at_once: int) -> Iterator[Sequence[Neutralised]]:
    """Everything that was ever taken up, by id, in portions."""
    columns = (
        Redemption.id,
        Redemption.programme,
        Redemption.citizen_id,
        Redemption.resolved_at,
        Redemption.state,
    )
    statement = (
        select(*columns).join(Offer, Offer.id == Redemption.offer_id).where(Offer.kind == KIND)
    ).order_by(Redemption.id)
    after: uuid.UUID | None = None
    while True:
        behind = statement if after is None else statement.where(Redemption.id > after)
        portion = [
            Neutralised(
                row.id, row.programme, row.citizen_id, row.resolved_at if row.state == "consumed" else None
            )
            for row in session.execute(behind.limit(at_once))
        ]
        if portion:
            yield portion
            after = portion[-1].id
        if len(portion) < at_once:
            return
