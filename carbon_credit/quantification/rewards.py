"""Points of citizens' days: counted by rule, granted within the programme's budgets, posted at the end."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy.orm import Session

from carbon_credit.catalogue.rules import ProgrammeRules
from carbon_credit.catalogue.terms import CO2E_BASIS, EVENT_BASIS, PointsBudget, PointsRule
from carbon_credit.ledger.entries import Transfer
from carbon_credit.ledger.points import PointsGrant, PointsTakeBack, grants, take_backs
from carbon_credit.quantification.caps import is_counted
from carbon_credit.quantification.scopes import budget_key, points_key
from carbon_credit.quantification.tallies import PlannedTallies, Tallies, Tally, TallyKey

Quantities = Mapping[str, int | str]


def reward_keys(rules: ProgrammeRules, citizen_id: UUID, day: date, activity_type: str) -> list[TallyKey]:
    """The tallies that an activity's points are counted in."""
    rewards = rules.points_rules(activity_type, day)
    keys = [points_key(citizen_id, day, rule) for rule in rewards]
    if keys:
        keys += [budget_key(rules.code, day, one) for one in _budgets(rules, day, activity_type)]
    return keys


def basis_of(rule: PointsRule, counted_mg: int, cap_code: str | None, quantities: Quantities) -> int:
    """What an event adds to the basis of a points rule, after caps: nothing where a cap left nothing."""
    if rule.basis == CO2E_BASIS:
        return counted_mg
    value = 1 if rule.basis == EVENT_BASIS else quantities.get(rule.basis, 0)
    return value if is_counted(counted_mg, cap_code) and isinstance(value, int) else 0


class Rewards:
    """Points in one unit of work, under the locks of its tallies."""

    def __init__(self, session: Session, rules: ProgrammeRules, tallies: Tallies, *, now: datetime) -> None:
        self._session = session
        self._rules = rules
        self._tallies = tallies
        self._now = now
        self._granted: dict[TallyKey, int] = defaultdict(int)
        self._budgets: dict[tuple[date, str], list[tuple[PointsBudget, Tally]]] = {}

    def count(
        self,
        rule: PointsRule,
        *,
        citizen_id: UUID,
        day: date,
        activity_type: str,
        basis: int,
        events: int = 0,
    ) -> tuple[int, int]:
        """Add `basis` to what a rule has of the citizen's day; the points that this grants (below zero:
        takes back), and those that are due but beyond the programme's budget."""
        key = points_key(citizen_id, day, rule)
        tally = self._tallies[key]
        tally.add(events=events, amount=basis)
        due = rule.due(tally.amount) - tally.granted
        granted = self._within_budgets(day, activity_type, due)
        if granted:
            tally.add(granted=granted)
            self._granted[key] += granted
        return granted, due - granted

    def post(self, beside: Sequence[Transfer] = ()) -> None:
        """Grant and take back, once for each rule of a citizen's day. `beside`: transfers of grams with
        fresh ids that are posted in the same act, before anything is taken back."""
        given, taken = [], []
        lots = {day: self._rules.points_lot(day) for day in {key.business_day for key in self._granted}}
        for tally in sorted(map(self._tallies.__getitem__, self._granted), key=lambda one: one.id.int):
            key, reference = tally.key, tally.id
            delta = self._granted[key]
            lot = lots[key.business_day]
            if delta > 0:
                given.append(PointsGrant(key.citizen_id, delta, lot, reference, self._now))
            elif delta < 0:
                taken.append(PointsTakeBack(key.citizen_id, -delta, reference, self._now, lot))
        grants(self._session, items=given, programme=self._rules.code, now=self._now, beside=beside)
        take_backs(self._session, items=taken, programme=self._rules.code, now=self._now)
        self._granted.clear()

    def _within_budgets(self, day: date, activity_type: str, points: int) -> int:
        """First come, first served. What is taken back is free again."""
        if not points:
            return 0
        budgets = self._budgets.get((day, activity_type))
        if budgets is None:
            budgets = self._budgets[day, activity_type] = [
                (one, self._tallies[budget_key(self._rules.code, day, one)])
                for one in _budgets(self._rules, day, activity_type)
            ]
        granted = min([points, *(max(one.points - used.granted, 0) for one, used in budgets)])
        for _, used in budgets:
            used.add(granted=granted)
        return granted


class Withheld(NamedTuple):
    """Of `due` points by one rule for a citizen's day `points` were not granted; the budgets that held."""

    rule: PointsRule
    due: int
    points: int
    budgets: tuple[PointsBudget, ...]


def withheld(
    session: Session, rules: ProgrammeRules, *, citizen_id: UUID, day: date, activity_type: str
) -> list[Withheld]:
    """What the programme's budgets left ungranted of the citizen's day, by the rules that the activity
    feeds. As it stands now: what others give back is granted to who comes next, not to who came before."""
    held = rules.points_rules(activity_type, day)
    keys = {rule.code: points_key(citizen_id, day, rule) for rule in held}
    tallies = PlannedTallies(session, keys=keys.values(), carried={})
    budgets = tuple(_budgets(rules, day, activity_type))
    found = []
    for rule in held:
        tally = tallies[keys[rule.code]]
        due = rule.due(tally.amount)
        if budgets and due > tally.granted:
            found.append(Withheld(rule, due, due - tally.granted, budgets))
    return found


def _budgets(rules: ProgrammeRules, day: date, activity_type: str) -> list[PointsBudget]:
    found = rules.points_budgets(day)
    return [one for one in found if one.scene in (None, rules.scene(activity_type))]
