"""What comes when its period is closed, or leaves it then: settled with the day on which it came.

An event of a closed day is credited what the citizen's caps have left, and accounted on the day of its
arrival. With the closing of that day follows what an arrival cannot know, as a correction of that day:
netting over a month or year that is closed, conditions that a closed year has decided, and the cap of
the programme's day, of which the late ones get what is left in canonical order. Nothing that was closed
is opened again.
"""

from collections.abc import Collection, Sequence
from datetime import date, datetime
from operator import itemgetter
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, select
from sqlalchemy.orm import Session

from carbon_credit.catalogue.rules import ProgrammeRules
from carbon_credit.kernel.bulk import one_of
from carbon_credit.kernel.clock import day_bounds
from carbon_credit.quantification.caps import CAP_PROGRAMME, Used, allow, count_in, is_counted
from carbon_credit.quantification.cases import in_order
from carbon_credit.quantification.citywide import city_cap, placed
from carbon_credit.quantification.deciding import decide, undecided
from carbon_credit.quantification.grams import Platforms
from carbon_credit.quantification.models import Reduction, ReductionEnd
from carbon_credit.quantification.netting import span_end, span_start
from carbon_credit.quantification.periods import closed_years, finished_days, lock_period_alone
from carbon_credit.quantification.posting import post_cases
from carbon_credit.quantification.spans import counted_on
from carbon_credit.quantification.standing import standing_where
from carbon_credit.quantification.sums import RunningSums
from carbon_credit.quantification.trimming import beyond, keep_shares, trim_citizens


def citizens_with_late(
    session: Session, rules: ProgrammeRules, day: date, *, after: UUID | None, limit: int
) -> list[UUID]:
    """The next citizens by id of whom something came on `day` for earlier days, or left them, where more
    than an arrival can know depends on it."""
    spans = {one.methodology.netting for one in rules.compiled.values()} & {"month", "year"}
    if not spans and not any(one.annual for one in rules.compiled.values()):
        return []
    found: set[UUID] = set()
    for statement in _late(rules, day):
        if after is not None:
            statement = statement.where(Reduction.citizen_id > after)
        one_page = statement.with_only_columns(Reduction.citizen_id).distinct()
        found.update(session.scalars(one_page.order_by(Reduction.citizen_id).limit(limit)))
    return sorted(found)[:limit]


def settle_late(
    session: Session, rules: ProgrammeRules, day: date, citizens: Sequence[UUID], *, now: datetime
) -> int:
    """Post what the closed months and years of these citizens' late events ask for, as corrections of
    `day`; the sum of it in milligrams."""
    mine = one_of(session, Reduction.citizen_id, citizens)
    days: set[date] = set()
    for statement in _late(rules, day):
        rows = statement.where(mine).with_only_columns(Reduction.business_day).distinct()
        days.update(session.scalars(rows))
    corrected = 0
    for year in sorted(closed_years(session, rules.code, days)):
        lock_period_alone(session, rules.code, "year", year)
        late = (mine, Reduction.accounting_day == day)
        last = span_end("year", year)
        for cases in undecided(session, rules, year, last, *late):
            corrected += decide(session, rules, cases, last, today=day, now=now)
    for span, start in _closed_spans(session, rules, days):
        lock_period_alone(session, rules.code, span, start)
        excess = beyond(session, rules, span, start, of=citizens, limit=len(citizens))
        if excess:
            corrected += trim_citizens(session, rules, span, start, excess, accounting_day=day, now=now)
    return corrected


def settle_late_for_city(session: Session, rules: ProgrammeRules, day: date, *, now: datetime) -> int:
    """Take from what came on `day` for earlier days what their caps of the programme's day leave no room
    for; the milligrams posted (zero or less)."""
    if not any(cap.scope == "programme-day" for cap in rules.profile.caps or ()):
        return 0
    late = (Reduction.programme == rules.code, *_came_on(day))
    days = session.scalars(select(Reduction.business_day).where(*late).distinct())
    return sum(_share_rest(session, rules, one, day, now) for one in sorted(days) if city_cap(rules, one))


def _share_rest(session: Session, rules: ProgrammeRules, earlier: date, day: date, now: datetime) -> int:
    """The rest of the earlier day's cap, to those who came on `day`, in canonical order."""
    cap = city_cap(rules, earlier)
    # Not the lock of the earlier day: it would come after that of `day`, and events take them in order.
    lock_period_alone(session, rules.code, "month", earlier)
    before = counted_on(session, programme=rules.code, day=earlier, accounted_before=day)
    standing = standing_where(
        session,
        Reduction.programme == rules.code,
        Reduction.business_day == earlier,
        Reduction.accounting_day == day,
    )
    cases = in_order(session, [one for one in standing if one.use != "display"])
    used = Used(before.events, before.granted)
    for case, _place in sorted(placed(session, cases), key=itemgetter(1)):
        counted = is_counted(case.mg, case.code)
        allowed = allow(cap, gross_mg=case.mg, events_before=used.events, mg_before=used.granted)
        if allowed.cap_code is not None and case.mg:
            case.mg, case.code = allowed.mg, CAP_PROGRAMME
        if counted:
            count_in(used, allowed.mg, allowed.cap_code)
    moved = [case for case in cases if case.changed]
    sums = RunningSums(session, rules, Platforms(session, rules))
    sums.lock(case.member for case in moved)
    keep_shares(session, rules, moved)
    return post_cases(session, rules, sums, moved, accounting_day=day, now=now)


def _late(rules: ProgrammeRules, day: date) -> list[Select[Any]]:
    """What came on `day` for earlier days, and what ended on it of any day before."""
    start, end = day_bounds(day, rules.time_zone)
    earlier = (Reduction.programme == rules.code, Reduction.business_day < day)
    left = (
        select(Reduction)
        .join(ReductionEnd, ReductionEnd.reduction_id == Reduction.id)
        .where(*earlier, ReductionEnd.ended_at >= start, ReductionEnd.ended_at < end)
    )
    return [select(Reduction).where(Reduction.programme == rules.code, *_came_on(day)), left]


def _came_on(day: date) -> tuple[ColumnElement[bool], ...]:
    # The second is what the index of late ones asks for.
    return Reduction.accounting_day == day, Reduction.accounting_day > Reduction.business_day


def _closed_spans(session: Session, rules: ProgrammeRules, days: Collection[date]) -> list[tuple[str, date]]:
    """The closed months, then the closed years, of `days`, over which something is netted."""
    netted = {one.methodology.netting for one in rules.compiled.values()}
    found = []
    if "month" in netted:
        starts = {span_start("month", one) for one in days}
        ends = finished_days(session, rules.code, {span_end("month", one) for one in starts})
        found += [("month", one) for one in sorted(starts) if span_end("month", one) in ends]
    if "year" in netted:
        found += [("year", one) for one in sorted(closed_years(session, rules.code, days))]
    return found
