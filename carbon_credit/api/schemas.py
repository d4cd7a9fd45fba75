"""What all schemas share: strictness, pages, and the problem that every error is."""

from functools import cache
from typing import Any

from marshmallow import EXCLUDE, RAISE, Schema, fields

from carbon_credit.api.fields import Id, QueryWhole, Text, Whole
from carbon_credit.kernel.paging import DEFAULT_LIMIT, MAX_CURSOR_LENGTH, MAX_LIMIT

PROGRAMME = r"^[a-z][a-z0-9-]{1,15}$"
SCENE = r"^[a-z0-9-]{1,32}$"
SLUG = r"^[a-z0-9][a-z0-9.+_-]{0,63}$"


class Strict(Schema):
    """A request: an unknown field is an error."""

    class Meta:
        unknown = RAISE


class Answer(Schema):
    """A response."""

    class Meta:
        unknown = EXCLUDE


class PageQuery(Strict):
    """Where in a list to read."""

    limit = QueryWhole(
        minimum=1,
        maximum=MAX_LIMIT,
        load_default=DEFAULT_LIMIT,
        metadata={"description": "How many items at most.", "example": 50},
    )
    cursor = Text(
        longest=MAX_CURSOR_LENGTH,
        pattern=r"^[A-Za-z0-9_-]+$",
        metadata={"description": "`next_cursor` of the page before; none for the first page."},
    )


class FieldProblem(Answer):
    """One field that is wrong."""

    pointer = fields.String(
        required=True,
        metadata={"description": "JSON pointer or parameter name.", "example": "/share_percent"},
    )
    detail = fields.String(required=True, metadata={"example": "Must be at most 100."})
    line = Whole(metadata={"description": "Only of a mapping: the line of its text."})
    key = fields.String(metadata={"description": "Only of a mapping: the key."})


class Problem(Answer):
    """RFC 9457 problem details. `code` and `type` never change; the sentences may."""

    type = fields.String(required=True, metadata={"example": "urn:carbon-credit:problem:fields-invalid"})
    title = fields.String(required=True, metadata={"example": "Not acceptable"})
    status = Whole(required=True, minimum=400, maximum=599, metadata={"example": 422})
    code = fields.String(required=True, metadata={"example": "fields-invalid"})
    detail = fields.String(
        required=True,
        metadata={
            "description": "What happened, why, and what to do; Chinese or English by Accept-Language.",
            "example": "The request has 1 wrong field. Correct it and send it again.",
        },
    )
    details = fields.Dict(
        keys=fields.String(),
        metadata={"description": "Named values that the sentence mentions.", "example": {"count": 1}},
    )
    errors = fields.List(fields.Nested(FieldProblem))
    error = fields.String(
        metadata={"description": "RFC 6749 error code; only from /v1/oauth/token."},
    )
    error_description = fields.String(metadata={"description": "As `detail`; only from /v1/oauth/token."})


class Created(Answer):
    """What was made."""

    id = Id(required=True, metadata={"example": "0192f3c1-7a52-7b61-9d3e-0f6a1c2b3d4e"})


@cache
def page_of(item: type[Schema]) -> type[Answer]:
    """The schema of one page of `item`s, named after it."""
    members: dict[str, Any] = {
        "__doc__": f"One page of a list of {item.__name__}.",
        "items": fields.List(fields.Nested(item), required=True),
        "next_cursor": fields.String(
            required=True,
            allow_none=True,
            metadata={"description": "Send it as `cursor` for the next page; null on the last."},
        ),
    }
    return type(f"{item.__name__}Page", (Answer,), members)
