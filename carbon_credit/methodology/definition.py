"""The words of a methodology: what a `methodology.yaml` and a factor set say, as frozen structs.

Amounts are kept as the text that the file has ("0.4190"), because that is what an auditor compares
with the source; `number` gives the Decimal. Periods are half-open: `effective_to` is the first day
on which the value no longer holds. null means that nothing is known; it is never filled in.
"""

from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Literal

from msgspec import Meta

from carbon_credit.methodology.design import Design, Prose
from carbon_credit.methodology.grades import Grade as Grade
from carbon_credit.methodology.grades import Tier as Tier
from carbon_credit.methodology.grades import grade_of as grade_of
from carbon_credit.methodology.grades import worst as worst
from carbon_credit.methodology.grades import worst_tier as worst_tier
from carbon_credit.methodology.words import Code as Code
from carbon_credit.methodology.words import FileDigest as FileDigest
from carbon_credit.methodology.words import LongText as LongText
from carbon_credit.methodology.words import Name as Name
from carbon_credit.methodology.words import NumberText as NumberText
from carbon_credit.methodology.words import Record as Record
from carbon_credit.methodology.words import ShortText as ShortText
from carbon_credit.methodology.words import Slug as Slug
from carbon_credit.methodology.words import Texts as Texts

MAX_STEPS = 32
MAX_NAMES = 64


class Source(Record, frozen=True, kw_only=True):
    """Where something was read. `read_as` says what the text at hand was, when not the original.

    `clause` and `file_sha256` stand where operators have confirmed a value by the official document.
    """

    name: Slug
    document: ShortText
    number: ShortText | None = None
    address: ShortText | None = None
    dated: date | None = None
    read_as: ShortText | None = None
    clause: ShortText | None = None
    file_sha256: FileDigest | None = None


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

    def expired(self, on: date) -> bool:
        """Whether the last value that is known ended by `on`."""
        ended = any(value.effective_to is not None and value.effective_to <= on for value in self.values)
        return ended and not any((value.effective_to or date.max) > on for value in self.values)


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
    """Something that the formula, or a test of eligibility, reads about an activity.

    `integer`: a quantity of the event, with a unit and bounds. `enum`: a word of the event from
    `values`; `by_activity` gives it where the activity type itself says it (metro.ride -> metro).
    `event`: the event itself, counted as one `unit`; it is never sent.

    `history`: of the same citizen's events of the same activity type on the `days` business days
    before this one: `take: sum` adds up their field `of`, `take: days` counts the days that have one.
    `fact`: what the programme knows about the citizen or the household under the name `fact`: a
    word from `values`, or with `since` the days from the date that the fact states to the activity.
    `evidence`: a word by the tier of the event's data (`by_tier`): a record or a mere check-in.

    For words, `otherwise` is taken for a word outside `values`, `absent` where nothing is said;
    without them both are refused.
    """

    name: Name
    label: Texts
    kind: Literal["integer", "enum", "event", "history", "fact", "evidence"]
    unit: str | None = None
    min: int | None = None
    max: int | None = None
    values: Annotated[tuple[Slug, ...], Meta(max_length=32)] = ()
    by_activity: dict[Code, Slug] | None = None
    otherwise: Slug | None = None
    absent: Slug | None = None
    of: Name | None = None
    days: Annotated[int, Meta(ge=1, le=366)] | None = None
    take: Literal["sum", "days"] | None = None
    fact: Slug | None = None
    since: bool = False
    by_tier: dict[Tier, Slug] | None = None


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


class Predicate(Record, frozen=True, kw_only=True):
    """One condition of eligibility: a comparison in the language of steps (`capacity_w <= largest`,
    `pv_owner == "no"`). Where it does not hold, the answer is the refusal `not-eligible`.

    `decided: year`: known only when the calendar year is over (a tariff tier). Until its fact is
    there (the input has its `absent` word) the result counts provisionally and is not for sale.
    """

    name: Slug
    label: Texts
    test: str
    decided: Literal["event", "year"] = "event"
    grade: Grade
    source: Slug | None
    clause: ShortText | None = None
    note: Texts | None = None


class Exclusive(Record, frozen=True, kw_only=True):
    """Of records of one trip only the best evidence counts. Two events of a citizen are one trip when
    their times, widened by `within_s`, overlap."""

    within_s: Annotated[int, Meta(ge=0, le=86_400)]


class Gap(Record, frozen=True, kw_only=True):
    """Something that a draft lacks, and where to get it."""

    what: Texts
    where: Texts


class Change(Record, frozen=True, kw_only=True):
    """One line of the change log."""

    version: Annotated[int, Meta(ge=1, le=999)]
    dated: date
    text: Texts


class Methodology(Record, frozen=True, kw_only=True):
    """One version of one methodology, whole.

    Format 1 has `prose`; format 2, which every new file has, `design`, and may use everything here.
    `number` is the number in the list of known methodologies (M2). `split: days` divides an event that
    covers a period by days wherever version, value, year, occupant or a fact that is read changes.
    `netting` is the span in which results below zero are set off against the others (with `negative: keep`).
    """

    id: Slug
    format: Literal[1, 2] = 1
    number: Annotated[str, Meta(pattern=r"^M[0-9]{1,2}[a-z]?$")] | None = None
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
    prose: Prose | None = None
    design: Design | None = None
    missing: Annotated[tuple[Gap, ...], Meta(max_length=40)] = ()
    changes: Annotated[tuple[Change, ...], Meta(max_length=100)] = ()
    notes: Annotated[tuple[Texts, ...], Meta(max_length=20)] = ()
    sources: Annotated[tuple[Source, ...], Meta(max_length=50)]
    inputs: Annotated[tuple[InputSpec, ...], Meta(min_length=1, max_length=MAX_NAMES)]
    parameters: Annotated[tuple[Parameter, ...], Meta(max_length=MAX_NAMES)] = ()
    factors: Annotated[tuple[FactorUse, ...], Meta(max_length=MAX_NAMES)] = ()
    eligibility: Annotated[tuple[Predicate, ...], Meta(max_length=20)] = ()
    exclusive: Exclusive | None = None
    split: Literal["none", "days"] = "none"
    steps: Annotated[tuple[Step, ...], Meta(min_length=1, max_length=MAX_STEPS)]
    result: Name
    rounding: Rounding
    negative: Literal["refuse", "zero", "keep"]
    netting: Literal["event", "day", "month", "year"] = "event"

    def source(self, name: str | None) -> Source | None:
        return next((source for source in self.sources if source.name == name), None)


class OverlayValue(Record, frozen=True, kw_only=True):
    """A stand-in for a value that is null: borrowed from a named value, or an evident placeholder."""

    parameter: Name
    value: NumberText
    borrowed_from: Annotated[str, Meta(pattern=r"^[a-z0-9-]+/v[0-9]+/[A-Za-z0-9_]+$")] | None = None
    note: Texts


class Overlay(Record, frozen=True, kw_only=True):
    """`overlay.yaml` beside a methodology: makes the version `vN+sandbox`, which only a rehearsal loads.

    Every value in it is `assumed`, and takes the place of null alone.
    """

    note: Texts
    values: Annotated[tuple[OverlayValue, ...], Meta(min_length=1, max_length=MAX_NAMES)]


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
    clause: ShortText | None = None
    file_sha256: FileDigest | None = None
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
        """The edition that `rule` takes for activity on `on`, or None where there is none. Where its
        application has ended, an older edition never takes its place."""
        edition = self.named(rule, on)
        return edition if edition is not None and not _over(edition, on) else None

    def expired(self, rule: FactorRule, on: date) -> bool:
        """Whether there is none because the application of the edition that `rule` names has ended."""
        edition = self.named(rule, on)
        return edition is not None and _over(edition, on)

    def named(self, rule: FactorRule, on: date) -> Edition | None:
        """The edition that `rule` means on `on`, whether or not its application has ended."""
        fitting = [e for e in self.editions if e.applies_from is None or e.applies_from <= on]
        if rule is FactorRule.LATEST_PUBLISHED:
            fitting = [e for e in fitting if e.published_at is not None and e.published_at <= on]
        elif rule is FactorRule.YEAR_OF_ACTIVITY:
            fitting = [e for e in fitting if e.data_year == on.year]
        else:
            fitting = [e for e in fitting if e.data_year <= on.year]
        return max(fitting, key=lambda e: e.data_year, default=None)


def _over(edition: Edition, on: date) -> bool:
    return edition.applies_to is not None and edition.applies_to <= on


def holds(start: date | None, end: date | None, on: date) -> bool:
    """Whether `on` is in the half-open period; None is unbounded."""
    return (start is None or start <= on) and (end is None or on < end)
