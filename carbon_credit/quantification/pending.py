"""Points of events that wait to be credited (T+n): what they will add, as far as it is known by now.

Written when an event is accepted, gone with it: the row hangs on what is kept of the event. It says what
the event adds to the basis of a rule; how many points that gives depends on what else the day holds when
somebody asks. Caps and budgets are applied when it is credited, so this is what it can give at most.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import cast
from uuid import UUID

from sqlalchemy import Table, select
from sqlalchemy.orm import Session

from carbon_credit.catalogue.queries import programme_rules
from carbon_credit.catalogue.rules import ProgrammeRules
from carbon_credit.catalogue.terms import PointsRule
from carbon_credit.kernel.bulk import append_rows
from carbon_credit.quantification.models import PointsPending
from carbon_credit.quantification.rewards import basis_of
from carbon_credit.quantification.scopes import points_key
from carbon_credit.quantification.tallies import PlannedTallies
from carbon_credit.quantification.verdicts import Verdict

_PENDING = cast(Table, PointsPending.__table__)
_COLUMNS = tuple(column.name for column in _PENDING.columns)


@dataclass(frozen=True, slots=True)
class PendingPoints:
    """Points that are to be credited from `due_at` on."""

    points: int
    due_at: datetime


def expect(
    session: Session, rules: ProgrammeRules, *, waiting: Sequence[tuple[UUID, Verdict, datetime]]
) -> None:
    """Remember what the accepted events (claim key, verdict, when due) will add to the points rules."""
    rows = [row for one in waiting for row in _rows(rules, *one)]
    append_rows(session, _PENDING, _COLUMNS, sorted(rows))


def pending_points(session: Session, *, programme: str, citizen_id: UUID) -> list[PendingPoints]:
    """What waits for a citizen, soonest first; what gives no points is left out."""
    columns = (_PENDING.c.due_at, _PENDING.c.business_day, _PENDING.c.rule, _PENDING.c.activity_type)
    statement = (
        select(*columns, _PENDING.c.basis)
        .where(_PENDING.c.citizen_id == citizen_id)
        .order_by(_PENDING.c.due_at, _PENDING.c.business_day, _PENDING.c.rule)
    )
    found = session.execute(statement).all()
    if not found:
        return []
    rules = programme_rules(session, programme=programme)
    held = [
        (due_at, day, rule, basis)
        for due_at, day, code, kind, basis in found
        if (rule := _rule(rules, code, kind, day)) is not None
    ]
    keys = {points_key(citizen_id, day, rule) for _, day, rule, _ in held}
    tallies = PlannedTallies(session, keys=keys, carried={})
    points: defaultdict[datetime, int] = defaultdict(int)
    for due_at, day, rule, basis in held:
        tally = tallies[points_key(citizen_id, day, rule)]
        before = rule.due(tally.amount)
        tally.add(amount=basis)  # never stored
        points[due_at] += rule.due(tally.amount) - before
    return [PendingPoints(number, due_at) for due_at, number in sorted(points.items()) if number]


def _rows(
    rules: ProgrammeRules, claim_key: UUID, verdict: Verdict, due_at: datetime
) -> Iterator[tuple[UUID, UUID, date, str, str, int, datetime]]:
    sums: defaultdict[tuple[UUID, date, str, str], int] = defaultdict(int)
    for part in verdict.quantified:
        if part.binding.use == "display":
            continue
        kind, day = part.activity.code, part.business_day
        for rule in rules.points_rules(kind, day):
            basis = basis_of(rule, max(part.gross_mg, 0), None, part.quantities)
            sums[part.citizen_id, day, rule.code, kind] += basis
    for (citizen_id, day, rule_code, kind), basis in sums.items():
        if basis > 0:
            yield citizen_id, claim_key, day, rule_code, kind, basis, due_at


def _rule(rules: ProgrammeRules, code: str, activity_type: str, day: date) -> PointsRule | None:
    """The rule as it is now: a profile may have changed since."""
    return next((one for one in rules.points_rules(activity_type, day) if one.code == code), None)
