"""YAML bytes -> checked structs, with the line of every key kept for error messages.

A strict subset of YAML: UTF-8, one document, no anchors, aliases or tags, no repeated key. Scalars
stay text ("46.8" is never a float, `no` and `on` are words), except null, true and false. The
builder works on parser events with a depth limit, because PyYAML's composer recurses in C and a
file of a hundred thousand brackets would end the process.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any, TypeVar

import msgspec
import yaml

from carbon_credit.kernel.structs import learned
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

MAX_BYTES = 262_144
MAX_DEPTH = 12

T = TypeVar("T")
Path = tuple[str | int, ...]

_PLAIN = {"": None, "~": None, "null": None, "true": True, "false": False}
_EXPONENT = re.compile(r"[-+]?[0-9.]+[eE][-+]?[0-9]+")
_STEP = re.compile(r"\.([A-Za-z_][A-Za-z0-9_]*)|\[([0-9]+)\]|\[\.\.\.\]")
_SHAPES = {
    r"^-?[0-9]+(\.[0-9]+)?$": "as a plain decimal number like 46.8, with no exponent, comma or unit",
    r"^[A-Za-z][A-Za-z0-9_]*$": "as a name of letters, digits and _ that begins with a letter",
    r"^[a-z0-9]+(-[a-z0-9]+)*$": "in small letters and digits joined by -, like my-notice",
}
_NAMED = re.compile(r"`([^`]*)`")


@dataclass(slots=True)
class _Mark:
    """Where a value stands: its line, and the marks of what is inside it."""

    line: int
    inside: dict[str | int, "_Mark"] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Document:
    """Plain data read from a file, and where each piece of it stood."""

    file: str
    value: Any
    mark: _Mark

    def line(self, *path: str | int) -> int:
        """The line of the deepest part of `path` that exists; lines count from 1."""
        mark = self.mark
        for step in path:
            inner = mark.inside.get(step)
            if inner is None:
                break
            mark = inner
        return mark.line

    def refuse(
        self, kind: type[DataError], *path: str | int, key: str | None = None, **more: object
    ) -> DataError:
        """An error of `kind` at `path`; `key` is what the message names (default: the path)."""
        return kind(file=self.file, line=self.line(*path), key=key or key_text(path), **more)


def key_text(path: Path) -> str:
    """("steps", 0, "unit") -> "steps[0].unit"."""
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return text.lstrip(".") or "the file"


def read_document(data: bytes, file: str) -> Document:
    """Parse `data`. Raises a DataError naming `file` and line."""
    if len(data) > MAX_BYTES:
        raise FileTooLarge(file=file, line=0, key="the file", limit=MAX_BYTES)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise NotUtf8(file=file, line=line, key="the file") from None
    try:
        return _Builder(text, file).document()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise YamlUnreadable(
            file=file, line=mark.line + 1 if mark else 0, key="the file", what=error.problem or "unreadable"
        ) from None
    except yaml.YAMLError as error:
        # What the reader stops at has a position in bytes and no mark.
        line = text.encode().count(b"\n", 0, getattr(error, "position", 0)) + 1
        what = str(error).splitlines()[0]
        raise YamlUnreadable(file=file, line=line, key="the file", what=what) from None


def convert(document: Document, kind: type[T]) -> T:
    """The document as `kind` (a msgspec struct). Raises KeyUnknown, KeyMissing or ValueWrong."""
    try:
        return msgspec.convert(document.value, learned(kind), strict=False)
    except msgspec.ValidationError as error:
        raise _explained(document, kind, str(error)) from None


class _Builder:
    """Parser events -> plain data and marks. Recursion is bounded by MAX_DEPTH."""

    def __init__(self, text: str, file: str) -> None:
        # Events one by one from the parser in C: `yaml.parse` asks twice for each, and a library has many.
        self._next: Callable[[], Any] = yaml.CSafeLoader(text).get_event
        self._file = file

    def document(self) -> Document:
        value: Any = None
        mark = _Mark(1)
        documents = 0
        while (event := self._next()).__class__ is not yaml.StreamEndEvent:
            if event.__class__ is yaml.DocumentStartEvent:
                documents += 1
                if documents > 1:
                    raise self._forbidden(event, "a second document (---)")
                value, mark = self._node(self._next(), 0)
        if documents == 0:
            raise YamlUnreadable(file=self._file, line=1, key="the file", what="the file is empty")
        return Document(self._file, value, mark)

    def _node(self, event: Any, depth: int) -> tuple[Any, _Mark]:
        kind = event.__class__
        if kind is yaml.AliasEvent or event.anchor:
            raise self._forbidden(event, "an anchor or alias (& or *)")
        if event.tag is not None:
            raise self._forbidden(event, "a tag (!)")
        if depth > MAX_DEPTH:
            raise self._forbidden(event, f"nesting deeper than {MAX_DEPTH} levels")
        mark = _Mark(event.start_mark.line + 1)
        if kind is yaml.ScalarEvent:
            return self._scalar(event), mark
        if kind is yaml.SequenceStartEvent:
            return self._sequence(depth, mark), mark
        return self._mapping(depth, mark), mark

    def _scalar(self, event: Any) -> Any:
        value = event.value
        if not event.implicit[0]:  # quoted, or a block: always text
            return value
        if _EXPONENT.fullmatch(value):
            raise self._forbidden(event, f"the exponent form {value}")
        return _PLAIN.get(value, value)

    def _sequence(self, depth: int, mark: _Mark) -> list[Any]:
        items: list[Any] = []
        while (event := self._next()).__class__ is not yaml.SequenceEndEvent:
            value, inner = self._node(event, depth + 1)
            mark.inside[len(items)] = inner
            items.append(value)
        return items

    def _mapping(self, depth: int, mark: _Mark) -> dict[str, Any]:
        items: dict[str, Any] = {}
        while (event := self._next()).__class__ is not yaml.MappingEndEvent:
            if event.__class__ is not yaml.ScalarEvent or event.anchor or event.tag:
                raise self._forbidden(event, "a key that is not plain text")
            key = event.value
            line = _line(event)
            if key in items:
                raise KeyRepeated(file=self._file, line=line, key=key)
            value, inner = self._node(self._next(), depth + 1)
            inner.line = line  # a person looks for the key, not for its value
            mark.inside[key] = inner
            items[key] = value
        return items

    def _forbidden(self, event: Any, what: str) -> YamlFeatureRefused:
        return YamlFeatureRefused(file=self._file, line=_line(event), key="the file", what=what)


def _line(event: Any) -> int:
    line: int = event.start_mark.line
    return line + 1


def _explained(document: Document, kind: Any, message: str) -> DataError:
    what, _, where = message.partition(" - at `")
    path: Path = tuple(
        match[1] if match[1] else int(match[2]) if match[2] else "..."
        for match in _STEP.finditer(where.rstrip("`"))
    )
    named = _NAMED.findall(what)
    if what.startswith("Object contains unknown field"):
        allowed = _fields_at(kind, path)
        close = get_close_matches(named[0], allowed, n=1)
        hint = f"{', '.join(allowed)}" + (f" (did you mean {close[0]}?)" if close else "")
        return document.refuse(KeyUnknown, *path, named[0], key=key_text((*path, named[0])), allowed=hint)
    if what.startswith("Object missing required field"):
        return document.refuse(KeyMissing, *path, key=key_text((*path, named[0])))
    return document.refuse(ValueWrong, *path, what=_mended(kind, path, what))


def _mended(kind: Any, path: Path, what: str) -> str:
    """What a value of the wrong kind has to be, in words for the writer."""
    info = _type_at(kind, path)
    if what.startswith("Invalid enum value"):
        allowed = info.cls if isinstance(info, msgspec.inspect.EnumType) else getattr(info, "values", ())
        words = ", ".join(str(getattr(one, "value", one)) for one in allowed)
        return f"{what.removeprefix('Invalid enum value ')} is not known here; write one of {words}"
    if what.startswith("Invalid RFC3339"):
        return "this is no day of the calendar; write it as 2026-03-01"
    if "matching regex" in what:
        pattern = getattr(info, "pattern", None)
        return f"write it {_SHAPES[pattern]}" if pattern in _SHAPES else f"write it in the form {pattern}"
    return what[:1].lower() + what[1:].replace("`str`", "text").replace(
        "`object`", "keys with values"
    ).replace("`array`", "a list")


def _fields_at(kind: Any, path: Path) -> list[str]:
    """The keys that `kind` allows at `path`, to tell the writer what would have been right."""
    info = _type_at(kind, path)
    return [f.encode_name for f in info.fields] if isinstance(info, msgspec.inspect.StructType) else []


def _type_at(kind: Any, path: Path) -> Any:
    info = msgspec.inspect.type_info(kind)
    for step in (*path, None):
        while isinstance(info, msgspec.inspect.UnionType):
            info = next((t for t in info.types if not isinstance(t, msgspec.inspect.NoneType)), info.types[0])
        if step is None:
            break
        if isinstance(info, msgspec.inspect.StructType):
            info = next(f.type for f in info.fields if f.encode_name == step)
        elif isinstance(info, msgspec.inspect.ListType | msgspec.inspect.VarTupleType):
            info = info.item_type
        elif isinstance(info, msgspec.inspect.DictType):
            info = info.value_type
    return info
