"""Formulas for the eye: what is typeset is the formula that runs, and it is well-formed."""

import xml.etree.ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbon_credit.methodology.expression import parse
from carbon_credit.pages.typeset import latex, mathml

EXPRESSIONS = {
    "RF_metro * distance_m": r"\mathrm{RF}_{\text{metro}} \cdot \mathrm{distance}_{\text{m}}",
    "(a - b) * c": r"\left(\mathrm{a} - \mathrm{b}\right) \cdot \mathrm{c}",
    "a - (b - c)": r"\mathrm{a} - \left(\mathrm{b} - \mathrm{c}\right)",
    "a / b": r"\frac{\mathrm{a}}{\mathrm{b}}",
    "max(0, a - b)": r"\max\left(0,\ \mathrm{a} - \mathrm{b}\right)",
    "floor(a / b)": r"\left\lfloor \frac{\mathrm{a}}{\mathrm{b}} \right\rfloor",
    'a if mode == "bus" else b': (
        r"\begin{cases} \mathrm{a} & \text{if } \mathrm{mode} = \text{bus} \\ "
        r"\mathrm{b} & \text{otherwise} \end{cases}"
    ),
    'a if mode == "bus" else b if mode == "rail" else c': (
        r"\begin{cases} \mathrm{a} & \text{if } \mathrm{mode} = \text{bus} \\ "
        r"\mathrm{b} & \text{if } \mathrm{mode} = \text{rail} \\ "
        r"\mathrm{c} & \text{otherwise} \end{cases}"
    ),
    "a if b <= 2 else -c": (
        r"\begin{cases} \mathrm{a} & \text{if } \mathrm{b} \le 2 \\ "
        r"-\mathrm{c} & \text{otherwise} \end{cases}"
    ),
}


@pytest.mark.parametrize(("text", "wanted"), EXPRESSIONS.items())
def test_latex(text: str, wanted: str) -> None:
    assert latex("reduction", parse(text), "gCO2e") == (
        rf"\mathrm{{reduction}} = {wanted} \qquad [\text{{gCO2e}}]"
    )


def _text(depth: int) -> st.SearchStrategy[str]:
    leaf = st.sampled_from(["a", "b_c", "1.5", "RF_metro"])
    if depth == 0:
        return leaf
    inner = _text(depth - 1)
    return st.one_of(
        leaf,
        st.tuples(inner, st.sampled_from("+-*/"), inner).map(lambda one: f"({one[0]}) {one[1]} ({one[2]})"),
        st.tuples(inner, inner).map(lambda one: f"max({one[0]}, {one[1]})"),
        inner.map(lambda one: f"floor({one})"),
        st.tuples(inner, inner, inner).map(lambda one: f"({one[0]}) if a < ({one[1]}) else ({one[2]})"),
    )


@given(_text(3))
def test_every_formula_is_well_formed(text: str) -> None:
    node = parse(text)
    tree = ET.fromstring(mathml("x_y", node, "gCO2e/pkm").replace("&#160;", " "))
    assert tree.tag == "math"
    assert "".join(tree.itertext()).startswith("x")
    typeset = latex("x", node, "1")
    assert typeset.count("{") == typeset.count("}")
    assert typeset.count(r"\left") == typeset.count(r"\right")
    assert typeset.count(r"\begin{cases}") == typeset.count(r"\end{cases}") == typeset.count("otherwise")
    assert typeset.count(r"\text{if }") == text.count(" if ")
