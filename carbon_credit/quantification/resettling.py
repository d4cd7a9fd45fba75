"""Late events before the day on which they came is closed: settled again as days are closed meanwhile.

On arrival a late event gets what is left beside what came before it, and beside days that are still open,
which count provisionally. So that the order of arrival does not matter, late events are settled again with
the closing of each later day, before that day: beside what is final alone, by the day on which they came
and in canonical order among those of one such day. The last time is with the closing of that day.
"""

from collections import defaultdict
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from carbon_credit.catalogue.rules import ProgrammeRules
from carbon_credit.catalogue.terms import Cap
from carbon_credit.kernel.bulk import one_of
from carbon_credit.quantification.caps import Used, allow_through, count_in
from carbon_credit.quantification.cases import Case, by_citizen, in_order
from carbon_credit.quantification.exclusive import OVERLAP
from carbon_credit.quantification.grams import Platforms
from carbon_credit.quantification.models import Reduction
from carbon_credit.quantification.netting import NETTING, hand_out, span_end, span_start
from carbon_credit.quantification.periods import first_of_month, lock_period_alone
from carbon_credit.quantification.posting import post_cases, share_out_late
from carbon_credit.quantification.scopes import PERSON_YEAR, limits_of
from carbon_credit.quantification.settling import keep_best_records, settle_history
from carbon_credit.quantification.spans import (
    SpanSum,
    counted_by_citizen,
    counted_by_methodology,
    is_accounted,
    on_closed_day,
)
from carbon_credit.quantification.standing import standing_where
from carbon_credit.quantification.sums import RunningSums
from carbon_credit.quantification.tallies import TallyKey
from carbon_credit.quantification.trimming import keep_shares

_Group = tuple[UUID, str, str, date]  # citizen, methodology, kind of span, its first day


def citizens_with_open(
    session: Session, rules: ProgrammeRules, day: date, *, after: UUID | None, limit: int
) -> list[UUID]:
    """The next citizens by id of whom something came late for days before `day` and is not final, where
    more than the sum of it may have depended on the order: anything limited, netted or read over more than
    a day, or something that was not counted in full."""
    statement = select(Reduction.citizen_id).where(*_open(rules, day))
    if not _reaches_over_days(rules):
        statement = statement.where(Reduction.cap_code.is_not(None))
    if after is not None:
        statement = statement.where(Reduction.citizen_id > after)
    return list(session.scalars(statement.distinct().order_by(Reduction.citizen_id).limit(limit)))


def settle_again(
    session: Session, rules: ProgrammeRules, day: date, citizens: Sequence[UUID], *, now: datetime
) -> int:
    """Settle what came late for these citizens for days before `day` and is not final; the milligrams
    posted, of which those that belong to `day` are the result. The caller holds the lock of `day`."""
    late = (one_of(session, Reduction.citizen_id, citizens), *_open(rules, day))
    found = session.execute(
        select(Reduction.citizen_id, Reduction.business_day).where(*late).distinct()
    ).all()
    days = {business_day for _, business_day in found}
    # Not the locks of the days: they would come after that of `day`, and events take them in order.
    for month in sorted({first_of_month(one) for one in days}):
        lock_period_alone(session, rules.code, "month", month)
    whose = one_of(session, Reduction.citizen_id, {citizen_id for citizen_id, _ in found})
    standing = standing_where(
        session, whose, Reduction.programme == rules.code, Reduction.business_day.in_(days)
    )
    cases = in_order(session, [one for one in standing if one.use != "display"])
    late_ones = [case for case in cases if _is_open(case, day)]
    platforms = Platforms(session, rules)
    sums = RunningSums(session, rules, platforms)
    sums.lock(case.member for case in late_ones)
    _settle_evidence(session, rules, late_ones)
    left = _Left(session, rules, late_ones)
    for _citizen, those in by_citizen(cases):
        left.settle(those, day)
    keep_shares(session, rules, late_ones)  # of what was shared by a rule that is no more
    share_out_late(session, rules, platforms, late_ones)
    corrected = 0
    by_accounting: dict[date, list[Case]] = defaultdict(list)
    for case in late_ones:
        by_accounting[case.standing.recorded_for].append(case)
    for accounting_day, those in sorted(by_accounting.items()):
        posted = post_cases(session, rules, sums, those, accounting_day=accounting_day, now=now)
        corrected += posted if accounting_day == day else 0
    return corrected


def _reaches_over_days(rules: ProgrammeRules) -> bool:
    return any(cap.scope == "person-year" for cap in rules.profile.caps or ()) or any(
        one.methodology.netting in ("month", "year") or one.history for one in rules.compiled.values()
    )


def _open(rules: ProgrammeRules, day: date) -> tuple[ColumnElement[bool], ...]:
    """Late, as its index has it, and to be final with `day` or later."""
    return (
        Reduction.programme == rules.code,
        Reduction.accounting_day > Reduction.business_day,
        Reduction.accounting_day >= day,
        Reduction.business_day < day,
    )


def _is_open(case: Case, day: date) -> bool:
    return case.standing.is_late and case.standing.recorded_for >= day


def _settle_evidence(session: Session, rules: ProgrammeRules, late: Sequence[Case]) -> None:
    """What late events read of the days before, and which of several records of one trip counts, beside
    what is final."""
    by_day: dict[date, list[Case]] = defaultdict(list)
    for case in late:
        by_day[case.standing.business_day].append(case)
    for business_day, those in sorted(by_day.items()):
        settle_history(session, rules, business_day, those)
    for case in late:
        case.mg, case.code = max(case.gross_mg, 0), None
    beside = {day + timedelta(days=number) for day in by_day for number in (-1, 0, 1)}
    final = on_closed_day(rules.code), is_accounted(rules.code)
    keep_best_records(session, rules, late, beside, *final)


class _Left:
    """What the spans of late events have left beside what is final."""

    def __init__(self, session: Session, rules: ProgrammeRules, late: Sequence[Case]) -> None:
        self._rules = rules
        self._years: dict[tuple[UUID, date], SpanSum] = {}
        self._netted: dict[_Group, SpanSum] = {}
        people = {case.standing.citizen_id for case in late}
        for start in {span_start("year", case.standing.business_day) for case in late}:
            counted = counted_by_citizen(
                session,
                programme=rules.code,
                citizens=people,
                first=start,
                last=span_end("year", start),
                final_only=True,
            )
            self._years |= {(citizen_id, start): one for citizen_id, one in counted.items()}
        groups = {
            (span, span_start(span, case.standing.business_day), case.standing.methodology_id)
            for case in late
            if (span := case.member.netting) is not None
        }
        for span, start, name in groups:
            results = counted_by_methodology(
                session,
                programme=rules.code,
                citizens=people,
                methodology_ids={name},
                first=start,
                last=span_end(span, start),
                final_only=True,
            )
            self._netted |= {(citizen_id, name, span, start): one for (citizen_id, _), one in results.items()}

    def settle(self, cases: Sequence[Case], day: date) -> None:
        """One citizen's `cases` of all days on which late ones happened, in their turn."""
        used: dict[TallyKey, Used] = {}
        netted: dict[_Group, Used] = {}
        for case in cases:
            if not _is_open(case, day):
                for _, one in self._limits(case, used, final=True):
                    count_in(one, case.mg, case.code)
        for case in (one for one in cases if _is_open(one, day)):
            if case.code == OVERLAP:
                continue
            case.mg, case.code = self._net(case, netted)
            limits = self._limits(case, used, final=False)
            allowed = allow_through(limits, case.mg)
            case.mg, case.code = allowed.mg, allowed.cap_code or case.code
            for _, one in limits:
                count_in(one, case.mg, case.code)

    def _limits(
        self, case: Case, used: dict[TallyKey, Used], *, final: bool
    ) -> list[tuple[Cap | None, Used]]:
        one = case.standing
        found: list[tuple[Cap | None, Used]] = []
        for cap, key in limits_of(self._rules, one.citizen_id, one.business_day, one.activity_type):
            if key.scope == PERSON_YEAR:
                if final:  # they are in the sum of the year
                    continue
                year = self._years.get((one.citizen_id, key.business_day), SpanSum())
                used.setdefault(key, Used(year.events, year.granted))
            found.append((cap, used.setdefault(key, Used())))
        return found

    def _net(self, case: Case, netted: dict[_Group, Used]) -> tuple[int, str | None]:
        """What netting leaves of the result; `Used.events` holds the sum of the results here."""
        one, span = case.standing, case.member.netting
        if span is None:
            return max(case.gross_mg, 0), None
        group = (one.citizen_id, one.methodology_id, span, span_start(span, one.business_day))
        if group not in netted:
            before = self._netted.get(group, SpanSum())
            netted[group] = Used(before.gross_mg, before.granted)
        so_far = netted[group]
        [mg] = hand_out([case.gross_mg], sum_before=so_far.events, counted_before=so_far.granted)
        so_far.events += case.gross_mg
        so_far.granted += mg
        return mg, NETTING if mg < case.gross_mg else None
