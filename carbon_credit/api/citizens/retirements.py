"""A citizen retires grams of their own: how many may be, the act, the certificates."""

from dataclasses import asdict
from typing import Any

from marshmallow import fields

from carbon_credit.api.auth import access
from carbon_credit.api.citizens.redemptions import REFUSALS
from carbon_credit.api.errors import language
from carbon_credit.api.fields import Flag, Id, Instant, Whole, Word
from carbon_credit.api.operation import Call, reads, writes
from carbon_credit.api.schemas import Answer, PageQuery, Strict, page_of
from carbon_credit.identity.scopes import CITIZEN
from carbon_credit.kernel.paging import Page, cut, id_position
from carbon_credit.neutrality.certificates import Certificate, certificates
from carbon_credit.neutrality.operations import neutralise
from carbon_credit.offsets.errors import GramsUnavailable
from carbon_credit.offsets.retirement.retiring import retirable
from carbon_credit.offsets.selection import REASONS

_READ = access(CITIZEN, scope="account:read")
_RETIRE = access(CITIZEN, scope="grams:retire")
GRADES = ("official", "published", "secondary", "assumed")


class OwnRetirementIn(Strict):
    """For which offer of kind `neutralise`, and how much."""

    offer_id = Id(required=True, metadata={"example": "0192f3c1-7a52-7b61-9d3e-0f6a1c2b3d4e"})
    co2e_mg = Whole(
        minimum=1,
        metadata={"description": "Milligrams of CO2e. None: all that can be retired.", "example": 20248000},
    )


class OwnRetirementOut(Answer):
    """What was retired. With `certificate_no` anybody can look it up."""

    id = Id(required=True, metadata={"example": "0192f3c1-7a52-7b61-9d3e-0f6a1c2b3d41"})
    certificate_no = fields.String(
        required=True,
        metadata={"description": "Begins with X- in a rehearsal.", "example": "7K3M-9QXD-2TVW4"},
    )
    programme = fields.String(required=True, metadata={"example": "gd-gz"})
    rehearsal = Flag(
        required=True, metadata={"description": "Practice: nothing of it may be claimed.", "example": False}
    )
    co2e_mg = Whole(required=True, metadata={"example": 20248000})
    withdrawn_mg = Whole(
        required=True,
        metadata={
            "description": "Of these: on acts that were withdrawn afterwards. They stay retired.",
            "example": 0,
        },
    )
    grade = Word(
        *GRADES, required=True, metadata={"description": "The worst of the grams.", "example": "published"}
    )
    sandbox = Flag(required=True, metadata={"description": "It is below published.", "example": False})
    purpose = fields.String(required=True, metadata={"example": "My trips of 2026"})
    statement = fields.String(
        required=True,
        metadata={
            "description": "What the certificate says, in Chinese or English by Accept-Language.",
            "example": "20248 g of CO2e of the holder's own reductions were retired for: My trips of 2026.",
        },
    )
    retired_at = Instant(required=True, metadata={"example": "2026-11-21T04:00:00Z"})


class HeldBack(Answer):
    """Grams of the citizen's that cannot be retired now, and why."""

    reason = Word(*REASONS, required=True, metadata={"example": "not-closed"})
    text = fields.String(required=True, metadata={"example": "the day or month is not closed yet"})
    co2e_mg = Whole(required=True, metadata={"example": 1894000})


class RetirableOut(Answer):
    """What can be retired now."""

    available_mg = Whole(required=True, metadata={"example": 20248000})
    held_back = fields.List(fields.Nested(HeldBack), required=True)


@reads(allowed=_READ, answer=RetirableOut)
def get_retirable(call: Call) -> dict[str, Any]:
    """Read how many of one's own grams can be retired now, and why the others cannot."""
    found = retirable(call.session, programme=call.caller.programme, citizen_id=call.caller.id)
    spoken = 0 if language() == "zh" else 1
    return {
        "available_mg": found.available_mg,
        "held_back": [
            {"reason": one.reason, "text": REASONS[one.reason][spoken], "co2e_mg": one.mg}
            for one in found.held_back
        ],
    }


@writes(
    allowed=_RETIRE,
    takes=OwnRetirementIn,
    answer=OwnRetirementOut,
    status=201,
    raises=(*REFUSALS, GramsUnavailable),
)
def retire_own_grams(call: Call) -> dict[str, Any]:
    """Retire grams of one's own for one's own footprint, at once and for good. No points are taken."""
    done = neutralise(
        call.session,
        programme=call.caller.programme,
        citizen_id=call.caller.id,
        offer_id=call.body["offer_id"],
        co2e_mg=call.body.get("co2e_mg"),
        now=call.now,
    )
    return certificate_shown(done)


@reads(allowed=_READ, query=PageQuery, answer=page_of(OwnRetirementOut))
def list_own_retirements(call: Call) -> Page[dict[str, Any]]:
    """List what was retired, newest first."""
    limit = call.query["limit"]
    rows = certificates(
        call.session,
        programme=call.caller.programme,
        citizen_id=call.caller.id,
        after=id_position(call.query.get("cursor")),
        limit=limit + 1,
    )
    page = cut(rows, limit, lambda row: [str(row.id)])
    return Page(items=[certificate_shown(row) for row in page.items], next_cursor=page.next_cursor)


def certificate_shown(row: Certificate) -> dict[str, Any]:
    """A certificate's members, in the language of the request."""
    spoken = language()
    return {
        **asdict(row),
        "certificate_no": row.number,
        "sandbox": row.sandbox,
        "purpose": row.purpose.text(spoken),
        "statement": row.statement(spoken),
    }
