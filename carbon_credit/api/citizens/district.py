"""The district that a citizen has stated, which some offers ask for."""

from typing import Any

from marshmallow import fields

from carbon_credit.api.auth import access
from carbon_credit.api.fields import Flag, Instant, Text
from carbon_credit.api.operation import Call, reads, writes
from carbon_credit.api.schemas import Answer, Strict
from carbon_credit.identity.districts import forget_district, state_district, stated_district
from carbon_credit.identity.errors import CitizenNotFound, DistrictInvalid, DistrictNotStated
from carbon_credit.identity.scopes import CITIZEN

_READ = access(CITIZEN, scope="account:read")
_WRITE = access(CITIZEN, scope="account:write")


class DistrictIn(Strict):
    """Where one lives, by one's own word."""

    district = Text(
        longest=6,
        pattern=r"^[1-9][0-9]{5}$",
        required=True,
        metadata={"description": "Six digits by GB/T 2260.", "example": "440106"},
    )


class District(Answer):
    """What was stated, and when."""

    district = fields.String(required=True, metadata={"example": "440106"})
    stated_at = Instant(required=True, metadata={"example": "2026-11-21T04:00:00Z"})


class DistrictForgotten(Answer):
    """Nothing is stated."""

    stated = Flag(required=True, metadata={"example": False})


@reads(allowed=_READ, answer=District, raises=(DistrictNotStated,))
def get_district(call: Call) -> object:
    """Read the district that one has stated."""
    found = stated_district(call.session, programme=call.caller.programme, citizen_id=call.caller.id)
    if found is None:
        raise DistrictNotStated
    return found


@writes(allowed=_WRITE, takes=DistrictIn, answer=District, raises=(CitizenNotFound, DistrictInvalid))
def put_district(call: Call) -> object:
    """State one's district, for offers that are for people of certain districts. Nobody is shown it."""
    return state_district(
        call.session,
        programme=call.caller.programme,
        citizen_id=call.caller.id,
        district=call.body["district"],
        now=call.now,
    )


@writes(allowed=_WRITE, answer=DistrictForgotten, raises=(DistrictNotStated,))
def delete_district(call: Call) -> dict[str, Any]:
    """Take one's district back: it is gone at once. A board that one stands on is left at its own address."""
    forget_district(call.session, programme=call.caller.programme, citizen_id=call.caller.id)
    return {"stated": False}
