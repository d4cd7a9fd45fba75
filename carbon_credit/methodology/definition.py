"""The words of a methodology: what a `methodology.yaml` and a factor set say, as frozen structs.

Amounts are kept as the text that the file has ("0.4190"), because that is what an auditor compares
with the source; `number` gives the Decimal. Periods are half-open: `effective_to` is the first day
on which the value no longer holds. null means that nothing is known; it is never filled in.
"""

from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Literal

from msgspec import Meta, Struct

NumberText = Annotated[str, Meta(pattern=r"^-?[0-9]+(\.[0-9]+)?$", max_length=40)]
Name = Annotated[str, Meta(pattern=r"^[A-Za-z][A-Za-z0-9_]*$", max_length=40)]
Slug = Annotated[str, Meta(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=64)]
Code = Annotated[str, Meta(pattern=r"^[a-z0-9]+([.-][a-z0-9]+)*$", max_length=64)]
ShortText = Annotated[str, Meta(min_length=1, max_length=500)]
LongText = Annotated[str, Meta(min_length=1, max_length=4000)]

MAX_STEPS = 32
MAX_NAMES = 64


class Grade(StrEnum):
    """How well a value is known, best first. Below `published` it is sandbox."""

    OFFICIAL = "official"
    PUBLISHED = "published"
    SECONDARY = "secondary"
    ASSUMED = "assumed"

    @property
    def rank(self) -> int:
        """0 is best."""
        return _RANK[self]

    @property
    def is_sandbox(self) -> bool:
        """True where a value may be rehearsed with, and not credited for real."""
        return self.rank > Grade.PUBLISHED.rank


_RANK = {grade: rank for rank, grade in enumerate(Grade)}


class Tier(StrEnum):
    """How an input was obtained, best first."""

    MEASURED = "measured"
    DERIVED = "derived"
    DECLARED = "declared"
    ASSUMED = "assumed"


# Measured data and data derived by a named rule (the shortest track between two gates) weaken
# nothing. What a person declares about themselves is sandbox, and what was assumed stays assumed.
_GRADE_OF_TIER = {
    Tier.MEASURED: Grade.OFFICIAL,
    Tier.DERIVED: Grade.OFFICIAL,
    Tier.DECLARED: Grade.SECONDARY,
    Tier.ASSUMED: Grade.ASSUMED,
}


def worst(grades: Iterable[Grade]) -> Grade:
    """The weakest of `grades`; official when there are none."""
    return max(grades, key=_RANK.__getitem__, default=Grade.OFFICIAL)


def grade_of(result: Grade, tier: Tier) -> Grade:
    """The grade of a reduction: the worst of its values (`result`) and its inputs (`tier`)."""
    return worst((result, _GRADE_OF_TIER[tier]))


class Record(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Base of everything that is read from a data file: immutable, no unknown key."""


def worst_tier(*tiers: Tier) -> Tier:
    """The weakest of `tiers` (at least one): an input is as good as its worst part."""
    return max(tiers, key=list(Tier).index)


class Texts(Record, frozen=True, kw_only=True):
    """The same words in Chinese and in English."""

    zh: LongText
    en: LongText

    def text(self, language: str) -> str:
        return self.zh if language == "zh" else self.en


class Source(Record, frozen=True, kw_only=True):
    """Where something was read. `read_as` says what the text at hand was, when not the original."""

    name: Slug
    document: ShortText
    number: ShortText | None = None
    address: ShortText | None = None
    dated: date | None = None
    read_as: ShortText | None = None
    file_sha256: Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$")] | None = None


class Graded(Record, frozen=True, kw_only=True):
    """A grade for a part of the method that is no number: formula, eligibility, caps ..."""

    grade: Grade
    source: Slug | None
    note: Texts | None = None


class Grades(Record, frozen=True, kw_only=True):
    """The grades of the parts of a methodology that are not values."""

    formula: Graded
    eligibility: Graded
    caps: Graded
    rounding: Graded
    validity: Graded


class DatedValue(Record, frozen=True, kw_only=True):
    """One value and the days on which it holds. `source` names an entry of `sources`."""

    value: NumberText | None
    grade: Grade | None
    source: Slug | None
    clause: ShortText | None = None
    effective_from: date | None
    effective_to: date | None
    still_valid_on: date | None
    review_by: date | None
    borrowed_from: Annotated[str, Meta(pattern=r"^[a-z0-9-]+/v[0-9]+/[A-Za-z0-9_]+$")] | None = None
    note: Texts | None = None

    @property
    def number(self) -> Decimal | None:
        return None if self.value is None else Decimal(self.value)


class Parameter(Record, frozen=True, kw_only=True):
    """A constant of the formula, by name, with the values it had over time."""

    name: Name
    label: Texts
    unit: str
    values: Annotated[tuple[DatedValue, ...], Meta(min_length=1, max_length=50)]


class FactorRule(StrEnum):
    """Which edition of a factor set holds on a day.

    `latest_published`: the newest data year that was published by that day.
    `year_of_activity`: the edition whose data year is the day's year, else nothing.
    `year_of_activity_or_before`: the same, and where that year has no edition yet, the newest
    earlier data year; the trace names the year that was taken.
    """

    LATEST_PUBLISHED = "latest_published"
    YEAR_OF_ACTIVITY = "year_of_activity"
    YEAR_OF_ACTIVITY_OR_BEFORE = "year_of_activity_or_before"


class FactorUse(Record, frozen=True, kw_only=True):
    """A value taken from a factor set. `use_grade` grades taking it here, not the factor itself."""

    name: Name
    label: Texts
    set: Slug
    key: ShortText
    choose: FactorRule
    use_grade: Grade
    use_source: Slug | None
    use_note: Texts | None = None


class InputSpec(Record, frozen=True, kw_only=True):
    """Something that the formula reads from an activity.

    `integer`: a quantity with a unit and bounds. `enum`: a word from `values`; `by_activity` gives
    it where the activity type itself says it (metro.ride -> metro). `event`: the event itself,
    counted as one `unit`; it is never sent.
    """

    name: Name
    label: Texts
    kind: Literal["integer", "enum", "event"]
    unit: str | None = None
    min: int | None = None
    max: int | None = None
    values: Annotated[tuple[Slug, ...], Meta(max_length=32)] = ()
    by_activity: dict[Code, Slug] | None = None


class Step(Record, frozen=True, kw_only=True):
    """One line of the calculation. Steps may stand in any order; circles are refused."""

    name: Name
    label: Texts
    expression: str
    unit: str


class Rounding(Record, frozen=True, kw_only=True):
    """Results are whole milligrams, floored. Nothing else is offered."""

    to: Literal["mg"]
    mode: Literal["floor"]


class Prose(Record, frozen=True, kw_only=True):
    """What a verifier reads first. null where the text was not found."""

    applicability: Texts | None
    additionality: Texts | None
    boundary: Texts | None
    baseline: Texts | None
    leakage: Texts | None
    uncertainty: Texts | None
    monitoring: Texts | None
    crediting_period: Texts | None
    other_mechanisms: Texts | None


class Methodology(Record, frozen=True, kw_only=True):
    """One version of one methodology, whole."""

    id: Slug
    version: Annotated[int, Meta(ge=1, le=999)]
    title: Texts
    issuer: Texts
    region: ShortText
    published_at: date | None
    effective_from: date | None
    effective_to: date | None
    supersedes: Annotated[int, Meta(ge=1, le=999)] | None = None
    activity_types: Annotated[tuple[Code, ...], Meta(min_length=1, max_length=32)]
    grades: Grades
    prose: Prose
    notes: Annotated[tuple[Texts, ...], Meta(max_length=20)] = ()
    sources: Annotated[tuple[Source, ...], Meta(max_length=50)]
    inputs: Annotated[tuple[InputSpec, ...], Meta(min_length=1, max_length=MAX_NAMES)]
    parameters: Annotated[tuple[Parameter, ...], Meta(max_length=MAX_NAMES)] = ()
    factors: Annotated[tuple[FactorUse, ...], Meta(max_length=MAX_NAMES)] = ()
    steps: Annotated[tuple[Step, ...], Meta(min_length=1, max_length=MAX_STEPS)]
    result: Name
    rounding: Rounding
    negative: Literal["refuse", "zero", "keep"]

    def source(self, name: str | None) -> Source | None:
        return next((source for source in self.sources if source.name == name), None)


class Edition(Record, frozen=True, kw_only=True):
    """The factors of one data year. A later edition never replaces an earlier one."""

    data_year: Annotated[int, Meta(ge=1990, le=2100)]
    document: ShortText
    number: ShortText | None
    address: ShortText | None
    read_as: ShortText | None = None
    published_at: date | None
    applies_from: date | None
    applies_to: date | None
    still_valid_on: date | None
    review_by: date | None
    grade: Grade
    note: Texts | None = None
    values: dict[str, NumberText]


class FactorSet(Record, frozen=True, kw_only=True):
    """`methodologies/factors/<name>.yaml`: published factors, versioned apart from methods."""

    name: Slug
    version: Annotated[int, Meta(ge=1, le=999)]
    title: Texts
    issuer: Texts
    unit: str
    notes: tuple[Texts, ...] = ()
    editions: Annotated[tuple[Edition, ...], Meta(min_length=1, max_length=60)]

    def edition(self, rule: FactorRule, on: date) -> Edition | None:
        """The edition that `rule` takes for activity on `on`, or None where there is none."""
        fitting = [e for e in self.editions if _applies(e, on)]
        if rule is FactorRule.LATEST_PUBLISHED:
            fitting = [e for e in fitting if e.published_at is not None and e.published_at <= on]
        elif rule is FactorRule.YEAR_OF_ACTIVITY:
            fitting = [e for e in fitting if e.data_year == on.year]
        else:
            fitting = [e for e in fitting if e.data_year <= on.year]
        return max(fitting, key=lambda e: e.data_year, default=None)


def _applies(edition: Edition, on: date) -> bool:
    return holds(edition.applies_from, edition.applies_to, on)


def holds(start: date | None, end: date | None, on: date) -> bool:
    """Whether `on` is in the half-open period; None is unbounded."""
    return (start is None or start <= on) and (end is None or on < end)
