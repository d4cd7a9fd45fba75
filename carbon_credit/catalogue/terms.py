"""The terms of a programme's profile: scenes, bindings, caps, points, mandate, windows of time."""

from datetime import date, timedelta
from typing import Annotated, Literal

from msgspec import Meta

from carbon_credit.methodology.definition import Code, Grade, Name, Record, ShortText, Slug, Texts

CO2E_BASIS = "co2e_mg"
EVENT_BASIS = "event"
LONGEST_VALIDITY_YEARS = 10
WARNED_DAYS = 30
LONGEST_WAIT_DAYS = 31

Positive = Annotated[int, Meta(ge=1, le=10**15)]
SceneCode = Annotated[str, Meta(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=32)]
CapScope = Literal["activity-day", "scene-day", "person-day", "person-year", "programme-day"]


class Evidence(Record, frozen=True, kw_only=True):
    """Base of rules that somebody must answer for: a grade, and a source unless it is assumed."""

    grade: Grade
    source: Slug | None
    note: Texts | None = None


class SceneApproval(Evidence, frozen=True, kw_only=True):
    """The authority's leave to credit a scene. `approved_to` is its last day: what happens later is
    refused. Documents name last days, so unlike `effective_to` it is inclusive."""

    approved_to: date

    def holds_on(self, day: date) -> bool:
        """False from the day after the last one."""
        return day <= self.approved_to

    def wants_renewal(self, day: date) -> bool:
        """True from 30 days before the last day."""
        return day + timedelta(days=WARNED_DAYS) >= self.approved_to


class Scene(Record, frozen=True, kw_only=True):
    """A part of life that a citizen consents to, one partner at a time.

    `track`, where a programme has two: activity of the `public` one earns points and never grams for
    sale, that of the `project` one grams and never points.
    """

    code: SceneCode
    label: Texts
    activity_types: Annotated[tuple[Code, ...], Meta(min_length=1, max_length=32)]
    consent_version: ShortText
    consent_text: Texts
    approval: SceneApproval | None = None
    track: Literal["public", "project"] | None = None


class BindingSpec(Record, frozen=True, kw_only=True):
    """Which version of which methodology governs an activity type in a period, and what for.

    `credit`: grams and points. `points`: points only. `display`: shown, nothing posted.
    `earlier_period`: the version is declared in force before its own first day (rehearsal only).
    `overlay`: the version with its overlay (rehearsal only). `sandbox_use`: what a real programme uses
    the version for as long as any grade of it is sandbox; `use` holds once every value is confirmed.
    """

    activity_type: Code
    methodology: Slug
    version: Annotated[int, Meta(ge=1, le=999)]
    effective_from: date
    effective_to: date | None
    use: Literal["credit", "points", "display"]
    earlier_period: bool = False
    overlay: bool = False
    sandbox_use: Literal["points", "display"] | None = None
    note: Texts | None = None

    @property
    def version_name(self) -> str:
        """ "v1", or "v1+sandbox"."""
        return f"v{self.version}" + ("+sandbox" if self.overlay else "")


class Cap(Evidence, frozen=True, kw_only=True):
    """At most so many events and milligrams in a span, computed when the span is closed.

    `activity-day`: one citizen's business day of one activity type; `scene-day`: of one scene;
    `person-day`, `person-year`: of everything a citizen does; `programme-day`: of all citizens together.
    """

    scope: CapScope = "activity-day"
    activity_type: Code | None = None
    scene: SceneCode | None = None
    max_events: Positive | None
    max_mg: Positive | None
    effective_from: date | None = None
    effective_to: date | None = None

    @property
    def over(self) -> tuple[str, str | None]:
        """What it limits: no two caps over the same hold on one day."""
        return self.scope, self.activity_type or self.scene


class PointsRule(Evidence, frozen=True, kw_only=True):
    """`points` for every full `per` of the basis, floored over a citizen's business day.

    `basis` is `co2e_mg`, `event` (each event that the caps let through is 1), or an integer field of the
    activity (`count`: 3,000 steps = 1 point).
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


class PointsBudget(Evidence, frozen=True, kw_only=True):
    """At most so many points are issued in a span to all citizens together; `scene`: for that scene alone.
    The citizens' part of it is as for caps: first come, first served in the order of closing."""

    points: Positive
    per: Literal["day", "month", "year"]
    scene: SceneCode | None = None
    effective_from: date
    effective_to: date | None


class Dated(Evidence, frozen=True, kw_only=True):
    """Base of a term that always holds one way: alone in the file it has no period, in a list each has."""

    effective_from: date | None = None
    effective_to: date | None = None


class PointsValidity(Dated, frozen=True, kw_only=True):
    """How long points of a day can be spent: years and months, and on to the end of the month, quarter or
    year in which that lies. `at_most_years`: where the rule sets a limit that rounding may not pass; then
    it is the last such end within it.
    """

    years: Annotated[int, Meta(ge=0, le=LONGEST_VALIDITY_YEARS)]
    months: Annotated[int, Meta(ge=0, le=11)] = 0
    round_to: Literal["year_end", "quarter_end", "month_end", "none"]
    at_most_years: Annotated[int, Meta(ge=1, le=LONGEST_VALIDITY_YEARS)] | None = None

    def expires_on(self, earned: date) -> date:
        """The first day on which points earned on `earned` are no longer valid."""
        found = _later(earned, 12 * self.years + self.months)
        if self.round_to != "none":
            found = _later(self._period_of(found), _MONTHS_OF[self.round_to])
        if self.at_most_years is not None:
            last = _later(earned, 12 * self.at_most_years)
            if found > last:
                found = last if self.round_to == "none" else self._period_of(last)
        return found

    def _period_of(self, day: date) -> date:
        """The first day of the month, quarter or year that `day` lies in."""
        months = _MONTHS_OF[self.round_to]
        return date(day.year, (day.month - 1) // months * months + 1, 1)


_MONTHS_OF = {"month_end": 1, "quarter_end": 3, "year_end": 12}


def _later(day: date, months: int) -> date:
    """So many months later; where that month is shorter, the first day of the next."""
    years, place = divmod(day.month - 1 + months, 12)
    try:
        return day.replace(year=day.year + years, month=place + 1)
    except ValueError:  # 31 April, 29 February
        return _later(date(day.year + years, place + 1, 1), 1)


class PointsNotice(Dated, frozen=True, kw_only=True):
    """A change of points rules or of their validity is published so many days before it holds."""

    days: Annotated[int, Meta(ge=1, le=366)]


class PointsReminder(Evidence, frozen=True, kw_only=True):
    """Citizens are reminded of points so many days before the last day of these."""

    days_before: Annotated[int, Meta(ge=1, le=366)]


LateDays = Annotated[int, Meta(ge=1, le=3_660)]


class SceneWindow(Record, frozen=True, kw_only=True):
    """How late events of one scene may come, live and as a back-fill (null: however late)."""

    scene: SceneCode
    late_days: LateDays
    backfill_days: LateDays | None = None


class EventWindow(Record, frozen=True, kw_only=True):
    """How late an event may come, how far its time may run ahead, how long its details are kept.

    `late_days`: live; `backfill_days`: in operators' files and other back-fills, null: however late.
    `scenes`: where a scene has days of its own. `until_closed`: what happened in a month or year that is
    closed is refused, whatever the days say; null: it is credited as a correction of the day on which it
    comes.
    """

    late_days: LateDays
    ahead_s: Annotated[int, Meta(ge=0, le=3_600)]
    detail_days: Annotated[int, Meta(ge=1, le=3_660)]
    backfill_days: LateDays | None = None
    scenes: Annotated[tuple[SceneWindow, ...], Meta(max_length=40)] = ()
    until_closed: Literal["day", "month", "year"] | None = None


class ClosingCalendar(Record, frozen=True, kw_only=True):
    """When periods are closed without anybody's doing: so many days after the day, the month's last day,
    the year's last day. Null: by hand."""

    day_after: Annotated[int, Meta(ge=1, le=366)]
    month_after: Annotated[int, Meta(ge=1, le=366)] | None = None
    year_after: Annotated[int, Meta(ge=1, le=366)] | None = None


class ClaimRule(Dated, frozen=True, kw_only=True):
    """Whose a reduction is when it is quantified: the citizen's, or the partner's that reported it."""

    claimant: Literal["citizen", "partner"]


class Overflow(Evidence, frozen=True, kw_only=True):
    """Aggregation by platforms (平台归集): of a citizen's reductions of a span by one partner, the partner
    gets the first `threshold_mg` and the citizen the excess. It goes before the claim rule.

    `partner` names the party that aggregates; null: whichever partner reported the event.
    """

    activity_types: Annotated[tuple[Code, ...], Meta(min_length=1, max_length=32)]
    partner: ShortText | None
    threshold_mg: Annotated[int, Meta(ge=0, le=10**15)]
    per: Literal["citizen-day", "citizen-month", "citizen-year"]
    effective_from: date | None = None
    effective_to: date | None = None


class Crediting(Evidence, frozen=True, kw_only=True):
    """T+n: what is reported of these activities is accepted at once, and credited when the day on which it
    happened is `after_days` days ago. Without such a term it is credited as it arrives."""

    activity_types: Annotated[tuple[Code, ...], Meta(min_length=1, max_length=32)]
    after_days: Annotated[int, Meta(ge=1, le=LONGEST_WAIT_DAYS)]
    effective_from: date | None = None
    effective_to: date | None = None


class MandateTerms(Dated, frozen=True, kw_only=True):
    """What a citizen signs to let the programme apply for and sell reductions. `share_percent` of the
    proceeds is promised; null where no share is promised."""

    text_version: ShortText
    text: Texts
    share_percent: Annotated[int, Meta(ge=0, le=100)] | None


class NoticeRule(Evidence, frozen=True, kw_only=True):
    """What is disclosed, to whom, and for how many working days, before an application (公示)."""

    working_days: Annotated[int, Meta(ge=1, le=366)]
    text: Texts


class IncentiveRoute(Evidence, frozen=True, kw_only=True):
    """One way in which low-carbon conduct is rewarded here."""

    route: Literal["subsidy", "merchant", "market", "fund", "donation"]
    text: Texts


class Market(Evidence, frozen=True, kw_only=True):
    """A market on which the programme's reductions may be used: `code` names the market profile,
    `credit` the product (PHCER)."""

    code: Slug
    credit: ShortText | None


class OfficialRegister(Evidence, frozen=True, kw_only=True):
    """The authority's register, in which alone a title is proved."""

    name: Texts
    keeper: Texts | None
    credit: ShortText | None
    address: ShortText | None = None


class RehearsalRules(Record, frozen=True, kw_only=True):
    """What only a rehearsal may do."""

    earlier_periods: bool
    enrol_unlinked: bool


class OfflineTills(Evidence, frozen=True, kw_only=True):
    """What tills may take without a connection. A programme without this term has no such tills.

    `grace_s`: for how long after a voucher's time a scan made in time may still be handed in; until then its
    points are not given back. `ceiling_fen`: how much one till may have taken and not handed in.
    `clock_skew_s`: by how much a till's clock may be wrong. `loss_borne_by`: who bears a second use of one
    voucher, where both tills kept to these rules.
    """

    grace_s: Annotated[int, Meta(ge=60, le=30 * 86_400)]
    ceiling_fen: Positive
    clock_skew_s: Annotated[int, Meta(ge=0, le=3_600)]
    loss_borne_by: Literal["merchant", "programme"]
