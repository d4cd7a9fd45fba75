"""Two versions of a methodology side by side: text, values, and what they give a dozen people in a month."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from difflib import unified_diff

from carbon_credit.catalogue.activities import ActivityType
from carbon_credit.catalogue.personas import MonthResult, Persona, month_of
from carbon_credit.methodology.engine import compile_package
from carbon_credit.methodology.loader import CASES, Package


@dataclass(frozen=True, slots=True)
class ValueChange:
    """A dated value or a grade that differs; None where a version does not have it."""

    name: str
    old: str | None
    new: str | None


@dataclass(frozen=True, slots=True)
class PersonaChange:
    """A persona's month under both versions; None where a version knows none of what they do."""

    persona: Persona
    old: MonthResult | None
    new: MonthResult | None

    @property
    def delta_mg(self) -> int:
        """New less old, in milligrams."""
        return (self.new.reduction_mg if self.new else 0) - (self.old.reduction_mg if self.old else 0)


@dataclass(frozen=True, slots=True)
class Comparison:
    """`text`: unified diff by lines, over all files but the cases. `personas`: those whom it concerns."""

    old: str
    new: str
    text: tuple[str, ...]
    values: tuple[ValueChange, ...]
    personas: tuple[PersonaChange, ...]


def compare(
    old: Package,
    new: Package,
    *,
    personas: Sequence[Persona],
    activities: Mapping[str, ActivityType],
    month: date,
) -> Comparison:
    """`new` against `old`; the personas' month is that of `month` (its first day)."""
    before = compile_package(old, check_dimensions=False)
    after = compile_package(new, check_dimensions=False)
    changes = (
        PersonaChange(
            persona,
            month_of(persona, before, activities, month),
            month_of(persona, after, activities, month),
        )
        for persona in personas
    )
    return Comparison(
        old=old.name,
        new=new.name,
        text=tuple(_text(old, new)),
        values=tuple(_values(old, new)),
        personas=tuple(one for one in changes if one.old is not None or one.new is not None),
    )


def _text(old: Package, new: Package) -> Iterator[str]:
    for name in sorted((old.files.keys() | new.files.keys()) - {CASES}):
        before, after = (one.files.get(name, b"").decode().splitlines() for one in (old, new))
        yield from unified_diff(before, after, f"{old.name}/{name}", f"{new.name}/{name}", lineterm="", n=1)


def _values(old: Package, new: Package) -> Iterator[ValueChange]:
    before, after = dict(_stated(old)), dict(_stated(new))
    for name in [*before, *(name for name in after if name not in before)]:
        if before.get(name) != after.get(name):
            yield ValueChange(name, before.get(name), after.get(name))


def _stated(package: Package) -> Iterator[tuple[str, str]]:
    method = package.methodology
    for part in ("formula", "eligibility", "caps", "rounding", "validity"):
        yield f"grade of {part}", getattr(method.grades, part).grade
    for predicate in method.eligibility:
        yield f"condition {predicate.name}", f"{predicate.test} ({predicate.grade})"
    for parameter in method.parameters:
        for value in parameter.values:
            name = f"{parameter.name} from {value.effective_from or 'ever'}"
            yield name, f"{value.value or 'null'} {parameter.unit} ({value.grade or 'no grade'})"
    for use in method.factors:
        for edition in package.factor_sets[use.set].editions:
            if use.key in edition.values:
                unit = package.factor_sets[use.set].unit
                yield f"{use.name} {edition.data_year}", f"{edition.values[use.key]} {unit} ({edition.grade})"
    for step in method.steps:
        yield f"step {step.name}", f"{step.expression} [{step.unit}]"
