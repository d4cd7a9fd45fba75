"""What the programme's rules made of a reduction, beside its formula, told to a person.

Which days of a divided record it is, the cap that took something, whose the grams are where a partner
gets the first part, and the points that the programme's budget did not cover.
"""

from datetime import date, timedelta

from carbon_credit.catalogue.rules import ProgrammeRules
from carbon_credit.catalogue.terms import Cap, PointsBudget
from carbon_credit.kernel.quantity import grams_text
from carbon_credit.methodology.definition import Texts
from carbon_credit.methodology.wording import GRADES
from carbon_credit.quantification.parts import Part
from carbon_credit.quantification.queries import ReductionRecord
from carbon_credit.quantification.rewards import Withheld

_SCOPE_OF = {
    "cap-events": "activity-day",
    "cap-mg": "activity-day",
    "cap-scene": "scene-day",
    "cap-person": "person-day",
    "cap-year": "person-year",
    "cap-programme": "programme-day",
}
_SPANS = {
    "citizen-day": Texts(en="day", zh="日"),
    "citizen-month": Texts(en="month", zh="月"),
    "citizen-year": Texts(en="year", zh="年"),
}

_BUDGETS = {per: _SPANS[f"citizen-{per}"] for per in ("day", "month", "year")}


def limits_told(rules: ProgrammeRules, one: ReductionRecord, part: Part | None) -> tuple[Texts, ...]:
    """Sentences by the rules of that time; `part`: the reduction's, of a record divided by days."""
    found = (
        _days(part),
        _cap(_cap_of(rules, one)),
        _share(rules, one.activity_type, one.business_day) if one.use == "credit" else None,
    )
    return tuple(text for text in found if text is not None)


def withheld_told(one: Withheld) -> Texts:
    """The sentence on points that a programme's budget did not cover."""
    en = " and ".join(_budget(budget).en for budget in one.budgets)
    zh = "、".join(_budget(budget).zh for budget in one.budgets)
    rule = one.rule.label
    return Texts(
        en=f"By the rule “{rule.en}” this day is due {one.due:,} points. {one.points:,} of them are not "
        f"covered by what the programme may give ({en}) and were not granted.",
        zh=f"按“{rule.zh}”规则，当日应得 {one.due:,} 分，其中 {one.points:,} 分超出项目发放预算"
        f"（{zh}），未发放。",
    )


def _budget(budget: PointsBudget) -> Texts:
    span, scene = _BUDGETS[budget.per], budget.scene
    return Texts(
        en=f"{budget.points:,} points a {span.en}" + (f" for the scene {scene}" if scene else ""),
        zh=(f"{scene} 场景" if scene else "") + f"每{span.zh} {budget.points:,} 分",
    )


def _days(part: Part | None) -> Texts | None:
    if part is None:
        return None
    last = part.ends_before - timedelta(days=1)
    return Texts(
        en=f"The record was divided by days. This is its part of {part.starts_on} to {last}, both included; "
        "the quantities are those of the part.",
        zh=f"该记录已按天拆分；本条为 {part.starts_on} 至 {last}（含首尾）的部分，各项数量为该部分的数量。",
    )


def _cap_of(rules: ProgrammeRules, one: ReductionRecord) -> Cap | None:
    """The cap that took something of it."""
    scope = _SCOPE_OF.get(one.cap_code or "")
    over = {"activity-day": one.activity_type, "scene-day": one.scene}.get(scope or "")
    return next((cap for cap in rules.caps(one.business_day) if cap.over == (scope, over)), None)


def _cap(cap: Cap | None) -> Texts | None:
    if cap is None:
        return None
    grams = None if cap.max_mg is None else grams_text(cap.max_mg)
    events = None if cap.max_events is None else f"{cap.max_events:,}"
    en = " and ".join(filter(None, (events and f"{events} events", grams and f"{grams} g")))
    zh = "、".join(filter(None, (events and f"{events} 次", grams and f"{grams} 克")))
    return Texts(
        en=f"The cap is {en} (grade: {GRADES[cap.grade].en}).",
        zh=f"上限为 {zh}（证据等级：{GRADES[cap.grade].zh}）。",
    )


def _share(rules: ProgrammeRules, activity_type: str, day: date) -> Texts | None:
    share = rules.overflow(activity_type, day)
    if share is None:
        return None
    who = share.partner
    grams, span = grams_text(share.threshold_mg), _SPANS[share.per]
    return Texts(
        en=f"Of your reductions of this kind in a {span.en}, the first {grams} g are those of "
        f"{who or 'the partner that reported it'}; the excess is yours.",
        zh=f"每{span.zh}此类行为计入的减排量中，前 {grams} 克归{who or '数据提供方'}，超出部分归您。",
    )
