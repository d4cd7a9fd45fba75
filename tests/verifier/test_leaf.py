"""A leaf: one text for each value, read back as it was, hashed as the format says."""

import hashlib
from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbon_credit.verifier.leaf import COLUMNS, BadField, Leaf, csv_line, leaf_hash, parse_leaf, parse_line

LEAF = Leaf(
    leaf_no=1,
    salt="0" * 32,
    pseudonym="f" * 32,
    business_date=date(2026, 11, 21),
    activity_type="metro.ride",
    methodology="sz-public-transit",
    version="v1",
    version_digest="a" * 64,
    inputs={"distance_m": 8300, "mode": "metro"},
    tier="derived",
    grade="published",
    gross_mg=388_440,
    cap_code="",
    adjusted_mg=-5,
    credited_mg=388_435,
    from_mg=0,
    to_mg=388_435,
)
amounts = st.integers(-(2**60), 2**60)


@given(
    amounts,
    amounts,
    st.dictionaries(st.text(max_size=9), st.integers(-(2**60), 2**60) | st.text(max_size=20)),
)
def test_what_is_written_is_read_back_and_written_the_same(
    gross: int, end: int, inputs: dict[str, int | str]
) -> None:
    leaf = replace(LEAF, gross_mg=gross, to_mg=end, inputs=inputs)
    line = csv_line(leaf.texts())
    assert line.count(b"\n") == 1, "one line a leaf"
    assert parse_leaf(parse_line(line)) == leaf
    assert csv_line(parse_leaf(parse_line(line)).texts()) == line


def test_the_hash_is_over_netstrings() -> None:
    framed = "".join(f"{len(text.encode())}:{text}," for text in ("carbon-credit-leaf-1", *LEAF.texts()))
    assert leaf_hash(LEAF.texts()) == hashlib.sha256(b"\0" + framed.encode()).digest()
    assert leaf_hash(("ab", "c")) != leaf_hash(("a", "bc"))


@pytest.mark.parametrize(
    ("column", "text"),
    [
        ("leaf_no", "01"),
        ("leaf_no", "+1"),
        ("gross_mg", "1.0"),
        ("gross_mg", "１"),
        ("gross_mg", "-0"),
        ("to_mg", ""),
        ("to_mg", "9" * 20),
        ("business_date", "20261121"),
        ("business_date", "2026-11-31"),
        ("salt", "F" * 32),
        ("version_digest", "a" * 63),
        ("inputs", '{"distance_m": 8300}'),
        ("inputs", '{"distance_m":8300.0}'),
        ("inputs", '{"distance_m":true}'),
        ("inputs", '["distance_m"]'),
        ("inputs", '{"b":1,"a":2}'),
        ("inputs", "[" * 5000),
        ("methodology", "a/b"),
        ("tier", "Derived"),
        ("cap_code", "cap\n"),
    ],
)
def test_each_value_has_one_text_only(column: str, text: str) -> None:
    texts = list(LEAF.texts())
    texts[COLUMNS.index(column)] = text
    with pytest.raises(BadField) as refusal:
        parse_leaf(texts)
    assert refusal.value.name == column


@pytest.mark.parametrize("line", [b"", b"a,b\n", b'"open', b"\xff" * 17, b'"a\nb",c\n'])
def test_a_line_that_is_no_leaf_is_refused(line: bytes) -> None:
    with pytest.raises(BadField):
        parse_line(line)
