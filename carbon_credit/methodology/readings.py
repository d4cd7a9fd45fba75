"""The value that a parameter or a factor has on a day, with its source and grade, or why there is none."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from fractions import Fraction

from carbon_credit.methodology import units
from carbon_credit.methodology.definition import (
    FactorSet,
    FactorUse,
    Grade,
    Methodology,
    Parameter,
    Source,
    Texts,
    holds,
    worst,
)


@dataclass(frozen=True, slots=True)
class Reading:
    """A parameter or factor as it stands on a day, with what an auditor asks about it."""

    name: str
    label: Texts
    value: str
    unit: str
    grade: Grade
    source: Source
    clause: str | None = None
    borrowed_from: str | None = None
    data_year: int | None = None
    review_by: date | None = None
    note: Texts | None = None

    @property
    def in_base(self) -> Fraction:
        """The exact value in base units."""
        return Fraction(self.value) * units.scale(self.unit)


@dataclass(frozen=True, slots=True)
class Missing:
    """A value that is needed and not there: nobody has found it, or (`expired`) the last one that is
    known has ended. `name` is its parameter or factor."""

    name: str
    expired: bool


def read_value(
    entry: Parameter | FactorUse, methodology: Methodology, factor_sets: Mapping[str, FactorSet], on: date
) -> Reading | Missing:
    """What `entry` is on `on`. The last known value is never extended past its end."""
    if isinstance(entry, Parameter):
        return _parameter(entry, methodology, on)
    return _factor(entry, factor_sets[entry.set], on)


def _parameter(parameter: Parameter, methodology: Methodology, on: date) -> Reading | Missing:
    for value in parameter.values:
        source = methodology.source(value.source)
        if holds(value.effective_from, value.effective_to, on):
            if value.value is None or value.grade is None or source is None:
                return Missing(parameter.name, expired=False)
            return Reading(
                name=parameter.name, label=parameter.label, value=value.value, unit=parameter.unit,
                grade=value.grade, source=source, clause=value.clause, borrowed_from=value.borrowed_from,
                review_by=value.review_by, note=value.note,
            )  # fmt: skip
    return Missing(parameter.name, parameter.expired(on))


def _factor(use: FactorUse, factor_set: FactorSet, on: date) -> Reading | Missing:
    edition = factor_set.edition(use.choose, on)
    if edition is None or use.key not in edition.values:
        return Missing(use.name, edition is None and factor_set.expired(use.choose, on))
    source = Source(
        name=factor_set.name, document=edition.document, number=edition.number,
        address=edition.address, dated=edition.published_at, read_as=edition.read_as,
    )  # fmt: skip
    return Reading(
        name=use.name, label=use.label, value=edition.values[use.key], unit=factor_set.unit,
        grade=worst((edition.grade, use.use_grade)), source=source, clause=use.key,
        data_year=edition.data_year, review_by=edition.review_by, note=use.use_note,
    )  # fmt: skip
