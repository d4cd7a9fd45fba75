"""Whatever stands in an expression: it is refused, or nothing but arithmetic runs, and it ends."""

import dis
import string
import time
from fractions import Fraction
from types import CodeType

from hypothesis import given, settings
from hypothesis import strategies as st

from carbon_credit.methodology import arithmetic
from carbon_credit.methodology.compiler import MAX_BITS, Program, compile_steps
from carbon_credit.methodology.expression import (
    Choice,
    IsWord,
    Node,
    Refused,
    as_choice,
    names,
    parse,
    parse_test,
    specialise,
    words,
)

INPUTS = ("a", "b", "c")
LARGEST = 2**63 - 1
VALID = (
    "a + b * c",
    "(a - b) / (c + 1)",
    "max(0, a - b) * 0.5",
    "min(a, b, c) / 3",
    "floor(a / 86400) * b",
    '(a if mode == "metro" else b) * c',
    "a if a < b else c",
    "a / b if b != 0 else 0",
    "-a - -b",
    "floor(-(a * 46.8) / max(b, 1))",
)
# What people try: each is put somewhere into a valid expression.
ATTEMPTS = (
    ".__class__", "__import__('os')", "()", "[0]", "**", "//", "%", "<<", ":=", "lambda:0", ";", "\n",
    "a.b", "{}", "@", " and ", " or ", " not ", " in ", " is ", "*a", "...", "True", "None", "1e9", "0x1",
    "9" * 40, "'x'", '"', "#", "\\", "eval(a)", "exec", "open", "getattr", "globals()", "if", "else",
    "for a in b", "yield a", "await a", "f'{a}'", "floor", "min", "max", "(", ")", ",", "ratio(a, b)", "v0",
    "s0", "formula", "_", "é",
)  # fmt: skip
ARITHMETIC = {
    "RESUME", "LOAD_FAST", "LOAD_FAST_LOAD_FAST", "LOAD_FAST_BORROW", "LOAD_FAST_BORROW_LOAD_FAST_BORROW",
    "STORE_FAST", "STORE_FAST_LOAD_FAST", "STORE_FAST_STORE_FAST", "LOAD_CONST", "LOAD_SMALL_INT",
    "LOAD_GLOBAL", "BINARY_OP", "UNARY_NEGATIVE", "COMPARE_OP", "PRECALL", "CALL", "PUSH_NULL", "CACHE",
    "NOP", "COPY", "SWAP", "RETURN_VALUE", "RETURN_CONST", "POP_JUMP_IF_FALSE", "POP_JUMP_IF_TRUE",
    "POP_JUMP_FORWARD_IF_FALSE", "POP_JUMP_FORWARD_IF_TRUE", "JUMP_FORWARD", "NOT_TAKEN", "EXTENDED_ARG",
    "TO_BOOL",
}  # fmt: skip


@st.composite
def mutated(draw: st.DrawFn) -> str:
    """A valid expression with a few pieces put in, taken out, or twice."""
    text = draw(st.sampled_from(VALID))
    for _ in range(draw(st.integers(0, 3))):
        start = draw(st.integers(0, len(text)))
        end = min(len(text), start + draw(st.integers(0, 4)))
        piece = draw(st.one_of(st.sampled_from(ATTEMPTS), st.just(""), st.just(text[start:end] * 2)))
        text = text[:start] + piece + text[end:]
    return text


def compiled(node: Node) -> Program | None:
    """The function of one step over the inputs, or None where it is refused."""
    chosen = dict(words(node))
    plain = specialise(node, chosen)
    known = {
        name: (Fraction(1), -LARGEST, LARGEST) for name in (*INPUTS, *sorted(names(plain) - set(INPUTS)))
    }
    try:
        return compile_steps([("r", plain)], {}, known)
    except Refused:
        return None


def assert_only_arithmetic(program: Program) -> None:
    code = program.function.__code__  # type: ignore[attr-defined]
    assert {one.opname for one in dis.get_instructions(code)} <= ARITHMETIC
    assert set(code.co_names) <= {"min", "max", "ratio"}
    assert not code.co_freevars
    assert not any(isinstance(constant, CodeType | str | float) for constant in code.co_consts)
    assert all(one.argval > one.offset for one in dis.get_instructions(code) if "JUMP" in one.opname), (
        "no loop"
    )
    assert program.function.__globals__["__builtins__"] == {}  # type: ignore[attr-defined]


@settings(max_examples=500)
@given(mutated())
def test_a_changed_expression_is_refused_or_arithmetic(text: str) -> None:
    started = time.monotonic()
    try:
        node = parse(text)
    except Refused:
        assert time.monotonic() - started < 1
        return
    program = compiled(node)
    if program is None:
        return
    assert_only_arithmetic(program)
    values = [LARGEST - index for index in range(len(program.code.arguments))]
    try:
        result = Fraction(program.function(*values)) * program.numerator / program.denominator
    except ZeroDivisionError:
        return
    finally:
        assert time.monotonic() - started < 1
    assert max(abs(result.numerator), result.denominator).bit_length() <= 2 * MAX_BITS


@settings(max_examples=300)
@given(st.text(alphabet=string.printable + "ａ距𝒂\u202e", max_size=80))
def test_any_text_is_refused_or_arithmetic(text: str) -> None:
    for read in (parse, lambda text: as_choice(parse_test(text))):
        try:
            node = read(text)
        except Refused:
            continue
        program = compiled(node)
        if program is not None:
            assert_only_arithmetic(program)


@settings(max_examples=300)
@given(
    st.sampled_from([*VALID, *(f"{one} <= a" for one in VALID[:4]), 'mode != "bus"']),
    st.sampled_from(["metro", "bus", "walk"]),
    st.tuples(*(st.integers(-(10**9), 10**9) for _ in INPUTS)),
)
def test_the_compiled_and_the_plain_reading_agree(text: str, mode: str, values: tuple[int, ...]) -> None:
    comparison = "<= a" in text or text.startswith("mode")
    node = specialise(as_choice(parse_test(text)) if comparison else parse(text), {"mode": mode})
    program = compile_steps([("r", node)], {}, {name: (Fraction(1), -(10**9), 10**9) for name in INPUTS})
    fractions = {name: Fraction(value) for name, value in zip(INPUTS, values, strict=True)}
    try:
        expected = arithmetic.value_of(node, fractions)
    except ZeroDivisionError:
        return
    assert Fraction(program.function(*values)) * program.numerator / program.denominator == expected
    if comparison:
        assert expected in (0, 1)


def test_a_test_is_one_comparison() -> None:
    assert parse_test('mode == "metro"') == IsWord("mode", "metro", equal=True)
    assert isinstance(as_choice(parse_test("a + 1 <= b")), Choice)
    for text in ("a", "a < b < c", "a < b and b < c", "not a < b", "(a < b) == (b < c)", '"metro" == mode'):
        try:
            parse_test(text)
        except Refused:
            continue
        raise AssertionError(text)
