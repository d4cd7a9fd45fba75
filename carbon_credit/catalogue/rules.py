"""The rules of one programme, ready to be applied: profile, activity types, compiled methodologies."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta

from carbon_credit.catalogue.activities import ActivityType
from carbon_credit.catalogue.profile import ProgrammeProfile
from carbon_credit.catalogue.terms import BindingSpec, MandateTerms, PointsBudget, SceneApproval
from carbon_credit.catalogue.terms import Cap as Cap
from carbon_credit.catalogue.terms import PointsRule as PointsRule
from carbon_credit.kernel.clock import day_bounds
from carbon_credit.methodology.definition import holds
from carbon_credit.methodology.engine import CompiledMethodology, Evaluation, Refusal, weakest_grade

# A partner to whom everything goes: more than all that a citizen could ever save.
EVERYTHING_MG = 10**15

_ACCEPTING = frozenset({"shadow", "pilot", "open", "closing"})


@dataclass(frozen=True, slots=True)
class Binding:
    """A methodology version that governs an activity type. `use`: credit, points or display."""

    methodology_id: str
    version: str
    use: str
    earlier: bool
    compiled: CompiledMethodology

    @property
    def digest(self) -> str:
        """The digest of the package, stored with each reduction."""
        return self.compiled.digest

    def inputs(self, activity_type: str, quantities: Mapping[str, int | str]) -> dict[str, int | str]:
        """Of an event's quantities, those that the formula reads."""
        return self.compiled.inputs_of(activity_type, quantities)

    def evaluate(self, inputs: Mapping[str, int | str], *, on: date) -> Evaluation | Refusal:
        """The reduction for activity on the business day `on`."""
        return self.compiled.evaluate(inputs, on=on, earlier=self.earlier)


@dataclass(frozen=True, slots=True)
class Successor:
    """A version that takes another's place, directly or over versions between."""

    version: str
    effective_from: date | None
    effective_to: date | None

    def in_force(self, day: date, *, earlier: bool) -> bool:
        """`earlier`: a rehearsal declares the version in force before its first day."""
        return holds(None if earlier else self.effective_from, self.effective_to, day)


@dataclass(frozen=True, slots=True)
class Share:
    """Of a citizen's reductions of a span (`per`: citizen-day, -month, -year) the partner gets the first
    `threshold_mg` and the citizen the excess. `partner`: the name of a party; None: who reported it."""

    partner: str | None
    threshold_mg: int
    per: str


@dataclass(frozen=True, slots=True)
class _DayRules:
    """What holds for one activity type on one day."""

    binding: Binding | None
    cap: Cap | None
    points_rules: tuple[PointsRule, ...]
    share: Share | None


@dataclass(frozen=True)
class ProgrammeRules:
    """What a programme decides. `digest` covers the profile and the activity types.

    `successors`: (id, version) -> the published versions that supersede it, newest first. `retired`: what
    is no longer applied. `tried`: a version that is treated as if it governed, see `trying`.
    """

    profile: ProgrammeProfile
    activities: Mapping[str, ActivityType]
    compiled: Mapping[tuple[str, str], CompiledMethodology]
    digest: str
    phase: str
    successors: Mapping[tuple[str, str], tuple[Successor, ...]] = field(default_factory=dict)
    retired: frozenset[tuple[str, str]] = frozenset()
    tried: CompiledMethodology | None = None
    _of_days: dict[tuple[str, date], _DayRules] = field(default_factory=dict, repr=False, compare=False)
    _caps: dict[date, tuple[Cap, ...]] = field(default_factory=dict, repr=False, compare=False)
    _budgets: dict[date, tuple[PointsBudget, ...]] = field(default_factory=dict, repr=False, compare=False)

    @property
    def code(self) -> str:
        """The programme's code."""
        return self.profile.code

    @property
    def rehearsal(self) -> bool:
        """True where nothing can ever be sold."""
        return self.profile.rehearsal

    @property
    def time_zone(self) -> str:
        """The zone of its business days."""
        return self.profile.time_zone

    @property
    def accepts_events(self) -> bool:
        """False where the programme is closed."""
        return self.phase in _ACCEPTING

    def earliest_day(self, activity_type: str, today: date, *, backfill: bool) -> date | None:
        """The first business day of which events of this activity are taken today; None: of any."""
        days = self.profile.late_days(activity_type, backfill=backfill)
        return None if days is None else today - timedelta(days=days)

    @property
    def until_closed(self) -> str | None:
        """The kind of period after whose closing its events are refused; None where they never are."""
        return self.profile.events.until_closed

    def due_at(self, activity_type: str, day: date) -> datetime | None:
        """When what happened on the business day `day` is credited at the earliest; None: as it arrives."""
        days = self.profile.waits_days(activity_type, day)
        return day_bounds(day + timedelta(days=days), self.time_zone)[0] if days else None

    @property
    def detail_days(self) -> int:
        """How long stations and tracks are kept."""
        return self.profile.events.detail_days

    @property
    def may_enrol_unlinked(self) -> bool:
        """True where test citizens may be created for unknown cards."""
        return self.profile.rehearsal_rules is not None and self.profile.rehearsal_rules.enrol_unlinked

    def governing(self, activity_type: str, day: date) -> Binding | None:
        """The version in force for this activity on `day`. In the shadow phase it is shown only."""
        return self._on(activity_type, day).binding

    def trying(self, compiled: CompiledMethodology) -> "ProgrammeRules":
        """The rules as they would be if this version governed: in the place of whichever version of its
        methodology is bound, or, where none is, of what governs the activities that it reads."""
        key = (compiled.id, compiled.version_name)
        known = {**self.compiled, key: compiled}
        return replace(self, compiled=known, tried=compiled, _of_days={}, _caps={}, _budgets={})

    def cap(self, activity_type: str, day: date) -> Cap | None:
        """What one citizen's day may count at most, if anything limits it."""
        return self._on(activity_type, day).cap

    def caps(self, day: date) -> tuple[Cap, ...]:
        """Every cap that holds on `day`, of all scopes."""
        if day not in self._caps:
            self._caps[day] = self.profile.caps_on(day)
        return self._caps[day]

    def overflow(self, activity_type: str, day: date) -> Share | None:
        """What a partner gets of this activity on `day`; None where everything is the citizen's."""
        return self._on(activity_type, day).share

    def scene(self, activity_type: str) -> str:
        """The scene that the activity belongs to here, else the one of its type."""
        found = self.profile.scene_of(activity_type)
        return found.code if found else self.activities[activity_type].scene

    def approval(self, activity_type: str) -> SceneApproval | None:
        """How long the scene of this activity is approved; None where no end was set."""
        scene = self.profile.scene_of(activity_type)
        return scene.approval if scene else None

    def points_budgets(self, day: date) -> tuple[PointsBudget, ...]:
        """At most so many points may be issued, to all citizens together."""
        if day not in self._budgets:
            self._budgets[day] = self.profile.budgets_on(day)
        return self._budgets[day]

    def mandate_terms(self, day: date) -> MandateTerms:
        """What a citizen who signs on `day` signs, and the share that it promises."""
        return self.profile.mandate_terms(day)

    def points_rules(self, activity_type: str, day: date) -> tuple[PointsRule, ...]:
        """The points rules that this activity feeds on `day`."""
        return self._on(activity_type, day).points_rules

    def points_rule(self, code: str) -> PointsRule:
        """The points rule of that code. KeyError where the profile has none."""
        for rule in self.profile.points_rules:
            if rule.code == code:
                return rule
        raise KeyError(code)

    def points_lot(self, day: date) -> date:
        """The last day on which points earned on `day` can be spent: the lot that they go into."""
        return self.profile.validity(day).expires_on(day) - timedelta(days=1)

    def _on(self, activity_type: str, day: date) -> _DayRules:
        # Asked several times for each event, and the same for all events of a day.
        found = self._of_days.get((activity_type, day))
        if found is None:
            found = self._of_days[activity_type, day] = _DayRules(
                binding=self._binding(activity_type, day),
                cap=self.profile.cap(activity_type, day),
                points_rules=self.profile.points_rules_for(activity_type, day),
                share=self._share(activity_type, day),
            )
        return found

    def _share(self, activity_type: str, day: date) -> Share | None:
        found = self.profile.overflow_of(activity_type, day)
        if found is not None:
            return Share(found.partner, found.threshold_mg, found.per)
        if self.profile.claimant(day) == "partner":
            return Share(None, EVERYTHING_MG, "citizen-day")
        return None

    def _binding(self, activity_type: str, day: date) -> Binding | None:
        spec = self.profile.binding(activity_type, day)
        if spec is None:
            return None
        key = self._key(spec, day)
        if key is None:
            return None
        compiled = self.compiled[key]
        binding = Binding(
            methodology_id=compiled.id,
            version=key[1],
            use=self._use(spec, compiled),
            earlier=spec.earlier_period,
            compiled=compiled,
        )
        return replace(binding, use="display") if self.phase == "shadow" else binding

    def _key(self, spec: BindingSpec, day: date) -> tuple[str, str] | None:
        """The binding's version, or the newest published one that has taken its place for `day`."""
        named = (spec.methodology, spec.version_name)
        if self.tried is not None and self._is_tried(self.tried, spec, day):
            return self.tried.id, self.tried.version_name
        if not spec.overlay:  # who names an overlay wants exactly that
            for one in self.successors.get(named, ()):
                reads = self.compiled[spec.methodology, one.version].methodology.activity_types
                if one.in_force(day, earlier=spec.earlier_period) and spec.activity_type in reads:
                    return spec.methodology, one.version
        return None if named in self.retired else named

    def _is_tried(self, tried: CompiledMethodology, spec: BindingSpec, day: date) -> bool:
        method = tried.methodology
        start = None if spec.earlier_period else method.effective_from
        bound = any(one.methodology == tried.id for one in self.profile.bindings)
        return (
            spec.activity_type in method.activity_types
            and (spec.methodology == tried.id or not bound)
            and holds(start, method.effective_to, day)
        )

    def _use(self, spec: BindingSpec, compiled: CompiledMethodology) -> str:
        """Outside rehearsal nothing is credited for as long as a grade of the version is sandbox."""
        if spec.use != "credit" or self.rehearsal or not weakest_grade(compiled.package).is_sandbox:
            return spec.use
        return spec.sandbox_use or "display"
