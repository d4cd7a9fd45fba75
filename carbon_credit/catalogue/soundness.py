"""Whether a programme's profile is sound: by itself, and held against what it names."""

from collections.abc import Mapping, Sequence
from datetime import date
from difflib import get_close_matches
from typing import Protocol

from carbon_credit.catalogue.activities import ActivityType
from carbon_credit.catalogue.errors import BindingRefused, RehearsalOnly
from carbon_credit.catalogue.programme import ProfileFile, ProgrammeProfile
from carbon_credit.catalogue.terms import (
    CO2E_BASIS,
    EVENT_BASIS,
    LONGEST_VALIDITY_YEARS,
    BindingSpec,
    Dated,
    Evidence,
)
from carbon_credit.methodology.definition import Grade
from carbon_credit.methodology.document import Document
from carbon_credit.methodology.engine import weakest_grade
from carbon_credit.methodology.errors import (
    NameRepeated,
    NameUndefined,
    PeriodEmpty,
    PeriodsOverlap,
    SourceMissing,
    ValueWrong,
)
from carbon_credit.methodology.loader import Package

REHEARSAL_PREFIX = "x-"

KeyPath = tuple[str | int, ...]

_LISTS_OF_ONE = ("points_validity", "points_notice", "claim_rule", "mandate")


class _Period(Protocol):
    @property
    def effective_from(self) -> date | None: ...

    @property
    def effective_to(self) -> date | None: ...


def check_alone(document: Document, read: ProfileFile) -> None:
    """What the file alone can show. Raises a DataError."""
    _check_rehearsal(document, read)
    _check_sources(document, read)
    _check_scenes(document, read)
    _check_periods(document, read)


def _check_rehearsal(document: Document, read: ProfileFile) -> None:
    if read.rehearsal != read.code.startswith(REHEARSAL_PREFIX):
        raise document.refuse(RehearsalOnly, "rehearsal")
    if read.rehearsal != (read.rehearsal_rules is not None):
        raise document.refuse(RehearsalOnly, "rehearsal_rules")
    for index, one in enumerate(read.bindings):
        if one.earlier_period and not (read.rehearsal_rules and read.rehearsal_rules.earlier_periods):
            raise document.refuse(RehearsalOnly, "bindings", index, "earlier_period")
        if one.overlay and not read.rehearsal:
            raise document.refuse(RehearsalOnly, "bindings", index, "overlay")


def _check_sources(document: Document, read: ProfileFile) -> None:
    known = {source.name for source in read.sources}
    rules: list[tuple[KeyPath, Evidence]] = [(("caps", i), cap) for i, cap in enumerate(read.caps or ())]
    rules += [(("points_rules", i), rule) for i, rule in enumerate(read.points_rules)]
    for section in (
        "points_budget",
        "overflow",
        "crediting",
        "incentives",
        "markets",
        "medals",
        "equivalents",
    ):
        rules += [((section, i), one) for i, one in enumerate(getattr(read, section))]
    for section in (
        *_LISTS_OF_ONE,
        "points_reminder",
        "notice",
        "official_register",
        "board",
        "offline_tills",
    ):
        held = getattr(read, section)
        if isinstance(held, Evidence):
            rules.append(((section,), held))
        elif isinstance(held, tuple):
            rules += [((section, i), one) for i, one in enumerate(held)]
    rules += [(("scenes", i, "approval"), one.approval) for i, one in enumerate(read.scenes) if one.approval]
    for path, rule in rules:
        if rule.source is None and rule.grade is not Grade.ASSUMED:
            raise document.refuse(SourceMissing, *path)
        if rule.source is not None and rule.source not in known:
            raise document.refuse(
                NameUndefined, *path, "source", key=rule.source, known=", ".join(sorted(known))
            )
    for index, one in enumerate(read.equivalents):
        if one.source is None:  # nobody's figure is nobody's picture
            raise document.refuse(SourceMissing, "equivalents", index)
        if any(words.count("{amount}") != 1 for words in (one.sentence.zh, one.sentence.en)):
            what = "each language says {amount} once, where the number stands"
            raise document.refuse(ValueWrong, "equivalents", index, "sentence", what=what)


def _check_scenes(document: Document, read: ProfileFile) -> None:
    seen: set[tuple[str, str]] = set()
    for index, scene in enumerate(read.scenes):
        for key in [("scene", scene.code), *(("activity", kind) for kind in scene.activity_types)]:
            if key in seen:
                raise document.refuse(NameRepeated, "scenes", index, key=key[1])
            seen.add(key)
    codes: set[str] = set()
    for index, rule in enumerate(read.points_rules):
        if rule.code in codes:
            raise document.refuse(NameRepeated, "points_rules", index, "code", key=rule.code)
        codes.add(rule.code)
    for section in ("medals", "equivalents"):
        named: set[str] = set()
        for index, one in enumerate(getattr(read, section)):
            if one.code in named:
                raise document.refuse(NameRepeated, section, index, "code", key=one.code)
            named.add(one.code)
    windows: set[str] = set()
    scenes = {scene.code for scene in read.scenes}
    for index, window in enumerate(read.events.scenes):
        if window.scene not in scenes:
            raise document.refuse(
                NameUndefined,
                "events",
                "scenes",
                index,
                "scene",
                key=window.scene,
                known=", ".join(sorted(scenes)),
            )
        if window.scene in windows:
            raise document.refuse(NameRepeated, "events", "scenes", index, "scene", key=window.scene)
        windows.add(window.scene)


def _check_periods(document: Document, read: ProfileFile) -> None:
    _check_no_overlap(document, "bindings", [((one.activity_type,), one) for one in read.bindings])
    _check_no_overlap(document, "caps", [((str(one.over),), one) for one in read.caps or ()])
    _check_no_overlap(document, "points_rules", [((one.code,), one) for one in read.points_rules])
    budgets = [((f"{one.scene} {one.per}",), one) for one in read.points_budget]
    _check_no_overlap(document, "points_budget", budgets)
    _check_no_overlap(document, "overflow", [(one.activity_types, one) for one in read.overflow])
    _check_no_overlap(document, "crediting", [(one.activity_types, one) for one in read.crediting])
    _check_no_overlap(document, "medals", [((one.code,), one) for one in read.medals])
    for section in _LISTS_OF_ONE:
        terms = getattr(read, section)
        if isinstance(terms, tuple):
            _check_no_overlap(document, section, [(("",), one) for one in terms])
            _check_whole(document, section, terms)
        elif isinstance(terms, Dated) and (terms.effective_from or terms.effective_to):
            what = "a term that stands alone holds always; make it a list to change it on a day"
            raise document.refuse(ValueWrong, section, what=what)
    held = read.points_validity
    for index, one in enumerate(held if isinstance(held, tuple) else (held,)):
        if not 1 <= 12 * one.years + one.months <= 12 * LONGEST_VALIDITY_YEARS:
            what = f"points live for a month at least and {LONGEST_VALIDITY_YEARS} years at most"
            path: KeyPath = ("points_validity", index) if isinstance(held, tuple) else ("points_validity",)
            raise document.refuse(ValueWrong, *path, what=what)


def _check_no_overlap(
    document: Document, section: str, rules: Sequence[tuple[Sequence[str], _Period]]
) -> None:
    """No two rules over the same thing hold on one day."""
    spans: list[tuple[str, date, date]] = []
    for index, (things, rule) in enumerate(rules):
        start, end = rule.effective_from or date.min, rule.effective_to or date.max
        if end <= start:
            raise document.refuse(PeriodEmpty, section, index, "effective_to")
        for thing in things:
            if any(other == thing and start < e and s < end for other, s, e in spans):
                raise document.refuse(PeriodsOverlap, section, index, "effective_from")
        spans += [(thing, start, end) for thing in things]


def _check_whole(document: Document, section: str, terms: Sequence[Dated]) -> None:
    """Every day has its term: the first has no beginning, each begins where the last one ended."""
    reached: date | None = None
    for index, one in enumerate(terms):
        if one.effective_from != reached or (index and reached is None):
            what = f"begins on {one.effective_from}; it must begin on {reached}, where the one before it ends"
            raise document.refuse(ValueWrong, section, index, "effective_from", what=what)
        reached = one.effective_to
    if reached is not None:
        what = "the last one has no end: write effective_to: null"
        raise document.refuse(ValueWrong, section, len(terms) - 1, "effective_to", what=what)


def check_against(
    document: Document,
    profile: ProgrammeProfile,
    activities: Mapping[str, ActivityType],
    packages: Mapping[tuple[str, str], Package],
) -> None:
    """Everything that the profile names must exist and may be used so. Raises a DataError."""
    covered = {kind for scene in profile.scenes for kind in scene.activity_types}
    for index, scene in enumerate(profile.scenes):
        for kind in scene.activity_types:
            _check_known(document, activities, kind, "scenes", index, "activity_types")
            if activities[kind].scene != scene.code:
                what = f"{kind} belongs to the scene {activities[kind].scene}"
                raise document.refuse(ValueWrong, "scenes", index, "activity_types", what=what)
    for index, binding in enumerate(profile.bindings):
        _check_binding(document, profile, packages, index, binding)
        if binding.activity_type not in covered:
            what = f"no scene of the programme covers {binding.activity_type}"
            raise document.refuse(ValueWrong, "bindings", index, "activity_type", what=what)
    _check_caps(document, profile, activities)
    _check_tracks(document, profile)
    _check_medals(document, profile, covered)
    for index, budget in enumerate(profile.points_budget):
        _check_scene(document, profile, budget.scene, "points_budget", index, "scene")
    for index, one in enumerate(profile.overflow):
        for kind in one.activity_types:
            _check_known(document, activities, kind, "overflow", index, "activity_types")
    for index, rule in enumerate(profile.points_rules):
        for kind in rule.activity_types:
            _check_known(document, activities, kind, "points_rules", index, "activity_types")
            field = activities[kind].fields.get(rule.basis)
            if rule.basis not in (CO2E_BASIS, EVENT_BASIS) and (field is None or field.kind != "integer"):
                what = f"the basis is {CO2E_BASIS}, {EVENT_BASIS} or an integer field of {kind}"
                raise document.refuse(ValueWrong, "points_rules", index, "basis", what=what)


def _check_caps(
    document: Document, profile: ProgrammeProfile, activities: Mapping[str, ActivityType]
) -> None:
    for index, cap in enumerate(profile.caps or ()):
        path = ("caps", index)
        names = (cap.activity_type is not None, cap.scene is not None)
        if names != (cap.scope == "activity-day", cap.scope == "scene-day"):
            what = "activity-day names an activity_type, scene-day a scene, the other scopes neither"
            raise document.refuse(ValueWrong, *path, "scope", what=what)
        if cap.max_events is None and cap.max_mg is None:
            what = "a cap limits max_events, max_mg or both; where nothing is known, leave the cap out"
            raise document.refuse(ValueWrong, *path, what=what)
        if cap.activity_type is not None:
            _check_known(document, activities, cap.activity_type, *path, "activity_type")
        _check_scene(document, profile, cap.scene, *path, "scene")


def _check_tracks(document: Document, profile: ProgrammeProfile) -> None:
    """Points of the public track and grams of the project track never meet in one activity."""
    track = {kind: scene.track for scene in profile.scenes for kind in scene.activity_types}
    for index, binding in enumerate(profile.bindings):
        if track.get(binding.activity_type) == "public" and binding.use == "credit":
            what = f"{binding.activity_type} is of the public track, which is for points or display"
            raise document.refuse(BindingRefused, "bindings", index, "use", what=what)
    for index, rule in enumerate(profile.points_rules):
        for kind in rule.activity_types:
            if track.get(kind) == "project":
                what = f"{kind} is of the project track, which earns no points"
                raise document.refuse(ValueWrong, "points_rules", index, "activity_types", what=what)


def _check_medals(document: Document, profile: ProgrammeProfile, covered: set[str]) -> None:
    """Each medal is for something that can happen here."""
    for index, medal in enumerate(profile.medals):
        path = ("medals", index)
        _check_scene(document, profile, medal.scene, *path, "scene")
        if medal.activity_type is not None and medal.activity_type not in covered:
            what = f"no scene of the programme covers {medal.activity_type}"
            raise document.refuse(ValueWrong, *path, "activity_type", what=what)
        if medal.scene is not None and medal.activity_type is not None:
            what = "a medal names a scene or an activity_type, not both"
            raise document.refuse(ValueWrong, *path, "scene", what=what)
        if medal.rule == "first" and (medal.activity_type is None or medal.target != 1):
            what = "`first` names an activity_type and needs no target"
            raise document.refuse(ValueWrong, *path, "rule", what=what)


def _check_scene(document: Document, profile: ProgrammeProfile, code: str | None, *path: str | int) -> None:
    known = [scene.code for scene in profile.scenes]
    if code is not None and code not in known:
        raise document.refuse(NameUndefined, *path, key=code, known=", ".join(known))


def _check_known(
    document: Document, activities: Mapping[str, ActivityType], kind: str, *path: str | int
) -> None:
    if kind not in activities:
        raise document.refuse(NameUndefined, *path, key=kind, known=", ".join(activities))


def _check_binding(
    document: Document,
    profile: ProgrammeProfile,
    packages: Mapping[tuple[str, str], Package],
    index: int,
    binding: BindingSpec,
) -> None:
    path = ("bindings", index)
    package = packages.get((binding.methodology, binding.version_name))
    if package is None:
        ids = {name for name, _ in packages}
        near = get_close_matches(binding.methodology, sorted(ids)) or ids
        known = ", ".join(f"{name} {version}" for name, version in sorted(packages) if name in near)
        key = f"{binding.methodology} {binding.version_name}"
        raise document.refuse(NameUndefined, *path, "methodology", key=key, known=known)
    if binding.activity_type not in package.methodology.activity_types:
        what = f"{package.name} does not read {binding.activity_type}"
        raise document.refuse(BindingRefused, *path, what=what)
    grade = weakest_grade(package)
    sandbox = binding.use == "credit" and grade.is_sandbox and not profile.rehearsal
    if sandbox and binding.sandbox_use is None:
        what = (
            f"{package.name} is sandbox ({grade}); outside rehearsal it is for points or display only: "
            "say so in sandbox_use"
        )
        raise document.refuse(BindingRefused, *path, "use", what=what)
    start = package.methodology.effective_from
    if (start is not None and binding.effective_from < start) != binding.earlier_period:
        what = f"{package.name} is in force from {start}; earlier_period tells a binding that begins before"
        raise document.refuse(BindingRefused, *path, "effective_from", what=what)
    end = package.methodology.effective_to
    if end is not None and (binding.effective_to is None or binding.effective_to > end):
        raise document.refuse(BindingRefused, *path, "effective_to", what=f"{package.name} ends on {end}")
