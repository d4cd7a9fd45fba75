from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbon_credit.methodology.definition import Methodology, Source
from carbon_credit.methodology.document import MAX_BYTES, convert, read_document
from carbon_credit.methodology.errors import (
    DataError,
    FileTooLarge,
    KeyMissing,
    KeyRepeated,
    KeyUnknown,
    NotUtf8,
    ValueWrong,
    YamlFeatureRefused,
    YamlUnreadable,
)

METHODOLOGY = (
    Path(__file__).resolve().parents[2] / "methodologies/sz-public-transit/v1/methodology.yaml"
).read_text(encoding="utf-8")


def test_scalars_stay_text() -> None:
    text = (
        "{a: 46.80, b: 012, c: no, d: on, e: 2021-12-17, f: null, g: true,"
        " h: 'null', i: ~, j: 0x1F, k: 1_000, l: 1:30}"
    )
    assert read_document(text.encode(), "f").value == {
        "a": "46.80",
        "b": "012",
        "c": "no",
        "d": "on",
        "e": "2021-12-17",
        "f": None,
        "g": True,
        "h": "null",
        "i": None,
        "j": "0x1F",
        "k": "1_000",
        "l": "1:30",
    }


@pytest.mark.parametrize(
    ("data", "error", "line"),
    [
        (b"a: 1\nb: [1, 2\nc: 3\n", YamlUnreadable, 3),
        (b"", YamlUnreadable, 1),
        (b"a: 1\n\ta: 2\n", YamlUnreadable, 2),
        (b"a: 1\nb: 2\na: 3\n", KeyRepeated, 3),
        (b"a: &x 1\nb: *x\n", YamlFeatureRefused, 1),
        (b"a: *x\n", YamlFeatureRefused, 1),
        (b"a: 1\nb: !!python/object/apply:os.system [echo]\n", YamlFeatureRefused, 2),
        (b"a: !!int 3\n", YamlFeatureRefused, 1),
        (b"a: 1\n---\nb: 2\n", YamlFeatureRefused, 2),
        (b"? [1, 2]\n: 3\n", YamlFeatureRefused, 1),
        (b"a: 1\nb: 1e5\n", YamlFeatureRefused, 2),
        (b"a: " + b"[" * 5_000 + b"]" * 5_000, YamlFeatureRefused, 1),
        (b"[" * 200_000, YamlFeatureRefused, 1),
        ("a: 1\nb: 深圳\n".encode("gbk"), NotUtf8, 2),
        ("a: 深圳\n".encode("utf-16"), NotUtf8, 1),
        (b"a: \x00\n", YamlUnreadable, 1),
        (b"#" * (MAX_BYTES + 1), FileTooLarge, 0),
    ],
    ids=lambda value: value[:20] if isinstance(value, bytes) else None,
)
def test_what_is_no_plain_yaml_is_refused_with_its_line(
    data: bytes, error: type[DataError], line: int
) -> None:
    with pytest.raises(error) as caught:
        read_document(data, "some/file.yaml")
    assert caught.value.details["file"] == "some/file.yaml"
    assert caught.value.details["line"] == line
    assert "some/file.yaml" in caught.value.message("en")
    assert "some/file.yaml" in caught.value.message("zh")


@pytest.mark.parametrize(
    ("old", "new", "error", "key", "line_of"),
    [
        ("    unit: pm\n", "    untis: pm\n", KeyUnknown, "inputs[1].untis", "untis: pm"),
        ("region: 深圳\n", "", KeyMissing, "region", "id: sz"),
        ("version: 1", "version: one", ValueWrong, "version", "version: one"),
        ("effective_from: 2021-12-17", "effective_from: 2021-13-17", ValueWrong, "effective_from", "2021-13"),
        ("value: 26.9", "value: 2.69e1", YamlFeatureRefused, "the file", "2.69e1"),
        ("value: 26.9", "value: NaN", ValueWrong, "parameters[0].values[0].value", "NaN"),
        ("value: 26.9", "value: 26,9", ValueWrong, "parameters[0].values[0].value", "26,9"),
        ("value: 26.9", "value: 1_000", ValueWrong, "parameters[0].values[0].value", "1_000"),
        (
            "grade: published\n        source: launch",
            "grade: good\n        source: launch",
            ValueWrong,
            "grade",
            "good",
        ),
        (
            "rounding: {to: mg, mode: floor}",
            "rounding: {to: mg, mode: up}",
            ValueWrong,
            "rounding.mode",
            "mode: up",
        ),
    ],
)
def test_a_wrong_key_or_value_is_named_with_its_line(
    old: str, new: str, error: type[DataError], key: str, line_of: str
) -> None:
    assert old in METHODOLOGY
    text = METHODOLOGY.replace(old, new, 1)
    line = next(number for number, row in enumerate(text.splitlines(), 1) if line_of in row)
    with pytest.raises(error) as caught:
        convert(read_document(text.encode(), "m.yaml"), Methodology)
    assert key in str(caught.value.details["key"])
    if error is not KeyMissing:
        assert caught.value.details["line"] == line


def test_an_unknown_key_is_answered_with_the_known_ones() -> None:
    with pytest.raises(KeyUnknown) as caught:
        convert(read_document(b"{name: a, document: b, adress: c}", "f"), Source)
    assert "(did you mean address?)" in caught.value.message("en")


def test_a_byte_order_mark_is_no_part_of_the_first_key() -> None:
    assert read_document(b"\xef\xbb\xbfa: 1\n", "f").value == {"a": "1"}


@given(st.one_of(st.binary(max_size=200), st.text(max_size=200).map(str.encode)))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    try:
        document = read_document(data, "f")
        convert(document, Methodology)
    except DataError as error:
        message = error.message("zh")
        assert message
