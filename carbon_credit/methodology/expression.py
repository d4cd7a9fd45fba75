"""The expression language of methodologies: arithmetic and nothing else, compiled once.

    names · numbers (46.8) · + - * / · unary - · min(a, b) · max(a, b)
    a if x < y else b · a if mode == "metro" else b (the word of an enum input)

`parse` reads Python's grammar and keeps only these nodes, so there is no attribute, call, index,
power, string or comprehension to get out by. `Program` turns parsed steps into one function over integers
and is the only place in the code that calls `exec`: its source is written here from checked nodes,
and its namespace holds `min`, `max` and an exact division.

Arithmetic is exact. Every constant (literals, parameter values, unit scales) is folded into one
rational factor per term while compiling, so the function that runs multiplies plain integers:
46.8 g/pkm x metres is `v0 * 234 // 5`. Only division by an input makes a Fraction at run time.
It always ends: no loop or recursion exists, and the size of the text, the tree and the numbers that
can come out (repeated squaring over steps) is bounded before the function is made.
"""

import ast
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TypeAlias

MAX_TEXT = 500
MAX_DEPTH = 24
MAX_BITS = 2_048  # of a number on the way; a result has at most 63

_TEXT = re.compile(r"[A-Za-z0-9_+\-*/().,<>=!\"' \n]*")
_NUMBER = re.compile(r"[0-9]{1,30}(\.[0-9]{1,30})?")
_COMPARISONS: Mapping[type[ast.cmpop], str] = {
    ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.Eq: "==", ast.NotEq: "!=",
}  # fmt: skip
_OPERATIONS: Mapping[type[ast.operator], str] = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/"}


class Refused(ValueError):
    """`args[0]` says what is not allowed; the loader adds file and line."""


class DividesByZero(Refused):
    """A constant divisor is zero."""


@dataclass(frozen=True, slots=True)
class Number:
    value: Fraction


@dataclass(frozen=True, slots=True)
class Name:
    name: str


@dataclass(frozen=True, slots=True)
class Negative:
    of: "Node"


@dataclass(frozen=True, slots=True)
class Operation:
    sign: str
    left: "Node"
    right: "Node"


@dataclass(frozen=True, slots=True)
class Extreme:
    which: str  # min or max
    of: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class IsWord:
    """`mode == "metro"`: known as soon as the enum inputs are."""

    name: str
    word: str
    equal: bool


@dataclass(frozen=True, slots=True)
class Compared:
    sign: str
    left: "Node"
    right: "Node"


@dataclass(frozen=True, slots=True)
class Choice:
    test: "IsWord | Compared"
    then: "Node"
    otherwise: "Node"


Node: TypeAlias = Number | Name | Negative | Operation | Extreme | Choice


def parse(text: str) -> Node:
    """The checked tree of `text`. Raises Refused for anything that is not arithmetic."""
    if not text.strip() or len(text) > MAX_TEXT:
        raise Refused(f"an expression has 1 to {MAX_TEXT} characters")
    if _TEXT.fullmatch(text) is None:
        raise Refused("there is a character that no expression needs")
    try:
        tree = ast.parse(f"({text}\n)", mode="eval").body
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        raise Refused("this is not a complete expression") from None
    return _Reader(f"({text}\n)").node(tree, 0)


def names(node: Node) -> frozenset[str]:
    """Every name that is read for a value (not the enum inputs that a choice looks at)."""
    if isinstance(node, Name):
        return frozenset((node.name,))
    return frozenset[str]().union(*map(names, _parts(node)))


def words(node: Node) -> frozenset[tuple[str, str]]:
    """Every (enum input, word) that a choice compares."""
    inner = frozenset[tuple[str, str]]().union(*map(words, _parts(node)))
    if isinstance(node, Choice) and isinstance(node.test, IsWord):
        return inner | {(node.test.name, node.test.word)}
    return inner


def _parts(node: Node) -> tuple[Node, ...]:
    match node:
        case Negative(of):
            return (of,)
        case Operation(_, left, right):
            return left, right
        case Extreme(_, of):
            return of
        case Choice(Compared(_, left, right), then, otherwise):
            return left, right, then, otherwise
        case Choice(_, then, otherwise):
            return then, otherwise
    return ()


def specialise(node: Node, chosen: Mapping[str, str]) -> Node:
    """`node` with the choices between words made: only the branch that is taken is left."""
    match node:
        case Negative(of):
            return Negative(specialise(of, chosen))
        case Operation(sign, left, right):
            return Operation(sign, specialise(left, chosen), specialise(right, chosen))
        case Extreme(which, of):
            return Extreme(which, tuple(specialise(part, chosen) for part in of))
        case Choice(IsWord(name, word, equal), then, otherwise):
            return specialise(then if (chosen[name] == word) is equal else otherwise, chosen)
        case Choice(Compared(sign, left, right), then, otherwise):
            test = Compared(sign, specialise(left, chosen), specialise(right, chosen))
            return Choice(test, specialise(then, chosen), specialise(otherwise, chosen))
    return node


class _Reader:
    """Python's syntax tree -> our nodes, refusing everything else."""

    def __init__(self, text: str) -> None:
        self._text = text

    def node(self, tree: ast.expr, depth: int) -> Node:
        if depth > MAX_DEPTH:
            raise Refused(f"the expression is nested deeper than {MAX_DEPTH} levels; use more steps")
        match tree:
            case ast.Constant():
                return self._number(tree)
            case ast.Name(id=name):
                return Name(name)
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return Negative(self.node(operand, depth + 1))
            case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATIONS:
                return Operation(
                    _OPERATIONS[type(op)], self.node(left, depth + 1), self.node(right, depth + 1)
                )
            case ast.Call(func=ast.Name(id="min" | "max" as which), args=[_, _, *_] as args, keywords=[]):
                return Extreme(which, tuple(self.node(arg, depth + 1) for arg in args))
            case ast.IfExp(test=test, body=body, orelse=orelse):
                return Choice(
                    self._test(test, depth + 1), self.node(body, depth + 1), self.node(orelse, depth + 1)
                )
        raise Refused(f"{_what(tree)} is not arithmetic")

    def _number(self, tree: ast.Constant) -> Number:
        # From the text, never from the value: Python has already read 46.8 as a float.
        text = ast.get_source_segment(self._text, tree) or ""
        if _NUMBER.fullmatch(text) is None:
            raise Refused(f"{text[:40] or 'this'} is not a plain decimal number")
        return Number(Fraction(text))

    def _test(self, tree: ast.expr, depth: int) -> IsWord | Compared:
        if not isinstance(tree, ast.Compare) or len(tree.ops) != 1 or type(tree.ops[0]) not in _COMPARISONS:
            raise Refused('a condition is one comparison, like a < b or mode == "metro"')
        sign, right = _COMPARISONS[type(tree.ops[0])], tree.comparators[0]
        if not (isinstance(right, ast.Constant) and isinstance(right.value, str)):
            return Compared(sign, self.node(tree.left, depth), self.node(right, depth))
        if not isinstance(tree.left, ast.Name) or sign not in ("==", "!="):
            raise Refused("a word is compared by == or != with the name of an enum input on the left")
        return IsWord(tree.left.id, right.value, sign == "==")


def _what(tree: ast.expr) -> str:
    match tree:
        case ast.Attribute():
            return "attribute access"
        case ast.Call():
            return "this call (only min and max with two or more values)"
        case ast.BinOp(op=ast.Pow()):
            return "a power"
        case ast.BinOp(op=op):
            return f"the operator {type(op).__name__}"
    return type(tree).__name__


@dataclass(frozen=True, slots=True)
class _Term:
    """An exact value while compiling: `text` (integer code) times `factor`. Constants have text "1"."""

    text: str
    factor: Fraction
    bits: int  # the code's value stays below 2**bits (for a ratio: numerator and denominator)
    ratio: bool = False

    @property
    def constant(self) -> bool:
        return self.text == "1"


@dataclass(frozen=True, slots=True)
class Program:
    """A compiled formula. Exact result in base units: `function(*inputs) * numerator / denominator`."""

    function: Callable[..., int | Fraction]
    numerator: int
    denominator: int
    source: str


def compile_steps(
    steps: Sequence[tuple[str, Node]],
    constants: Mapping[str, Fraction],
    inputs: Mapping[str, tuple[Fraction, int]],
) -> Program:
    """One function for `steps` in this order; the last is the result.

    `constants`: name -> value in base units. `inputs`: name -> (scale of its unit, greatest
    magnitude), in the order in which the function takes them as integers.
    Raises Refused (DividesByZero) for what can only be seen with the values.
    """
    terms = {name: _constant(value) for name, value in constants.items()}
    arguments = {name: f"v{index}" for index, name in enumerate(inputs)}
    for name, (factor, largest) in inputs.items():
        terms[name] = _Term(arguments[name], factor, largest.bit_length() + 1)
    lines: list[str] = []
    last = _constant(Fraction(0))
    for index, (name, node) in enumerate(steps):
        last = _Coder(terms).term(node)
        if not last.constant and not last.text.isalnum():
            lines.append(f"    s{index} = {last.text}")
            last = _Term(f"s{index}", last.factor, last.bits, last.ratio)
        terms[name] = last
    source = "\n".join((f"def formula({', '.join(arguments.values())}):", *lines, f"    return {last.text}"))
    scope: dict[str, object] = {"__builtins__": {}, "min": min, "max": max, "ratio": _ratio}
    exec(compile(source, "<methodology>", "exec"), scope)  # noqa: S102  the one compiler; see the module docstring
    return Program(scope["formula"], last.factor.numerator, last.factor.denominator, source)  # type: ignore[arg-type]


def _ratio(above: int | Fraction, below: int | Fraction) -> Fraction:
    return Fraction(above) / below


def _constant(value: Fraction) -> _Term:
    return _Term("1", value, 1)


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
                return _Term(term.text, -term.factor, term.bits, term.ratio)
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

    def _product(self, a: _Term, b: _Term) -> _Term:
        text = b.text if a.constant else a.text if b.constant else f"({a.text} * {b.text})"
        return _bounded(text, a.factor * b.factor, a.bits + b.bits, a.ratio or b.ratio)

    def _quotient(self, a: _Term, b: _Term) -> _Term:
        if b.factor == 0:
            raise DividesByZero("the divisor is the constant 0")
        if b.constant:
            return _bounded(a.text, a.factor / b.factor, a.bits, a.ratio)
        return _bounded(f"ratio({a.text}, {b.text})", a.factor / b.factor, a.bits + b.bits, True)

    def _sum(self, sign: str, a: _Term, b: _Term) -> _Term:
        if a.constant and b.constant:
            return _constant(a.factor + b.factor if sign == "+" else a.factor - b.factor)
        factor, (left, right), bits, ratio = _aligned([a, b])
        return _bounded(f"({left} {sign} {right})", factor, bits + 1, ratio)

    def _extreme(self, which: str, terms: list[_Term]) -> _Term:
        if all(term.constant for term in terms):
            return _constant((min if which == "min" else max)(term.factor for term in terms))
        factor, texts, bits, ratio = _aligned(terms)
        return _bounded(f"{which}({', '.join(texts)})", factor, bits, ratio)

    def _choice(self, sign: str, terms: list[_Term]) -> _Term:
        _, (left, right), _, _ = _aligned(terms[:2])
        factor, (then, otherwise), bits, ratio = _aligned(terms[2:])
        return _bounded(f"({then} if {left} {sign} {right} else {otherwise})", factor, bits, ratio)


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


def _bounded(text: str, factor: Fraction, bits: int, ratio: bool) -> _Term:
    size = bits + factor.numerator.bit_length() + factor.denominator.bit_length()
    if size > MAX_BITS or len(text) > 50_000:
        raise Refused(
            "the numbers of this formula could grow without measure; bound its inputs or shorten it"
        )
    return _Term(text, factor, bits, ratio)
