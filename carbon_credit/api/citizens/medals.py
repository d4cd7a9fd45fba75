"""A citizen's medals."""

from typing import Any

from marshmallow import fields

from carbon_credit.api.auth import access
from carbon_credit.api.errors import language
from carbon_credit.api.fields import Day, Whole, Word
from carbon_credit.api.operation import Call, reads
from carbon_credit.api.schemas import Answer
from carbon_credit.identity.scopes import CITIZEN
from carbon_credit.reach.queries import medals_of

_READ = access(CITIZEN, scope="account:read")
_GRADES = ("official", "published", "secondary", "assumed")


class Medal(Answer):
    """A medal. Awarded when a day is closed; it stays, whatever is withdrawn later."""

    code = fields.String(required=True, metadata={"example": "metro-100"})
    title = fields.String(required=True, metadata={"example": "A hundred metro rides"})
    title_zh = fields.String(required=True, metadata={"example": "百次地铁"})
    title_en = fields.String(required=True, metadata={"example": "A hundred metro rides"})
    rule = Word("events", "co2e_mg", "days_in_row", "first", required=True, metadata={"example": "events"})
    scene = fields.String(required=True, allow_none=True, metadata={"example": "metro"})
    activity_type = fields.String(required=True, allow_none=True, metadata={"example": None})
    target = Whole(
        required=True,
        metadata={"description": "Events, milligrams of CO2e or days in a row.", "example": 100},
    )
    progress = Whole(required=True, metadata={"description": "Of the target.", "example": 42})
    earned_on = Day(
        required=True,
        allow_none=True,
        metadata={"description": "The day that brought it; null: not yet.", "example": None},
    )
    grade = Word(*_GRADES, required=True, metadata={"description": "Of the rule.", "example": "assumed"})


class Medals(Answer):
    """Every medal of the programme."""

    items = fields.List(fields.Nested(Medal), required=True)


@reads(allowed=_READ, answer=Medals)
def list_medals(call: Call) -> dict[str, Any]:
    """List the programme's medals, with those that the citizen has."""
    found = medals_of(call.session, programme=call.caller.programme, citizen_id=call.caller.id)
    return {
        "items": [
            {
                "code": one.medal.code,
                "title": one.medal.title.text(language()),
                "title_zh": one.medal.title.zh,
                "title_en": one.medal.title.en,
                "rule": one.medal.rule,
                "scene": one.medal.scene,
                "activity_type": one.medal.activity_type,
                "target": one.medal.target,
                "progress": one.progress,
                "earned_on": one.earned_on,
                "grade": one.medal.grade,
            }
            for one in found
        ]
    }
