"""A programme as data: `methodologies/programmes/<code>.yaml` -> a frozen profile with its digest.

`parse_profile` reads the bytes and checks what the file alone can say; `check_profile` holds it
against the activity types and methodologies that it names. Adding a city needs no code.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from msgspec import Meta, convert, to_builtins

from carbon_credit.catalogue.activities import ActivityType
from carbon_credit.catalogue.errors import BindingRefused, RehearsalOnly
from carbon_credit.catalogue.terms import (
    CO2E_BASIS,
    BindingSpec,
    Cap,
    EventWindow,
    Evidence,
    MandateTerms,
    PointsRule,
    PointsValidity,
    RehearsalRules,
    Scene,
)
from carbon_credit.kernel.digest import sha256_hex
from carbon_credit.methodology import document as documents
from carbon_credit.methodology.definition import Grade, LongText, Record, ShortText, Source, Texts, holds
from carbon_credit.methodology.document import Document, read_document
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


class _ProfileFile(Record, frozen=True, kw_only=True):
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
    points_validity: PointsValidity
    events: EventWindow
    claim_rule: Literal["citizen", "partner"]
    mandate: MandateTerms
    registry: Literal["internal", "external"]
    rehearsal_rules: RehearsalRules | None
    description: LongText | None = None


class ProgrammeProfile(_ProfileFile, frozen=True, kw_only=True):
    """A programme's rules. `digest`: SHA-256 of the file, stored with each posting."""

    digest: str

    def binding(self, activity_type: str, on: date) -> BindingSpec | None:
        """What governs this activity on the business day `on`."""
        for one in self.bindings:
            if one.activity_type == activity_type and holds(one.effective_from, one.effective_to, on):
                return one
        return None

    def cap(self, activity_type: str, on: date) -> Cap | None:
        """The cap of one citizen's business day `on`; None where there is none."""
        for one in self.caps or ():
            if one.activity_type == activity_type and holds(one.effective_from, one.effective_to, on):
                return one
        return None

    def points_rules_for(self, activity_type: str, on: date) -> tuple[PointsRule, ...]:
        """The points rules that this activity feeds on `on`."""
        return tuple(
            rule
            for rule in self.points_rules
            if activity_type in rule.activity_types and holds(rule.effective_from, rule.effective_to, on)
        )

    def scene_of(self, activity_type: str) -> Scene | None:
        """The scene whose consent covers this activity here."""
        return next((scene for scene in self.scenes if activity_type in scene.activity_types), None)


def parse_profile(data: bytes, *, file: str) -> ProgrammeProfile:
    """The profile in `data`. Raises a DataError for anything wrong that the file alone can show."""
    return _parsed(read_document(data, file), data)


def load_profile(
    path: Path, *, activities: Mapping[str, ActivityType], packages: Mapping[tuple[str, int], Package]
) -> ProgrammeProfile:
    """Read, check and hold against the library. The file is named by the programme's code."""
    data = path.read_bytes()
    document = read_document(data, f"programmes/{path.name}")
    profile = _parsed(document, data)
    if profile.code != path.stem:
        raise document.refuse(ValueWrong, "code", what=f"the code must be the name of the file, {path.stem}")
    _check_against(document, profile, activities, packages)
    return profile


def check_profile(
    data: bytes,
    *,
    file: str,
    activities: Mapping[str, ActivityType],
    packages: Mapping[tuple[str, int], Package],
) -> ProgrammeProfile:
    """`parse_profile`, and everything that it names must exist and may be used so.

    Raises BindingRefused where a real programme would credit by a sandbox methodology.
    """
    document = read_document(data, file)
    profile = _parsed(document, data)
    _check_against(document, profile, activities, packages)
    return profile


def _parsed(document: Document, data: bytes) -> ProgrammeProfile:
    read = documents.convert(document, _ProfileFile)
    _check_rehearsal(document, read)
    _check_sources(document, read)
    _check_scenes(document, read)
    _check_periods(document, read)
    try:
        ZoneInfo(read.time_zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        what = f"{read.time_zone} is no time zone; Asia/Shanghai is one"
        raise document.refuse(ValueWrong, "time_zone", what=what) from None
    return convert(to_builtins(read) | {"digest": sha256_hex(data)}, ProgrammeProfile)


def _check_rehearsal(document: Document, read: _ProfileFile) -> None:
    if read.rehearsal != read.code.startswith(REHEARSAL_PREFIX):
        raise document.refuse(RehearsalOnly, "rehearsal")
    if read.rehearsal != (read.rehearsal_rules is not None):
        raise document.refuse(RehearsalOnly, "rehearsal_rules")
    for index, one in enumerate(read.bindings):
        if one.earlier_period and not (read.rehearsal_rules and read.rehearsal_rules.earlier_periods):
            raise document.refuse(RehearsalOnly, "bindings", index, "earlier_period")


def _check_sources(document: Document, read: _ProfileFile) -> None:
    known = {source.name for source in read.sources}
    rules: list[tuple[KeyPath, Evidence]] = [(("caps", i), cap) for i, cap in enumerate(read.caps or ())]
    rules += [(("points_rules", i), rule) for i, rule in enumerate(read.points_rules)]
    rules += [(("points_validity",), read.points_validity), (("mandate",), read.mandate)]
    for path, rule in rules:
        if rule.source is None and rule.grade is not Grade.ASSUMED:
            raise document.refuse(SourceMissing, *path)
        if rule.source is not None and rule.source not in known:
            raise document.refuse(
                NameUndefined, *path, "source", key=rule.source, known=", ".join(sorted(known))
            )


def _check_scenes(document: Document, read: _ProfileFile) -> None:
    seen: set[str] = set()
    for index, scene in enumerate(read.scenes):
        for name in (scene.code, *scene.activity_types):
            # A dot tells activity types from scene codes, except for `walk` and `paperless`.
            key = f"scene {name}" if name == scene.code else f"activity {name}"
            if key in seen:
                raise document.refuse(NameRepeated, "scenes", index, key=name)
            seen.add(key)
    codes: set[str] = set()
    for index, rule in enumerate(read.points_rules):
        if rule.code in codes:
            raise document.refuse(NameRepeated, "points_rules", index, "code", key=rule.code)
        codes.add(rule.code)


def _check_periods(document: Document, read: _ProfileFile) -> None:
    _check_no_overlap(document, "bindings", read.bindings)
    _check_no_overlap(document, "caps", read.caps or ())
    for index, rule in enumerate(read.points_rules):
        if rule.effective_to is not None and rule.effective_to <= rule.effective_from:
            raise document.refuse(PeriodEmpty, "points_rules", index, "effective_to")


def _check_no_overlap(document: Document, section: str, rules: Sequence[BindingSpec | Cap]) -> None:
    spans: list[tuple[str, date, date]] = []
    for index, rule in enumerate(rules):
        start, end = rule.effective_from or date.min, rule.effective_to or date.max
        if end <= start:
            raise document.refuse(PeriodEmpty, section, index, "effective_to")
        if any(kind == rule.activity_type and start < e and s < end for kind, s, e in spans):
            raise document.refuse(PeriodsOverlap, section, index, "effective_from")
        spans.append((rule.activity_type, start, end))


def _check_against(
    document: Document,
    profile: ProgrammeProfile,
    activities: Mapping[str, ActivityType],
    packages: Mapping[tuple[str, int], Package],
) -> None:
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
    for index, cap in enumerate(profile.caps or ()):
        _check_known(document, activities, cap.activity_type, "caps", index, "activity_type")
    for index, rule in enumerate(profile.points_rules):
        for kind in rule.activity_types:
            _check_known(document, activities, kind, "points_rules", index, "activity_types")
            field = activities[kind].fields.get(rule.basis)
            if rule.basis != CO2E_BASIS and (field is None or field.kind != "integer"):
                what = f"the basis is {CO2E_BASIS} or an integer field of {kind}"
                raise document.refuse(ValueWrong, "points_rules", index, "basis", what=what)


def _check_known(
    document: Document, activities: Mapping[str, ActivityType], kind: str, *path: str | int
) -> None:
    if kind not in activities:
        raise document.refuse(NameUndefined, *path, key=kind, known=", ".join(activities))


def _check_binding(
    document: Document,
    profile: ProgrammeProfile,
    packages: Mapping[tuple[str, int], Package],
    index: int,
    binding: BindingSpec,
) -> None:
    path = ("bindings", index)
    package = packages.get((binding.methodology, binding.version))
    if package is None:
        known = ", ".join(f"{name} v{version}" for name, version in packages)
        key = f"{binding.methodology} v{binding.version}"
        raise document.refuse(NameUndefined, *path, "methodology", key=key, known=known)
    if binding.activity_type not in package.methodology.activity_types:
        what = f"{package.name} does not read {binding.activity_type}"
        raise document.refuse(BindingRefused, *path, what=what)
    grade = weakest_grade(package)
    if binding.use == "credit" and grade.is_sandbox and not profile.rehearsal:
        what = f"{package.name} is sandbox ({grade}); outside rehearsal it is for points or display only"
        raise document.refuse(BindingRefused, *path, "use", what=what)
    start = package.methodology.effective_from
    if (start is not None and binding.effective_from < start) != binding.earlier_period:
        what = f"{package.name} is in force from {start}; earlier_period tells a binding that begins before"
        raise document.refuse(BindingRefused, *path, "effective_from", what=what)
    end = package.methodology.effective_to
    if end is not None and (binding.effective_to is None or binding.effective_to > end):
        raise document.refuse(BindingRefused, *path, "effective_to", what=f"{package.name} ends on {end}")
