"""A package, compiled: inputs and a date in, whole milligrams and a grade out.

`evaluate` is the hot path and makes nothing but its answer; `explain` computes the same thing again,
slowly and independently, and keeps every step. Both refuse in words of a closed list:

    input-missing · input-unknown · input-not-integer · input-out-of-bounds · input-not-listed
    not-in-force · value-missing · division-by-zero · negative-result · result-out-of-bounds
"""

from collections.abc import Mapping
from datetime import date
from fractions import Fraction
from typing import TypeAlias

from msgspec import Struct

from carbon_credit.kernel.quantity import MAX_QUANTITY
from carbon_credit.methodology import arithmetic, checks, units
from carbon_credit.methodology.definition import Grade, InputSpec, worst
from carbon_credit.methodology.formula import Missing, Prepared
from carbon_credit.methodology.loader import Package
from carbon_credit.methodology.trace import Trace, TracedInput, TracedStep

Inputs: TypeAlias = Mapping[str, int | str]
MAX_PREPARED = 20_000  # days x words kept ready; beyond it the store starts afresh


class Evaluation(Struct, frozen=True, gc=False):
    """A result: milligrams of CO2e, floored, and the worst grade of the formula and values it read."""

    reduction_mg: int
    grade: Grade


class Refusal(Struct, frozen=True, gc=False):
    """Why there is no result. `field` names the input or parameter; no personal data in `detail`."""

    code: str
    field: str | None
    detail: str


def floor_mg(value: int | Fraction, numerator: int, denominator: int) -> int:
    """value x numerator / denominator in whole milligrams. The one place where a result is rounded."""
    return value * numerator // denominator


class CompiledMethodology:
    """A package ready to run. Thread-safe: its stores are only ever filled with equal answers."""

    def __init__(self, package: Package) -> None:
        methodology = package.methodology
        self.package = package
        self.methodology = methodology
        self.id, self.version, self.digest = methodology.id, methodology.version, package.digest
        self._from, self._to = methodology.effective_from, methodology.effective_to
        self._integers = [(s.name, s.min or 0, s.max or 0) for s in methodology.inputs if s.kind == "integer"]
        self._enums = [s for s in methodology.inputs if s.kind == "enum"]
        self._count = len(self._integers) + len(self._enums)
        self._by_activity = {s.name: s.by_activity for s in self._enums if s.by_activity is not None}
        self._ready: dict[tuple[object, ...], Prepared | Refusal] = {}
        # The fields of an activity that the formula reads; everything else is not its business.
        self.reads = (
            frozenset(s.name for s in methodology.inputs if s.kind != "event") - self._by_activity.keys()
        )

    def inputs_of(self, activity_type: str, data: Mapping[str, int | str]) -> dict[str, int | str]:
        """What the formula reads from an activity: its fields, and the words that its type itself says."""
        inputs = {name: data[name] for name in self.reads if name in data}
        for name, words in self._by_activity.items():
            if activity_type in words:
                inputs[name] = words[activity_type]
        return inputs

    def evaluate(self, inputs: Inputs, *, on: date, earlier: bool = False) -> Evaluation | Refusal:
        """The reduction for activity on the business day `on`.

        `inputs` holds exactly the inputs of the formula (see `inputs_of`), integers as int. With
        `earlier`, which only a rehearsal's binding may say, a day before the version's first day is
        taken as that first day: the version is declared in force for the earlier period.
        """
        if self._from is not None and on < self._from:
            if not earlier:
                return self._not_in_force(on)
            on = self._from
        if self._to is not None and on >= self._to:
            return self._not_in_force(on)
        values = []
        for name, lowest, highest in self._integers:
            value = inputs.get(name)
            if value.__class__ is not int or not lowest <= value <= highest:
                return self._refused_input(inputs)
            values.append(value)
        key: tuple[object, ...] = (
            (on, *[inputs.get(spec.name) for spec in self._enums]) if self._enums else (on,)
        )
        try:
            prepared = self._ready.get(key)
        except TypeError:  # an unhashable thing where a word belongs
            return self._refused_input(inputs)
        if prepared is None or len(inputs) != self._count:
            prepared = self._prepare(key, inputs)
        if isinstance(prepared, Refusal):
            return prepared
        program = prepared.program
        try:
            result = floor_mg(program.function(*values), program.numerator, program.denominator)
        except ZeroDivisionError:
            return Refusal("division-by-zero", None, "The formula divides by an input that is zero.")
        return (
            self._answer(result, prepared)
            if not 0 <= result <= MAX_QUANTITY
            else Evaluation(result, prepared.grade)
        )

    def explain(self, inputs: Inputs, *, on: date, earlier: bool = False) -> Trace:
        """The same calculation with every input, value, source and step. Never raises for bad inputs."""
        answer = self.evaluate(inputs, on=on, earlier=earlier)
        day = self._from if earlier and self._from is not None and on < self._from else on
        specs = [spec for spec in self.methodology.inputs if spec.kind == "event" or spec.name in inputs]
        shown = tuple(TracedInput(s.name, s.label, str(inputs.get(s.name, 1)), s.unit) for s in specs)
        if isinstance(answer, Refusal) and answer.code not in ("negative-result", "result-out-of-bounds"):
            return self._trace(on, day, shown, answer)
        prepared = self.package.formula.prepare(
            day, {spec.name: str(inputs[spec.name]) for spec in self._enums}
        )
        assert isinstance(prepared, Prepared)  # noqa: S101  evaluate has just answered with it
        values = {reading.name: reading.in_base for reading in prepared.readings}
        for spec in specs:
            if spec.kind != "enum":
                values[spec.name] = Fraction(inputs.get(spec.name, 1)) * units.scale(spec.unit or "1")
        steps = []
        for step, node in prepared.steps:
            values[step.name] = arithmetic.value_of(node, values)
            amount = values[step.name] / units.scale(step.unit)
            steps.append(TracedStep(step.name, step.label, arithmetic.text_of(node), amount, step.unit))
        return self._trace(on, day, shown, answer, prepared, tuple(steps), values[self.methodology.result])

    def _trace(
        self, on: date, day: date, inputs: tuple[TracedInput, ...], answer: Evaluation | Refusal,
        prepared: Prepared | None = None, steps: tuple[TracedStep, ...] = (), exact: Fraction | None = None,
    ) -> Trace:  # fmt: skip
        return Trace(
            methodology=self.methodology, digest=self.digest, on=on, declared_day=None if day == on else day,
            inputs=inputs, readings=prepared.readings if prepared else (), steps=steps, exact_mg=exact,
            reduction_mg=answer.reduction_mg if isinstance(answer, Evaluation) else None,
            grade=answer.grade if isinstance(answer, Evaluation) else None,
            refusal=(answer.code, answer.field, answer.detail) if isinstance(answer, Refusal) else None,
        )  # fmt: skip

    def _answer(self, result: int, prepared: Prepared) -> Evaluation | Refusal:
        """The unusual results: below zero, or more than an account can hold."""
        if abs(result) > MAX_QUANTITY:
            return Refusal("result-out-of-bounds", None, "The result is larger than an account can hold.")
        if self.methodology.negative == "refuse":
            return Refusal(
                "negative-result", None, "The result is below zero, which this methodology does not credit."
            )
        return Evaluation(0 if self.methodology.negative == "zero" else result, prepared.grade)

    def _prepare(self, key: tuple[object, ...], inputs: Inputs) -> Prepared | Refusal:
        refusal = self._unfit(inputs)
        if refusal is not None:
            return refusal
        on, *words = key
        assert isinstance(on, date)  # noqa: S101  it is the first part of the key
        named = {spec.name: str(word) for spec, word in zip(self._enums, words, strict=True)}
        found = self.package.formula.prepare(on, named)
        ready: Prepared | Refusal = (
            Refusal("value-missing", found.name, f"No value of {found.name} is known for {on.isoformat()}.")
            if isinstance(found, Missing)
            else found
        )
        if len(self._ready) >= MAX_PREPARED:
            self._ready.clear()
        self._ready[key] = ready
        return ready

    def _refused_input(self, inputs: Inputs) -> Refusal:
        return self._unfit(inputs) or Refusal("input-missing", None, "An input is missing.")

    def _unfit(self, inputs: Inputs) -> Refusal | None:
        """The first input that does not fit, in the order of the methodology; then unknown ones."""
        for spec in self.methodology.inputs:
            if spec.kind != "event":
                if spec.name not in inputs:
                    return Refusal("input-missing", spec.name, f"The methodology needs {spec.name}.")
                refusal = _unfit_value(spec, inputs[spec.name])
                if refusal is not None:
                    return refusal
        known = {spec.name for spec in self.methodology.inputs if spec.kind != "event"}
        unknown = next((str(name) for name in inputs if name not in known), None)
        if unknown is None:
            return None
        return Refusal(
            "input-unknown", unknown[:64], "The methodology does not read this; send only what it reads."
        )

    def _not_in_force(self, on: date) -> Refusal:
        period = f"from {self._from or 'ever'} to {self._to or 'further notice'}"
        return Refusal(
            "not-in-force", None, f"The version is in force {period}; {on.isoformat()} is outside."
        )


def _unfit_value(spec: InputSpec, value: object) -> Refusal | None:
    if spec.kind == "enum":
        if isinstance(value, str) and value in spec.values:
            return None
        return Refusal("input-not-listed", spec.name, f"{spec.name} is one of: {', '.join(spec.values)}.")
    if type(value) is not int:
        return Refusal("input-not-integer", spec.name, f"{spec.name} is a whole number of {spec.unit}.")
    if (spec.min or 0) <= value <= (spec.max or 0):
        return None
    return Refusal(
        "input-out-of-bounds", spec.name, f"{spec.name} lies between {spec.min} and {spec.max} {spec.unit}."
    )


def compile_package(package: Package, *, check_dimensions: bool) -> CompiledMethodology:
    """`package` ready to run. With `check_dimensions` (at lint, at publication, and for a digest that
    was not checked before) raises DimensionWrong unless every step fits its unit and the result is a
    mass of CO2e; this imports pint. Without it the numbers are the same."""
    if check_dimensions:
        checks.check_dimensions(package.document, package.formula)
    return CompiledMethodology(package)


def weakest_grade(package: Package) -> Grade:
    """The worst grade that any result of this version can have: what a programme's binding asks about."""
    methodology = package.methodology
    grades = [methodology.grades.formula.grade]
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
