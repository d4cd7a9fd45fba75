"""Settle a month, step by step, for the command line, tasks and whoever goes on after a kill.

    events         close the days of the month that are open, then the month
    adjustments    take back what was withdrawn after its month was closed
    expiry         give back the points of vouchers not used in time, let points expire
    cut-off        the instant that divides this month's consumptions from the next
    statements     one for each merchant, each in a unit of work of its own
    replenishment  fill up the offers that are filled up every month and due by now

Each portion of a step writes down, with its own work, what it has done: after a kill the next run finds the
first step that is not done, and in it the first piece that is not. Run twice, nothing is done twice.
"""

import logging
from collections.abc import Callable
from datetime import date, datetime

from sqlalchemy.orm import Session

from carbon_credit.kernel.errors import CarbonError
from carbon_credit.offsets.ended import take_back_ended
from carbon_credit.quantification.closing import close_month, close_portion, open_days
from carbon_credit.quantification.periods import closed_months
from carbon_credit.redemption.lots import expire_lots
from carbon_credit.redemption.offering.replenishing import replenish_due
from carbon_credit.redemption.operations import expire_due
from carbon_credit.settlement.issuing.issue import issue_statement
from carbon_credit.settlement.issuing.leftovers import return_leftovers
from carbon_credit.settlement.months import cut_off
from carbon_credit.settlement.runs import (
    Held,
    Run,
    begin_run,
    hold_step,
    next_merchant,
    run_of,
    under_way,
)
from carbon_credit.sweeps.importing import Hands

Told = Callable[[str, int], None]
_AT_ONCE = 1_000
_log = logging.getLogger(__name__)


def settle_month(
    hands: Hands, *, programme: str, month: date, actor: str, progress: Told | None = None
) -> Run:
    """Settle the month, or go on where it was. `progress` is told of each portion: step, and how much.

    Raises MonthNotOver, and whatever a step refuses: what was done stays, and the step is tried again by
    the next run.
    """
    hands.act(lambda session, now: begin_run(session, programme=programme, month=month, actor=actor, now=now))
    return go_on(hands, programme=programme, month=month, progress=progress)


def go_on(hands: Hands, *, programme: str, month: date, progress: Told | None = None) -> Run:
    """Do what is left of a run that has begun. Raises RunNotFound, and what a step refuses."""
    while True:
        run = hands.look(lambda session, _now: run_of(session, programme=programme, month=month))
        step = run.next_step
        if step is None:
            return run
        done = hands.act(lambda session, now: _portion(session, run, step.step, now))  # noqa: B023
        if progress:
            progress(step.step, done)


def settle_begun(hands: Hands) -> int:
    """Go on with every run that is not done; how many came to their end. One that cannot go on is logged
    and tried again."""
    ended = 0
    for programme, month in hands.look(lambda session, _now: under_way(session)):
        try:
            go_on(hands, programme=programme, month=month)
            ended += 1
        except CarbonError as error:
            _log.warning("settling %s %s waits: %s", programme, f"{month:%Y-%m}", error.code)
    return ended


def _portion(session: Session, run: Run, name: str, now: datetime) -> int:
    """A piece of a step; how much it did."""
    step = hold_step(session, run=run, step=name)
    if step is None:
        return 0
    done, over = _WORK[name](session, run, step, now)
    step.add(done)
    if over:
        step.end(now)
    session.flush()
    return done


def _close_events(session: Session, run: Run, _step: Held, now: datetime) -> tuple[int, bool]:
    """One portion of citizens of the first open day; the month when there is none."""
    days = open_days(session, programme=run.programme, month=run.month)
    by = {"programme": run.programme, "now": now, "closed_by": run.started_by}
    if days:
        looked_at, _closing = close_portion(session, day=days[0], **by)  # type: ignore[arg-type]
        return looked_at, False
    if not closed_months(session, run.programme, {run.month}):
        close_month(session, month=run.month, **by)  # type: ignore[arg-type]
    return 0, True


def _adjust(session: Session, _run: Run, _step: Held, now: datetime) -> tuple[int, bool]:
    done = take_back_ended(session, now=now, limit=_AT_ONCE)
    return done, done < _AT_ONCE


def _expire(session: Session, run: Run, _step: Held, now: datetime) -> tuple[int, bool]:
    vouchers = expire_due(session, now=now, limit=_AT_ONCE)
    if vouchers == _AT_ONCE:
        return vouchers, False
    lots = expire_lots(session, programme=run.programme, now=now, limit=_AT_ONCE)
    return vouchers + lots, lots < _AT_ONCE


def _cut_off(session: Session, run: Run, step: Held, now: datetime) -> tuple[int, bool]:
    ends_at = cut_off(session, programme=run.programme, month=run.month, now=now)
    step.tell(ends_at.isoformat())
    return 0, True


def _issue(session: Session, run: Run, step: Held, now: datetime) -> tuple[int, bool]:
    """The statement of the next merchant. One that takes part no more has its last one, too."""
    merchant_id = next_merchant(session, programme=run.programme, after=step.through)
    if merchant_id is None:
        return 0, True
    found = issue_statement(
        session,
        programme=run.programme,
        merchant_id=merchant_id,
        month=run.month,
        actor=run.started_by,
        now=now,
    )
    return_leftovers(session, merchant_id=merchant_id, now=now)
    step.reached(merchant_id)
    return int(found is not None), False


def _replenish(session: Session, run: Run, _step: Held, now: datetime) -> tuple[int, bool]:
    """Offers that are due by now; the rest of the month's first day is for the sweep `offers`."""
    done = replenish_due(session, now=now, limit=_AT_ONCE, programme=run.programme)
    return done, done < _AT_ONCE


_WORK: dict[str, Callable[[Session, Run, Held, datetime], tuple[int, bool]]] = {
    "events": _close_events,
    "adjustments": _adjust,
    "expiry": _expire,
    "cut-off": _cut_off,
    "statements": _issue,
    "replenishment": _replenish,
}
