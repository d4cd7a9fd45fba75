"""Invented people and their month, and what a methodology version makes of it.

`methodologies/personas.yaml` holds them; every version whose activity type they have can be compared on them.
"""

from calendar import monthrange
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Annotated

from msgspec import Meta, field

from carbon_credit.catalogue.activities import ActivityType, tier_of, validate
from carbon_credit.methodology.definition import Code, Record, Slug, Texts
from carbon_credit.methodology.document import convert, read_document
from carbon_credit.methodology.engine import CompiledMethodology, Refusal
from carbon_credit.methodology.errors import FileMissing, NameRepeated, NameUndefined, ValueWrong

FILE = "personas.yaml"
Take = Annotated[str, Meta(pattern="^(sum|days)$")]


class Act(Record, frozen=True, kw_only=True):
    """Something done `times` in the month. `history`: by what is taken (`sum`, `days`); `facts`: by name."""

    activity_type: Code
    times: Annotated[int, Meta(ge=1, le=1000)]
    data: dict[str, str]
    history: dict[Take, int] = field(default_factory=dict)
    facts: dict[Slug, str] = field(default_factory=dict)

    @property
    def quantities(self) -> dict[str, int | str]:
        """`data` with its numbers as integers: files hold everything as text."""
        return {name: int(text) if text.isdigit() else text for name, text in self.data.items()}


class Persona(Record, frozen=True, kw_only=True):
    """An invented person. `month`: what they do in a month."""

    code: Slug
    label: Texts
    month: Annotated[tuple[Act, ...], Meta(min_length=1, max_length=20)]


class _File(Record, frozen=True, kw_only=True):
    personas: Annotated[tuple[Persona, ...], Meta(min_length=1, max_length=100)]


@dataclass(frozen=True, slots=True)
class MonthResult:
    """A persona's month under one version. `refused`: code of a refusal -> how often."""

    reduction_mg: int
    events: int
    refused: Mapping[str, int]


def load_personas(root: Path, activities: Mapping[str, ActivityType]) -> tuple[Persona, ...]:
    """The personas of a library. Raises a DataError naming file, line and key."""
    path = root / FILE
    if not path.is_file():
        raise FileMissing(file=FILE, line=0, key=FILE)
    document = read_document(path.read_bytes(), FILE)
    personas = convert(document, _File).personas
    for index, persona in enumerate(personas):
        if persona.code in [other.code for other in personas[:index]]:
            raise document.refuse(NameRepeated, "personas", index, "code", key=persona.code)
        for place, act in enumerate(persona.month):
            where = ("personas", index, "month", place)
            if act.activity_type not in activities:
                known = ", ".join(activities)
                raise document.refuse(
                    NameUndefined, *where, "activity_type", key=act.activity_type, known=known
                )
            for problem in validate(activities[act.activity_type], act.quantities):
                raise document.refuse(ValueWrong, *where, "data", problem.field, what=problem.detail)
    return personas


def month_of(
    persona: Persona, compiled: CompiledMethodology, activities: Mapping[str, ActivityType], month: date
) -> MonthResult | None:
    """What `compiled` gives for the acts that it knows, day by day; None where it knows none of them.

    Caps and points are the programme's and stay out; results below zero are set off within the month.
    """
    total = events = 0
    refused: dict[str, int] = {}
    for act, on in _acts(persona, month):
        if act.activity_type not in compiled.methodology.activity_types:
            continue
        activity, data = activities[act.activity_type], act.quantities
        history = {need.name: act.history.get(need.take, 0) for need in compiled.history}
        inputs = compiled.inputs_of(
            act.activity_type, data, history=history, facts=act.facts,
            tier=tier_of(activity, data), on=on,
        )  # fmt: skip
        answer = compiled.evaluate(inputs, on=on)
        events += 1
        if isinstance(answer, Refusal):
            refused[answer.code] = refused.get(answer.code, 0) + 1
        else:
            total += answer.reduction_mg
    return MonthResult(max(total, 0), events, refused) if events else None


def _acts(persona: Persona, month: date) -> Iterator[tuple[Act, date]]:
    days = monthrange(month.year, month.month)[1]
    for act in persona.month:
        for place in range(act.times):
            yield act, month.replace(day=1 + place * days // act.times)
