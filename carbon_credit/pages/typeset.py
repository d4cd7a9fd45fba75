"""Formulas for the eye: the parsed steps of a methodology as LaTeX and as MathML."""

from html import escape

from carbon_credit.methodology.arithmetic import exact_text
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
    Whole,
)

_LATEX_SIGNS = {"<": "<", "<=": r"\le", ">": ">", ">=": r"\ge", "==": "=", "!=": r"\ne"}
# What stands before a test, and for what remains.
_SAID = {"zh": ("若", "其他情况"), "en": ("if", "otherwise")}
_MATHML_SIGNS = {"<": "&lt;", "<=": "≤", ">": "&gt;", ">=": "≥", "==": "=", "!=": "≠"}


def latex(name: str, node: Node, unit: str) -> str:
    """`name = node` with its unit, for a block of mathematics in Markdown."""
    return rf"{_latex_name(name)} = {_latex(node, 0)} \qquad [\text{{{_escaped(unit)}}}]"


def mathml(name: str, node: Node, unit: str, language: str = "en") -> str:
    """`name = node` with its unit, as one <math> element, which browsers set without any script."""
    said = _SAID[language]
    return (
        f'<math display="block"><mrow>{_mathml_name(name)}<mo>=</mo>{_mathml(node, 0, said)}'
        f'<mspace width="1.5em"/><mtext class="unit">[{escape(unit)}]</mtext></mrow></math>'
    )


def _latex(node: Node, binding: int) -> str:
    match node:
        case Number(value):
            return exact_text(value)
        case Name(name):
            return _latex_name(name)
        case Negative(of):
            return f"-{_latex(of, 3)}"
        case Operation("/", left, right):
            return rf"\frac{{{_latex(left, 0)}}}{{{_latex(right, 0)}}}"
        case Operation("*", left, right):
            return rf"{_latex(left, 2)} \cdot {_latex(right, 2)}"
        case Operation(sign, left, right):
            text = f"{_latex(left, 1)} {sign} {_latex(right, 1 + (sign == '-'))}"
            return rf"\left({text}\right)" if binding > 1 else text
        case Extreme(which, of):
            parts = r",\ ".join(_latex(part, 0) for part in of)
            return rf"\{which}\left({parts}\right)"
        case Whole(of):
            return rf"\left\lfloor {_latex(of, 0)} \right\rfloor"
        case Choice():
            cases, otherwise = _chain(node)
            rows = "".join(
                rf"{_latex(then, 0)} & \text{{if }} {_latex_test(test)} \\ " for test, then in cases
            )
            return rf"\begin{{cases}} {rows}{_latex(otherwise, 0)} & \text{{otherwise}} \end{{cases}}"


def _chain(node: Choice) -> tuple[list[tuple[IsWord | Compared, Node]], Node]:
    """a if t else b if u else c: its tests with their results, and what remains."""
    cases: list[tuple[IsWord | Compared, Node]] = []
    rest: Node = node
    while isinstance(rest, Choice):
        cases.append((rest.test, rest.then))
        rest = rest.otherwise
    return cases, rest


def _latex_test(test: IsWord | Compared) -> str:
    if isinstance(test, IsWord):
        sign = "=" if test.equal else r"\ne"
        return rf"{_latex_name(test.name)} {sign} \text{{{_escaped(test.word)}}}"
    return f"{_latex(test.left, 0)} {_LATEX_SIGNS[test.sign]} {_latex(test.right, 0)}"


def _latex_name(name: str) -> str:
    """RF_metro -> RF with the subscript metro; a name without an underscore stands as it is."""
    stem, _, rest = name.partition("_")
    return rf"\mathrm{{{stem}}}" + (rf"_{{\text{{{_escaped(rest)}}}}}" if rest else "")


def _escaped(text: str) -> str:
    return text.replace("_", r"\_").replace("%", r"\%")


def _mathml(node: Node, binding: int, said: tuple[str, str]) -> str:
    match node:
        case Number(value):
            return f"<mn>{exact_text(value)}</mn>"
        case Name(name):
            return _mathml_name(name)
        case Negative(of):
            return f"<mrow><mo>−</mo>{_mathml(of, 3, said)}</mrow>"
        case Operation("/", left, right):
            return f"<mfrac>{_row(left, said)}{_row(right, said)}</mfrac>"
        case Operation("*", left, right):
            return f"<mrow>{_mathml(left, 2, said)}<mo>·</mo>{_mathml(right, 2, said)}</mrow>"
        case Operation(sign, left, right):
            shown = "−" if sign == "-" else "+"
            after = _mathml(right, 1 + (sign == "-"), said)
            text = f"<mrow>{_mathml(left, 1, said)}<mo>{shown}</mo>{after}</mrow>"
            return _fenced("(", text, ")") if binding > 1 else text
        case Extreme(which, of):
            parts = "<mo>,</mo>".join(_row(part, said) for part in of)
            return f"<mrow><mi>{which}</mi>{_fenced('(', parts, ')')}</mrow>"
        case Whole(of):
            return _fenced("⌊", _row(of, said), "⌋")
        case Choice():
            cases, otherwise = _chain(node)
            rows = "".join(
                f"<mtr><mtd>{_row(then, said)}</mtd>"
                f"<mtd><mtext>{said[0]}&#160;</mtext>{_mathml_test(test, said)}</mtd></mtr>"
                for test, then in cases
            )
            rows += f"<mtr><mtd>{_row(otherwise, said)}</mtd><mtd><mtext>{said[1]}</mtext></mtd></mtr>"
            return f'<mrow><mo>{{</mo><mtable columnalign="left">{rows}</mtable></mrow>'


def _mathml_test(test: IsWord | Compared, said: tuple[str, str]) -> str:
    if isinstance(test, IsWord):
        sign = "=" if test.equal else "≠"
        return f"{_mathml_name(test.name)}<mo>{sign}</mo><mtext>{escape(test.word)}</mtext>"
    return f"{_row(test.left, said)}<mo>{_MATHML_SIGNS[test.sign]}</mo>{_row(test.right, said)}"


def _row(node: Node, said: tuple[str, str]) -> str:
    return f"<mrow>{_mathml(node, 0, said)}</mrow>"


def _fenced(opening: str, inside: str, closing: str) -> str:
    return f"<mrow><mo>{opening}</mo>{inside}<mo>{closing}</mo></mrow>"


def _mathml_name(name: str) -> str:
    stem, _, rest = name.partition("_")
    if not rest:
        return f"<mi>{stem}</mi>"
    return f"<msub><mi>{stem}</mi><mtext>{escape(rest.replace('_', ' '))}</mtext></msub>"
