"""JSON as systems send it: one object a line (NDJSON), a list of objects, or a document that holds one.

Names are compared as written, `a.b` reaches into an object. Numbers keep the digits that they were sent with.
"""

import json
import re
from collections import deque
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import msgspec

from carbon_credit.imports.errors import ColumnsMissing, FileEmpty, FileTruncated, LineTooLong
from carbon_credit.imports.formats.lines import line_blocks, text_blocks
from carbon_credit.imports.formats.packing import Progress
from carbon_credit.imports.formats.source import PLAIN, Column, Columns, Layout, Record, wanted

MAX_OBJECT = 4_194_304  # letters; a trip may bring its whole track
_SPACE = re.compile(r"[\s,]*")


class JsonFile:
    """A file of objects. Of a list, `line` is the number of the object in it, from 1."""

    def __init__(self, path: Path, *, progress: Progress | None = None, format: str = "ndjson") -> None:
        self.name = path.name
        self.format = format
        self.rows = 0
        self._path = path
        self._progress = progress

    def records(self, columns: Columns, layout: Layout = PLAIN) -> Iterator[Record]:
        """The values named, of every object. A required one that the first object lacks is a wrong file."""
        asked = [_Reach(column) for column in wanted(columns)]
        checked = False
        for number, found in self._objects(layout):
            self.rows += 1
            if found is None:
                yield Record(number, None)
                continue
            if not checked:
                self._check(asked, found)
                checked = True
            yield Record(number, tuple([one.text(found) for one in asked]))
        if self.rows == 0:
            raise FileEmpty(file=self.name)

    def _check(self, asked: list["_Reach"], first: dict[str, Any]) -> None:
        missing = [one.told for one in asked if one.required and not one.stands_in(first)]
        if missing:
            raise ColumnsMissing(file=self.name, columns=", ".join(missing))

    def _objects(self, layout: Layout) -> Iterator[tuple[int, dict[str, Any] | None]]:
        texts = text_blocks(self._path, encoding=layout.encoding, progress=self._progress)
        head = next((text for text in texts if text and not text.isspace()), "")
        key = re.compile(rf'"{re.escape(layout.items)}"\s*:\s*\[') if layout.items else None
        inside = key.search(head, 0, 4096) if key else None
        if inside or head.lstrip().startswith("["):
            yield from self._listed(texts, head[inside.end() if inside else head.index("[") + 1 :])
            return
        decode = msgspec.json.Decoder(dict[str, Any], float_hook=str).decode
        for first, lines in line_blocks(chain((head,), texts), file=self.name, limit=MAX_OBJECT):
            for number, text in enumerate(lines, first):
                if text and not text.isspace():
                    try:
                        yield number, decode(text)
                    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
                        yield number, None

    def _listed(self, texts: Iterator[str], buffer: str) -> Iterator[tuple[int, dict[str, Any] | None]]:
        """The objects of a list, one after the other, with no more of the file at hand than one needs."""
        decode = json.JSONDecoder(parse_float=str, parse_constant=str).raw_decode
        place = number = 0
        while True:
            place = _SPACE.match(buffer, place).end()  # type: ignore[union-attr]
            if buffer.startswith("]", place):
                deque(texts, maxlen=0)  # what follows the list is read as well: it may be cut off
                return
            try:
                found, place = decode(buffer, place)
            except (ValueError, RecursionError):
                more = next(texts, None)
                if more is None:
                    raise FileTruncated(file=self.name, line=number) from None
                if len(buffer) - place > MAX_OBJECT:
                    raise LineTooLong(file=self.name, line=number + 1, limit=MAX_OBJECT) from None
                buffer, place = buffer[place:] + more, 0
                continue
            number += 1
            yield number, found if isinstance(found, dict) else None


class _Reach:
    """Where one column is in an object."""

    def __init__(self, column: Column) -> None:
        self.required = column.required
        self.told = " / ".join(column.names)
        self._names = column.names
        self._paths = [tuple(name.split(".")) for name in column.names if "." in name]

    def text(self, found: dict[str, Any]) -> str:
        for name in self._names:
            if name in found:
                return _text(found[name])
        for path in self._paths:
            value: Any = found
            for step in path:
                value = value.get(step) if isinstance(value, dict) else None
            if value is not None:
                return _text(value)
        return ""

    def stands_in(self, found: dict[str, Any]) -> bool:
        return any(name in found for name in self._names) or any(path[0] in found for path in self._paths)


def _text(value: Any) -> str:
    """A value as a column of text would have it; what a list holds is joined by commas."""
    match value:
        case str():
            return value.strip()
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case list() if not any(isinstance(one, dict | list) for one in value):
            return ",".join(map(_text, value))
        case _:
            return msgspec.json.encode(value).decode()
