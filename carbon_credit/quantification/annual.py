"""Closing years: what only the year as a whole decides is decided, and results are netted over it.

A tariff tier is known when the year is over. Until then reductions under such a condition count, and
cannot be sold. What turns out not to be eligible goes back as a correction of the day on which the year is
closed: the year's own days and months stay as they were closed.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from functools import lru_cache
from uuid import UUID

from sqlalchemy.orm import Session

from carbon_credit.catalogue.queries import programme_rules
from carbon_credit.catalogue.rules import ProgrammeRules
from carbon_credit.identity.facts import FactRecord, facts_of, facts_on
from carbon_credit.kernel.clock import business_day
from carbon_credit.methodology.definition import Tier, worst_tier
from carbon_credit.methodology.engine import CompiledMethodology
from carbon_credit.methodology.expression import as_choice, names, parse_test, words
from carbon_credit.quantification.cases import Case, in_order
from carbon_credit.quantification.closing import Closing, Progress, record
from carbon_credit.quantification.errors import MonthsOpen, PeriodClosed, PeriodNotOver
from carbon_credit.quantification.grams import Platforms
from carbon_credit.quantification.models import Reduction, ReductionEnd
from carbon_credit.quantification.netting import span_end, span_start
from carbon_credit.quantification.periods import closed_months, closed_years, lock_period_alone
from carbon_credit.quantification.posting import post_cases
from carbon_credit.quantification.present import loaded, newest
from carbon_credit.quantification.settling import compute_again
from carbon_credit.quantification.sums import RunningSums
from carbon_credit.quantification.trimming import keep_shares, trim_span

DECIDED = "decided"
INELIGIBLE = "ineligible"

_AT_ONCE = 1000


def close_year(
    session: Session,
    *,
    programme: str,
    year: date,
    now: datetime,
    closed_by: str,
    progress: Progress | None = None,
) -> Closing:
    """Close the year of `year` after all its months. `progress` is told how many reductions were decided.

    Raises PeriodNotOver, PeriodClosed, MonthsOpen.
    """
    rules = programme_rules(session, programme=programme)
    require_year_over(session, programme=programme, year=year, now=now)
    start, last = span_start("year", year), span_end("year", year)
    lock_period_alone(session, programme, "year", start)
    if closed_years(session, programme, {start}):
        raise PeriodClosed(period=f"{start:%Y}", programme=programme)
    missing = open_months(session, programme=programme, year=start)
    if missing:
        raise MonthsOpen(period=f"{start:%Y}", months=", ".join(f"{one:%Y-%m}" for one in missing[:5]))
    today, corrected = business_day(now, rules.time_zone), 0
    for cases in _undecided(session, rules, start, last):
        corrected += _decide(session, rules, cases, last, today=today, now=now)
        if progress:
            progress(len(cases))
    corrected += trim_span(session, rules, "year", last, accounting_day=today, now=now)
    return record(session, programme, "year", start, last + timedelta(days=1), corrected, closed_by, now)


def require_year_over(session: Session, *, programme: str, year: date, now: datetime) -> None:
    """Whoever closes a year month by month asks this before the first. Raises PeriodNotOver."""
    rules = programme_rules(session, programme=programme)
    if business_day(now, rules.time_zone) <= span_end("year", year):
        raise PeriodNotOver(period=f"{year:%Y}", programme=programme)


def open_months(session: Session, *, programme: str, year: date) -> list[date]:
    """The first days of the months of the year that are not closed."""
    months = [year.replace(month=number, day=1) for number in range(1, 13)]
    closed = closed_months(session, programme, months)
    return [month for month in months if month not in closed]


def _undecided(session: Session, rules: ProgrammeRules, first: date, last: date) -> Iterator[list[Case]]:
    """The year's reductions under conditions that a year decides, in portions by id."""
    annual = {one.id for one in rules.compiled.values() if one.annual}
    after: UUID | None = None
    while annual:
        wanted = [
            Reduction.programme == rules.code,
            Reduction.business_day.between(first, last),
            newest(Reduction.methodology_id).in_(annual),
            ReductionEnd.reduction_id.is_(None),
        ]
        if after is not None:
            wanted.append(Reduction.id > after)
        standing = [one.standing() for one in loaded(session, *wanted, order=(Reduction.id,), limit=_AT_ONCE)]
        cases = in_order(session, [one for one in standing if one.use != "display"])
        yield [case for case in cases if case.member.compiled.annual]
        if len(standing) < _AT_ONCE:
            return
        after = standing[-1].reduction_id


def _decide(
    session: Session, rules: ProgrammeRules, cases: Sequence[Case], last: date, *, today: date, now: datetime
) -> int:
    """Compute the cases again with the facts of the year; the milligrams posted (zero or less).

    Where nothing is known of the year the condition stays open: it counts and is not for sale.
    """
    facts = facts_of(
        session,
        citizen_ids={case.standing.citizen_id for case in cases},
        names={name for case in cases for name in _annual_facts(case.member.compiled).values()},
    )
    for case in cases:
        _decide_one(rules, case, facts_on(facts.get(case.standing.citizen_id, ()), last), today)
    sums = RunningSums(session, rules, Platforms(session, rules))
    sums.lock(case.member for case in cases)
    keep_shares(session, rules, cases)
    return post_cases(session, rules, sums, cases, reason=INELIGIBLE, accounting_day=today, now=now)


def _decide_one(rules: ProgrammeRules, case: Case, known: Mapping[str, FactRecord], today: date) -> None:
    one, compiled = case.standing, case.member.compiled
    annual = {spec: known[fact] for spec, fact in _annual_facts(compiled).items() if fact in known}
    stated = {fact.name: fact.value for fact in annual.values() if fact.value is not None}
    read = compiled.inputs_of(one.activity_type, {}, facts=stated, on=one.business_day)
    inputs = {**one.inputs, **{name: read[name] for name in annual}}
    if inputs == one.inputs:
        return
    tier = worst_tier(Tier(one.tier), *(Tier(fact.tier) for fact in annual.values()))
    binding = rules.governing(one.activity_type, one.business_day)
    compute_again(
        case,
        inputs,
        earlier=binding.earlier if binding else False,
        reason=DECIDED,
        accounting_day=today,
        tier=tier,
    )
    # What a cap has taken stays taken: less may count now, never more.
    case.mg = min(case.mg, max(case.gross_mg, 0))
    if case.revision is not None and not case.delta_mg:
        case.revision = replace(case.revision, accounting_day=one.accounting_day)


@lru_cache(maxsize=1000)
def _annual_facts(compiled: CompiledMethodology) -> Mapping[str, str]:
    """The facts that conditions decided by the year read: name of the input -> name of the fact."""
    read: set[str] = set()
    for predicate in compiled.methodology.eligibility:
        if predicate.decided == "year":
            test = as_choice(parse_test(predicate.test))
            read |= names(test) | {name for name, _ in words(test)}
    return {
        spec.name: spec.fact
        for spec in compiled.methodology.inputs
        if spec.fact is not None and spec.name in read
    }
