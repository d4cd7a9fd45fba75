"""The expression language of methodologies: arithmetic and nothing else.

    names · numbers (46.8) · + - * / · unary - · min(a, b) · max(a, b) · floor(a)
    a if x < y else b · a if mode == "metro" else b (the word of an input)

`parse` reads Python's grammar and keeps only these nodes, so there is no attribute, call, index,
power, string or comprehension to get out by. A test of eligibility is one comparison of the same
language (`parse_test`). `compiler` makes functions of what was parsed here.
"""

import ast
import re
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import TypeAlias

MAX_TEXT = 500
MAX_DEPTH = 24
FUNCTIONS = ("min", "max", "floor")

_TEXT = re.compile(r"[A-Za-z0-9_+\-*/().,<>=!\"' \n]*")
_NUMBER = re.compile(r"[0-9]{1,30}(\.[0-9]{1,30})?")
_COMPARISONS: Mapping[type[ast.cmpop], str] = {
    ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.Eq: "==", ast.NotEq: "!=",
}  # fmt: skip
_OPERATIONS: Mapping[type[ast.operator], str] = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/"}


class Refused(ValueError):
    """`args[0]` says what is not allowed; the loader adds file and line. `step`: the name of the step,
    where it is seen only with others."""

    step: str | None = None


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
class Whole:
    """`floor(x)`: the greatest whole number that is not above x."""

    of: "Node"


@dataclass(frozen=True, slots=True)
class IsWord:
    """`mode == "metro"`: known as soon as the words of the inputs are."""

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
    test: "Test"
    then: "Node"
    otherwise: "Node"


Node: TypeAlias = Number | Name | Negative | Operation | Extreme | Whole | Choice
Test: TypeAlias = IsWord | Compared


def parse(text: str) -> Node:
    """The checked tree of `text`. Raises Refused for anything that is not arithmetic."""
    return _Reader(f"({text}\n)").node(_tree(text), 0)


def parse_test(text: str) -> Test:
    """The one comparison that `text` is. Raises Refused for anything else."""
    return _Reader(f"({text}\n)").test(_tree(text), 0)


def _tree(text: str) -> ast.expr:
    if not text.strip() or len(text) > MAX_TEXT:
        raise Refused(f"an expression has 1 to {MAX_TEXT} characters")
    if _TEXT.fullmatch(text) is None:
        raise Refused("there is a character that no expression needs")
    try:
        return ast.parse(f"({text}\n)", mode="eval").body
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        raise Refused("this is not a complete expression") from None


def as_choice(test: Test) -> Choice:
    """The test as a number: 1 where it holds, otherwise 0."""
    return Choice(test, Number(Fraction(1)), Number(Fraction(0)))


def names(node: Node) -> frozenset[str]:
    """Every name that is read for a value (not the words that a choice looks at)."""
    if isinstance(node, Name):
        return frozenset((node.name,))
    return frozenset[str]().union(*map(names, parts(node)))


def words(node: Node) -> frozenset[tuple[str, str]]:
    """Every (input, word) that a choice compares."""
    inner = frozenset[tuple[str, str]]().union(*map(words, parts(node)))
    if isinstance(node, Choice) and isinstance(node.test, IsWord):
        return inner | {(node.test.name, node.test.word)}
    return inner


def parts(node: Node) -> tuple[Node, ...]:
    """The expressions that `node` is made of, those of a comparison included."""
    match node:
        case Negative(of) | Whole(of):
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
        case Whole(of):
            return Whole(specialise(of, chosen))
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
            case ast.Call(func=ast.Name(id="floor"), args=[arg], keywords=[]) if not isinstance(
                arg, ast.Starred
            ):
                return Whole(self.node(arg, depth + 1))
            case ast.IfExp(test=test, body=body, orelse=orelse):
                return Choice(
                    self.test(test, depth + 1), self.node(body, depth + 1), self.node(orelse, depth + 1)
                )
        raise Refused(f"{_what(tree)} is not arithmetic")

    def _number(self, tree: ast.Constant) -> Number:
        # From the text, never from the value: Python has already read 46.8 as a float.
        text = ast.get_source_segment(self._text, tree) or ""
        if _NUMBER.fullmatch(text) is None:
            raise Refused(f"{text[:40] or 'this'} is not a plain decimal number")
        return Number(Fraction(text))

    def test(self, tree: ast.expr, depth: int) -> Test:
        if not isinstance(tree, ast.Compare) or len(tree.ops) != 1 or type(tree.ops[0]) not in _COMPARISONS:
            raise Refused('a condition is one comparison, like a < b or mode == "metro"')
        sign, right = _COMPARISONS[type(tree.ops[0])], tree.comparators[0]
        if not (isinstance(right, ast.Constant) and isinstance(right.value, str)):
            return Compared(sign, self.node(tree.left, depth), self.node(right, depth))
        if not isinstance(tree.left, ast.Name) or sign not in ("==", "!="):
            raise Refused("a word is compared by == or != with the name of an input of words on the left")
        return IsWord(tree.left.id, right.value, sign == "==")


def _what(tree: ast.expr) -> str:
    match tree:
        case ast.Attribute():
            return "attribute access"
        case ast.Call():
            return "this call (only min and max of two or more values, and floor of one)"
        case ast.BinOp(op=ast.Pow()):
            return "a power"
        case ast.BinOp(op=op):
            return f"the operator {type(op).__name__}"
    return type(tree).__name__
