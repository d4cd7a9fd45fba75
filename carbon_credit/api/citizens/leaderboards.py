"""Boards of districts: who chose to stand on one, and in which place."""

from typing import Any

from marshmallow import fields

from carbon_credit.api.auth import access
from carbon_credit.api.fields import Day, Flag, Instant, Text, Whole
from carbon_credit.api.operation import Call, reads, writes
from carbon_credit.api.schemas import Answer, Strict
from carbon_credit.identity.errors import CitizenNotFound, DistrictInvalid
from carbon_credit.identity.scopes import CITIZEN
from carbon_credit.reach import operations, queries
from carbon_credit.reach.errors import BoardNotFound, NicknameInvalid, NotOnBoard

_READ = access(CITIZEN, scope="account:read")
_WRITE = access(CITIZEN, scope="account:write")
_DISTRICT = r"^[1-9][0-9]{5}$"


class MembershipIn(Strict):
    """What everybody on the board will see. The name need not be the citizen's own."""

    district = Text(
        longest=6,
        pattern=_DISTRICT,
        required=True,
        metadata={"description": "Six digits by GB/T 2260.", "example": "440106"},
    )
    nickname = Text(longest=64, required=True, metadata={"example": "地铁小能手"})


class Membership(Answer):
    """What the citizen chose to show."""

    district = fields.String(required=True, metadata={"example": "440106"})
    nickname = fields.String(required=True, metadata={"example": "地铁小能手"})
    joined_at = Instant(required=True, metadata={"example": "2026-11-21T04:00:00Z"})


class Left(Answer):
    """The citizen stands on no board."""

    on_board = Flag(required=True, metadata={"example": False})


class BoardQuery(Strict):
    """Which board: the citizen's own district and the newest month, where nothing is said."""

    month = Day(metadata={"description": "Any day of the month.", "example": "2026-10-01"})
    district = Text(longest=6, pattern=_DISTRICT, metadata={"example": "440106"})


class BoardPlace(Answer):
    """One line. Equal grams share a place, and the next place is skipped."""

    place = Whole(required=True, metadata={"example": 1})
    nickname = fields.String(required=True, metadata={"example": "地铁小能手"})
    co2e_mg = Whole(required=True, metadata={"example": 20248000})


class Leaderboard(Answer):
    """The board of a district and month, as it was computed after the last day that was closed.

    `shown` is false where fewer than `min_participants` are ranked: then nobody is, and not how many.
    """

    month = Day(required=True, metadata={"example": "2026-10-01"})
    district = fields.String(required=True, metadata={"example": "440106"})
    days = Whole(required=True, metadata={"description": "Closed days that it counts.", "example": 31})
    final = Flag(required=True, metadata={"description": "The month is closed.", "example": True})
    min_participants = Whole(required=True, metadata={"example": 10})
    shown = Flag(required=True, metadata={"example": True})
    ranked = Whole(
        required=True, allow_none=True, metadata={"description": "How many are ranked.", "example": 240}
    )
    places = fields.List(fields.Nested(BoardPlace), required=True)
    own = fields.Nested(BoardPlace, required=True, allow_none=True)


@reads(allowed=_READ, query=BoardQuery, answer=Leaderboard, raises=(NotOnBoard, BoardNotFound))
def get_leaderboard(call: Call) -> object:
    """Read the board of a district and month: the first hundred, and one's own place."""
    return queries.board(
        call.session,
        programme=call.caller.programme,
        citizen_id=call.caller.id,
        month=call.query.get("month"),
        district=call.query.get("district"),
    )


@reads(allowed=_READ, answer=Membership, raises=(NotOnBoard,))
def get_membership(call: Call) -> object:
    """Read what one shows on the board."""
    return queries.member(call.session, programme=call.caller.programme, citizen_id=call.caller.id)


@writes(
    allowed=_WRITE,
    takes=MembershipIn,
    answer=Membership,
    raises=(CitizenNotFound, DistrictInvalid, NicknameInvalid),
)
def join_leaderboard(call: Call) -> object:
    """Stand on the board of a district, from the next one that is computed; or change name or district.

    This states the district for offers, too (`/v1/me/district`).
    """
    return operations.join_board(
        call.session,
        programme=call.caller.programme,
        citizen_id=call.caller.id,
        district=call.body["district"],
        nickname=call.body["nickname"],
        now=call.now,
    )


@writes(allowed=_WRITE, answer=Left, raises=(NotOnBoard,))
def leave_leaderboard(call: Call) -> dict[str, Any]:
    """Stand on no board any more: name and places are gone at once, of all months."""
    operations.leave_board(call.session, programme=call.caller.programme, citizen_id=call.caller.id)
    return {"on_board": False}
