"""A programme's profile as read: a frozen struct that answers what holds on a day."""

from datetime import date
from typing import Annotated, Literal, TypeVar

from msgspec import Meta

from carbon_credit.catalogue.recognition import MIN_PARTICIPANTS, Board, Equivalent, Medal
from carbon_credit.catalogue.terms import (
    BindingSpec,
    Cap,
    ClaimRule,
    ClosingCalendar,
    Crediting,
    Dated,
    EventWindow,
    IncentiveRoute,
    MandateTerms,
    Market,
    NoticeRule,
    OfficialRegister,
    OfflineTills,
    Overflow,
    PointsBudget,
    PointsNotice,
    PointsReminder,
    PointsRule,
    PointsValidity,
    RehearsalRules,
    Scene,
)
from carbon_credit.methodology.definition import LongText, Record, ShortText, Source, Texts, holds

T = TypeVar("T", bound=Dated)


class ProfileFile(Record, frozen=True, kw_only=True):
    """What `programmes/<code>.yaml` says."""

    code: Annotated[str, Meta(pattern=r"^(x-)?[a-z]{2,8}(-[a-z]{2,5})?$", max_length=16)]
    name: Texts
    region: ShortText
    time_zone: ShortText
    phase: Literal["shadow", "pilot", "open", "closing", "closed"]
    rehearsal: bool
    twin_of: ShortText | None = None
    sources: Annotated[tuple[Source, ...], Meta(max_length=50)] = ()
    notes: Annotated[tuple[Texts, ...], Meta(max_length=20)] = ()
    scenes: Annotated[tuple[Scene, ...], Meta(min_length=1, max_length=40)]
    bindings: Annotated[tuple[BindingSpec, ...], Meta(max_length=200)]
    caps: Annotated[tuple[Cap, ...], Meta(max_length=100)] | None
    points_rules: Annotated[tuple[PointsRule, ...], Meta(max_length=100)]
    points_budget: Annotated[tuple[PointsBudget, ...], Meta(max_length=50)] = ()
    points_validity: PointsValidity | Annotated[tuple[PointsValidity, ...], Meta(min_length=1, max_length=20)]
    points_notice: (
        PointsNotice | Annotated[tuple[PointsNotice, ...], Meta(min_length=1, max_length=20)] | None
    ) = None
    points_reminder: PointsReminder | None = None
    events: EventWindow
    closing: ClosingCalendar | None = None
    crediting: Annotated[tuple[Crediting, ...], Meta(max_length=20)] = ()
    claim_rule: (
        Literal["citizen", "partner"] | Annotated[tuple[ClaimRule, ...], Meta(min_length=1, max_length=20)]
    )
    overflow: Annotated[tuple[Overflow, ...], Meta(max_length=50)] = ()
    mandate: MandateTerms | Annotated[tuple[MandateTerms, ...], Meta(min_length=1, max_length=20)]
    notice: NoticeRule | None = None
    incentives: Annotated[tuple[IncentiveRoute, ...], Meta(max_length=20)] = ()
    registry: Literal["internal", "external"]
    official_register: OfficialRegister | None = None
    offline_tills: OfflineTills | None = None
    markets: Annotated[tuple[Market, ...], Meta(max_length=20)] = ()
    medals: Annotated[tuple[Medal, ...], Meta(max_length=50)] = ()
    board: Board | None = None
    equivalents: Annotated[tuple[Equivalent, ...], Meta(max_length=20)] = ()
    rehearsal_rules: RehearsalRules | None
    description: LongText | None = None


class ProgrammeProfile(ProfileFile, frozen=True, kw_only=True):
    """A programme's rules. `digest`: SHA-256 of the file, stored with each posting."""

    digest: str

    def binding(self, activity_type: str, on: date) -> BindingSpec | None:
        """What governs this activity on the business day `on`."""
        for one in self.bindings:
            if one.activity_type == activity_type and holds(one.effective_from, one.effective_to, on):
                return one
        return None

    def caps_on(self, on: date) -> tuple[Cap, ...]:
        """Every cap that holds on `on`, of all scopes."""
        return tuple(one for one in self.caps or () if holds(one.effective_from, one.effective_to, on))

    def cap(self, activity_type: str, on: date) -> Cap | None:
        """The cap of one citizen's business day `on` of this activity; None where there is none."""
        wanted = ("activity-day", activity_type)
        return next((one for one in self.caps_on(on) if one.over == wanted), None)

    def budgets_on(self, on: date) -> tuple[PointsBudget, ...]:
        """The issuance budgets of points that hold on `on`."""
        return tuple(one for one in self.points_budget if holds(one.effective_from, one.effective_to, on))

    def validity(self, on: date) -> PointsValidity:
        """How long points earned on `on` can be spent."""
        return _holding(self.points_validity, on)

    def notice_days(self, on: date) -> int:
        """How long before it holds a change of points rules or validity is published, by the rule of `on`."""
        return 0 if self.points_notice is None else _holding(self.points_notice, on).days

    def mandate_terms(self, on: date) -> MandateTerms:
        """What a citizen who signs on `on` signs."""
        return _holding(self.mandate, on)

    def claimant(self, on: date) -> Literal["citizen", "partner"]:
        """Whose a reduction of `on` is, where nothing overflows."""
        return self.claim_rule if isinstance(self.claim_rule, str) else _holding(self.claim_rule, on).claimant

    def overflow_of(self, activity_type: str, on: date) -> Overflow | None:
        """The aggregation by platforms that this activity is under on `on`."""
        for one in self.overflow:
            if activity_type in one.activity_types and holds(one.effective_from, one.effective_to, on):
                return one
        return None

    def waits_days(self, activity_type: str, on: date) -> int:
        """How many days after `on` this activity is credited; 0: as it arrives."""
        for one in self.crediting:
            if activity_type in one.activity_types and holds(one.effective_from, one.effective_to, on):
                return one.after_days
        return 0

    def points_rules_for(self, activity_type: str, on: date) -> tuple[PointsRule, ...]:
        """The points rules that this activity feeds on `on`."""
        return tuple(
            rule
            for rule in self.points_rules
            if activity_type in rule.activity_types and holds(rule.effective_from, rule.effective_to, on)
        )

    @property
    def board_minimum(self) -> int:
        """With fewer ranked people than that a district's board shows nothing."""
        return self.board.min_participants if self.board else MIN_PARTICIPANTS

    def late_days(self, activity_type: str, *, backfill: bool) -> int | None:
        """How many days late an event of this activity may come; None: however late."""
        scene = self.scene_of(activity_type) if self.events.scenes else None
        own = next((one for one in self.events.scenes if scene and one.scene == scene.code), None)
        window = own or self.events
        return window.backfill_days if backfill else window.late_days

    def scene_of(self, activity_type: str) -> Scene | None:
        """The scene whose consent covers this activity here."""
        return next((scene for scene in self.scenes if activity_type in scene.activity_types), None)


def _holding(terms: T | tuple[T, ...], on: date) -> T:
    """The one that holds on `on`. When the file was read, a list was found to cover every day."""
    if isinstance(terms, tuple):
        return next(one for one in terms if holds(one.effective_from, one.effective_to, on))
    return terms
