"""The terms of a programme's profile: scenes, bindings, caps, points, mandate, windows of time."""

from datetime import date
from typing import Annotated, Literal

from msgspec import Meta

from carbon_credit.methodology.definition import Code, Grade, Name, Record, ShortText, Slug, Texts

CO2E_BASIS = "co2e_mg"
LONGEST_VALIDITY_YEARS = 10

Positive = Annotated[int, Meta(ge=1, le=10**15)]


class Evidence(Record, frozen=True, kw_only=True):
    """Base of rules that somebody must answer for: a grade, and a source unless it is assumed."""

    grade: Grade
    source: Slug | None
    note: Texts | None = None


class Scene(Record, frozen=True, kw_only=True):
    """A part of life that a citizen consents to, one partner at a time."""

    code: Annotated[str, Meta(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=32)]
    label: Texts
    activity_types: Annotated[tuple[Code, ...], Meta(min_length=1, max_length=32)]
    consent_version: ShortText
    consent_text: Texts


class BindingSpec(Record, frozen=True, kw_only=True):
    """Which version of which methodology governs an activity type in a period, and what for.

    `credit`: grams and points. `points`: points only. `display`: shown, nothing posted.
    `earlier_period`: the version is declared in force before its own first day (rehearsal only).
    """

    activity_type: Code
    methodology: Slug
    version: Annotated[int, Meta(ge=1, le=999)]
    effective_from: date
    effective_to: date | None
    use: Literal["credit", "points", "display"]
    earlier_period: bool = False
    note: Texts | None = None


class Cap(Evidence, frozen=True, kw_only=True):
    """At most so many events and milligrams per citizen and business day of one activity type."""

    activity_type: Code
    max_events: Positive | None
    max_mg: Positive | None
    effective_from: date | None = None
    effective_to: date | None = None


class PointsRule(Evidence, frozen=True, kw_only=True):
    """`points` for every full `per` of the basis, floored over a citizen's business day.

    `basis` is `co2e_mg`, or an integer field of the activity (`count`: 3,000 steps = 1 point).
    """

    code: Slug
    label: Texts
    activity_types: Annotated[tuple[Code, ...], Meta(min_length=1, max_length=32)]
    basis: Name
    per: Positive
    points: Positive
    effective_from: date
    effective_to: date | None

    def due(self, amount: int) -> int:
        """The points for `amount` of the basis, a day's sum."""
        return max(amount, 0) // self.per * self.points


class PointsValidity(Evidence, frozen=True, kw_only=True):
    """How long points of a day can be spent."""

    years: Annotated[int, Meta(ge=1, le=LONGEST_VALIDITY_YEARS)]
    round_to: Literal["year_end", "none"]

    def expires_on(self, earned: date) -> date:
        """The first day on which points earned on `earned` are no longer valid."""
        if self.round_to == "year_end":
            return date(earned.year + self.years + 1, 1, 1)
        try:
            return earned.replace(year=earned.year + self.years)
        except ValueError:  # 29 February
            return date(earned.year + self.years, 3, 1)


class EventWindow(Record, frozen=True, kw_only=True):
    """How late an event may come, how far its time may run ahead, how long its details are kept."""

    late_days: Annotated[int, Meta(ge=1, le=3_660)]
    ahead_s: Annotated[int, Meta(ge=0, le=3_600)]
    detail_days: Annotated[int, Meta(ge=1, le=3_660)]


class MandateTerms(Evidence, frozen=True, kw_only=True):
    """What a citizen signs to let the programme apply for and sell reductions. `share_percent` of the
    proceeds is promised; null where no share is promised."""

    text_version: ShortText
    text: Texts
    share_percent: Annotated[int, Meta(ge=0, le=100)] | None


class RehearsalRules(Record, frozen=True, kw_only=True):
    """What only a rehearsal may do."""

    earlier_periods: bool
    enrol_unlinked: bool
