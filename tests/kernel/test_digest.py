"""Canonical bytes: one value, one text; two values, two texts."""

import hmac
import uuid
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbon_credit.kernel.digest import (
    Field,
    canonical_json,
    keyed_digest,
    keyed_digests,
    mac_with,
    row_mac,
    row_macs,
    same,
    sha256_hex,
    typed_json,
)

KEY = b"k" * 32
TEXTS = st.text(max_size=8)
FIELDS: st.SearchStrategy[Field] = st.one_of(
    st.none(),
    TEXTS,
    st.integers(-(2**63), 2**63),
    st.binary(max_size=8),
    st.uuids(),
    st.dates(),
    st.datetimes(timezones=st.just(UTC)),
)


def test_keys_are_sorted_and_nothing_is_added() -> None:
    assert canonical_json({"b": [1, None, True], "a": {"z": "羊城通", "y": -1}}) == (
        '{"a":{"y":-1,"z":"羊城通"},"b":[1,null,true]}'.encode()
    )


@given(st.dictionaries(TEXTS, st.integers(-(2**53), 2**53), max_size=6))
def test_the_order_of_a_dictionary_does_not_matter(value: dict[str, int]) -> None:
    turned = dict(reversed(value.items()))
    assert canonical_json(value) == canonical_json(turned)
    assert orjson.loads(canonical_json(value)) == value


@pytest.mark.parametrize(
    "value", [1.0, [1, 0.5], {"a": {"b": [float("nan")]}}, (1, 2.0), {"a": float("inf")}, [[[[1e300]]]]]
)
def test_a_float_has_no_canonical_form(value: object) -> None:
    with pytest.raises(TypeError, match="float"):
        canonical_json(value)


def test_what_json_does_not_know_is_refused() -> None:
    for value in (Decimal("1.5"), {1, 2}, b"bytes", 2**80):
        with pytest.raises(TypeError):
            canonical_json(value)


def test_sha256_is_the_published_one() -> None:
    assert sha256_hex(b"abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


@given(st.lists(TEXTS, max_size=5), st.lists(TEXTS, max_size=5))
def test_parts_are_framed_so_that_none_runs_into_the_next(one: list[str], other: list[str]) -> None:
    assert (keyed_digest(KEY, *one) == keyed_digest(KEY, *other)) == (one == other)


def test_a_digest_depends_on_its_key() -> None:
    assert keyed_digest(KEY, "card", "1") != keyed_digest(b"x" * 32, "card", "1")
    assert keyed_digest(KEY, "ab", "c") != keyed_digest(KEY, "a", "bc")
    assert keyed_digest(KEY, "a") != keyed_digest(KEY, "a", "")


@given(st.lists(FIELDS, max_size=4), st.lists(FIELDS, max_size=4))
def test_two_rows_have_two_macs(one: list[Field], other: list[Field]) -> None:
    alike = [(type(field), field) for field in one] == [(type(field), field) for field in other]
    assert (row_mac(KEY, "transfer", *one) == row_mac(KEY, "transfer", *other)) == alike


def test_the_type_of_a_field_counts() -> None:
    alike: list[Field] = [
        None,
        "",
        0,
        "0",
        b"",
        "n",
        b"0",
        date(1970, 1, 1),
        datetime(1970, 1, 1, tzinfo=UTC),
        "1970-01-01",
        uuid.UUID(int=0),
        "0" * 32,
    ]
    assert len({row_mac(KEY, "t", field) for field in alike}) == len(alike)


def test_the_table_and_the_key_are_part_of_a_mac() -> None:
    assert row_mac(KEY, "transfer", 1) != row_mac(KEY, "reduction", 1)
    assert row_mac(KEY, "transfer", 1) != row_mac(b"x" * 32, "transfer", 1)
    assert len(row_mac(KEY, "transfer")) == 16


def test_an_instant_has_one_mac_in_every_zone() -> None:
    at = datetime(2026, 11, 21, 0, 0, 0, 1, tzinfo=UTC)
    there = at.astimezone(timezone(timedelta(hours=8)))
    assert row_mac(KEY, "t", at) == row_mac(KEY, "t", there)
    assert row_mac(KEY, "t", at) != row_mac(KEY, "t", at + timedelta(microseconds=1))


def test_text_and_bytes_that_are_the_same() -> None:
    assert same("secret", b"secret")
    assert same("密", "密")
    assert not same("secret", "secre")


@given(st.data(), st.integers(1, 6), st.integers(0, 5))
def test_many_rows_have_the_macs_that_each_has_alone(data: st.DataObject, width: int, count: int) -> None:
    # Columns of one type, with nulls or without, and columns that say the same in every row.
    kinds = [TEXTS, st.uuids(), st.integers(-(2**63), 2**63), st.dates(), FIELDS, st.booleans()]
    columns: list[list[Field]] = []
    for _ in range(width):
        kind = data.draw(st.sampled_from(kinds))
        kind = data.draw(st.sampled_from([kind, st.one_of(st.none(), kind)]))
        same_everywhere = data.draw(st.booleans())
        one = data.draw(kind)
        columns.append([one if same_everywhere else data.draw(kind) for _ in range(count)])
    rows = [tuple(column[at] for column in columns) for at in range(count)]
    expected = [row_mac(KEY, "reduction", *row) for row in rows]
    assert row_macs(KEY, "reduction", rows) == expected


@given(st.tuples(TEXTS, TEXTS), st.lists(TEXTS, max_size=5))
def test_many_digests_are_those_that_each_has_alone(first: tuple[str, str], lasts: list[str]) -> None:
    assert keyed_digests(KEY, first, lasts) == [keyed_digest(KEY, *first, last) for last in lasts]


@given(st.dictionaries(TEXTS, st.integers(-(2**63), 2**63 - 1) | TEXTS))
def test_what_was_typed_has_the_same_canonical_form(value: dict[str, int | str]) -> None:
    assert typed_json(value) == canonical_json(value)


@given(st.binary(max_size=200), st.binary(min_size=1, max_size=200))
def test_the_mac_is_the_one_of_the_standard_library(message: bytes, key: bytes) -> None:
    assert mac_with(key)(message) == hmac.digest(key, message, "sha256")
