"""The end of a netting span longer than a day: what was credited beyond the sum of its results goes back.

While the span lasts nobody is credited more than the sum so far. Where results below zero came after
that, the excess is taken back when the span is over, from the last of what was credited.
"""

from collections.abc import Sequence
from datetime import date, datetime
from uuid import UUID

from sqlalchemy.orm import Session

from carbon_credit.catalogue.rules import ProgrammeRules
from carbon_credit.kernel.bulk import one_of
from carbon_credit.quantification.cases import Case, in_order
from carbon_credit.quantification.exclusive import OVERLAP
from carbon_credit.quantification.grams import Platforms, held_by_partner
from carbon_credit.quantification.models import Reduction, ReductionEnd
from carbon_credit.quantification.netting import NETTING, span_end, span_start, trim
from carbon_credit.quantification.posting import post_cases
from carbon_credit.quantification.present import loaded, newest
from carbon_credit.quantification.sharing import after_loss
from carbon_credit.quantification.spans import credited_beyond
from carbon_credit.quantification.sums import RunningSums

_AT_ONCE = 200


def trim_span(
    session: Session, rules: ProgrammeRules, span: str, day: date, *, accounting_day: date, now: datetime
) -> int:
    """Settle the netting over the month or year of `day`, its last; the milligrams posted (zero or less)."""
    first, last = span_start(span, day), span_end(span, day)
    named = {one.methodology.id for one in rules.compiled.values() if one.methodology.netting == span}
    beyond = credited_beyond(session, programme=rules.code, methodology_ids=named, first=first, last=last)
    corrected = 0
    keys = sorted(beyond)
    for start in range(0, len(keys), _AT_ONCE):
        portion = keys[start : start + _AT_ONCE]
        corrected += _trim(session, rules, portion, first, last, accounting_day, now)
    return corrected


def _trim(
    session: Session,
    rules: ProgrammeRules,
    keys: list[tuple[UUID, str]],
    first: date,
    last: date,
    accounting_day: date,
    now: datetime,
) -> int:
    standing = [
        one.standing()
        for one in loaded(
            session,
            one_of(session, Reduction.citizen_id, {citizen for citizen, _ in keys}),
            Reduction.programme == rules.code,
            Reduction.business_day.between(first, last),
            newest(Reduction.methodology_id).in_({name for _, name in keys}),
            ReductionEnd.reduction_id.is_(None),
        )
    ]
    wanted = set(keys)
    cases = [
        case
        for case in in_order(session, [one for one in standing if one.use != "display"])
        if (case.standing.citizen_id, case.standing.methodology_id) in wanted and case.code != OVERLAP
    ]
    sums = RunningSums(session, rules, Platforms(session, rules))
    sums.lock(case.member for case in cases)
    groups: dict[tuple[UUID, str], list[Case]] = {}
    for case in cases:
        groups.setdefault((case.standing.citizen_id, case.standing.methodology_id), []).append(case)
    for those in groups.values():
        total = sum(case.gross_mg for case in those)
        for case, mg in zip(those, trim([one.mg for one in those], total_mg=total), strict=True):
            if mg < case.mg:
                case.mg, case.code = mg, NETTING
    keep_shares(session, rules, cases)
    return post_cases(session, rules, sums, cases, accounting_day=accounting_day, now=now)


def keep_shares(session: Session, rules: ProgrammeRules, cases: Sequence[Case]) -> None:
    """The partner's part of what is closed, where less of it counts."""
    held = held_by_partner(session, rules.code, [case.standing for case in cases])
    for case in cases:
        if case.standing.reduction_id in held:
            case.partner_mg = after_loss(case.mg, held[case.standing.reduction_id])
