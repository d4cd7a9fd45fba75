"""What an evaluation answers: milligrams with a grade, or a refusal of a closed list.

input-missing · input-unknown · input-not-integer · input-out-of-bounds · input-not-listed
not-in-force · not-eligible · value-missing · value-expired · division-by-zero
negative-result · result-out-of-bounds
"""

from collections.abc import Mapping
from fractions import Fraction
from typing import TypeAlias

from msgspec import Struct

from carbon_credit.methodology.definition import Grade, InputSpec, Methodology
from carbon_credit.methodology.inputs import bounds, is_word, words_of

Inputs: TypeAlias = Mapping[str, int | str]


class Evaluation(Struct, frozen=True, gc=False):
    """A result: milligrams of CO2e, floored, and the worst grade of the formula, the conditions and the
    values read. `pending`: it counts provisionally, until a fact that the year decides is known."""

    reduction_mg: int
    grade: Grade
    pending: bool = False


class Refusal(Struct, frozen=True, gc=False):
    """Why there is no result. `field` names the input, parameter or condition; no personal data in
    `detail`."""

    code: str
    field: str | None
    detail: str


def floor_mg(value: int | Fraction, numerator: int, denominator: int) -> int:
    """value x numerator / denominator in whole milligrams, towards minus infinity. The one place where a
    result is rounded."""
    return value * numerator // denominator


def unfit(methodology: Methodology, inputs: Inputs) -> Refusal | None:
    """The first input that does not fit, in the order of the methodology; then unknown ones."""
    for spec in methodology.inputs:
        if spec.kind != "event":
            if spec.name not in inputs:
                return Refusal("input-missing", spec.name, f"The methodology needs {spec.name}.")
            refusal = _unfit_value(spec, inputs[spec.name])
            if refusal is not None:
                return refusal
    known = {spec.name for spec in methodology.inputs if spec.kind != "event"}
    unknown = next((str(name) for name in inputs if name not in known), None)
    if unknown is None:
        return None
    return Refusal(
        "input-unknown", unknown[:64], "The methodology does not read this; send only what it reads."
    )


def _unfit_value(spec: InputSpec, value: object) -> Refusal | None:
    if is_word(spec):
        if isinstance(value, str) and value in words_of(spec):
            return None
        return Refusal("input-not-listed", spec.name, f"{spec.name} is one of: {', '.join(words_of(spec))}.")
    if type(value) is not int:
        return Refusal("input-not-integer", spec.name, f"{spec.name} is a whole number of {spec.unit}.")
    least, greatest = bounds(spec)
    if least <= value <= greatest:
        return None
    return Refusal(
        "input-out-of-bounds", spec.name, f"{spec.name} lies between {least} and {greatest} {spec.unit}."
    )
