"""The closing of a day, one portion after the other, each of which may be a transaction of its own.

A metropolis' day takes minutes; one transaction over all of it would keep the day's lock so long, and a
crash would lose it all. So the closing is a row (`PeriodClosing`) that says how far it is, written with
what was posted: whoever goes on, after whatever happened, goes on there. From its beginning on, the day is
closed to what comes: that is late, accounted on the day on which it comes, and stands behind the others
where its citizen is still to be settled. So it does not matter how far the closing was.
"""

from collections.abc import Callable, Sequence
from datetime import date, datetime
from itertools import pairwise
from typing import TypeAlias
from uuid import UUID

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from carbon_credit.catalogue.rules import ProgrammeRules
from carbon_credit.quantification import late
from carbon_credit.quantification.cases import Case, cases_of_day
from carbon_credit.quantification.citywide import apply_limit, citizens_beyond, find_limit
from carbon_credit.quantification.grams import Platforms
from carbon_credit.quantification.models import DayTally, PeriodClosing, Reduction
from carbon_credit.quantification.netting import span_end, span_start
from carbon_credit.quantification.posting import post_cases, share_out_day
from carbon_credit.quantification.resettling import citizens_with_open, settle_again
from carbon_credit.quantification.scopes import NETTED, PERSON_YEAR, SHARED
from carbon_credit.quantification.settling import reads_on, settle
from carbon_credit.quantification.sums import RunningSums
from carbon_credit.quantification.trimming import beyond, trim_citizens

CITIZENS_AT_ONCE = 1000

# One portion of a step: how many citizens were looked at, and whether there may be more.
Portion: TypeAlias = tuple[int, bool]


def settle_portion(session: Session, rules: ProgrammeRules, closing: PeriodClosing, now: datetime) -> int:
    """Do the next portion of what is left and remember it; how many citizens were looked at.

    Steps that have nothing (more) to do are passed. At the end only "record" is left. The caller holds
    the lock of the day.
    """
    looked_at = 0
    while closing.step != "record":
        found, more = _STEPS[closing.step](session, rules, closing, now)
        closing.citizens += found
        looked_at += found
        if more:
            break
        closing.step = _NEXT[closing.step]
        closing.settled_through = None
    session.flush()
    return looked_at


def _settle_again(session: Session, rules: ProgrammeRules, closing: PeriodClosing, now: datetime) -> Portion:
    """What came late for earlier days and is not final: it stands before this day."""
    day = closing.starts_on
    citizens = citizens_with_open(session, rules, day, after=_after(closing), limit=CITIZENS_AT_ONCE)
    if citizens:
        closing.corrected_mg += settle_again(session, rules, day, citizens, now=now)
    return _through(closing, citizens, CITIZENS_AT_ONCE)


def _settle_citizens(
    session: Session, rules: ProgrammeRules, closing: PeriodClosing, now: datetime
) -> Portion:
    """Every citizen's day, as far as the order of arrival may have mattered."""
    citizens = _unsettled_citizens(session, rules, closing.starts_on, _after(closing))
    if citizens:
        closing.corrected_mg += _settle(session, rules, closing.starts_on, citizens, now)
    return _through(closing, citizens, CITIZENS_AT_ONCE)


def _settle_city(session: Session, rules: ProgrammeRules, closing: PeriodClosing, now: datetime) -> Portion:
    """The cap over all citizens, which is known when each is settled."""
    day = closing.starts_on
    if closing.city_limit is None:
        closing.city_limit = find_limit(session, rules, day)
    if closing.city_limit is None:
        return 0, False
    citizens = citizens_beyond(
        session, rules, day, closing.city_limit, after=_after(closing), at_most=CITIZENS_AT_ONCE
    )
    if citizens:
        closing.corrected_mg += apply_limit(session, rules, day, closing.city_limit, citizens, now=now)
    return _through(closing, citizens, CITIZENS_AT_ONCE)


def _settle_month(session: Session, rules: ProgrammeRules, closing: PeriodClosing, now: datetime) -> Portion:
    """With its last day a month is over: netting over it is settled."""
    day = closing.starts_on
    if day != span_end("month", day):
        return 0, False
    citizens = beyond(session, rules, "month", day, after=_after(closing), limit=CITIZENS_AT_ONCE)
    if citizens:
        closing.corrected_mg += trim_citizens(
            session, rules, "month", day, citizens, accounting_day=day, now=now
        )
    return _through(closing, citizens, CITIZENS_AT_ONCE)


def _settle_late(session: Session, rules: ProgrammeRules, closing: PeriodClosing, now: datetime) -> Portion:
    """What came for periods that were closed, and what left them."""
    if closing.settled_through is None:
        closing.corrected_mg += late.settle_late_for_city(session, rules, closing.starts_on, now=now)
    citizens = late.citizens_with_late(
        session, rules, closing.starts_on, after=_after(closing), limit=CITIZENS_AT_ONCE
    )
    if citizens:
        closing.corrected_mg += late.settle_late(session, rules, closing.starts_on, citizens, now=now)
    return _through(closing, citizens, CITIZENS_AT_ONCE)


_Step: TypeAlias = Callable[[Session, ProgrammeRules, PeriodClosing, datetime], Portion]
_STEPS: dict[str, _Step] = {
    "again": _settle_again,
    "citizens": _settle_citizens,
    "city": _settle_city,
    "span": _settle_month,
    "late": _settle_late,
}
_ORDER = (*_STEPS, "record")
_NEXT = dict(pairwise(_ORDER))
FIRST = _ORDER[0]


def _after(closing: PeriodClosing) -> UUID | None:
    return UUID(closing.settled_through) if closing.settled_through else None


def _through(closing: PeriodClosing, citizens: Sequence[UUID], limit: int) -> Portion:
    if citizens:
        closing.settled_through = str(citizens[-1])
    return len(citizens), len(citizens) == limit


def _unsettled_citizens(
    session: Session, rules: ProgrammeRules, day: date, after: UUID | None
) -> Sequence[UUID]:
    """The next citizens by id for whom the order of arrival may have mattered. Nobody else can differ.

    Those of whom something was taken on the day, or in a span that it lies in, and those whose
    methodology reads the days before.
    """
    mine = [Reduction.programme == rules.code, Reduction.business_day == day]
    of_spans = or_(
        DayTally.scope == PERSON_YEAR,
        DayTally.scope.startswith(f"{NETTED}:"),
        DayTally.scope.startswith(f"{SHARED}:"),
    )
    capped = [DayTally.programme == rules.code, DayTally.capped > 0]
    today = [*capped, DayTally.business_day == day]
    spans = [
        *capped,
        DayTally.business_day.in_({span_start(span, day) for span in ("month", "year")}),
        of_spans,
        select(Reduction.id).where(*mine, Reduction.citizen_id == DayTally.citizen_id).exists(),
    ]
    readers = reads_on(rules, day)
    found: set[UUID] = set()
    for column, wanted in (
        (DayTally.citizen_id, today),
        (DayTally.citizen_id, spans),
        (Reduction.citizen_id, [*mine, Reduction.activity_type.in_(readers)]),
    ):
        if column is Reduction.citizen_id and not readers:
            continue
        if after is not None:
            wanted = [*wanted, column > after]
        statement = select(column).where(*wanted).distinct().order_by(column).limit(CITIZENS_AT_ONCE)
        found.update(session.scalars(statement))
    return sorted(found)[:CITIZENS_AT_ONCE]


def _settle(
    session: Session, rules: ProgrammeRules, day: date, citizens: Sequence[UUID], now: datetime
) -> int:
    """Post what the canonical order changes for these citizens; the sum of it in milligrams."""
    platforms = Platforms(session, rules)
    cases: list[Case] = cases_of_day(session, programme=rules.code, day=day, citizens=citizens)
    sums = RunningSums(session, rules, platforms)
    over_days = _reach_over_days(rules, day, cases)
    if over_days:
        # Others may count into the same spans now, on other days.
        sums.lock(case.member for case in cases)
    settle(session, rules, day, cases)
    share_out_day(session, rules, platforms, day, cases)
    moved = [case for case in cases if case.changed or case.partner_mg is not None]
    if not over_days:
        # Nobody adds to the day while its lock is held alone.
        sums.lock(case.member for case in moved)
    return post_cases(session, rules, sums, moved, accounting_day=day, now=now)


def _reach_over_days(rules: ProgrammeRules, day: date, cases: Sequence[Case]) -> bool:
    """Whether some of them stand under sums of more than a day."""
    shares = [rules.overflow(kind, day) for kind in rules.activities]
    return (
        any(cap.scope == "person-year" for cap in rules.caps(day))
        or any(share is not None and share.per != "citizen-day" for share in shares)
        or any(case.member.netting in ("month", "year") for case in cases)
    )
