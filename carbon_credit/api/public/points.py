"""The rules by which a programme gives points, those that are announced too: for whoever earns them."""

from collections.abc import Iterable
from datetime import date
from typing import Any, TypeAlias

from marshmallow import fields

from carbon_credit.api.fields import Day, Flag, Whole, Word
from carbon_credit.api.operation import Call, reads
from carbon_credit.api.schemas import Answer
from carbon_credit.catalogue.errors import ProgrammeNotFound
from carbon_credit.catalogue.programme import ProgrammeProfile
from carbon_credit.catalogue.queries import programme_rules
from carbon_credit.catalogue.terms import (
    Crediting,
    PointsBudget,
    PointsRule,
    PointsValidity,
)
from carbon_credit.kernel.clock import business_day

_Term: TypeAlias = PointsRule | PointsValidity | PointsBudget | Crediting

_GRADES = ("official", "published", "secondary", "assumed")
_TOLD_APART = {"label", "grade", "source", "note"}
_ROUNDING = ("year_end", "quarter_end", "month_end", "none")


class Term(Answer):
    """From when to when it holds (half open), and who says so. Null: always, and for ever."""

    state = Word("in_force", "announced", required=True, metadata={"example": "in_force"})
    effective_from = Day(required=True, allow_none=True, metadata={"example": "2022-01-20"})
    effective_to = Day(required=True, allow_none=True, metadata={"example": None})
    grade = Word(*_GRADES, required=True, metadata={"example": "published"})
    source = fields.String(
        required=True,
        allow_none=True,
        metadata={"description": "The document that says so.", "example": "微信步数兑换碳币的报道"},
    )


class RateOut(Term):
    """`points` for every full `per` of the basis, added up over a citizen's day."""

    code = fields.String(required=True, metadata={"example": "steps"})
    label_zh = fields.String(required=True, metadata={"example": "3000 步 = 1 碳币"})
    label_en = fields.String(required=True, metadata={"example": "3,000 steps = 1 point"})
    activity_types = fields.List(fields.String(), required=True, metadata={"example": ["walk"]})
    basis = fields.String(required=True, metadata={"example": "count"})
    per = Whole(required=True, metadata={"example": 3000})
    points = Whole(required=True, metadata={"example": 1})


class ValidityOut(Term):
    """How long points of a day can be spent."""

    years = Whole(required=True, metadata={"example": 3})
    months = Whole(required=True, metadata={"example": 0})
    round_to = Word(*_ROUNDING, required=True, metadata={"example": "year_end"})
    at_most_years = Whole(required=True, allow_none=True, metadata={"example": 10})


class BudgetOut(Term):
    """At most so many points are given in a span to all citizens together, or for one scene."""

    points = Whole(required=True, metadata={"example": 200000})
    per = Word("day", "month", "year", required=True, metadata={"example": "month"})
    scene = fields.String(required=True, allow_none=True, metadata={"example": None})


class WaitingOut(Term):
    """Activities whose points come some days after (T+n); until then they are pending."""

    activity_types = fields.List(fields.String(), required=True, metadata={"example": ["metro.ride"]})
    after_days = Whole(required=True, metadata={"example": 7})


class PointsRules(Answer):
    """What points are given for, how long they live, and what will change."""

    programme = fields.String(required=True, metadata={"example": "gd-gz"})
    today = Day(required=True, metadata={"example": "2026-11-21"})
    transferable = Flag(
        required=True, metadata={"description": "Points are nobody's to pass on.", "example": False}
    )
    notice_days = Whole(
        required=True,
        metadata={
            "description": "A change of rates or validity is published so long before it holds; 0: none is "
            "promised.",
            "example": 30,
        },
    )
    reminder_days = Whole(
        required=True,
        allow_none=True,
        metadata={"description": "Citizens are reminded so long before points end.", "example": 30},
    )
    earned_today_until = Day(
        required=True,
        metadata={"description": "The last day of points for what is done today.", "example": "2029-12-31"},
    )
    rates = fields.List(fields.Nested(RateOut), required=True)
    validity = fields.List(fields.Nested(ValidityOut), required=True)
    budgets = fields.List(fields.Nested(BudgetOut), required=True)
    waiting = fields.List(fields.Nested(WaitingOut), required=True)


@reads(answer=PointsRules, raises=(ProgrammeNotFound,))
def get_points_rules(call: Call, programme: str) -> dict[str, Any]:
    """Read the rules of points that hold and those that are announced, each with its days."""
    rules = programme_rules(call.session, programme=programme)
    profile, today = rules.profile, business_day(call.now, rules.time_zone)
    held = profile.points_validity
    found: dict[str, Iterable[_Term]] = {
        "rates": profile.points_rules,
        "validity": held if isinstance(held, tuple) else (held,),
        "budgets": profile.points_budget,
        "waiting": profile.crediting,
    }
    return {
        "programme": programme,
        "today": today,
        "transferable": False,
        "notice_days": profile.notice_days(today),
        "reminder_days": profile.points_reminder and profile.points_reminder.days_before,
        "earned_today_until": rules.points_lot(today),
        **{
            name: [_told(profile, one, today) for one in terms if not _is_over(one, today)]
            for name, terms in found.items()
        },
    }


def _is_over(term: _Term, today: date) -> bool:
    return term.effective_to is not None and term.effective_to <= today


def _told(profile: ProgrammeProfile, term: _Term, today: date) -> dict[str, Any]:
    own = {name: getattr(term, name) for name in term.__struct_fields__ if name not in _TOLD_APART}
    label = {"label_zh": term.label.zh, "label_en": term.label.en} if isinstance(term, PointsRule) else {}
    begins = term.effective_from
    return {
        **own,
        **label,
        "state": "announced" if begins is not None and begins > today else "in_force",
        "grade": term.grade.value,
        "source": next((one.document for one in profile.sources if one.name == term.source), None),
    }
