"""Why a reduction is what it is: which version and why, the calculation again, caps and corrections."""

from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from carbon_credit.catalogue.queries import compiled_by_digest, rules_by_digest
from carbon_credit.catalogue.rules import ProgrammeRules
from carbon_credit.kernel.quantity import grams_text
from carbon_credit.methodology.definition import Texts
from carbon_credit.methodology.trace import Trace
from carbon_credit.quantification.limits import limits_told, withheld_told
from carbon_credit.quantification.parts import parts_of
from carbon_credit.quantification.queries import Change, ReductionRecord, changes_of, reduction_by_id
from carbon_credit.quantification.rewards import withheld
from carbon_credit.quantification.wording import changed_by, ended_by, taken_by

_SIGNED = {True: "+", False: ""}
_PENDING = Texts(
    en="One condition is known only when the year is over; until then this counts provisionally.",
    zh="有一项资格条件需待全年结束后核定，此前仅为暂计。",
)
_OVERLAY = Texts(
    en="Rehearsal: values that nobody has published stand in for missing ones. Nothing of this is real.",
    zh="演练：缺失的参数由叠加值代替，结果不代表真实减排。",
)
_UNCREDITED = {
    "points": Texts(en="Counts for points; no grams are credited.", zh="仅用于积分，不计入减排量。"),
    "display": Texts(en="Shown only; no grams are credited.", zh="仅展示，不计入减排量。"),
}


@dataclass(frozen=True, slots=True)
class Explanation:
    """One reduction with its trace. `why`: how this version came to govern it. `limits`: which days it is
    of, the cap that took something, a partner's share, points beyond a budget. `changes`: what happened to
    it since it was recorded, in order. `pending`: a condition is open until the year is over."""

    reduction: ReductionRecord
    trace: Trace
    why: tuple[Texts, ...]
    limits: tuple[Texts, ...]
    changes: tuple[Change, ...]
    pending: bool

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
            "methodology": f"{one.methodology_id}/{one.methodology_version}",
            "why": [_both(text) for text in self.why],
            "limits": [_both(text) for text in self.limits],
            "use": one.use,
            "tier": one.tier,
            "grade": one.grade,
            "gross_mg": one.gross_mg,
            "credited_mg": one.credited_mg,
            "corrected_mg": one.net_mg - one.credited_mg,
            "net_mg": one.net_mg,
            "cap_code": one.cap_code,
            "awaits_year": self.pending,
            "ended": one.ended,
            "final": one.final,
            "replayed": self.replayed,
            "changes": self.told_changes(),
            "trace": self.trace.as_dict(),
        }

    def told_changes(self) -> list[dict[str, Any]]:
        """JSON-able: each change with its reason in both languages."""
        return [
            {
                "reason": change.reason,
                "text": _both(changed_by(change.reason)),
                "revision": change.number,
                "methodology": change.methodology,
                "grade": change.grade,
                "gross_mg": change.gross_mg,
                "delta_mg": change.delta_mg,
                "recorded_at": change.recorded_at.isoformat(),
            }
            for change in self.changes
        ]

    def text(self, language: str) -> str:
        """The same for a person; `language` is "zh" or "en"."""
        one, chinese = self.reduction, language == "zh"
        lines = [text.text(language) for text in self.why] + [self.trace.text(language)]
        lines += [_PENDING.text(language)] if self.pending else []
        lines += [text.text(language) for text in (taken_by(one.cap_code), ended_by(one.ended)) if text]
        lines += [text.text(language) for text in self.limits]
        if self.changes:
            lines.append("后续变更：" if chinese else "Changes since it was recorded:")
            lines += [f"  {_line(change, language)}" for change in self.changes]
        if one.use != "credit":
            lines.append(_UNCREDITED[one.use].text(language))
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
    spec = rules.profile.binding(one.activity_type, one.business_day)
    earlier = spec is not None and spec.earlier_period
    part = parts_of(session, event_ids=[one.event_id]).get(one.id)
    result = compiled.evaluate(one.inputs, on=one.business_day, earlier=earlier)
    return Explanation(
        reduction=one,
        trace=compiled.explain(one.inputs, on=one.business_day, earlier=earlier),
        why=tuple(_why(rules, one)),
        limits=(*limits_told(rules, one, part), *_withheld(session, rules, one)),
        changes=tuple(changes_of(session, reduction_id=one.id)),
        pending=bool(getattr(result, "pending", False)),
    )


def _withheld(session: Session, rules: ProgrammeRules, one: ReductionRecord) -> list[Texts]:
    if one.use == "display":
        return []
    found = withheld(
        session,
        rules,
        citizen_id=one.citizen_id,
        day=one.business_day,
        activity_type=one.activity_type,
    )
    return [withheld_told(each) for each in found]


def _why(rules: ProgrammeRules, one: ReductionRecord) -> list[Texts]:
    """The binding of the day, what superseded it, and what follows from its grades."""
    spec = rules.profile.binding(one.activity_type, one.business_day)
    used = f"{one.methodology_id} {one.methodology_version}"
    if spec is None:
        return []
    bound = f"{spec.methodology} {spec.version_name}"
    span = _span(spec.effective_from, spec.effective_to)
    told = [
        Texts(
            en=f"{rules.profile.code} binds {one.activity_type} to {bound}, {span.en}; "
            f"the day of the activity is {one.business_day}.",
            zh=f"{rules.profile.code} 项目规定 {one.activity_type} 适用 {bound}（{span.zh}）；"
            f"行为日期为 {one.business_day}。",
        )
    ]
    if used != bound:
        told.append(
            Texts(
                en=f"{used} was published to take its place for the same period, so it governs.",
                zh=f"{used} 发布后在同一期间取代该版本，因此按其核算。",
            )
        )
    governing = rules.governing(one.activity_type, one.business_day)
    if governing is not None and governing.digest != one.version_digest:
        newer = f"{governing.methodology_id} {governing.version}"
        told.append(
            Texts(
                en=f"{newer} governs this day by now; the reduction has not been computed again yet.",
                zh=f"该日现由 {newer} 适用，本条减排量尚未重新核算。",
            )
        )
    if "+" in one.methodology_version:
        told.append(_OVERLAY)
    return told


def _span(start: date, end: date | None) -> Texts:
    if end is None:
        return Texts(en=f"from {start} on", zh=f"{start} 起")
    return Texts(en=f"from {start}, before {end}", zh=f"{start} 起，{end} 前")


def _line(change: Change, language: str) -> str:
    day = change.recorded_at.date().isoformat()
    why = changed_by(change.reason).text(language)
    if change.delta_mg is not None:
        amount = f"{_SIGNED[change.delta_mg > 0]}{grams_text(change.delta_mg)}"
        return f"{day} {amount} g: {why}"
    return f"{day} {change.methodology}, {grams_text(change.gross_mg or 0)} g ({change.grade}): {why}"


def _both(texts: Texts) -> dict[str, str]:
    return {"zh": texts.zh, "en": texts.en}
