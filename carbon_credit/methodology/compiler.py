"""Parsed steps -> one function over integers. The only place in the code that calls `exec`.

The source is written here from checked nodes, and its namespace holds `min`, `max` and an exact
division, nothing else: no builtins, no import, no attribute.

Arithmetic is exact. Every constant (literals, parameter values, unit scales) is folded into one
rational factor per term while the code is written, so the function that runs multiplies plain
integers: 46.8 g/pkm x metres is `v0 * 234 // 5`. Only division by an input makes a Fraction at run time.
It always ends: no loop or recursion exists, and the size of the numbers that can come out (repeated
squaring over steps) is bounded before a function is made.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from carbon_credit.methodology.expression import (
    Choice,
    Compared,
    Extreme,
    Name,
    Negative,
    Node,
    Number,
    Operation,
    Refused,
    Whole,
)

MAX_BITS = 2_048  # of a number on the way; a result has at most 63


class DividesByZero(Refused):
    """A constant divisor is zero."""


@dataclass(frozen=True, slots=True)
class _Term:
    """An exact value while compiling: `text` (integer code) times `factor`. Constants have text "1"."""

    text: str
    factor: Fraction
    bits: int  # the code's value stays below 2**bits (for a ratio: numerator and denominator)
    ratio: bool = False
    negative: bool = False  # the exact value may be below zero

    @property
    def constant(self) -> bool:
        return self.text == "1"


@dataclass(frozen=True, slots=True)
class Code:
    """Steps as source. The exact result in base units is `result` x `factor` once `lines` have run,
    with the inputs as integers in `arguments`. `plain`: it is certain to lie between 0 and 2**63."""

    arguments: tuple[str, ...]
    lines: tuple[str, ...]
    result: str
    factor: Fraction
    plain: bool

    @property
    def source(self) -> str:
        """A whole function."""
        body = "".join(f"    {line}\n" for line in self.lines)
        return f"def formula({', '.join(self.arguments)}):\n{body}    return {self.result}"


@dataclass(frozen=True, slots=True)
class Program:
    """A compiled formula. Exact result in base units: `function(*inputs) * numerator / denominator`."""

    function: Callable[..., int | Fraction]
    numerator: int
    denominator: int
    code: Code


def write_steps(
    steps: Sequence[tuple[str, Node]],
    constants: Mapping[str, Fraction],
    inputs: Mapping[str, tuple[Fraction, int, int]],
) -> Code:
    """The code of `steps` in this order; the last is the result.

    `constants`: name -> value in base units. `inputs`: name -> (scale of its unit, least,
    greatest), in the order in which the function takes them as integers.
    Raises Refused (DividesByZero) for what can only be seen with the values.
    """
    terms = {name: _constant(value) for name, value in constants.items()}
    arguments = {name: f"v{index}" for index, name in enumerate(inputs)}
    for name, (factor, least, greatest) in inputs.items():
        bits = max(least.bit_length(), greatest.bit_length()) + 1
        terms[name] = _Term(arguments[name], factor, bits, negative=least < 0)
    lines: list[str] = []
    last = _constant(Fraction(0))
    for index, (name, node) in enumerate(steps):
        try:
            last = _Coder(terms).term(node)
        except Refused as error:
            error.step = name
            raise
        if not last.constant and not last.text.isalnum():
            lines.append(f"s{index} = {last.text}")
            last = _Term(f"s{index}", last.factor, last.bits, last.ratio, last.negative)
        terms[name] = last
    size = last.bits + last.factor.numerator.bit_length() - last.factor.denominator.bit_length() + 1
    plain = not (last.negative or last.ratio) and size <= 63
    return Code(tuple(arguments.values()), tuple(lines), last.text, last.factor, plain)


def compile_code(code: Code) -> Program:
    """`code` as a function."""
    function = _defined(code.source, "formula", {})
    return Program(function, code.factor.numerator, code.factor.denominator, code)


def compile_steps(
    steps: Sequence[tuple[str, Node]],
    constants: Mapping[str, Fraction],
    inputs: Mapping[str, tuple[Fraction, int, int]],
) -> Program:
    """`write_steps` and `compile_code` at once."""
    return compile_code(write_steps(steps, constants, inputs))


def compile_batch(source: str, grades: Mapping[str, object]) -> Callable[..., list[Any]]:
    """The function that `batch.batch_source` has written; `grades` by the names that it uses."""
    errors = {error.__name__: error for error in (KeyError, TypeError, ZeroDivisionError)}
    function: Callable[..., list[Any]] = _defined(
        source, "batch", {"int": int, "len": len, **errors, **grades}
    )
    return function


def _defined(source: str, name: str, known: Mapping[str, object]) -> Any:
    scope: dict[str, object] = {"__builtins__": {}, "min": min, "max": max, "ratio": _ratio, **known}
    exec(compile(source, "<methodology>", "exec"), scope)  # noqa: S102  the one compiler; see the module docstring
    return scope[name]


def _ratio(above: int | Fraction, below: int | Fraction) -> Fraction:
    return Fraction(above) / below


def _constant(value: Fraction) -> _Term:
    return _Term("1", value, 1, negative=value < 0)


class _Coder:
    def __init__(self, terms: Mapping[str, _Term]) -> None:
        self._terms = terms

    def term(self, node: Node) -> _Term:
        match node:
            case Number(value):
                return _constant(value)
            case Name(name):
                return self._terms[name]
            case Negative(of):
                term = self.term(of)
                return _Term(term.text, -term.factor, term.bits, term.ratio, negative=True)
            case Whole(of):
                return self._whole(self.term(of))
            case Operation("*", left, right):
                return self._product(self.term(left), self.term(right))
            case Operation("/", left, right):
                return self._quotient(self.term(left), self.term(right))
            case Operation(sign, left, right):
                return self._sum(sign, self.term(left), self.term(right))
            case Extreme(which, of):
                return self._extreme(which, [self.term(part) for part in of])
            case Choice(Compared(sign, left, right), then, otherwise):
                return self._choice(sign, [self.term(part) for part in (left, right, then, otherwise)])
            case Choice():
                raise AssertionError("choices between words are made by specialise() first")

    def _whole(self, a: _Term) -> _Term:
        above, below = a.factor.numerator, a.factor.denominator
        if a.constant:
            return _constant(Fraction(above // below))
        text = a.text if above == 1 else f"({above} * {a.text})"
        if below != 1 or a.ratio:
            text = f"({text} // {below})"
        return _bounded(text, Fraction(1), a.bits + above.bit_length() + 1, False, a.negative)

    def _product(self, a: _Term, b: _Term) -> _Term:
        text = b.text if a.constant else a.text if b.constant else f"({a.text} * {b.text})"
        negative = a.negative or b.negative
        return _bounded(text, a.factor * b.factor, a.bits + b.bits, a.ratio or b.ratio, negative)

    def _quotient(self, a: _Term, b: _Term) -> _Term:
        if b.factor == 0:
            raise DividesByZero("the divisor is the constant 0")
        if b.constant:
            return _bounded(a.text, a.factor / b.factor, a.bits, a.ratio, a.negative or b.negative)
        text = f"ratio({a.text}, {b.text})"
        return _bounded(text, a.factor / b.factor, a.bits + b.bits, True, a.negative or b.negative)

    def _sum(self, sign: str, a: _Term, b: _Term) -> _Term:
        if a.constant and b.constant:
            return _constant(a.factor + b.factor if sign == "+" else a.factor - b.factor)
        factor, (left, right), bits, ratio = _aligned([a, b])
        negative = a.negative or b.negative or sign == "-"
        return _bounded(f"({left} {sign} {right})", factor, bits + 1, ratio, negative)

    def _extreme(self, which: str, terms: list[_Term]) -> _Term:
        if all(term.constant for term in terms):
            return _constant((min if which == "min" else max)(term.factor for term in terms))
        factor, texts, bits, ratio = _aligned(terms)
        negative = (all if which == "max" else any)(term.negative for term in terms)
        return _bounded(f"{which}({', '.join(texts)})", factor, bits, ratio, negative)

    def _choice(self, sign: str, terms: list[_Term]) -> _Term:
        _, (left, right), _, _ = _aligned(terms[:2])
        factor, (then, otherwise), bits, ratio = _aligned(terms[2:])
        text = f"({then} if {left} {sign} {right} else {otherwise})"
        return _bounded(text, factor, bits, ratio, terms[2].negative or terms[3].negative)


def _aligned(terms: Sequence[_Term]) -> tuple[Fraction, list[str], int, bool]:
    """The terms as integer code over one common positive factor, which they can be added or compared in."""
    factors = [term.factor for term in terms]
    below = math.lcm(*(factor.denominator for factor in factors))
    above = math.gcd(*(factor.numerator * (below // factor.denominator) for factor in factors)) or 1
    common = Fraction(above, below)
    texts, sizes = [], []
    for term in terms:
        times = int(term.factor / common)
        texts.append(f"{times}" if term.constant else term.text if times == 1 else f"({times} * {term.text})")
        sizes.append(term.bits + times.bit_length())
    ratio = any(term.ratio for term in terms)
    return common, texts, sum(sizes) if ratio else max(sizes), ratio


def _bounded(text: str, factor: Fraction, bits: int, ratio: bool, negative: bool) -> _Term:
    size = bits + factor.numerator.bit_length() + factor.denominator.bit_length()
    if size > MAX_BITS or len(text) > 50_000:
        raise Refused(
            "the numbers of this formula could grow without measure; bound its inputs or shorten it"
        )
    return _Term(text, factor, bits, ratio, negative)
