"""The certificate of a retirement: its number, what it stands for, in words. It says nothing of who."""

import uuid
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from carbon_credit.kernel.quantity import grams_text
from carbon_credit.methodology.definition import Texts
from carbon_credit.methodology.grades import Grade
from carbon_credit.offsets.errors import RetirementNotFound
from carbon_credit.offsets.retirement.queries import Retirement, retirement, retirements_of
from carbon_credit.redemption.giving.neutralising import by_number, number_of

# Before the number of a rehearsal's, as before its serials.
REHEARSAL_MARK = "X-"
_SAID = {
    "retired": (
        "持有人注销本人减排量 {grams} 克二氧化碳当量，用于：{purpose}。"
        "注销后不可撤回，不再出售，也不得再用于其他声明。",
        "{grams} g of CO2e of the holder's own reductions were retired for: {purpose}. They stay retired, "
        "are never sold, and serve no other claim.",
    ),
    "withdrawn": (
        "其中 {grams} 克所依据的行为后来被撤回。",
        "Of these, {grams} g rest on acts that were withdrawn afterwards.",
    ),
    "sandbox": (
        "含沙盒参数：所用数值尚未由官方文本确认。",
        "With sandbox values: some figures are confirmed by no official text.",
    ),
    "rehearsal": (
        "演练：不是正式注销，不得用于任何声明。",
        "A rehearsal: nothing was retired officially, and nothing may be claimed with it.",
    ),
}


@dataclass(frozen=True, slots=True)
class Certificate:
    """What a citizen retired, and the number by which anybody can look it up.

    `withdrawn_mg` of `co2e_mg` rest on acts that were withdrawn afterwards; they stay retired. `grade`: the
    worst of the grams. `rehearsal`: nothing of it is official.
    """

    id: uuid.UUID
    number: str
    programme: str
    rehearsal: bool
    co2e_mg: int
    withdrawn_mg: int
    grade: Grade
    purpose: Texts
    retired_at: datetime

    @property
    def sandbox(self) -> bool:
        """Whether a value behind it is below published."""
        return self.grade.is_sandbox

    def statement(self, language: str) -> str:
        """What it states, in "zh" or "en", with everything that must be marked."""
        said = [_say("retired", language, self.co2e_mg, self.purpose.text(language))]
        if self.withdrawn_mg:
            said.append(_say("withdrawn", language, self.withdrawn_mg))
        if self.sandbox:
            said.append(_say("sandbox", language))
        if self.rehearsal:
            said.insert(0, _say("rehearsal", language))
        return ("" if language == "zh" else " ").join(said)


def certificate(session: Session, of: Retirement) -> Certificate:
    """The certificate of a retirement."""
    number = number_of(session, redemption_id=of.id)
    return Certificate(
        id=of.id,
        number=REHEARSAL_MARK + number if of.rehearsal else number,
        programme=of.programme,
        rehearsal=of.rehearsal,
        co2e_mg=of.co2e_mg,
        withdrawn_mg=of.withdrawn_mg,
        grade=of.grade,
        purpose=of.purpose,
        retired_at=of.retired_at,
    )


def certificates(
    session: Session,
    *,
    programme: str,
    citizen_id: uuid.UUID,
    after: uuid.UUID | None = None,
    limit: int = 50,
) -> list[Certificate]:
    """The citizen's, newest first, from behind `after`."""
    found = retirements_of(session, programme=programme, citizen_id=citizen_id, after=after, limit=limit)
    return [certificate(session, one) for one in found]


def certificate_by_number(session: Session, *, text: str) -> Certificate:
    """The certificate of that number, for anybody. Raises VoucherInvalid, RetirementNotFound."""
    found = by_number(session, text=text.strip().upper().removeprefix(REHEARSAL_MARK))
    if found is None:
        raise RetirementNotFound
    return certificate(session, retirement(session, retirement_id=found))


def _say(name: str, language: str, co2e_mg: int = 0, purpose: str = "") -> str:
    said = _SAID[name][0 if language == "zh" else 1]
    return said.format(grams=grams_text(co2e_mg), purpose=purpose)
