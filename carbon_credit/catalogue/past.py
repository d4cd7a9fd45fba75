"""Changed only forward: what a new profile would say otherwise about days that have been lived."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, TypeAlias

from msgspec import to_builtins

from carbon_credit.catalogue.programme import ProgrammeProfile
from carbon_credit.catalogue.terms import Evidence
from carbon_credit.methodology.definition import holds

# Who answers for a rule may become known later; what the rule says may not.
_ABOUT_THE_RULE = frozenset({"grade", "source", "note", "label", "title", "effective_from", "effective_to"})


@dataclass(frozen=True, slots=True)
class PastChange:
    """A rule that would hold otherwise on `day`, the first such day: it is over, or too near."""

    rule: str
    day: date


def past_changes(old: ProgrammeProfile, new: ProgrammeProfile, today: date) -> list[PastChange]:
    """The rules on points, budgets, validity, caps, claims, shares and medals that `new` changes for days
    before `today` (a business day of the programme); empty where it changes only what is to come.

    What counts is what holds on a day, not how the file puts it: a period may be split in two.
    """
    return _changes(old, new, today, _RULES)


def unannounced_changes(old: ProgrammeProfile, new: ProgrammeProfile, today: date) -> list[PastChange]:
    """The rules on points, their validity and the notice itself that `new` changes earlier than people were
    promised: before as many days as the notice that `old` gives today are over."""
    days = old.notice_days(today)
    if not days:
        return []
    promised = {rule: _RULES[rule] for rule in ("points_rules", "points_validity")}
    promised["points_notice"] = lambda profile, day: profile.notice_days(day)
    return _changes(old, new, today + timedelta(days=days), promised)


def _changes(
    old: ProgrammeProfile, new: ProgrammeProfile, before: date, rules: "Mapping[str, _Holding]"
) -> list[PastChange]:
    days = sorted({day for profile in (old, new) for day in _turns(profile) if day < before})
    changes = []
    for rule, holding in rules.items():
        changed = (day for day in days if holding(old, day) != holding(new, day))
        first = next(changed, None)
        if first is not None:
            changes.append(PastChange(rule, first))
    return changes


def _turns(profile: ProgrammeProfile) -> Iterator[date]:
    """Every day on which some rule begins or ends: between two of them nothing changes."""
    yield date.min
    dated: list[Any] = [
        *profile.points_rules,
        *profile.points_budget,
        *(profile.caps or ()),
        *profile.overflow,
        *profile.medals,
    ]
    for terms in (profile.points_validity, profile.points_notice, profile.claim_rule, profile.mandate):
        if isinstance(terms, tuple):
            dated += terms
    for one in dated:
        yield from (day for day in (one.effective_from, one.effective_to) if day is not None)


def _said(rule: Evidence) -> tuple[tuple[str, object], ...]:
    return tuple((key, value) for key, value in to_builtins(rule).items() if key not in _ABOUT_THE_RULE)


def _points_rules(profile: ProgrammeProfile, day: date) -> object:
    held = (one for one in profile.points_rules if holds(one.effective_from, one.effective_to, day))
    return sorted(map(_said, held), key=str)


def _overflow(profile: ProgrammeProfile, day: date) -> object:
    kinds = {kind for one in profile.overflow for kind in one.activity_types}
    found = {kind: profile.overflow_of(kind, day) for kind in kinds}
    return {kind: (one.partner, one.threshold_mg, one.per) for kind, one in found.items() if one}


def _validity(profile: ProgrammeProfile, day: date) -> object:
    terms = profile.validity(day)
    return terms.years, terms.months, terms.round_to, terms.at_most_years


_Holding: TypeAlias = Callable[[ProgrammeProfile, date], object]
_RULES: Mapping[str, _Holding] = {
    "points_rules": _points_rules,
    "points_budget": lambda profile, day: sorted(map(_said, profile.budgets_on(day)), key=str),
    "points_validity": _validity,
    "caps": lambda profile, day: sorted(map(_said, profile.caps_on(day)), key=str),
    "claim_rule": lambda profile, day: profile.claimant(day),
    "overflow": _overflow,
    "medals": lambda profile, day: sorted(
        map(_said, (one for one in profile.medals if one.holds_on(day))), key=str
    ),
    "share_percent": lambda profile, day: profile.mandate_terms(day).share_percent,
}
