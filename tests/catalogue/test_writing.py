"""What is written reads back as it was, for any data that a data file can hold."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carbon_credit.catalogue.writing import head_of, written
from carbon_credit.kernel.settings import HOME
from carbon_credit.methodology.document import read_document

PRINTABLE = st.text(
    st.characters(
        codec="utf-8",
        exclude_categories=("Cc", "Cs", "Cn", "Co", "Zl", "Zp"),
        exclude_characters="\ufeff",
    ),
    max_size=40,
)
WORDS = st.sampled_from(
    ["46.8", "0.4190", "-1", "1e5", "1.5E-3", "no", "on", "yes", "null", "~", "", "true", "2021-12-17", "v1",
     "007", "0x1f", "1_000", ".5", "1:30", "=", "<<", "- a", "a: b", "# no", "'", '"', "&a", "*a", "!t"]
)  # fmt: skip
SCALARS = PRINTABLE | WORDS | st.none() | st.booleans()
NESTED = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(PRINTABLE, inner, max_size=4),
    max_leaves=12,
)
DATA = st.dictionaries(PRINTABLE | WORDS, NESTED, min_size=1, max_size=6)


@settings(max_examples=300, deadline=None)
@given(DATA)
def test_any_data_reads_back_the_same(data: dict[str, object]) -> None:
    assert read_document(written(data), "written").value == data
    assert written(data) == written(data)


@pytest.mark.parametrize(
    "path",
    sorted((HOME / "methodologies").rglob("*.yaml")),
    ids=lambda path: f"{path.parent.parent.name}-{path.stem}",
)
def test_every_file_of_the_library_survives(path: object) -> None:
    data = path.read_bytes()  # type: ignore[attr-defined]
    value = read_document(data, "before").value
    again = written(value, head=head_of(data))
    assert read_document(again, "after").value == value
    assert head_of(again) == head_of(data)


def test_numbers_and_dates_stand_without_quotes() -> None:
    told = written({"value": "46.80", "on": "2021-12-17", "version": "2", "exponent": "1e5"}).decode()
    assert told == 'value: 46.80\n"on": 2021-12-17\nversion: 2\nexponent: "1e5"\n'.replace('"on"', "'on'")
