"""The slow, plain reading of an expression: by Fractions for the trace, by dimensions for the check.

It shares nothing with the compiler but the parsed nodes, so the two hold each other to account.
"""

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from carbon_credit.methodology import units
from carbon_credit.methodology.expression import (
    Choice,
    Compared,
    Extreme,
    IsWord,
    Name,
    Negative,
    Node,
    Number,
    Operation,
    Test,
    Whole,
)


class Mismatch(ValueError):
    """`args[0]` says which quantities cannot be added or compared."""


def value_of(node: Node, values: Mapping[str, Fraction]) -> Fraction:
    """The exact value in base units. Raises ZeroDivisionError. Choices between words must be made."""
    match node:
        case Number(value):
            return value
        case Name(name):
            return values[name]
        case Negative(of):
            return -value_of(of, values)
        case Operation(sign, left, right):
            return _operate(sign, value_of(left, values), value_of(right, values))
        case Extreme(which, of):
            return (min if which == "min" else max)(value_of(part, values) for part in of)
        case Whole(of):
            return Fraction(value_of(of, values) // 1)
        case Choice(Compared() as test, then, otherwise):
            return value_of(then if holds(test, values) else otherwise, values)
    raise AssertionError(f"not specialised: {node}")


def holds(test: Compared, values: Mapping[str, Fraction]) -> bool:
    """Whether the comparison is true. Raises ZeroDivisionError."""
    return _compare(test.sign, value_of(test.left, values), value_of(test.right, values))


def _operate(sign: str, a: Fraction, b: Fraction) -> Fraction:
    if sign == "+":
        return a + b
    if sign == "-":
        return a - b
    return a * b if sign == "*" else a / b


def _compare(sign: str, a: Fraction, b: Fraction) -> bool:
    if sign in ("==", "!="):
        return (a == b) is (sign == "==")
    if sign in ("<", "<="):
        return a < b or (sign == "<=" and a == b)
    return a > b or (sign == ">=" and a == b)


def dimension_of(node: Node, dimensions: Mapping[str, Any]) -> Any:
    """pint's dimensionality of the expression, over every branch. Raises Mismatch.

    A literal 0 fits any dimension (`max(0, a - b)`) and gives None; other literals are plain numbers.
    """
    match node:
        case Number(value):
            return None if value == 0 else units.dimensionless()
        case Name(name):
            return dimensions[name]
        case Negative(of):
            return dimension_of(of, dimensions)
        case Operation("*" | "/" as sign, left, right):
            a, b = dimension_of(left, dimensions), dimension_of(right, dimensions)
            if a is None or b is None:
                return None if sign == "*" or b is not None else a
            return a * b if sign == "*" else a / b
        case Operation(sign, left, right):
            return _same(
                [dimension_of(left, dimensions), dimension_of(right, dimensions)], f"joined by {sign}"
            )
        case Extreme(which, of):
            return _same([dimension_of(part, dimensions) for part in of], f"compared by {which}")
        case Whole(of):
            if dimension_of(of, dimensions) not in (None, units.dimensionless()):
                raise Mismatch(
                    f"floor takes a plain number, not {dimension_text(dimension_of(of, dimensions))}"
                )
            return units.dimensionless()
        case Choice(test, then, otherwise):
            check_test(test, dimensions)
            return _same(
                [dimension_of(then, dimensions), dimension_of(otherwise, dimensions)], "offered as one result"
            )


def check_test(test: Test, dimensions: Mapping[str, Any]) -> None:
    """Raises Mismatch where quantities are compared that cannot be."""
    if not isinstance(test, IsWord):
        sides = [dimension_of(test.left, dimensions), dimension_of(test.right, dimensions)]
        _same(sides, f"compared by {test.sign}")


def dimension_text(dimension: Any) -> str:
    """A dimensionality for people: "[milligram_co2e] / [length]"."""
    if dimension is None:
        return "zero"
    above = [f"{name}{'' if power == 1 else f'^{power}'}" for name, power in dimension.items() if power > 0]
    below = [
        f" / {name}{'' if power == -1 else f'^{-power}'}" for name, power in dimension.items() if power < 0
    ]
    return (" * ".join(above) or "1") + "".join(below)


def _same(dimensions: list[Any], how: str) -> Any:
    known = [dimension for dimension in dimensions if dimension is not None]
    for other in known[1:]:
        if other != known[0]:
            raise Mismatch(f"{dimension_text(known[0])} and {dimension_text(other)} are {how}")
    return known[0] if known else None


def text_of(node: Node, language: str = "en") -> str:
    """The expression as people write it, with only the parentheses that are needed."""
    return _text(node, 0, language)


def _text(node: Node, binding: int, language: str) -> str:
    match node:
        case Number(value):
            return exact_text(value)
        case Name(name):
            return name
        case Negative(of):
            return f"-{_text(of, 3, language)}"
        case Operation(sign, left, right):
            own = 1 if sign in "+-" else 2
            after = _text(right, own + (sign in "-/"), language)
            text = f"{_text(left, own, language)} {sign} {after}"
            return f"({text})" if own < binding else text
        case Extreme(which, of):
            return f"{which}({', '.join(_text(part, 0, language) for part in of)})"
        case Whole(of):
            return f"floor({_text(of, 0, language)})"
        case Choice(test, then, otherwise):
            one, other = (_text(part, 1, language) for part in (then, otherwise))
            when = comparison_text(test)
            return (
                f"(若 {when} 则 {one}，否则 {other})"
                if language == "zh"
                else f"({one} if {when} else {other})"
            )


def comparison_text(test: Test) -> str:
    """A comparison as people write it."""
    if isinstance(test, IsWord):
        return f'{test.name} {"==" if test.equal else "!="} "{test.word}"'
    return f"{_text(test.left, 1, 'en')} {test.sign} {_text(test.right, 1, 'en')}"


def exact_text(value: Fraction) -> str:
    """A fraction as an exact decimal where it has one (388.44), else as a quotient (1/3)."""
    rest, places = value.denominator, 0
    while rest % 2 == 0 or rest % 5 == 0:
        rest //= 10 if rest % 10 == 0 else 2 if rest % 2 == 0 else 5
        places += 1
    if rest != 1:
        return f"{value.numerator}/{value.denominator}"
    digits = str(abs(value.numerator) * 10**places // value.denominator).rjust(places + 1, "0")
    sign = "-" if value < 0 else ""
    return sign + (f"{digits[:-places]}.{digits[-places:]}".rstrip("0").rstrip(".") if places else digits)
