"""Whatever the bytes: rows, or an error that a person can act upon. And csv as the csv module writes it."""

import csv
import io
import tempfile
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carbon_credit.imports.formats import open_rows
from carbon_credit.kernel.errors import CarbonError
from tests.imports.formats.samples import MAKERS, NAMES, PACKINGS, ROWS


def rows_of(data: bytes, columns: tuple[str, ...]) -> list[tuple[str, ...] | None]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows"
        path.write_bytes(data)
        return [record.values for record in open_rows(path).records(columns)]


def spoilt(data: bytes, draw: Random) -> bytes:
    """Some bytes changed, left out or put in."""
    spoiling = bytearray(data)
    for _ in range(draw.choice((1, 1, 2, 5, 20))):
        place = draw.randrange(len(spoiling))
        match draw.randrange(3):
            case 0:
                spoiling[place] = draw.randrange(256)
            case 1:
                del spoiling[place : place + draw.randrange(1, 50)]
            case _:
                spoiling[place:place] = draw.randbytes(draw.randrange(1, 20))
        spoiling = spoiling or bytearray(b"x")
    return bytes(spoiling)


@pytest.mark.parametrize("packing", PACKINGS)
@pytest.mark.parametrize("kind", MAKERS)
def test_a_spoilt_file_is_rows_or_an_error_of_ours(kind: str, packing: str) -> None:
    whole = PACKINGS[packing](MAKERS[kind](NAMES, ROWS * 30))
    draw = Random(f"{kind}/{packing}")
    refused: list[CarbonError] = []
    for _ in range(60):
        try:
            rows_of(spoilt(whole, draw), NAMES)
        except CarbonError as error:
            refused.append(error)
    assert refused
    assert all(error.message("zh") != error.message("en") for error in refused)


CELL = st.text(st.characters(codec="utf-8", exclude_characters="\r\n\0"), max_size=6)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.tuples(CELL, CELL, CELL), min_size=1, max_size=8),
    st.sampled_from(",;\t|"),
    st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL, csv.QUOTE_NONNUMERIC]),
    st.sampled_from(["\n", "\r\n"]),
)
def test_what_the_csv_module_writes_is_read_back(
    rows: list[tuple[str, str, str]], delimiter: str, quoting: int, end: str
) -> None:
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter, quoting=quoting, lineterminator=end)  # type: ignore[arg-type]
    writer.writerows([("a", "b", "c"), *rows])
    lines = [line for line in text.getvalue().split(end)[1:] if line and not line.isspace()]
    assert len(lines) <= len(rows)
    kept = [row for row in rows if not _is_blank(row, delimiter, quoting)]
    wanted = [(row[2].strip(), row[0].strip()) for row in kept]
    assert rows_of(text.getvalue().encode(), ("c", "a")) == wanted


def _is_blank(row: tuple[str, str, str], delimiter: str, quoting: int) -> bool:
    """A line of white space alone is no row: with tabs between, that is a row of white space."""
    plain = quoting == csv.QUOTE_MINIMAL and delimiter == "\t"
    return plain and all(not cell or cell.isspace() for cell in row) and "\t" not in "".join(row)
