"""Control totals: what the sender says is in the file, held against what was read."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any

import orjson

from carbon_credit.imports.jobs.errors import ControlUnreadable

MAX_BYTES = 65_536
MAX_SUMS = 50
_HEX = frozenset("0123456789abcdef")


@dataclass(frozen=True, slots=True)
class Control:
    """What is expected. `sums`: column -> exact decimal text. `sha256`: of the file as it is delivered."""

    rows: int | None = None
    sums: Mapping[str, str] = field(default_factory=dict)
    sha256: str | None = None

    @property
    def empty(self) -> bool:
        """Whether nothing is expected of what is in the file."""
        return self.rows is None and not self.sums

    def as_dict(self) -> dict[str, Any]:
        """JSON-able; without the digest, which the job has anyway."""
        told: dict[str, Any] = {} if self.rows is None else {"rows": self.rows}
        return told | ({"sums": dict(self.sums)} if self.sums else {})

    def difference(self, totals: Mapping[str, int | str]) -> str | None:
        """The first total that is not as expected, in words; None where all are."""
        wanted: dict[str, str] = {} if self.rows is None else {"rows": str(self.rows)}
        for name, value in {**wanted, **self.sums}.items():
            if name not in totals:
                return f"{name} should be {value}, but the adapter sums no such column"
            if Decimal(str(totals[name])) != Decimal(value):
                return f"{name} should be {value}, and is {totals[name]}"
        return None


def control_of(told: object) -> Control:
    """Control totals as JSON says them: `rows`, `sha256`, and `sums` or the sums beside them.

    Raises ControlUnreadable.
    """
    if not isinstance(told, dict):
        raise ControlUnreadable(why="it is no object")
    told = dict(told)
    rows, sha256, sums = told.pop("rows", None), told.pop("sha256", None), told.pop("sums", {})
    if not isinstance(sums, dict):
        raise ControlUnreadable(why="`sums` is no object")
    sums = {**told, **sums}
    if len(sums) > MAX_SUMS:
        raise ControlUnreadable(why=f"there are more than {MAX_SUMS} sums")
    return Control(
        rows=None if rows is None else _count(rows),
        sums={str(name)[:64]: _decimal(str(name), value) for name, value in sums.items()},
        sha256=None if sha256 is None else _digest(sha256),
    )


def read_control(body: bytes) -> Control:
    """A control file: JSON, or one `name=value` a line. Raises ControlUnreadable."""
    if len(body) > MAX_BYTES:
        raise ControlUnreadable(why=f"it is longer than {MAX_BYTES} bytes")
    try:
        text = body.decode("utf-8-sig").strip()
        if text.startswith("{"):
            return control_of(orjson.loads(text))
    except (UnicodeDecodeError, orjson.JSONDecodeError) as error:
        raise ControlUnreadable(why="it is neither UTF-8 text nor JSON") from error
    told: dict[str, object] = {}
    for line in filter(None, map(str.strip, text.splitlines())):
        name, equals, value = line.partition("=")
        name = name.strip().removeprefix("sum.")
        if not equals or not name or name in told:
            raise ControlUnreadable(why=f"the line “{line[:80]}”")
        told[name] = value.strip()
    return control_of(told)


def _count(value: object) -> int:
    text = str(value)
    if isinstance(value, bool) or not (text.isascii() and text.isdigit()) or len(text) > 15:
        raise ControlUnreadable(why="`rows` is no whole number")
    return int(text)


def _decimal(name: str, value: object) -> str:
    try:
        if isinstance(value, bool | None) or not Decimal(str(value)).is_finite():
            raise InvalidOperation
    except InvalidOperation as error:
        raise ControlUnreadable(why=f"`{name[:64]}` is no number") from error
    return str(value)


def _digest(value: object) -> str:
    text = str(value).lower()
    if len(text) != 64 or not _HEX.issuperset(text):
        raise ControlUnreadable(why="`sha256` is not 64 hexadecimal digits")
    return text
