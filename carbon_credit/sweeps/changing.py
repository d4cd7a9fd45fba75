"""A change of a methodology with open eyes: tried over stored events first, then applied exactly as reported.

A report has a digest over every reduction that it is about. Applying goes portion by portion, and each
portion is compared with the report inside its own unit of work: what was not reported is never posted.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from carbon_credit.catalogue import queries as catalogue
from carbon_credit.catalogue.errors import MethodologyNotFound
from carbon_credit.catalogue.rules import ProgrammeRules
from carbon_credit.kernel.digest import canonical_json, sha256_hex
from carbon_credit.methodology.definition import Texts
from carbon_credit.methodology.engine import CompiledMethodology
from carbon_credit.quantification.applied import applied
from carbon_credit.quantification.calendar import days_of
from carbon_credit.quantification.errors import ReportDiffers, VersionNotGoverning
from carbon_credit.quantification.portions import Row, Span, portion_between
from carbon_credit.quantification.recomputing import Draft
from carbon_credit.quantification.reports import Report, is_left, told
from carbon_credit.sweeps import requantification


@dataclass(frozen=True, slots=True)
class Change:
    """A version, and the reductions of a period that it governs or would govern.

    `hindrance`: why it governs nothing there yet, so that it can only be tried; None where it does.
    """

    name: str
    digest: str
    period: str
    span: Span
    hindrance: Texts | None

    @property
    def heading(self) -> bytes:
        """What a report is about."""
        days = [self.span.first_day.isoformat(), self.span.last_day.isoformat()]
        return canonical_json([self.span.programme, self.name, self.digest, *days])

    def as_dict(self) -> dict[str, Any]:
        """JSON-able."""
        return {
            "programme": self.span.programme,
            "methodology": self.name,
            "version_digest": self.digest,
            "first_day": self.span.first_day,
            "last_day": self.span.last_day,
            "governs": self.hindrance is None,
            "hindrance": self.hindrance.en if self.hindrance else None,
            "hindrance_zh": self.hindrance.zh if self.hindrance else None,
        }

    def require_governing(self) -> None:
        """Raises VersionNotGoverning."""
        if self.hindrance is not None:
            raise VersionNotGoverning(
                name=self.name, programme=self.span.programme, period=self.period,
                why=self.hindrance.en, why_zh=self.hindrance.zh,
            )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Part:
    """A portion of a report in which something is to be done: whose, and the digest of its reductions."""

    day: date
    first: UUID
    last: UUID
    digest: str


def change_to(session: Session, *, programme: str, compiled: CompiledMethodology, period: str) -> Change:
    """The change to this version, which need not be in the catalogue.

    Where it governs, what it governs; else what it would. Raises PeriodUnclear, ProgrammeNotFound.
    """
    first, last = days_of(period)
    rules = catalogue.programme_rules(session, programme=programme)
    key = (compiled.id, compiled.version_name)
    types = _governed(rules, compiled, first, last)
    if types:
        span, hindrance = Span(programme, first, last, types, only=key), None
    else:
        would = _governed(rules.trying(compiled), compiled, first, last)
        span = Span(programme, first, last, would, draft=Draft(compiled), only=key)
        hindrance = _hindrance(session, rules, compiled)
    return Change("/".join(key), compiled.digest, period, span, hindrance)


def report_of(
    session: Session,
    *,
    change: Change,
    progress: Callable[[int], None] | None = None,
    parts: list[Part] | None = None,
) -> Report:
    """What the change would do and has done. Nothing is written. `parts` is given what is to be done."""
    found = Report(heading=change.heading)
    for portion, rows in requantification.plan(session, span=change.span):
        done = applied(session, span=change.span, portion=portion)
        found.add(rows, done)
        if parts is not None and any(not is_left(row) for row in rows):
            citizens = portion.citizens
            parts.append(Part(portion.day, citizens[0], citizens[-1], sha256_hex(told(rows, done))))
        if progress is not None:
            progress(portion.reductions)
    return found


def apply_part(session: Session, *, change: Change, part: Part, given: str, now: datetime) -> list[Row]:
    """Post one part in the caller's unit of work; what was posted, nothing where another run has done so.

    `given`: the digest of the report. Raises ReportDiffers where the outcome is another than reported.
    """
    portion = portion_between(session, span=change.span, day=part.day, first=part.first, last=part.last)
    rows = requantification.apply(session, span=change.span, portion=portion, now=now)
    # Read back, so that what is compared with the report is what is stored.
    done = applied(session, span=change.span, portion=portion)
    left = [row for row in rows if is_left(row)]
    if sha256_hex(told(left, done)) != part.digest:
        raise ReportDiffers(what=part.day.isoformat(), given=given[:12], posted_mg=0)
    return [row for row in rows if not is_left(row)]


def _governed(
    rules: ProgrammeRules, compiled: CompiledMethodology, first: date, last: date
) -> frozenset[str]:
    """The activities that exactly this version governs on any day of the period."""
    return frozenset(
        kind
        for kind in compiled.methodology.activity_types
        if any(
            found is not None and found.digest == compiled.digest
            for found in (rules.governing(kind, day) for day in _days(first, last))
        )
    )


def _days(first: date, last: date) -> Iterator[date]:
    return (date.fromordinal(day) for day in range(first.toordinal(), last.toordinal() + 1))


def _hindrance(session: Session, rules: ProgrammeRules, compiled: CompiledMethodology) -> Texts:
    try:
        known = catalogue.version(session, methodology_id=compiled.id, version=compiled.version_name)
    except MethodologyNotFound:
        return Texts(en="it is not in the catalogue", zh="目录中没有该版本")
    if known.digest != compiled.digest:
        return Texts(en="the catalogue holds other bytes under this name", zh="目录中同名版本的内容不同")
    if known.state == "published" and known.published_for == "rehearsal" and not rules.rehearsal:
        return Texts(en="it is published for rehearsals only", zh="该版本仅为演练发布")
    if known.state == "published":
        return Texts(
            en="no binding of the programme leads to it on these days", zh="该项目在此期间未绑定该版本"
        )
    if known.state == "retired":
        return Texts(en="it is retired", zh="该版本已停用")
    return Texts(en="it is a draft", zh="该版本尚为草案")
