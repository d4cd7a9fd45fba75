"""What a programme shows to everybody."""

from marshmallow import fields

from carbon_credit.api.fields import Flag, Whole, Word
from carbon_credit.api.operation import Call, reads
from carbon_credit.api.schemas import Answer
from carbon_credit.catalogue.errors import ProgrammeNotFound
from carbon_credit.catalogue.queries import programme_rules
from carbon_credit.quantification.queries import programme_totals


class ProgrammeTotals(Answer):
    """A programme in two numbers."""

    programme = fields.String(required=True, metadata={"example": "gd-gz"})
    name_zh = fields.String(required=True, metadata={"example": "广州碳普惠"})
    name_en = fields.String(required=True, metadata={"example": "Guangzhou carbon inclusion"})
    phase = Word("shadow", "pilot", "open", "closing", "closed", required=True, metadata={"example": "open"})
    rehearsal = Flag(
        required=True, metadata={"description": "Practice: nothing of it is sold.", "example": False}
    )
    reductions = Whole(required=True, metadata={"example": 40210})
    co2e_mg = Whole(required=True, metadata={"example": 3120000000})


@reads(answer=ProgrammeTotals, raises=(ProgrammeNotFound,))
def get_programme_totals(call: Call, programme: str) -> dict[str, object]:
    """Read how many reductions a programme has recorded, and what they amount to now."""
    rules = programme_rules(call.session, programme=programme)
    reductions, co2e_mg = programme_totals(call.session, programme=programme)
    return {
        "programme": programme,
        "name_zh": rules.profile.name.zh,
        "name_en": rules.profile.name.en,
        "phase": rules.phase,
        "rehearsal": rules.rehearsal,
        "reductions": reductions,
        "co2e_mg": co2e_mg,
    }
