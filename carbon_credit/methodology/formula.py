"""Steps and tests with the values of a day put in: what the engine runs and the trace shows."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from fractions import Fraction
from itertools import product

from carbon_credit.methodology import compiler, expression, units
from carbon_credit.methodology.compiler import Code, Program
from carbon_credit.methodology.definition import (
    FactorSet,
    FactorUse,
    Grade,
    InputSpec,
    Methodology,
    Parameter,
    Predicate,
    Step,
    Texts,
    worst,
)
from carbon_credit.methodology.expression import Choice, IsWord, Node, Test, as_choice
from carbon_credit.methodology.inputs import bounds, is_number, is_word, unknown_facts, words_of
from carbon_credit.methodology.readings import Missing, Reading, read_value

MAX_CASES = 2_000
Steps = tuple[tuple[Step, Node], ...]


@dataclass(frozen=True, slots=True)
class Prepared:
    """A formula for one day and one choice of words. `program` gives milligrams (before the floor)."""

    program: Program
    grade: Grade
    readings: tuple[Reading, ...]
    steps: Steps


@dataclass(frozen=True, slots=True)
class Condition:
    """A predicate for one day and one choice of words.

    `verdict`: "holds" or "fails" where the words decide, "pending" where it waits for a fact of the year,
    "open" where numbers decide: then `program` gives 1 or 0. `missing`: a value that it needs.
    """

    predicate: Predicate
    test: Test
    verdict: str
    program: Program | None = None
    missing: Missing | None = None
    readings: tuple[Reading, ...] = ()
    steps: Steps = ()


@dataclass(frozen=True, slots=True)
class Ready:
    """Everything for one day and one choice of words: what must hold, and then the result."""

    conditions: tuple[Condition, ...]
    result: Prepared | Missing

    @property
    def pending(self) -> bool:
        """Whether the result counts provisionally, until the year is over."""
        return any(condition.verdict == "pending" for condition in self.conditions)


@dataclass(frozen=True)
class Formula:
    """`steps` are parsed and in the order of calculation; the result is among them. `tests` are those
    of `methodology.eligibility`, in the order of the file."""

    methodology: Methodology
    factor_sets: Mapping[str, FactorSet]
    steps: Steps
    tests: tuple[tuple[Predicate, Test], ...] = ()
    _narrowed: dict[tuple[object, ...], Steps] = field(default_factory=dict, repr=False)
    _codes: dict[tuple[object, ...], Code] = field(default_factory=dict, repr=False)
    _programs: dict[Code, Program] = field(default_factory=dict, repr=False)

    def prepare(self, on: date, words: Mapping[str, str]) -> Ready:
        """Tests and formula as they stand on `on` for these words of the inputs.

        The grade is the worst of the formula, of the predicates, and of every value that was read.
        Raises expression.Refused.
        """
        conditions = tuple(self._condition(predicate, test, on, words) for predicate, test in self.tests)
        steps = self._steps_to(self.methodology.result, words)
        readings = self._readings(steps, on)
        if isinstance(readings, Missing):
            return Ready(conditions, readings)
        grades = [self.methodology.grades.formula.grade, *(reading.grade for reading in readings)]
        for condition in conditions:
            grades += [condition.predicate.grade, *(reading.grade for reading in condition.readings)]
        program = self._program(self._code(steps, readings))
        return Ready(conditions, Prepared(program, worst(grades), readings, steps))

    def prove(self, on: date, words: Mapping[str, str]) -> None:
        """Write the code of every test, then of the formula, as `prepare` would, and make nothing.

        Raises expression.Refused, with the number of the predicate as a second argument where it is one."""
        for index, (_, test) in enumerate(self.tests):
            try:
                self._written((*self._steps_of_test(test, words), _as_step(test, words)), on)
            except expression.Refused as error:
                error.args = (error.args[0], index)
                raise
        self._written(self._steps_to(self.methodology.result, words), on)

    def case_count(self) -> int:
        """How many combinations of words and turning days there are, without listing them."""
        return math.prod(len(words) for _, words in self._telling_words()) * len(self.turning_days())

    def word_choices(self) -> list[dict[str, str]]:
        """Combinations of words: every word that is compared somewhere, and one for all the others."""
        telling = self._telling_words()
        return [
            dict(zip((name for name, _ in telling), words, strict=True))
            for words in product(*(words for _, words in telling))
        ]

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

    def words_read(self, test: Test) -> frozenset[str]:
        """The inputs whose words the test looks at, by itself or in the steps that it needs."""
        steps = {step.name: node for step, node in self.steps}
        read: set[str] = set()
        seen: set[str] = set()
        nodes: list[Node] = [as_choice(test)]
        while nodes:
            node = nodes.pop()
            read |= {name for name, _ in expression.words(node)}
            new = (expression.names(node) & steps.keys()) - seen
            seen |= new
            nodes += [steps[name] for name in new]
        return frozenset(read)

    def _condition(self, predicate: Predicate, test: Test, on: date, words: Mapping[str, str]) -> Condition:
        if predicate.decided == "year" and self.words_read(test) & unknown_facts(
            self.methodology.inputs, words
        ):
            return Condition(predicate, test, "pending")
        if isinstance(test, IsWord):
            true = (words[test.name] == test.word) is test.equal
            return Condition(predicate, test, "holds" if true else "fails")
        steps = self._steps_of_test(test, words)
        last = _as_step(test, words)
        readings = self._readings((*steps, last), on)
        if isinstance(readings, Missing):
            return Condition(predicate, test, "open", missing=readings)
        program = self._program(self._code((*steps, last), readings))
        narrowed = last[1].test if isinstance(last[1], Choice) else test
        return Condition(predicate, narrowed, "open", program, None, readings, steps)

    def _telling_words(self) -> list[tuple[str, tuple[str, ...]]]:
        compared = frozenset[tuple[str, str]]().union(
            *(expression.words(node) for _, node in self.steps),
            *(expression.words(as_choice(test)) for _, test in self.tests),
        )
        told = []
        for spec in filter(is_word, self.methodology.inputs):
            all_words = words_of(spec)
            # `absent` decides whether a result is pending, so it is looked at on its own.
            telling = [w for w in all_words if (spec.name, w) in compared or w == spec.absent]
            told.append((spec.name, (*telling, *[w for w in all_words if w not in telling][:1])))
        return told

    def _readings(self, steps: Steps, on: date) -> tuple[Reading, ...] | Missing:
        """The values that `steps` read, or the first that is missing."""
        own = {step.name for step, _ in steps}
        inputs = {spec.name for spec in self.methodology.inputs}
        needed = frozenset[str]().union(*(expression.names(node) for _, node in steps)) - own - inputs
        readings = []
        entries: list[Parameter | FactorUse] = [*self.methodology.parameters, *self.methodology.factors]
        for entry in entries:
            if entry.name in needed:
                reading = read_value(entry, self.methodology, self.factor_sets, on)
                if isinstance(reading, Missing):
                    return reading
                readings.append(reading)
        return tuple(readings)

    def _steps_to(self, result: str, words: Mapping[str, str]) -> Steps:
        """The steps that lead to `result` once the words are known, in order, `result` last."""
        steps = self._steps_for(frozenset((result,)), words)
        own = next(pair for pair in steps if pair[0].name == result)
        return (*(pair for pair in steps if pair is not own), own)

    def _steps_of_test(self, test: Test, words: Mapping[str, str]) -> Steps:
        narrowed = expression.specialise(as_choice(test), words)
        return self._steps_for(expression.names(narrowed), words)

    def _steps_for(self, wanted: frozenset[str], words: Mapping[str, str]) -> Steps:
        key = (wanted, *words.values())
        if key not in self._narrowed:
            steps = {step.name: (step, expression.specialise(node, words)) for step, node in self.steps}
            needed = set(wanted)
            for name in reversed(steps):  # users come after what they use, so one pass backwards suffices
                if name in needed:
                    needed |= expression.names(steps[name][1])
            self._narrowed[key] = tuple(pair for name, pair in steps.items() if name in needed)
        return self._narrowed[key]

    def _written(self, steps: Steps, on: date) -> None:
        readings = self._readings(steps, on)
        if not isinstance(readings, Missing):
            self._code(steps, readings)

    def _code(self, steps: Steps, readings: Sequence[Reading]) -> Code:
        key = (tuple(node for _, node in steps), tuple((reading.name, reading.value) for reading in readings))
        if key not in self._codes:
            constants = {reading.name: reading.in_base for reading in readings}
            constants |= {spec.name: _scale(spec) for spec in self.methodology.inputs if spec.kind == "event"}
            inputs = {
                spec.name: (_scale(spec), *bounds(spec))
                for spec in filter(is_number, self.methodology.inputs)
            }
            self._codes[key] = compiler.write_steps([(s.name, n) for s, n in steps], constants, inputs)
        return self._codes[key]

    def _program(self, code: Code) -> Program:
        if code not in self._programs:
            self._programs[code] = compiler.compile_code(code)
        return self._programs[code]


def _scale(spec: InputSpec) -> Fraction:
    return units.scale(spec.unit or "1")


_VERDICT = Texts(zh="资格", en="Eligibility")


def _as_step(test: Test, words: Mapping[str, str]) -> tuple[Step, Node]:
    """A test as a last step that is 1 where it holds."""
    # No step of a file has this name: it is no name there.
    step = Step(name="?", label=_VERDICT, expression="", unit="1")
    return step, expression.specialise(as_choice(test), words)
