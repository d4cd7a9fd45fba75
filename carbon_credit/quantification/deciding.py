"""Conditions that only a year as a whole decides: reductions under them, computed again with its facts.

A tariff tier is known when the year is over. Until then reductions under such a condition count, and
cannot be sold.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime
from functools import lru_cache
from uuid import UUID

from sqlalchemy import ColumnElement
from sqlalchemy.orm import Session

from carbon_credit.catalogue.rules import ProgrammeRules
from carbon_credit.identity.facts import FactRecord, facts_of, facts_on
from carbon_credit.methodology.definition import Tier, worst_tier
from carbon_credit.methodology.engine import CompiledMethodology
from carbon_credit.methodology.expression import as_choice, names, parse_test, words
from carbon_credit.quantification.cases import Case, in_order
from carbon_credit.quantification.grams import Platforms
from carbon_credit.quantification.models import Reduction
from carbon_credit.quantification.posting import post_cases
from carbon_credit.quantification.present import newest
from carbon_credit.quantification.settling import compute_again
from carbon_credit.quantification.standing import standing_where
from carbon_credit.quantification.sums import RunningSums
from carbon_credit.quantification.trimming import keep_shares

DECIDED = "decided"
INELIGIBLE = "ineligible"

_AT_ONCE = 1000


def undecided(
    session: Session, rules: ProgrammeRules, first: date, last: date, *more: ColumnElement[bool]
) -> Iterator[list[Case]]:
    """The reductions of the days under conditions that a year decides, in portions by id. `more`: those
    that fulfil this too."""
    annual = {one.id for one in rules.compiled.values() if one.annual}
    after: UUID | None = None
    while annual:
        wanted = [
            Reduction.programme == rules.code,
            Reduction.business_day.between(first, last),
            newest(Reduction.methodology_id).in_(annual),
            *more,
        ]
        if after is not None:
            wanted.append(Reduction.id > after)
        standing = standing_where(session, *wanted, by_revision=True, order=(Reduction.id,), limit=_AT_ONCE)
        cases = in_order(session, [one for one in standing if one.use != "display"])
        yield [case for case in cases if case.member.compiled.annual]
        if len(standing) < _AT_ONCE:
            return
        after = standing[-1].reduction_id


def decide(
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
