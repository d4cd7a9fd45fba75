"""The end of a netting span longer than a day: what was credited beyond the sum of its results goes back.

While the span lasts nobody is credited more than the sum so far. Where results below zero came after
that, the excess is taken back when the span is over, from the last of what was credited.
"""

from collections.abc import Collection, Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, select
from sqlalchemy import case as sql_case
from sqlalchemy.orm import Session

from carbon_credit.catalogue.rules import ProgrammeRules
from carbon_credit.kernel.bulk import one_of
from carbon_credit.quantification.cases import Case, in_order
from carbon_credit.quantification.exclusive import OVERLAP
from carbon_credit.quantification.grams import Platforms, held_by_partner
from carbon_credit.quantification.models import DayTally, Reduction
from carbon_credit.quantification.netting import NETTING, span_end, span_start, trim
from carbon_credit.quantification.posting import post_cases
from carbon_credit.quantification.present import newest
from carbon_credit.quantification.scopes import netting_key
from carbon_credit.quantification.sharing import after_loss
from carbon_credit.quantification.standing import standing_where
from carbon_credit.quantification.sums import RunningSums

CITIZENS_AT_ONCE = 200
_NOBODY = UUID(int=0)


def trim_span(
    session: Session, rules: ProgrammeRules, span: str, day: date, *, accounting_day: date, now: datetime
) -> int:
    """Settle the netting over the month or year of `day`, its last; the milligrams posted (zero or less)."""
    corrected = 0
    after: UUID | None = None
    while citizens := beyond(session, rules, span, day, after=after, limit=CITIZENS_AT_ONCE):
        corrected += trim_citizens(
            session, rules, span, day, citizens, accounting_day=accounting_day, now=now
        )
        after = citizens[-1]
    return corrected


def beyond(
    session: Session,
    rules: ProgrammeRules,
    span: str,
    day: date,
    *,
    limit: int,
    after: UUID | None = None,
    of: Collection[UUID] | None = None,
) -> list[UUID]:
    """The next `limit` citizens by id, from the one after `after`, who have more of the span of `day` than
    the sum of their results by some methodology. `of`: among these."""
    wanted = [] if after is None else [DayTally.citizen_id > after]
    if of is not None:
        wanted.append(one_of(session, DayTally.citizen_id, of))
    statement = _beyond(rules, span, day, DayTally.citizen_id, wanted=wanted)
    return list(session.scalars(statement.distinct().order_by(DayTally.citizen_id).limit(limit)))


def trim_citizens(
    session: Session,
    rules: ProgrammeRules,
    span: str,
    day: date,
    citizens: Sequence[UUID],
    *,
    accounting_day: date,
    now: datetime,
) -> int:
    """Take back what these have beyond the sum of the span; the milligrams posted (zero or less)."""
    wanted = [one_of(session, DayTally.citizen_id, citizens)]
    scopes = _scopes(rules, span, day)
    rows = session.execute(_beyond(rules, span, day, DayTally.citizen_id, DayTally.scope, wanted=wanted))
    keys = [(citizen_id, scopes[scope]) for citizen_id, scope in rows]
    first, last = span_start(span, day), span_end(span, day)
    return _trim(session, rules, keys, first, last, accounting_day, now)


def _scopes(rules: ProgrammeRules, span: str, day: date) -> dict[str, str]:
    """The scopes under which results are netted over such a span, and the methodology of each."""
    named = {one.methodology.id for one in rules.compiled.values() if one.methodology.netting == span}
    return {netting_key(_NOBODY, day, name, span).scope: name for name in sorted(named)}


def _beyond(
    rules: ProgrammeRules, span: str, day: date, *columns: Any, wanted: Sequence[ColumnElement[bool]]
) -> Select[*tuple[Any, ...]]:
    return select(*columns).where(
        *wanted,
        DayTally.programme == rules.code,
        DayTally.business_day == span_start(span, day),
        DayTally.scope.in_(_scopes(rules, span, day)),
        # A result below zero, or one that was cut, has marked it; what netted to the end is not beyond.
        DayTally.capped > 0,
        DayTally.granted > sql_case((DayTally.amount > 0, DayTally.amount), else_=0),
    )


def _trim(
    session: Session,
    rules: ProgrammeRules,
    keys: list[tuple[UUID, str]],
    first: date,
    last: date,
    accounting_day: date,
    now: datetime,
) -> int:
    if not keys:
        return 0
    standing = standing_where(
        session,
        one_of(session, Reduction.citizen_id, {citizen for citizen, _ in keys}),
        Reduction.programme == rules.code,
        Reduction.business_day.between(first, last),
        newest(Reduction.methodology_id).in_({name for _, name in keys}),
        by_revision=True,
    )
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
