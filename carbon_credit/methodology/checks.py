"""What must be true of a methodology beyond its shape. The first fault is raised, with its line."""

from collections.abc import Iterator, Mapping
from datetime import date
from graphlib import CycleError, TopologicalSorter

from carbon_credit.kernel.quantity import MAX_QUANTITY
from carbon_credit.methodology import arithmetic, expression, units
from carbon_credit.methodology.definition import DatedValue, FactorSet, Grade, InputSpec, Methodology, Step
from carbon_credit.methodology.document import Document
from carbon_credit.methodology.errors import (
    DataError,
    DimensionWrong,
    ExpressionRefused,
    NameRepeated,
    NameUndefined,
    NameUnused,
    PeriodEmpty,
    PeriodsOverlap,
    SourceMissing,
    StepCycle,
    UnitUnknown,
    ValueWrong,
    ZeroDivisor,
)
from carbon_credit.methodology.expression import Node
from carbon_credit.methodology.formula import MAX_CASES, Formula

_SECTIONS = ("inputs", "parameters", "factors", "steps")


def checked_formula(document: Document, methodology: Methodology, sets: Mapping[str, FactorSet]) -> Formula:
    """The formula, or the first DataError. Dimensions are checked apart, by `check_dimensions`."""
    _check_names(document, methodology)
    _check_period(document, methodology.effective_from, methodology.effective_to, ())
    _check_sources(document, methodology)
    for index, spec in enumerate(methodology.inputs):
        _check_input(document, spec, index)
    for index, parameter in enumerate(methodology.parameters):
        _check_unit(document, parameter.unit, "parameters", index)
        _check_values(document, methodology, parameter.values, index)
    for index, use in enumerate(methodology.factors):
        if not any(use.key in edition.values for edition in sets[use.set].editions):
            known = ", ".join(sorted(sets[use.set].editions[-1].values))
            raise document.refuse(NameUndefined, "factors", index, "key", key=use.key, known=known)
    formula = Formula(methodology, sets, _ordered(document, methodology, _parsed(document, methodology)))
    _check_every_case(document, formula)
    return formula


def check_factor_set(document: Document, factor_set: FactorSet) -> None:
    """Unit known, one edition per data year, periods not empty."""
    _check_unit(document, factor_set.unit)
    years = [edition.data_year for edition in factor_set.editions]
    for index, edition in enumerate(factor_set.editions):
        if edition.data_year in years[:index]:
            raise document.refuse(NameRepeated, "editions", index, key=str(edition.data_year))
        _check_period(document, edition.applies_from, edition.applies_to, ("editions", index))


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


def _check_names(document: Document, methodology: Methodology) -> None:
    seen: set[str] = set()
    for section in _SECTIONS:
        for index, entry in enumerate(getattr(methodology, section)):
            if entry.name in seen or entry.name in ("min", "max", "if", "else"):
                raise document.refuse(NameRepeated, section, index, "name", key=entry.name)
            seen.add(entry.name)
    steps = [step.name for step in methodology.steps]
    if methodology.result not in steps:
        raise document.refuse(NameUndefined, "result", key=methodology.result, known=", ".join(steps))
    sources = [source.name for source in methodology.sources]
    for index, name in enumerate(sources):
        if name in sources[:index]:
            raise document.refuse(NameRepeated, "sources", index, "name", key=name)


def _check_sources(document: Document, methodology: Methodology) -> None:
    known = {source.name for source in methodology.sources}
    for part in ("formula", "eligibility", "caps", "rounding", "validity"):
        graded = getattr(methodology.grades, part)
        _check_source(document, graded.source, known, ("grades", part))
        if graded.source is None and graded.grade is not Grade.ASSUMED:
            raise document.refuse(SourceMissing, "grades", part)
    for index, use in enumerate(methodology.factors):
        _check_source(document, use.use_source, known, ("factors", index))
        if use.use_source is None and use.use_grade is not Grade.ASSUMED:
            raise document.refuse(SourceMissing, "factors", index)


def _check_source(document: Document, name: str | None, known: set[str], path: tuple[str | int, ...]) -> None:
    if name is not None and name not in known:
        raise document.refuse(NameUndefined, *path, "source", key=name, known=", ".join(sorted(known)))


def _check_input(document: Document, spec: InputSpec, index: int) -> None:
    path = ("inputs", index)
    if spec.kind == "enum":
        if not spec.values or spec.unit is not None or spec.min is not None or spec.max is not None:
            raise document.refuse(ValueWrong, *path, what="an enum input has values, and no unit, min or max")
        for activity, word in (spec.by_activity or {}).items():
            if word not in spec.values:
                raise document.refuse(
                    ValueWrong, *path, "by_activity", activity, what=f"{word} is not among values"
                )
        return
    if spec.values or spec.by_activity is not None:
        raise document.refuse(ValueWrong, *path, what="only an enum input has values or by_activity")
    _check_unit(document, spec.unit, *path)
    if spec.kind == "event":
        return
    if spec.min is None or spec.max is None or not -MAX_QUANTITY <= spec.min <= spec.max <= MAX_QUANTITY:
        raise document.refuse(
            ValueWrong, *path, what="an integer input has bounds: min <= max, within 64 bits"
        )


def _check_unit(document: Document, unit: str | None, *path: str | int) -> None:
    try:
        units.scale(unit or "")
    except units.UnknownUnit:
        known = ", ".join(units.KNOWN_UNITS)
        raise document.refuse(UnitUnknown, *path, "unit", unit=unit or "(none)", known=known) from None


def _check_values(
    document: Document, methodology: Methodology, values: tuple[DatedValue, ...], at: int
) -> None:
    known = {source.name for source in methodology.sources}
    for index, value in enumerate(values):
        path = ("parameters", at, "values", index)
        _check_source(document, value.source, known, path)
        if value.value is not None and (value.source is None or value.grade is None):
            raise document.refuse(SourceMissing, *path)
        if value.borrowed_from is not None and value.grade is not Grade.ASSUMED:
            raise document.refuse(ValueWrong, *path, "grade", what="a borrowed value has the grade assumed")
        _check_period(document, value.effective_from, value.effective_to, path)
        for other in values[:index]:
            if _overlap(value.effective_from, value.effective_to, other.effective_from, other.effective_to):
                raise document.refuse(PeriodsOverlap, *path)


def _check_period(
    document: Document, start: date | None, end: date | None, path: tuple[str | int, ...]
) -> None:
    if start is not None and end is not None and end <= start:
        raise document.refuse(
            PeriodEmpty, *path, "effective_to" if path[:1] != ("editions",) else "applies_to"
        )


def _overlap(start: date | None, end: date | None, other_start: date | None, other_end: date | None) -> bool:
    first, second = start or date.min, other_start or date.min
    return first < (other_end or date.max) and second < (end or date.max)


def _parsed(document: Document, methodology: Methodology) -> dict[str, tuple[Step, Node]]:
    values = {p.name for p in methodology.parameters} | {f.name for f in methodology.factors}
    values |= {step.name for step in methodology.steps} | {
        s.name for s in methodology.inputs if s.kind != "enum"
    }
    enums = {spec.name: spec.values for spec in methodology.inputs if spec.kind == "enum"}
    parsed: dict[str, tuple[Step, Node]] = {}
    read: set[str] = set()
    for index, step in enumerate(methodology.steps):
        _check_unit(document, step.unit, "steps", index)
        try:
            node = expression.parse(step.expression)
        except expression.Refused as error:
            raise document.refuse(
                ExpressionRefused, "steps", index, "expression", what=error.args[0]
            ) from None
        for name in sorted(expression.names(node) - values):
            raise document.refuse(
                NameUndefined, "steps", index, "expression", key=name, known=", ".join(sorted(values))
            )
        for name, word in sorted(expression.words(node)):
            if word not in enums.get(name, ()):
                known = (
                    ", ".join(f"{enum} == {w}" for enum, ws in enums.items() for w in ws) or "no enum input"
                )
                raise document.refuse(
                    NameUndefined, "steps", index, "expression", key=f'{name} == "{word}"', known=known
                )
        read |= expression.names(node) | {name for name, _ in expression.words(node)}
        parsed[step.name] = (step, node)
    for section, index, name in _declared(methodology):
        if name not in read:
            raise document.refuse(NameUnused, section, index, "name", key=name)
    return parsed


def _declared(methodology: Methodology) -> Iterator[tuple[str, int, str]]:
    for section in _SECTIONS:
        for index, entry in enumerate(getattr(methodology, section)):
            if entry.name != methodology.result:
                yield section, index, entry.name


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


def _check_every_case(document: Document, formula: Formula) -> None:
    """Compile for each combination of words and each day on which a value changes: a constant zero
    divisor or a number that could explode is seen here, not at the first event that meets it."""
    if formula.case_count() > MAX_CASES:
        what = f"words of enum inputs and dates of values make more than {MAX_CASES} combinations"
        raise document.refuse(ValueWrong, "inputs", what=what)
    index = next(
        i for i, step in enumerate(formula.methodology.steps) if step.name == formula.methodology.result
    )
    for words in formula.word_choices():
        for on in formula.turning_days():
            try:
                formula.prepare(on, words)
            except expression.DividesByZero:
                raise document.refuse(ZeroDivisor, "steps", index, "expression") from None
            except expression.Refused as error:
                raise _refused(document, index, error) from None


def _refused(document: Document, index: int, error: expression.Refused) -> DataError:
    return document.refuse(ExpressionRefused, "steps", index, "expression", what=error.args[0])
