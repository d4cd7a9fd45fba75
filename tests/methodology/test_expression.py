import string
from collections.abc import Callable, Mapping
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carbon_credit.methodology import arithmetic
from carbon_credit.methodology.compiler import DividesByZero, compile_steps
from carbon_credit.methodology.expression import (
    MAX_TEXT,
    Node,
    Refused,
    names,
    parse,
    specialise,
    words,
)

INPUTS = ("a", "b", "c")
LARGEST = 10**9


def run(text: str, **values: int) -> Fraction:
    """The compiled value of `text` over integer inputs."""
    program = compile_steps(
        [("r", parse(text))], {}, {name: (Fraction(1), -LARGEST, LARGEST) for name in values}
    )
    return Fraction(program.function(*values.values())) * Fraction(program.numerator, program.denominator)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1 + 2 * 3", "7"),
        ("(1 + 2) * 3", "9"),
        ("7 - 2 - 1", "4"),
        ("8 / 4 / 2", "1"),
        ("-a + 1", "-4"),
        ("0.1 + 0.2", "0.3"),  # as floats this is 0.30000000000000004
        ("46.8 * 8300", "388440"),
        ("a / 3 * 3", "5"),  # as decimals this ends in nines
        ("max(0, 3 - a)", "0"),
        ("min(a, 2.5, 9)", "2.5"),
        ("a if a < 6 else 6", "5"),
        ("6 if a >= 5 else a", "6"),
        ("1 if a == 5 else 2", "1"),
        ("1 if a != 5 else 2", "2"),
        ("1\n+\n2", "3"),
        ("floor(a / 2)", "2"),
        ("floor(2.999)", "2"),
        ("floor(-a / 2)", "-3"),  # not above it, so away from zero
        ("floor(a * 0.7) * 10", "30"),
        ("floor(7 / a + a / 7)", "2"),
        ("floor(floor(a) + 0.5) / 2", "2.5"),
    ],
)
def test_arithmetic_by_hand(text: str, value: str) -> None:
    assert run(text, a=5) == Fraction(value)
    assert arithmetic.value_of(parse(text), {"a": Fraction(5)}) == Fraction(value)


@pytest.mark.parametrize(
    "text",
    [
        "a.real",
        "a.__class__",
        "().__class__.__bases__",
        "__import__('os')",
        "open(a)",
        "abs(a)",
        "max(a)",
        "floor()",
        "floor(a, b)",
        "floor(*a)",
        "floor(x=a)",
        "round(a)",
        "int(a)",
        "max(*a)",
        "max(a, key=b)",
        "max(a, b)(c)",
        "a ** 2",
        "9 ** 9 ** 9",
        "a // 2",
        "a % 2",
        "a << 99999",
        "a @ b",
        "a and b",
        "not a",
        "+a",
        "~a",
        "a < b",
        "a if a else b",
        "a if a < b < c else b",
        "a if a in b else c",
        "a if a is b else c",
        "a[0]",
        "[a, b]",
        "(a, b)",
        "{a}",
        "lambda: a",
        "(a := 1)",
        "a; b",
        "a = 1",
        "import os",
        "f'{a}'",
        "'text'",
        "1e9",
        "1e999999",
        "1j",
        "0x10",
        "1_000",
        "1.",
        ".5",
        "True",
        "None",
        "...",
        "99999999999999999999999999999999",
        "a if 'x' == mode else b",
        "a if mode < 'x' else b",
        "a if mode.x == 'x' else b",
        "a  # comment",
        "a\\\n",
        "ａ + 1",
        "距离 * 2",
        "a +",
        "a b",
        "(a",
        "a))+((a",
        "",
        "   ",
        "-" * 30 + "a",
        "(" * 300 + "a" + ")" * 300,
        "-" * (MAX_TEXT - 1) + "a",
        "a" + "+a" * MAX_TEXT,
        "*".join("a" * 26) + "*(" * 20 + "a" + ")" * 20,
    ],
)
def test_what_is_not_arithmetic_is_refused(text: str) -> None:
    with pytest.raises(Refused):
        parse(text)


def test_repeated_squaring_over_steps_is_refused() -> None:
    steps = [("s0", parse("a * a"))] + [(f"s{n}", parse(f"s{n - 1} * s{n - 1}")) for n in range(1, 32)]
    with pytest.raises(Refused, match="grow without measure"):
        compile_steps(steps, {}, {"a": (Fraction(1), -LARGEST, LARGEST)})


def test_repeated_division_over_steps_is_refused() -> None:
    steps = [("s0", parse("a / b"))] + [(f"s{n}", parse(f"s{n - 1} / (b + s{n - 1})")) for n in range(1, 32)]
    with pytest.raises(Refused, match="grow without measure"):
        compile_steps(
            steps, {}, {"a": (Fraction(1), -LARGEST, LARGEST), "b": (Fraction(1), -LARGEST, LARGEST)}
        )


@pytest.mark.parametrize("text", ["a / 0", "a / (1 - 1)", "1 / (0 * a)", "a / min(0, 1)"])
def test_division_by_a_constant_zero_is_seen_while_compiling(text: str) -> None:
    with pytest.raises(DividesByZero):
        run(text, a=1)


def test_division_by_an_input_is_seen_when_it_is_zero() -> None:
    assert run("1 / a", a=4) == Fraction(1, 4)
    with pytest.raises(ZeroDivisionError):
        run("1 / a", a=0)


def test_words_are_chosen_before_anything_is_computed() -> None:
    node = parse('(x if mode == "metro" else y if mode != "bus" else z) * a')
    assert words(node) == {("mode", "metro"), ("mode", "bus")}
    assert names(node) == {"x", "y", "z", "a"}
    assert names(specialise(node, {"mode": "metro"})) == {"x", "a"}
    assert names(specialise(node, {"mode": "bus"})) == {"z", "a"}
    assert names(specialise(node, {"mode": "walk"})) == {"y", "a"}


def test_the_compiled_function_sees_no_builtins() -> None:
    program = compile_steps([("r", parse("max(a, 1)"))], {}, {"a": (Fraction(1), 0, 9)})
    assert set(program.function.__globals__) == {"__builtins__", "min", "max", "ratio", "formula"}
    assert program.function.__globals__["__builtins__"] == {}


# Independent computation: the same formula built twice, as text and as a function over Fractions.
Pair = tuple[str, Callable[[Mapping[str, int]], Fraction]]
_LITERALS = st.tuples(st.integers(0, 999), st.integers(0, 999)).map(lambda p: f"{p[0]}.{p[1]:03d}")


def _literal(text: str) -> Pair:
    return text, lambda _: Fraction(text)


def _name(name: str) -> Pair:
    return name, lambda values: Fraction(values[name])


def _join(sign: str, left: Pair, right: Pair) -> Pair:
    def value(values: Mapping[str, int]) -> Fraction:
        a, b = left[1](values), right[1](values)
        return {"+": lambda: a + b, "-": lambda: a - b, "*": lambda: a * b, "/": lambda: a / b}[sign]()

    return f"({left[0]} {sign} {right[0]})", value


def _extreme(which: str, parts: list[Pair]) -> Pair:
    choose = min if which == "min" else max
    return f"{which}({', '.join(text for text, _ in parts)})", lambda v: choose(part(v) for _, part in parts)


def _choice(sign: str, parts: tuple[Pair, Pair, Pair, Pair]) -> Pair:
    (lt, lf), (rt, rf), (tt, tf), (et, ef) = parts

    def value(values: Mapping[str, int]) -> Fraction:
        a, b = lf(values), rf(values)
        holds = {"<": a < b, "<=": a <= b, ">": a > b, ">=": a >= b, "==": a == b, "!=": a != b}[sign]
        return tf(values) if holds else ef(values)

    return f"({tt} if {lt} {sign} {rt} else {et})", value


def _negative(part: Pair) -> Pair:
    return f"-{part[0]}", lambda values: -part[1](values)


def _whole(part: Pair) -> Pair:
    return f"floor({part[0]})", lambda values: Fraction(part[1](values) // 1)


_leaves = st.one_of(_LITERALS.map(_literal), st.sampled_from(INPUTS).map(_name))
FORMULAS = st.recursive(
    _leaves,
    lambda inner: st.one_of(
        st.builds(_join, st.sampled_from("+-*/"), inner, inner),
        st.builds(_extreme, st.sampled_from(["min", "max"]), st.lists(inner, min_size=2, max_size=3)),
        st.builds(
            _choice,
            st.sampled_from(["<", "<=", ">", ">=", "==", "!="]),
            st.tuples(inner, inner, inner, inner),
        ),
        st.builds(_negative, inner),
        st.builds(_whole, inner),
    ),
    max_leaves=12,
)
VALUES = st.fixed_dictionaries({name: st.integers(-1_000, 1_000) for name in INPUTS})


@settings(max_examples=400)
@given(FORMULAS, VALUES)
def test_compiled_and_plain_reading_agree_with_an_independent_computation(
    formula: Pair, values: dict[str, int]
) -> None:
    text, independent = formula
    try:
        node = parse(text)
        program = compile_steps([("r", node)], {}, {name: (Fraction(1), -1_000, 1_000) for name in INPUTS})
    except DividesByZero:
        return  # a constant divisor; some branch would divide by it
    except Refused:
        assert len(text) > MAX_TEXT or text.count("(") > 20
        return
    arguments = [values[name] for name in INPUTS]
    try:
        expected = independent(values)
    except ZeroDivisionError:
        with pytest.raises(ZeroDivisionError):
            program.function(*arguments)
        return
    found = program.function(*arguments) * Fraction(program.numerator, program.denominator)
    assert found == expected
    assert arithmetic.value_of(node, {name: Fraction(value) for name, value in values.items()}) == expected
    # What the trace prints means the same.
    again = parse(arithmetic.text_of(node))
    assert arithmetic.value_of(again, {name: Fraction(v) for name, v in values.items()}) == expected


@settings(max_examples=300)
@given(FORMULAS, st.fixed_dictionaries({name: st.integers(0, 1_000) for name in INPUTS}))
def test_a_result_said_to_be_plain_is_never_below_zero_nor_too_large(
    formula: Pair, values: dict[str, int]
) -> None:
    try:
        program = compile_steps(
            [("r", parse(formula[0]))], {}, {name: (Fraction(1), 0, 1_000) for name in INPUTS}
        )
    except Refused:
        return
    if program.code.plain:
        result = program.function(*values.values()) * program.numerator // program.denominator
        assert 0 <= result < 2**63


@settings(max_examples=400)
@given(st.text(alphabet=string.ascii_letters + string.digits + "_+-*/().,<>=!\"' \n", max_size=60))
def test_any_text_is_arithmetic_or_refused(text: str) -> None:
    try:
        node = parse(text)
    except Refused:
        return
    assert isinstance(node, Node)
