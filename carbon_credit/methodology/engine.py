"""A package, compiled: inputs and a date in, whole milligrams and a grade out.

`evaluate` is the hot path and makes nothing but its answer; `explain` computes the same thing again,
slowly and independently, and keeps every step. Refusals are in words of a closed list (`answers`).
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from types import MappingProxyType
from typing import TypeAlias

from carbon_credit.kernel.quantity import MAX_QUANTITY
from carbon_credit.methodology import checks, explanation
from carbon_credit.methodology.answers import Evaluation as Evaluation
from carbon_credit.methodology.answers import Inputs as Inputs
from carbon_credit.methodology.answers import Refusal as Refusal
from carbon_credit.methodology.answers import floor_mg, unfit
from carbon_credit.methodology.assurance import BestBefore as BestBefore
from carbon_credit.methodology.assurance import all_official as all_official
from carbon_credit.methodology.assurance import best_before as best_before
from carbon_credit.methodology.assurance import not_official as not_official
from carbon_credit.methodology.assurance import weakest_grade as weakest_grade
from carbon_credit.methodology.batch import Branch, batch_source
from carbon_credit.methodology.compiler import compile_batch
from carbon_credit.methodology.definition import Grade, Predicate, Tier
from carbon_credit.methodology.formula import Condition, Prepared, Ready
from carbon_credit.methodology.inputs import InputReader, bounds, is_number, is_word, words_of
from carbon_credit.methodology.loader import Package
from carbon_credit.methodology.readings import Missing
from carbon_credit.methodology.trace import Trace

MAX_PREPARED = 20_000  # days x words kept ready; beyond it the store starts afresh
MANY = 200  # rows from which writing a loop pays
MAX_BRANCHES = 8  # choices of words that a loop is written for
MAX_LOOPS = 500
_ONCE: frozenset[tuple[object, ...]] = frozenset(((),))
_Loop: TypeAlias = Callable[..., list[Evaluation | Refusal]]
_NOTHING: Mapping[str, int] = MappingProxyType({})
_NO_FACTS: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class _Guarded:
    """A formula behind conditions that only the numbers of an event decide, or that is provisional."""

    conditions: tuple[Condition, ...]
    then: Prepared | Refusal
    pending: bool


class CompiledMethodology:
    """A package ready to run. Thread-safe: its stores are only ever filled with equal answers.

    `reads` are the fields of an event that it needs, `history` what has to be looked up among the
    citizen's events, `facts` the names of what the programme has to know. `annual`: some results wait
    for the end of the year. `netting`, `splits` (by days) and `exclusive_s` (how far apart in seconds two
    records of one trip can be; None: not asked) are carried out by who credits.
    """

    def __init__(self, package: Package) -> None:
        methodology = package.methodology
        self.package = package
        self.methodology = methodology
        self.id, self.version, self.digest = methodology.id, methodology.version, package.digest
        self.version_name = package.version
        self.annual = any(predicate.decided == "year" for predicate in methodology.eligibility)
        self.netting: str = methodology.netting
        self.splits = methodology.split == "days"
        self.exclusive_s = methodology.exclusive.within_s if methodology.exclusive else None
        self._reader = InputReader(methodology)
        self.reads, self.history, self.facts = self._reader.reads, self._reader.history, self._reader.facts
        self._from, self._to = methodology.effective_from, methodology.effective_to
        self._numbers = [(s.name, *bounds(s)) for s in methodology.inputs if is_number(s)]
        self._words = [s.name for s in methodology.inputs if is_word(s)]
        self._listed = {s.name: words_of(s) for s in methodology.inputs if is_word(s)}
        self._count = len(self._numbers) + len(self._words)
        self._ready: dict[tuple[object, ...], Prepared | _Guarded | Refusal] = {}
        self._loops: dict[tuple[object, ...], _Loop | None] = {}

    def inputs_of(
        self,
        activity_type: str,
        data: Mapping[str, int | str],
        *,
        history: Mapping[str, int] = _NOTHING,
        facts: Mapping[str, str] = _NO_FACTS,
        tier: Tier | None = None,
        on: date | None = None,
    ) -> dict[str, int | str]:
        """What the formula reads, as `evaluate` wants it and as it is stored: the event's fields, the words
        that its type says, `history` by input name, `facts` by the name of the fact (those with `since`
        as ISO dates, counted to the day `on`), and the word of the `tier`."""
        return self._reader.inputs_of(activity_type, data, history=history, facts=facts, tier=tier, on=on)

    def evaluate(self, inputs: Inputs, *, on: date, earlier: bool = False) -> Evaluation | Refusal:
        """The reduction for activity on the business day `on`.

        `inputs` holds exactly the inputs of the formula (see `inputs_of`), numbers as int. With
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
        for name, least, greatest in self._numbers:
            value = inputs.get(name)
            if value.__class__ is not int or not least <= value <= greatest:
                return self._refused_input(inputs)
            values.append(value)
        key: tuple[object, ...] = (on, *[inputs.get(name) for name in self._words]) if self._words else (on,)
        try:
            prepared = self._ready.get(key)
        except TypeError:  # an unhashable thing where a word belongs
            return self._refused_input(inputs)
        if prepared is None or len(inputs) != self._count:
            prepared = self._prepare(key, inputs)
        if not isinstance(prepared, Prepared):
            return self._guarded(prepared, values) if isinstance(prepared, _Guarded) else prepared
        program = prepared.program
        try:
            result = floor_mg(program.function(*values), program.numerator, program.denominator)
        except ZeroDivisionError:
            return _DIVIDES
        return (
            Evaluation(result, prepared.grade)
            if 0 <= result <= MAX_QUANTITY
            else self._unusual(result, prepared, False)
        )

    def evaluate_many(
        self, rows: Sequence[Inputs], *, on: date, earlier: bool = False
    ) -> list[Evaluation | Refusal]:
        """`evaluate` of every row, in their order: the same answers, several times as fast where there are
        many rows."""

        def one(inputs: Inputs) -> Evaluation | Refusal:
            return self.evaluate(inputs, on=on, earlier=earlier)

        loop = self._batch(rows, on) if len(rows) >= MANY else None
        return [one(inputs) for inputs in rows] if loop is None else loop(rows, one, Evaluation)

    def explain(self, inputs: Inputs, *, on: date, earlier: bool = False) -> Trace:
        """The same calculation with every input, condition, value, source and step. Never raises for bad
        inputs."""
        answer = self.evaluate(inputs, on=on, earlier=earlier)
        day = self._from if earlier and self._from is not None and on < self._from else on
        return explanation.explained(self.package, inputs, answer, on=on, day=day)

    def _batch(self, rows: Sequence[Inputs], on: date) -> _Loop | None:
        """The loop for these rows, or None where there is nothing to be gained."""
        if (self._from is not None and on < self._from) or (self._to is not None and on >= self._to):
            return None
        try:
            # Those of a sample: a row with words that are not in it is answered by itself.
            seen = self._choices(rows[:: len(rows) // MANY])
        except TypeError:  # an unhashable thing where a word belongs
            return None
        if len(seen) > MAX_BRANCHES:
            return None
        key = (on, seen)
        if key not in self._loops:
            if len(self._loops) >= MAX_LOOPS:
                self._loops.clear()
            self._loops[key] = self._loop(on, seen)
        return self._loops[key]

    def _choices(self, rows: Sequence[Inputs]) -> frozenset[tuple[object, ...]]:
        """The choices of words among the rows. Raises TypeError for what is no word."""
        if len(self._words) == 1:
            name = self._words[0]
            return frozenset((word,) for word in {row.get(name) for row in rows})
        return frozenset(tuple(map(row.get, self._words)) for row in rows) if self._words else _ONCE

    def _loop(self, on: date, seen: Iterable[tuple[object, ...]]) -> _Loop | None:
        branches: list[Branch] = []
        grades: dict[str, Grade] = {}
        for words in sorted(seen, key=repr):
            named = {name: str(word) for name, word in zip(self._words, words, strict=True)}
            if not all(word in self._listed[name] for name, word in named.items()):
                continue
            settled = _settled(self.package.formula.prepare(on, named), on)
            guarded = settled if isinstance(settled, _Guarded) else _Guarded((), settled, False)
            if isinstance(guarded.then, Prepared):
                conditions = tuple(c.program.code for c in guarded.conditions if c.program is not None)
                grade = f"g{len(grades)}"
                grades[grade] = guarded.then.grade
                code = guarded.then.program.code
                branches.append(Branch(tuple(named.values()), conditions, code, grade, guarded.pending))
        if not branches:
            return None
        source = batch_source(self._numbers, self._words, branches, MAX_QUANTITY)
        return compile_batch(source, grades)

    def _guarded(self, guarded: _Guarded, values: Sequence[int | str]) -> Evaluation | Refusal:
        """The conditions in the order of the file, and then the result."""
        for condition in guarded.conditions:
            assert condition.program is not None  # noqa: S101  only those with a program are kept
            try:
                if not condition.program.function(*values):
                    return _not_eligible(condition.predicate)
            except ZeroDivisionError:
                return _DIVIDES
        then = guarded.then
        if isinstance(then, Refusal):
            return then
        program = then.program
        try:
            result = floor_mg(program.function(*values), program.numerator, program.denominator)
        except ZeroDivisionError:
            return _DIVIDES
        if 0 <= result <= MAX_QUANTITY:
            return Evaluation(result, then.grade, guarded.pending)
        return self._unusual(result, then, guarded.pending)

    def _unusual(self, result: int, prepared: Prepared, pending: bool) -> Evaluation | Refusal:
        """The unusual results: below zero, or more than an account can hold."""
        if abs(result) > MAX_QUANTITY:
            return Refusal("result-out-of-bounds", None, "The result is larger than an account can hold.")
        if self.methodology.negative == "refuse":
            return Refusal(
                "negative-result", None, "The result is below zero, which this methodology does not credit."
            )
        kept = 0 if self.methodology.negative == "zero" else result
        return Evaluation(kept, prepared.grade, pending)

    def _prepare(self, key: tuple[object, ...], inputs: Inputs) -> Prepared | _Guarded | Refusal:
        refusal = unfit(self.methodology, inputs)
        if refusal is not None:
            return refusal
        on, *words = key
        assert isinstance(on, date)  # noqa: S101  it is the first part of the key
        named = {name: str(word) for name, word in zip(self._words, words, strict=True)}
        ready = _settled(self.package.formula.prepare(on, named), on)
        if len(self._ready) >= MAX_PREPARED:
            self._ready.clear()
        self._ready[key] = ready
        return ready

    def _refused_input(self, inputs: Inputs) -> Refusal:
        return unfit(self.methodology, inputs) or Refusal("input-missing", None, "An input is missing.")

    def _not_in_force(self, on: date) -> Refusal:
        period = f"from {self._from or 'ever'} to {self._to or 'further notice'}"
        return Refusal(
            "not-in-force", None, f"The version is in force {period}; {on.isoformat()} is outside."
        )


_DIVIDES = Refusal("division-by-zero", None, "The formula divides by an input that is zero.")


def _settled(ready: Ready, on: date) -> Prepared | _Guarded | Refusal:
    """What is left to do for an event once the day and the words are known, in the order of the file."""
    then = _no_value(ready.result, on) if isinstance(ready.result, Missing) else ready.result
    undecided = []
    for condition in ready.conditions:
        if condition.verdict == "fails":
            then = _not_eligible(condition.predicate)
            break
        if condition.missing is not None:
            then = _no_value(condition.missing, on)
            break
        if condition.verdict == "open":
            undecided.append(condition)
    return _Guarded(tuple(undecided), then, ready.pending) if undecided or ready.pending else then


def _not_eligible(predicate: Predicate) -> Refusal:
    return Refusal("not-eligible", predicate.name, f"The condition does not hold: {predicate.label.en}")


def _no_value(missing: Missing, on: date) -> Refusal:
    if missing.expired:
        detail = f"The last known value of {missing.name} ended before {on.isoformat()}; it is not extended."
        return Refusal("value-expired", missing.name, detail)
    return Refusal(
        "value-missing", missing.name, f"No value of {missing.name} is known for {on.isoformat()}."
    )


def compile_package(package: Package, *, check_dimensions: bool) -> CompiledMethodology:
    """`package` ready to run. With `check_dimensions` (at lint, at publication, and for a digest that
    was not checked before) raises DimensionWrong unless every step fits its unit and the result is a
    mass of CO2e; this imports pint. Without it the numbers are the same."""
    if check_dimensions:
        checks.check_dimensions(package.document, package.formula)
    return CompiledMethodology(package)
