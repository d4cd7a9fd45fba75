"""What must be true of the expressions of a methodology. The first fault is raised, with its line."""

from collections.abc import Mapping
from graphlib import CycleError, TopologicalSorter

from carbon_credit.methodology import arithmetic, compiler, declarations, expression, units
from carbon_credit.methodology.definition import FactorSet, Methodology, Predicate, Step
from carbon_credit.methodology.document import Document
from carbon_credit.methodology.errors import (
    DimensionWrong,
    ExpressionRefused,
    NameUndefined,
    NameUnused,
    StepCycle,
    ValueWrong,
    ZeroDivisor,
)
from carbon_credit.methodology.expression import Node, Operation, Test
from carbon_credit.methodology.formula import MAX_CASES, Formula
from carbon_credit.methodology.inputs import is_word, unknown_facts, words_of


def checked_formula(document: Document, methodology: Methodology, sets: Mapping[str, FactorSet]) -> Formula:
    """The formula, or the first DataError. Dimensions are checked apart, by `check_dimensions`."""
    declarations.check(document, methodology, sets)
    known = _Known(methodology)
    steps = {
        step.name: (step, known.step(document, step, index)) for index, step in enumerate(methodology.steps)
    }
    tests = tuple(
        (predicate, known.test(document, predicate, index))
        for index, predicate in enumerate(methodology.eligibility)
    )
    for section, index, name in declarations.declared(methodology):
        if name not in known.read:
            raise document.refuse(NameUnused, section, index, "name", key=name)
    formula = Formula(methodology, sets, _ordered(document, methodology, steps), tests)
    _check_annual(document, formula)
    _check_every_case(document, formula)
    return formula


def with_values(document: Document, methodology: Methodology, formula: Formula) -> Formula:
    """`formula` for a methodology in which only values of parameters have changed. Raises a DataError."""
    declarations.check_parameters(document, methodology)
    again = Formula(methodology, formula.factor_sets, formula.steps, formula.tests)
    _check_every_case(document, again)
    return again


def check_dimensions(document: Document, formula: Formula) -> None:
    """Every step must have the dimension of its unit, and the result must be a mass of CO2e."""
    methodology = formula.methodology
    dimensions = {s.name: units.dimension(s.unit) for s in methodology.inputs if s.unit is not None}
    dimensions |= {p.name: units.dimension(p.unit) for p in methodology.parameters}
    dimensions |= {f.name: units.dimension(formula.factor_sets[f.set].unit) for f in methodology.factors}
    for step, node in formula.steps:
        index = methodology.steps.index(step)
        stated = units.dimension(step.unit)
        try:
            found = arithmetic.dimension_of(node, dimensions)
        except arithmetic.Mismatch as error:
            raise document.refuse(DimensionWrong, "steps", index, "expression", what=str(error)) from None
        if found is not None and found != stated:
            told = arithmetic.dimension_text
            what = f"the expression is {told(found)}, {step.unit} is {told(stated)}"
            raise document.refuse(DimensionWrong, "steps", index, "expression", what=what)
        if step.name == methodology.result and stated != units.dimension(units.MASS_OF_CO2E):
            what = f"the result has the unit {step.unit}, which is not a mass of CO2e"
            raise document.refuse(DimensionWrong, "steps", index, "unit", what=what)
        dimensions[step.name] = stated
    for index, (_, test) in enumerate(formula.tests):
        try:
            arithmetic.check_test(test, dimensions)
        except arithmetic.Mismatch as error:
            raise document.refuse(DimensionWrong, "eligibility", index, "test", what=str(error)) from None


class _Known:
    """The names that an expression may use; `read` gathers those that are used."""

    def __init__(self, methodology: Methodology) -> None:
        self._words = {spec.name: words_of(spec) for spec in methodology.inputs if is_word(spec)}
        names = {name for _, _, name in declarations.declared(methodology)} | {methodology.result}
        self._values = names - self._words.keys()
        self.read: set[str] = set()

    def step(self, document: Document, step: Step, index: int) -> Node:
        path = ("steps", index, "expression")
        try:
            node = expression.parse(step.expression)
        except expression.Refused as error:
            raise document.refuse(ExpressionRefused, *path, what=error.args[0]) from None
        self._note(document, path, node)
        return node

    def test(self, document: Document, predicate: Predicate, index: int) -> Test:
        path = ("eligibility", index, "test")
        try:
            test = expression.parse_test(predicate.test)
        except expression.Refused as error:
            raise document.refuse(ExpressionRefused, *path, what=error.args[0]) from None
        self._note(document, path, expression.as_choice(test))
        return test

    def _note(self, document: Document, path: tuple[str | int, ...], node: Node) -> None:
        names, words = expression.names(node), expression.words(node)
        for name in sorted(names - self._values):
            known = ", ".join(sorted(self._values))
            raise document.refuse(NameUndefined, *path, key=name, known=known)
        for name, word in sorted(words):
            if word not in self._words.get(name, ()):
                every = [f"{one} == {w}" for one, ws in self._words.items() for w in ws]
                known = ", ".join(every) or "no input of words"
                raise document.refuse(NameUndefined, *path, key=f'{name} == "{word}"', known=known)
        if _divides_by_zero(node):
            raise document.refuse(ZeroDivisor, *path)
        self.read |= names | {name for name, _ in words}


def _divides_by_zero(node: Node) -> bool:
    """Whether a divisor made of literals alone is zero. With values in it, only the compiler can tell, and a
    draft may have none yet."""
    if any(map(_divides_by_zero, expression.parts(node))):
        return True
    if not (isinstance(node, Operation) and node.sign == "/"):
        return False
    literal = not (expression.names(node.right) or expression.words(node.right))
    return literal and arithmetic.value_of(node.right, {}) == 0


def _ordered(
    document: Document, methodology: Methodology, parsed: Mapping[str, tuple[Step, Node]]
) -> tuple[tuple[Step, Node], ...]:
    needs = {name: expression.names(node) & parsed.keys() for name, (_, node) in parsed.items()}
    try:
        order = list(TopologicalSorter(needs).static_order())
    except CycleError as error:
        circle = list(error.args[1])
        at = next(index for index, step in enumerate(methodology.steps) if step.name in circle)
        raise document.refuse(StepCycle, "steps", at, key=" -> ".join(circle)) from None
    return tuple(parsed[name] for name in order)


def _check_annual(document: Document, formula: Formula) -> None:
    """What the end of the year decides must wait for something: a fact of which nothing is known yet."""
    waits = {
        spec.name
        for spec in formula.methodology.inputs
        if unknown_facts((spec,), {spec.name: spec.absent or ""})
    }
    for index, (predicate, test) in enumerate(formula.tests):
        if predicate.decided == "year" and not formula.words_read(test) & waits:
            what = "a test that the year decides reads a fact with `absent`, the word before it is known"
            raise document.refuse(ValueWrong, "eligibility", index, "test", what=what)


def _check_every_case(document: Document, formula: Formula) -> None:
    """Write the code for each combination of words and each day on which a value changes: a constant zero
    divisor or a number that could explode is seen here, not at the first event that meets it."""
    if formula.case_count() > MAX_CASES:
        what = f"words of inputs and dates of values make more than {MAX_CASES} combinations; use fewer"
        raise document.refuse(ValueWrong, "inputs", what=what)
    steps = [step.name for step in formula.methodology.steps]
    for words in formula.word_choices():
        for on in formula.turning_days():
            try:
                formula.prove(on, words)
            except expression.Refused as error:
                what, *predicate = error.args
                path = (
                    ("steps", steps.index(error.step), "expression")
                    if error.step in steps
                    else ("eligibility", predicate[0], "test")
                )
                if isinstance(error, compiler.DividesByZero):
                    raise document.refuse(ZeroDivisor, *path) from None
                raise document.refuse(ExpressionRefused, *path, what=what) from None
