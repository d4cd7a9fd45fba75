"""Why a reduction is what it is: the calculation again, the cap, the corrections, for people."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from carbon_credit.catalogue.queries import compiled_by_digest, rules_by_digest
from carbon_credit.kernel.quantity import grams_text
from carbon_credit.methodology.trace import Trace
from carbon_credit.quantification.caps import CAP_EVENTS, CAP_MG
from carbon_credit.quantification.queries import ReductionRecord, reduction_by_id

_CAPS = {
    CAP_EVENTS: (
        "The programme counts only so many of these a day; this one came after.",
        "该项目每日计入次数有上限，本次已超出。",
    ),
    CAP_MG: (
        "The programme counts only so much of this a day; the rest is not credited.",
        "该项目每日计入减排量有上限，超出部分不计入。",
    ),
}
_ENDS = {
    "withdrawn": ("The event was withdrawn by who reported it.", "事件已由数据提供方撤回。"),
    "superseded": ("A corrected report of the event has replaced this one.", "事件已被更正后的报告取代。"),
}


@dataclass(frozen=True, slots=True)
class Explanation:
    """One reduction with its trace. `replayed` is false where the calculation gives another result."""

    reduction: ReductionRecord
    trace: Trace

    @property
    def replayed(self) -> bool:
        """True where computing again gives the stored milligrams."""
        return self.trace.reduction_mg == self.reduction.gross_mg

    def as_dict(self) -> dict[str, Any]:
        """JSON-able: the trace, and what caps and corrections made of it."""
        one = self.reduction
        return {
            "reduction_id": str(one.id),
            "activity_type": one.activity_type,
            "business_day": one.business_day.isoformat(),
            "use": one.use,
            "tier": one.tier,
            "grade": one.grade,
            "gross_mg": one.gross_mg,
            "credited_mg": one.credited_mg,
            "corrected_mg": one.net_mg - one.credited_mg,
            "net_mg": one.net_mg,
            "cap_code": one.cap_code,
            "ended": one.ended,
            "final": one.final,
            "replayed": self.replayed,
            "trace": self.trace.as_dict(),
        }

    def text(self, language: str) -> str:
        """The same for a person; `language` is "zh" or "en"."""
        one, chinese = self.reduction, language == "zh"
        lines = [self.trace.text(language)]
        if one.cap_code in _CAPS:
            lines.append(_CAPS[one.cap_code][chinese])
        if one.net_mg != one.credited_mg:
            delta = grams_text(one.net_mg - one.credited_mg)
            lines.append(f"后续更正：{delta} 克" if chinese else f"Corrected later by {delta} g.")
        if one.ended:
            lines.append(_ENDS[one.ended][chinese])
        if one.use != "credit":
            lines.append("仅展示或积分，不计入减排量。" if chinese else "Shown or for points; no grams.")
        else:
            counted = grams_text(one.net_mg)
            lines.append(f"现计入：{counted} 克 CO2e" if chinese else f"Counts now: {counted} gCO2e")
        return "\n".join(lines)


def explain(
    session: Session, *, reduction_id: UUID, programme: str, citizen_id: UUID | None = None
) -> Explanation:
    """Compute the reduction again from what is stored. Raises ReductionNotFound."""
    one = reduction_by_id(session, reduction_id=reduction_id, programme=programme, citizen_id=citizen_id)
    compiled = compiled_by_digest(session, digest=one.version_digest)
    # The rules of that time say whether the version was declared in force for an earlier period.
    rules = rules_by_digest(session, digest=one.profile_digest, phase="open")
    binding = rules.governing(one.activity_type, one.business_day)
    trace = compiled.explain(one.inputs, on=one.business_day, earlier=binding.earlier if binding else False)
    return Explanation(reduction=one, trace=trace)
