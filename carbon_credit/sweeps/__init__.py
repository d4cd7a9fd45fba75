"""Work that is found in the database and done in batches, for the command line and tasks alike.

Nothing is ever enqueued by a subject: a lost message loses nothing, because the next sweep finds
the same work again. A sweep does one batch and says how much it did; its caller opens the unit of
work and calls again while there is more.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from carbon_credit.catalogue.queries import programme_codes
from carbon_credit.events.operations import delete_details
from carbon_credit.kernel.idempotency import forget
from carbon_credit.kernel.partitions import make_months
from carbon_credit.ledger.openings import write_openings
from carbon_credit.ledger.seals import seal
from carbon_credit.offsets.ended import take_back_ended
from carbon_credit.points.reminders import remind
from carbon_credit.quantification.due import close_due
from carbon_credit.quantification.maturing import credit_due
from carbon_credit.quantification.periods import all_closed_months, next_month
from carbon_credit.reach.medals import award_due
from carbon_credit.reach.operations import compute_due
from carbon_credit.redemption.lots import expire_lots
from carbon_credit.redemption.offering.exhausting import note_exhausted
from carbon_credit.redemption.offering.replenishing import replenish_due
from carbon_credit.redemption.offering.stock import wind_up
from carbon_credit.redemption.operations import expire_due
from carbon_credit.sources.operations import forget_refusals
from carbon_credit.sweeps.deliveries import end_left, work_off
from carbon_credit.sweeps.importing import Hands
from carbon_credit.sweeps.settling import settle_begun
from carbon_credit.sweeps.sources import poll_due
from carbon_credit.sweeps.webhooks import outlet_of, tell_endpoints
from carbon_credit.webhooks import forgetting

ONE_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Sweep:
    """`batch` does up to `limit` pieces of work and returns how many it did.

    `work`: what takes more than one unit of work, done before the batches; how much it did.
    """

    name: str
    batch: Callable[[Session, datetime, int], int]
    limit: int
    every_s: int
    about: str
    work: Callable[[Hands], int] | None = None


def _expire_redemptions(session: Session, now: datetime, limit: int) -> int:
    return expire_due(session, now=now, limit=limit)


def _offers(session: Session, now: datetime, limit: int) -> int:
    done = wind_up(session, now=now, limit=limit) + replenish_due(session, now=now, limit=limit)
    return done + note_exhausted(session, now=now, limit=limit)


def _expire_lots(session: Session, now: datetime, limit: int) -> int:
    """Those of the last days. Lots that ended and are empty stay rows: looking at all of them is for
    `_expire_old_lots`, which finds what has come back into a lot that ended long ago."""
    return _lots_expired(session, now, limit, timedelta(days=7))


def _expire_old_lots(session: Session, now: datetime, limit: int) -> int:
    return _lots_expired(session, now, limit, None)


def _lots_expired(session: Session, now: datetime, limit: int, within: timedelta | None) -> int:
    done = 0
    for programme in programme_codes(session):
        if done < limit:
            left = limit - done
            done += expire_lots(session, programme=programme, now=now, limit=left, within=within)
    return done


def _remind(session: Session, now: datetime, limit: int) -> int:
    done = 0
    for programme in programme_codes(session):
        if done < limit:
            done += remind(session, programme=programme, now=now, limit=limit - done)
    return done


def _take_back_ended(session: Session, now: datetime, limit: int) -> int:
    return take_back_ended(session, now=now, limit=limit)


def _credit_waiting(session: Session, now: datetime, limit: int) -> int:
    return credit_due(session, now=now, limit=limit)


def _delete_details(session: Session, now: datetime, limit: int) -> int:
    return delete_details(session, today=now.date(), limit=limit)


def _forget_idempotency(session: Session, now: datetime, limit: int) -> int:
    return forget(session, now=now, limit=limit)


def _seal(session: Session, now: datetime, limit: int) -> int:
    return seal(session, now=now, limit=limit)


def _write_openings(session: Session, now: datetime, _limit: int) -> int:
    return sum(
        write_openings(session, programme=programme, month_end=next_month(months[-1]) - ONE_DAY, now=now)
        for programme in programme_codes(session)
        if (months := all_closed_months(session, programme))
    )


def _partitions(session: Session, now: datetime, _limit: int) -> int:
    return make_months(session, now=now)


def _close_periods(session: Session, now: datetime, _limit: int) -> int:
    return close_due(session, now=now)


def _award_medals(session: Session, now: datetime, limit: int) -> int:
    return award_due(session, now=now, limit=limit)


def _compute_boards(session: Session, now: datetime, limit: int) -> int:
    return compute_due(session, now=now, limit=limit)


def _poll_sources(hands: Hands) -> int:
    return poll_due(hands, os.environ)


def _tell_endpoints(hands: Hands) -> int:
    return tell_endpoints(hands, outlet_of(os.environ))


def _forget_messages(session: Session, now: datetime, limit: int) -> int:
    forgetting.reseal(session, limit=limit)
    return forgetting.forget(session, now=now, limit=limit)


def _settle(_session: Session, _now: datetime, _limit: int) -> int:
    return 0  # all of it takes more than one unit of work


def _forget_refusals(session: Session, now: datetime, limit: int) -> int:
    return forget_refusals(session, now=now, limit=limit)


SWEEPS = {
    sweep.name: sweep
    for sweep in (
        Sweep(
            "redemptions", _expire_redemptions, 500, 60, "give back the points of vouchers not used in time"
        ),
        Sweep("offers", _offers, 100, 300, "end offers whose time is over, fill up, tell whose last is gone"),
        Sweep("waiting", _credit_waiting, 1000, 60, "credit events that waited and are due (T+n)"),
        Sweep("lots", _expire_lots, 50_000, 900, "let points expire whose last day is over"),
        Sweep("old-lots", _expire_old_lots, 50_000, 86_400, "the same of lots that ended long ago"),
        Sweep("reminders", _remind, 2000, 3600, "remind of points that end, as the programme says"),
        Sweep("ended", _take_back_ended, 1000, 300, "take back grams withdrawn after their month was closed"),
        Sweep("details", _delete_details, 5000, 3600, "delete stations and tracks whose time is over"),
        Sweep("idempotency", _forget_idempotency, 5000, 3600, "forget idempotency keys after three days"),
        Sweep("seal", _seal, 10000, 300, "seal committed transfers into chained blocks"),
        Sweep("closing", _close_periods, 1, 300, "close what is due by the programme's calendar"),
        Sweep("medals", _award_medals, 10, 900, "count closed days for medals, and award them"),
        Sweep("boards", _compute_boards, 10, 900, "compute the boards of districts after a day is closed"),
        Sweep("openings", _write_openings, 1, 900, "write the opening balances that follow a closed month"),
        Sweep("settlement", _settle, 1, 60, "go on with the settlement of a month", settle_begun),
        Sweep("imports", end_left, 100, 5, "read, credit and end the files that were delivered", work_off),
        Sweep("partitions", _partitions, 1000, 21600, "make the partitions of the months to come"),
        Sweep("webhooks", _forget_messages, 1000, 5, "tell endpoints what happened", _tell_endpoints),
        Sweep("sources", _forget_refusals, 5000, 60, "fetch what partners have received", _poll_sources),
    )
}
