"""The rules of one programme, ready to be applied: profile, activity types, compiled methodologies."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, timedelta

from carbon_credit.catalogue.activities import ActivityType
from carbon_credit.catalogue.profile import ProgrammeProfile
from carbon_credit.catalogue.terms import Cap as Cap
from carbon_credit.catalogue.terms import PointsRule as PointsRule
from carbon_credit.methodology.engine import CompiledMethodology, Evaluation, Refusal

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
class _DayRules:
    """What holds for one activity type on one day."""

    binding: Binding | None
    cap: Cap | None
    points_rules: tuple[PointsRule, ...]


@dataclass(frozen=True)
class ProgrammeRules:
    """What a programme decides. `digest` covers the profile and the activity types."""

    profile: ProgrammeProfile
    activities: Mapping[str, ActivityType]
    compiled: Mapping[tuple[str, str], CompiledMethodology]
    digest: str
    phase: str
    _of_days: dict[tuple[str, date], _DayRules] = field(default_factory=dict, repr=False, compare=False)

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

    @property
    def window_days(self) -> int:
        """How many days late an event may come without a back-fill."""
        return self.profile.events.late_days

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

    def cap(self, activity_type: str, day: date) -> Cap | None:
        """What one citizen's day may count at most, if anything limits it."""
        return self._on(activity_type, day).cap

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
        return self.profile.points_validity.expires_on(day) - timedelta(days=1)

    def _on(self, activity_type: str, day: date) -> _DayRules:
        # Asked several times for each event, and the same for all events of a day.
        found = self._of_days.get((activity_type, day))
        if found is None:
            found = self._of_days[activity_type, day] = _DayRules(
                binding=self._binding(activity_type, day),
                cap=self.profile.cap(activity_type, day),
                points_rules=self.profile.points_rules_for(activity_type, day),
            )
        return found

    def _binding(self, activity_type: str, day: date) -> Binding | None:
        spec = self.profile.binding(activity_type, day)
        if spec is None:
            return None
        version = version_name(spec.version)
        binding = Binding(
            methodology_id=spec.methodology,
            version=version,
            use=spec.use,
            earlier=spec.earlier_period,
            compiled=self.compiled[spec.methodology, version],
        )
        return replace(binding, use="display") if self.phase == "shadow" else binding


def version_name(number: int) -> str:
    """ "v1", as in the folder and in the database."""
    return f"v{number}"
