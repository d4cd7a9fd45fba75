"""The calculation once more, slowly: by fractions, keeping every condition, value and step.

It shares the parsed expressions with the compiled function and nothing else.
"""

from collections.abc import Mapping
from datetime import date
from fractions import Fraction

from carbon_credit.methodology import arithmetic, expression, units
from carbon_credit.methodology.answers import Evaluation, Inputs, Refusal
from carbon_credit.methodology.definition import Methodology
from carbon_credit.methodology.expression import IsWord
from carbon_credit.methodology.formula import Condition, Prepared, Steps
from carbon_credit.methodology.inputs import is_word
from carbon_credit.methodology.loader import Package
from carbon_credit.methodology.readings import Reading
from carbon_credit.methodology.trace import Trace, TracedCondition, TracedInput, TracedStep

# Results that were computed, and then refused.
_COMPUTED = ("negative-result", "result-out-of-bounds")
# Refusals that are seen before there is anything to compute with.
_EARLY = ("input-", "not-in-force")


def explained(
    package: Package, inputs: Inputs, answer: Evaluation | Refusal, *, on: date, day: date
) -> Trace:
    """The trace of `answer`, which the engine gave for activity on `on`, computed as on `day`."""
    methodology = package.methodology
    specs = [spec for spec in methodology.inputs if spec.kind == "event" or spec.name in inputs]
    shown = tuple(TracedInput(s.name, s.label, str(inputs.get(s.name, 1)), s.unit) for s in specs)
    conditions: tuple[TracedCondition, ...] = ()
    readings: tuple[Reading, ...] = ()
    steps: tuple[TracedStep, ...] = ()
    exact: Fraction | None = None
    refusal = answer if isinstance(answer, Refusal) else None
    if refusal is None or not refusal.code.startswith(_EARLY):
        words = {spec.name: str(inputs[spec.name]) for spec in methodology.inputs if is_word(spec)}
        values = {
            spec.name: Fraction(inputs.get(spec.name, 1)) * units.scale(spec.unit or "1")
            for spec in specs
            if not is_word(spec)
        }
        ready = package.formula.prepare(day, words)
        conditions = tuple(_condition(methodology, one, values, words) for one in ready.conditions)
        if isinstance(ready.result, Prepared) and (refusal is None or refusal.code in _COMPUTED):
            readings = ready.result.readings
            steps, all_values = _steps(ready.result.steps, readings, values)
            exact = all_values[methodology.result]
    return Trace(
        methodology=methodology, version=package.version, digest=package.digest, overlay=package.overlay,
        on=on, declared_day=None if day == on else day, inputs=shown, conditions=conditions,
        readings=readings, steps=steps, exact_mg=exact,
        reduction_mg=answer.reduction_mg if isinstance(answer, Evaluation) else None,
        grade=answer.grade if isinstance(answer, Evaluation) else None,
        pending=isinstance(answer, Evaluation) and answer.pending,
        refusal=None if refusal is None else (refusal.code, refusal.field, refusal.detail),
    )  # fmt: skip


def _steps(
    steps: Steps, readings: tuple[Reading, ...], inputs: Mapping[str, Fraction]
) -> tuple[tuple[TracedStep, ...], dict[str, Fraction]]:
    """Every step, and all values in base units by name. Raises ZeroDivisionError."""
    values = {**inputs, **{reading.name: reading.in_base for reading in readings}}
    traced = []
    for step, node in steps:
        values[step.name] = arithmetic.value_of(node, values)
        amount = values[step.name] / units.scale(step.unit)
        written, written_zh = arithmetic.text_of(node), arithmetic.text_of(node, "zh")
        traced.append(TracedStep(step.name, step.label, written, written_zh, amount, step.unit))
    return tuple(traced), values


def _condition(
    methodology: Methodology, condition: Condition, inputs: Mapping[str, Fraction], words: Mapping[str, str]
) -> TracedCondition:
    test, verdict = condition.test, condition.verdict
    named = sorted(expression.names(expression.as_choice(test)))
    told = [(name, words[name], None) for name, _ in sorted(expression.words(expression.as_choice(test)))]
    amounts: list[tuple[str, str, str | None]] = list(dict.fromkeys(told))
    if condition.missing is not None:
        verdict = "unknown-value"
    elif verdict == "open" and not isinstance(test, IsWord):
        try:
            _, values = _steps(condition.steps, condition.readings, inputs)
            verdict = "holds" if arithmetic.holds(test, values) else "fails"
        except ZeroDivisionError:
            return TracedCondition(
                condition.predicate, arithmetic.comparison_text(test), "unknown-value", (), condition.readings
            )
        unit_of = {spec.name: spec.unit for spec in methodology.inputs}
        unit_of |= {step.name: step.unit for step in methodology.steps}
        unit_of |= {reading.name: reading.unit for reading in condition.readings}
        for name in named:
            unit = unit_of[name]
            amounts.append((name, arithmetic.exact_text(values[name] / units.scale(unit or "1")), unit))
    return TracedCondition(
        condition.predicate, arithmetic.comparison_text(test), verdict, tuple(amounts), condition.readings
    )
