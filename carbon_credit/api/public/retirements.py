"""For everybody: what a certificate's number stands for."""

from typing import Any

from marshmallow import fields

from carbon_credit.api.citizens.retirements import GRADES, certificate_shown
from carbon_credit.api.fields import Flag, Instant, Whole, Word
from carbon_credit.api.operation import Call, reads
from carbon_credit.api.schemas import Answer
from carbon_credit.neutrality.certificates import certificate_by_number
from carbon_credit.offsets.errors import RetirementNotFound
from carbon_credit.redemption.errors import VoucherInvalid


class PublicRetirement(Answer):
    """Grams that somebody retired for a footprint of their own. It says nothing about who."""

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
        metadata={"description": "Of these: on acts that were withdrawn afterwards.", "example": 0},
    )
    grade = Word(*GRADES, required=True, metadata={"example": "published"})
    sandbox = Flag(required=True, metadata={"description": "It is below published.", "example": False})
    purpose = fields.String(required=True, metadata={"example": "My trips of 2026"})
    statement = fields.String(
        required=True,
        metadata={
            "example": "20248 g of CO2e of the holder's own reductions were retired for: My trips of 2026."
        },
    )
    retired_at = Instant(required=True, metadata={"example": "2026-11-21T04:00:00Z"})


@reads(answer=PublicRetirement, raises=(RetirementNotFound, VoucherInvalid))
def get_public_retirement(call: Call, code: str) -> dict[str, Any]:
    """Read what was retired under a certificate's number."""
    return certificate_shown(certificate_by_number(call.session, text=code))
