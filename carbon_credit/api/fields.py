"""The fields of the wire. No float passes here: quantities are whole numbers, or they are refused.

Each field can be written down in OpenAPI without loss, so what the contract says is what is checked.
"""

import re
from base64 import b64decode
from datetime import UTC, date, datetime
from typing import Any

from marshmallow import fields, validate

MAX_WHOLE = 2**63 - 1
# RFC 3339, section 5.6. Years with four digits that the databases and business calendars can hold.
_INSTANT = re.compile(
    r"^(20|21)\d\d-\d\d-\d\d[Tt ]([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d{1,9})?"
    r"([Zz]|[+-]([01]\d|2[0-3]):?[0-5]\d)$",
    re.ASCII,
)
_DAY = re.compile(r"^(20|21)\d\d-\d\d-\d\d$", re.ASCII)
_DIGITS = re.compile(r"^[0-9]{1,18}$", re.ASCII)
# No control characters: PostgreSQL cannot hold U+0000, and nobody can see the others.
PLAIN = r"^[^\u0000-\u001f\u007f]+$"


class Whole(fields.Integer):
    """A whole number in JSON. 1.0, 1e3, "1" and true are refused."""

    def __init__(self, *, minimum: int = 0, maximum: int = MAX_WHOLE, **kwargs: Any) -> None:
        bounds = validate.Range(min=minimum, max=maximum)
        metadata = {"format": "int64"} | kwargs.pop("metadata", {})
        super().__init__(strict=True, validate=bounds, metadata=metadata, **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            raise self.make_error("invalid", input=value)
        return super()._deserialize(value, attr, data, **kwargs)


class QueryWhole(Whole):
    """A whole number in a query string: digits only."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> int:
        if not isinstance(value, str) or not _DIGITS.match(value):
            raise self.make_error("invalid", input=value)
        return super()._deserialize(int(value), attr, data, **kwargs)


class Text(fields.String):
    """Text of bounded length without control characters."""

    def __init__(self, *, longest: int, shortest: int = 1, pattern: str | None = None, **kwargs: Any) -> None:
        checks: list[Any] = [validate.Length(min=shortest, max=longest)]
        checks.append(validate.Regexp(pattern or PLAIN, error="Contains characters that are not allowed."))
        super().__init__(validate=checks, **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        if not isinstance(value, str):
            raise self.make_error("invalid")
        return super()._deserialize(value, attr, data, **kwargs)


class Base64(fields.String):
    """Bytes, as base64 (RFC 4648, section 4)."""

    default_error_messages = {"base64": "Not valid base64."}  # noqa: RUF012

    def __init__(self, **kwargs: Any) -> None:
        metadata = {"format": "byte"} | kwargs.pop("metadata", {})
        super().__init__(metadata=metadata, **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        if not isinstance(value, str):
            raise self.make_error("invalid")
        try:
            return b64decode(value, validate=True)
        except ValueError as error:
            raise self.make_error("base64") from error


class Word(fields.String):
    """One word of a closed list."""

    def __init__(self, *words: str, **kwargs: Any) -> None:
        super().__init__(validate=validate.OneOf(words), **kwargs)


class Instant(fields.AwareDateTime):
    """A moment with its time zone, RFC 3339; answers are in UTC."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> datetime:
        if not isinstance(value, str) or not _INSTANT.match(value):
            raise self.make_error("invalid", input=value, obj_type=self.OBJ_TYPE)
        try:
            # Digits beyond microseconds are cut, as the databases would.
            cut = re.sub(r"(\.\d{6})\d+", r"\1", value.upper())
            return datetime.fromisoformat(cut).astimezone(UTC)
        except ValueError as error:
            raise self.make_error("invalid", input=value, obj_type=self.OBJ_TYPE) from error

    def _serialize(self, value: Any, attr: str | None, obj: Any, **kwargs: Any) -> str | None:
        return None if value is None else value.astimezone(UTC).isoformat().replace("+00:00", "Z")


class Day(fields.Date):
    """A calendar day, YYYY-MM-DD."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> date:
        if not isinstance(value, str) or not _DAY.match(value):
            raise self.make_error("invalid", input=value, obj_type=self.OBJ_TYPE)
        try:
            return date.fromisoformat(value)
        except ValueError as error:
            raise self.make_error("invalid", input=value, obj_type=self.OBJ_TYPE) from error


class Flag(fields.Boolean):
    """true or false in JSON, and nothing else."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> bool:
        if not isinstance(value, bool):
            raise self.make_error("invalid", input=value)
        return value


class QueryFlag(fields.Boolean):
    """true or false in a query string."""

    truthy = {"true"}  # noqa: RUF012
    falsy = {"false"}  # noqa: RUF012


class Id(fields.UUID):
    """A UUID in its usual form."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        if not isinstance(value, str) or len(value) != 36:
            raise self.make_error("invalid_uuid")
        return super()._deserialize(value, attr, data, **kwargs)
