"""What pages are made of, before they are Markdown or HTML."""

from dataclasses import dataclass
from typing import TypeAlias

from carbon_credit.methodology.definition import Texts
from carbon_credit.methodology.expression import Node


@dataclass(frozen=True, slots=True)
class Link:
    """A cell that leads to another page: `target` is "<methodology>/<version>"."""

    text: Texts
    target: str


Cell: TypeAlias = Texts | str | Link


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading; level 1 is the title of the page."""

    text: Texts
    level: int = 2


@dataclass(frozen=True, slots=True)
class Paragraph:
    """Text; `mark` sets it off: "sandbox" and "missing" are warnings."""

    text: Texts
    mark: str | None = None


@dataclass(frozen=True, slots=True)
class Facts:
    """Short lines of name and value."""

    rows: tuple[tuple[Texts, Cell], ...]


@dataclass(frozen=True, slots=True)
class Formula:
    """`name = node`, in `unit`. `words` are the enum inputs, set as text."""

    label: Texts
    name: str
    node: Node
    unit: str


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under a header. `sandbox`: the rows (by place) whose value is sandbox."""

    header: tuple[Texts, ...]
    rows: tuple[tuple[Cell, ...], ...]
    sandbox: frozenset[int] = frozenset()


Block: TypeAlias = Heading | Paragraph | Facts | Formula | Table


def both(zh: str, en: str) -> Texts:
    """The same words in both languages."""
    return Texts(zh=zh, en=en)


def plain(text: str) -> Texts:
    """A text that is the same in both languages."""
    return Texts(zh=text, en=text)
