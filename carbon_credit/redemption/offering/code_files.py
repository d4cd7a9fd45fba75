"""Reading codes of a pool from JSON, NDJSON or CSV, each with its line."""

import csv
import io
from collections.abc import Iterator

import orjson

from carbon_credit.redemption.offering.codes import GivenCode
from carbon_credit.redemption.offering.errors import CodeFileUnreadable

JSON = "application/json"
NDJSON = "application/x-ndjson"
CSV = "text/csv"
COLUMN = "code"


def read_codes(data: bytes, *, media_type: str) -> list[GivenCode]:
    """The codes, with the number of the line (of a JSON array: the place) of each, from 1.

    Raises CodeFileUnreadable. What is no good as a code is left to `add_codes`, which names all of it.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise CodeFileUnreadable(line=line, why="is not UTF-8") from error
    if media_type == CSV:
        return list(_csv(text))
    if media_type == NDJSON:
        return list(_ndjson(text))
    return list(_array(text))


def _array(text: str) -> Iterator[GivenCode]:
    found = _json(text, 1)
    if not isinstance(found, list):
        raise CodeFileUnreadable(line=1, why="is no JSON array")
    for place, one in enumerate(found, start=1):
        yield _given(one, place)


def _ndjson(text: str) -> Iterator[GivenCode]:
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip():
            yield _given(_json(line, number), number)


def _csv(text: str) -> Iterator[GivenCode]:
    """By the column `code` where a head names it, else by the first column of every line."""
    rows = csv.reader(io.StringIO(text, newline=""), strict=True)
    place: int | None = None
    try:
        for row in rows:
            if place is None:
                head = [cell.strip().lower() for cell in row]
                place = head.index(COLUMN) if COLUMN in head else 0
                if COLUMN in head:
                    continue
            if row:
                yield GivenCode(rows.line_num, row[place] if place < len(row) else "")
    except csv.Error as error:
        raise CodeFileUnreadable(line=rows.line_num, why="is no CSV") from error


def _given(one: object, line: int) -> GivenCode:
    code = one.get(COLUMN) if isinstance(one, dict) else one
    if not isinstance(code, str):
        raise CodeFileUnreadable(line=line, why="holds no code")
    return GivenCode(line, code)


def _json(text: str, line: int) -> object:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise CodeFileUnreadable(line=line + error.lineno - 1, why="is no JSON") from error
