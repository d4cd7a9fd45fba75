"""A methodology's steps with the values of a day put in: what the engine runs and the trace shows."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from fractions import Fraction
from itertools import product

from carbon_credit.methodology import expression, units
from carbon_credit.methodology.definition import (
    FactorSet,
    FactorUse,
    Grade,
    Methodology,
    Parameter,
    Source,
    Step,
    Texts,
    holds,
    worst,
)
from carbon_credit.methodology.expression import Node, Program

MAX_CASES = 2_000


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
    """A value that the formula needs and that nobody has found: `name` is its parameter or factor."""

    name: str


@dataclass(frozen=True, slots=True)
class Prepared:
    """The formula for one day and one choice of words. `program` gives milligrams (before the floor)."""

    program: Program
    grade: Grade
    readings: tuple[Reading, ...]
    steps: tuple[tuple[Step, Node], ...]


@dataclass(frozen=True)
class Formula:
    """`steps` are parsed and in the order of calculation; the result is among them."""

    methodology: Methodology
    factor_sets: Mapping[str, FactorSet]
    steps: tuple[tuple[Step, Node], ...]
    _narrowed: dict[tuple[str, ...], tuple[tuple[Step, Node], ...]] = field(default_factory=dict, repr=False)
    _programs: dict[tuple[object, ...], Program] = field(default_factory=dict, repr=False)

    def prepare(self, on: date, words: Mapping[str, str]) -> Prepared | Missing:
        """The formula as it stands on `on` for these words of the enum inputs. Raises expression.Refused."""
        steps = self._steps_for(words)
        own = {step.name for step, _ in steps}
        inputs = {spec.name for spec in self.methodology.inputs}
        needed = frozenset().union(*(expression.names(node) for _, node in steps)) - own - inputs
        readings = []
        entries: list[Parameter | FactorUse] = [*self.methodology.parameters, *self.methodology.factors]
        for entry in entries:
            if entry.name in needed:
                reading = self.reading(entry, on)
                if reading is None:
                    return Missing(entry.name)
                readings.append(reading)
        grade = worst((self.methodology.grades.formula.grade, *(reading.grade for reading in readings)))
        return Prepared(self._program(steps, readings), grade, tuple(readings), steps)

    def reading(self, entry: Parameter | FactorUse, on: date) -> Reading | None:
        """What `entry` is on `on`, or None where there is no value."""
        return self._parameter(entry, on) if isinstance(entry, Parameter) else self._factor(entry, on)

    def case_count(self) -> int:
        """How many combinations of words and turning days there are, without listing them."""
        words = math.prod(len(spec.values) for spec in self.methodology.inputs if spec.kind == "enum")
        return words * len(self.turning_days())

    def word_choices(self) -> list[dict[str, str]]:
        """Every combination of words that the enum inputs can hold."""
        enums = [spec for spec in self.methodology.inputs if spec.kind == "enum"]
        choices = product(*(spec.values for spec in enums))
        return [dict(zip((spec.name for spec in enums), words, strict=True)) for words in choices]

    def turning_days(self) -> list[date]:
        """The days on which a value may change, and the day before the first: enough to see every case."""
        days: set[date | None] = {self.methodology.effective_from}
        for parameter in self.methodology.parameters:
            days.update(
                day for value in parameter.values for day in (value.effective_from, value.effective_to)
            )
        for use in self.methodology.factors:
            for edition in self.factor_sets[use.set].editions:
                days.update((edition.applies_from, edition.applies_to, edition.published_at))
                days.add(date(edition.data_year, 1, 1))
        known = sorted(day for day in days if day is not None) or [date(2020, 1, 1)]
        return [known[0] - timedelta(days=1), *known]

    def _parameter(self, parameter: Parameter, on: date) -> Reading | None:
        for value in parameter.values:
            source = self.methodology.source(value.source)
            if holds(value.effective_from, value.effective_to, on):
                if value.value is None or value.grade is None or source is None:
                    return None
                return Reading(
                    name=parameter.name, label=parameter.label, value=value.value, unit=parameter.unit,
                    grade=value.grade, source=source, clause=value.clause, borrowed_from=value.borrowed_from,
                    review_by=value.review_by, note=value.note,
                )  # fmt: skip
        return None

    def _factor(self, use: FactorUse, on: date) -> Reading | None:
        factor_set = self.factor_sets[use.set]
        edition = factor_set.edition(use.choose, on)
        if edition is None or use.key not in edition.values:
            return None
        source = Source(
            name=factor_set.name, document=edition.document, number=edition.number,
            address=edition.address, dated=edition.published_at, read_as=edition.read_as,
        )  # fmt: skip
        return Reading(
            name=use.name, label=use.label, value=edition.values[use.key], unit=factor_set.unit,
            grade=worst((edition.grade, use.use_grade)), source=source, clause=use.key,
            data_year=edition.data_year, review_by=edition.review_by, note=use.use_note,
        )  # fmt: skip

    def _steps_for(self, words: Mapping[str, str]) -> tuple[tuple[Step, Node], ...]:
        """The steps that lead to the result once the words are known, in order, result last."""
        key = tuple(words.values())
        if key not in self._narrowed:
            steps = {step.name: (step, expression.specialise(node, words)) for step, node in self.steps}
            wanted = {self.methodology.result}
            for name in reversed(steps):  # users come after what they use, so one pass backwards suffices
                if name in wanted:
                    wanted |= expression.names(steps[name][1])
            kept = tuple(
                pair for name, pair in steps.items() if name in wanted and name != self.methodology.result
            )
            self._narrowed[key] = (*kept, steps[self.methodology.result])
        return self._narrowed[key]

    def _program(self, steps: tuple[tuple[Step, Node], ...], readings: list[Reading]) -> Program:
        key = (tuple(node for _, node in steps), tuple((reading.name, reading.value) for reading in readings))
        if key not in self._programs:
            constants = {reading.name: reading.in_base for reading in readings}
            inputs = {}
            for spec in self.methodology.inputs:
                if spec.kind == "event":
                    constants[spec.name] = units.scale(spec.unit or "1")
                elif spec.kind == "integer":
                    inputs[spec.name] = (
                        units.scale(spec.unit or "1"),
                        max(abs(spec.min or 0), abs(spec.max or 0)),
                    )
            self._programs[key] = expression.compile_steps([(s.name, n) for s, n in steps], constants, inputs)
        return self._programs[key]
