"""How far a version can be trusted: its weakest grade, what is not official, and its best-before dates."""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal

from carbon_credit.methodology.definition import Grade, holds, worst
from carbon_credit.methodology.loader import Package

WARNED_DAYS = 30


def weakest_grade(package: Package) -> Grade:
    """The worst grade that any result of this version can have: what a programme's binding asks about."""
    methodology = package.methodology
    grades = [methodology.grades.formula.grade]
    grades += [predicate.grade for predicate in methodology.eligibility]
    grades += [v.grade for p in methodology.parameters for v in p.values if v.grade is not None]
    for use in methodology.factors:
        grades += [use.use_grade, *(edition.grade for edition in package.factor_sets[use.set].editions)]
    return worst(grades)


def not_official(package: Package, *, on: date) -> tuple[str, ...]:
    """What keeps this version from saleable tonnes on `on`: parts and values that are below `official`,
    and values past their `review_by`. Empty means that everything is official and reviewed."""
    methodology = package.methodology
    found = []
    for part in ("formula", "eligibility", "caps", "rounding", "validity"):
        grade = getattr(methodology.grades, part).grade
        if grade is not Grade.OFFICIAL:
            found.append(f"{part}: {grade}")
    for predicate in methodology.eligibility:
        found += _below(f"eligibility {predicate.name}", predicate.grade, None, on)
    for parameter in methodology.parameters:
        for value in parameter.values:
            found += _below(parameter.name, value.grade, value.review_by, on)
    for use in methodology.factors:
        found += _below(f"use of {use.name}", use.use_grade, None, on)
        for edition in package.factor_sets[use.set].editions:
            found += _below(f"{use.set} {edition.data_year}", edition.grade, edition.review_by, on)
    return tuple(found)


def all_official(package: Package, *, on: date) -> bool:
    """Whether reductions of this version may enter a batch outside rehearsal on `on`."""
    return not not_official(package, on=on)


def _below(name: str, grade: Grade | None, review_by: date | None, on: date) -> list[str]:
    found = [] if grade is Grade.OFFICIAL else [f"{name}: {grade or 'no value'}"]
    return found + (
        [f"{name}: review was due by {review_by}"] if review_by is not None and review_by < on else []
    )


@dataclass(frozen=True, slots=True)
class BestBefore:
    """A date by which something of a version has to be looked at again (`review`), or on which a value or the
    version itself ceases to hold and nothing follows it (`validity`; the day is the first without it)."""

    name: str
    day: date
    kind: Literal["review", "validity"]

    def past(self, on: date) -> bool:
        """Whether it is too late: the review is overdue, or the value has ended."""
        return self.day <= on if self.kind == "validity" else self.day < on


def best_before(package: Package, *, on: date) -> tuple[BestBefore, ...]:
    """The dates of a version that are past on `on`, or will be within 30 days, the earliest first.

    Only what still matters is named: not the values that others have followed, and nothing of a version
    whose legal period is over.
    """
    methodology = package.methodology
    if methodology.effective_to is not None and methodology.effective_to <= on:
        return ()
    baseline = methodology.design.baseline if methodology.design is not None else None
    dates: list[tuple[str, date | None, Literal["review", "validity"]]] = [
        ("version", methodology.effective_to, "validity"),
        ("baseline", baseline.next_update if baseline is not None else None, "review"),
    ]
    for parameter in methodology.parameters:
        last = max(parameter.values, key=lambda value: value.effective_to or date.max)
        dates.append((parameter.name, None if last.value is None else last.effective_to, "validity"))
        for value in parameter.values:
            if value.value is not None and (
                value is last or holds(value.effective_from, value.effective_to, on)
            ):
                dates.append((parameter.name, value.review_by, "review"))
    for use in methodology.factors:
        edition = package.factor_sets[use.set].named(use.choose, on)
        if edition is not None:
            name = f"{use.name} ({use.set} {edition.data_year})"
            dates += [(name, edition.review_by, "review"), (name, edition.applies_to, "validity")]
    limit = on + timedelta(days=WARNED_DAYS)
    found = {BestBefore(name, day, kind) for name, day, kind in dates if day is not None and day <= limit}
    return tuple(sorted(found, key=lambda one: (one.day, one.name, one.kind)))
