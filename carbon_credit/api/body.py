"""Reading a request strictly: media type first, then the bytes, then the schema."""

from collections.abc import Mapping
from functools import cache
from typing import Any, cast

import orjson
from flask import request
from marshmallow import Schema, ValidationError

from carbon_credit.api.errors import BodyMalformed, FieldsInvalid, MediaTypeUnsupported

JSON = "application/json"
FORM = "application/x-www-form-urlencoded"
NDJSON = "application/x-ndjson"
CLOUDEVENT = "application/cloudevents+json"
CLOUDEVENTS = "application/cloudevents-batch+json"


def require_media_type(*accepted: str) -> str:
    """The media type of the body, one of `accepted`. Raises MediaTypeUnsupported."""
    charset = request.mimetype_params.get("charset", "utf-8").lower()
    encoded = request.headers.get("Content-Encoding", "identity").lower()
    if request.mimetype not in accepted or charset != "utf-8" or encoded != "identity":
        raise MediaTypeUnsupported(accepted=", ".join(accepted))
    return request.mimetype


def media_type() -> str:
    """The media type of the body, after it was found to be an accepted one."""
    return request.mimetype


def body_bytes() -> bytes:
    """The raw body. werkzeug raises RequestEntityTooLarge beyond the limit of the settings."""
    return request.get_data(cache=True)


def comes() -> bool:
    """Whether the request has a body at all."""
    return bool(request.mimetype) or bool(body_bytes())


def parse_json(data: bytes) -> Any:
    """The decoded JSON. Raises BodyMalformed: not UTF-8, no JSON, or nested beyond reason."""
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise BodyMalformed(why=f"{error.msg} (line {error.lineno}, column {error.colno})") from error


def load_json(schema: Schema) -> Any:
    """The body as `schema` reads it. Raises MediaTypeUnsupported, BodyMalformed, FieldsInvalid."""
    require_media_type(JSON)
    return _load(schema, parse_json(body_bytes()))


def load_form(schema: Schema) -> Any:
    """A form body as `schema` reads it. A field that is given twice is an error."""
    require_media_type(FORM)
    try:
        body_bytes().decode("ascii")
    except UnicodeDecodeError as error:
        raise BodyMalformed(why="a form is percent-encoded ASCII") from error
    return _load(schema, _single(request.form))


def load_query(schema: Schema) -> Any:
    """The query string as `schema` reads it. Raises FieldsInvalid."""
    try:
        if not request.query_string:
            return dict(_without_query(schema))
        return schema.load(_single(request.args))
    except ValidationError as error:
        raise FieldsInvalid(_messages(error), in_query=True) from error


@cache
def _without_query(schema: Schema) -> Mapping[str, object]:
    # Most requests have none, and what their schema makes of nothing is always the same.
    return cast(Mapping[str, object], schema.load({}))


def _load(schema: Schema, payload: Any) -> Any:
    try:
        return schema.load(payload)
    except ValidationError as error:
        raise FieldsInvalid(_messages(error)) from error


def _messages(error: ValidationError) -> dict[str, Any]:
    return dict(error.normalized_messages())  # type: ignore[no-untyped-call]


def _single(values: Any) -> Mapping[str, object]:
    # A list fails every field that expects one text, which is what a repeated parameter should do.
    return {name: found[0] if len(found) == 1 else found for name, found in values.lists()}
