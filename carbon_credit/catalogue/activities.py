"""Activity types: what partners may report, as data, and a fast check of one event's `data`.

`methodologies/activities.yaml` is the definition. Everything that is checked in bulk, shown in the
API's schemas or read by a methodology comes from it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from msgspec import Meta

from carbon_credit.kernel.quantity import MAX_QUANTITY
from carbon_credit.methodology import units
from carbon_credit.methodology.definition import Code, Name, Record, Slug, Texts, Tier
from carbon_credit.methodology.document import Document, convert, read_document
from carbon_credit.methodology.errors import FileMissing, NameRepeated, NameUndefined, UnitUnknown, ValueWrong

FILE = "activities.yaml"
# How the units of fields read in a sentence; a unit that is a word already stands as it is.
_IN_WORDS = {
    "1": "",
    "pm": "metres",
    "vm": "metres",
    "m": "metres",
    "s": "seconds",
    "g": "grams",
    "mgCO2e": "milligrams of carbon dioxide",
    "mL": "millilitres",
    "mL/vkm": "millilitres per kilometre",
    "W": "watts",
    "Wh": "watt-hours",
    "passenger": "passengers",
    "step": "steps",
    "item": "items",
    "m2": "square metres",
    "person": "persons",
}


class FieldSpec(Record, frozen=True, kw_only=True):
    """One field of an activity's data. `max` is the greatest quantity, or the length of a text."""

    name: Name
    label: Texts
    kind: Literal["integer", "enum", "text"]
    unit: str | None = None
    min: int | None = None
    max: int | None = None
    values: Annotated[tuple[Slug, ...], Meta(max_length=32)] = ()
    required: bool = False
    detail: bool = False


class _TierSpec(Record, frozen=True, kw_only=True):
    field: Name
    otherwise: Tier
    words: dict[Slug, Tier]


class _TypeSpec(Record, frozen=True, kw_only=True):
    code: Code
    scene: Annotated[str, Meta(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=32)]
    label: Texts
    tier_field: Name | None = None
    fields: Annotated[tuple[FieldSpec, ...], Meta(min_length=1, max_length=32)]


class _ActivitiesFile(Record, frozen=True, kw_only=True):
    tiers: tuple[_TierSpec, ...]
    types: Annotated[tuple[_TypeSpec, ...], Meta(min_length=1, max_length=200)]


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with one field. Never holds the value that was sent."""

    code: str
    field: str
    detail: str

    def __str__(self) -> str:
        return f"{self.detail} - at `$.data.{self.field}`"


@dataclass(frozen=True)
class ActivityType:
    """One type of activity. `tiers`: word of `tier_field` -> tier; `otherwise` without the word."""

    code: str
    scene: str
    label: Texts
    fields: Mapping[str, FieldSpec]
    required: tuple[str, ...]
    details: frozenset[str]
    tier_field: str | None
    tiers: Mapping[str, Tier]
    otherwise: Tier
    # (class of the value, least, greatest, allowed words): what `validate` runs over.
    _checks: Mapping[str, tuple[Any, int, int, frozenset[str]]] = field(repr=False, compare=False)


def validate(activity: ActivityType, data: Mapping[str, Any]) -> list[Problem]:
    """Everything that is wrong with an event's `data`; empty when it is as defined.

    Integers are integers: true, 1.0 and "1" are refused. Codes: field-unknown, field-missing,
    field-not-integer, field-out-of-bounds, field-not-text, field-not-listed, field-length.
    """
    problems = []
    checks = activity._checks
    for name, value in data.items():
        check = checks.get(name)
        if check is None:
            known = ", ".join(checks)
            problems.append(
                Problem("field-unknown", str(name)[:64], f"Unknown field; {activity.code} has {known}")
            )
            continue
        kind, lowest, highest, words = check
        if value.__class__ is kind:
            if kind is int:
                if lowest <= value <= highest:
                    continue
            elif words:
                if value in words:
                    continue
            elif lowest <= len(value) <= highest and value.isprintable():
                continue
        problems.append(_problem(activity.fields[name], value))
    for name in activity.required:
        if name not in data:
            problems.append(Problem("field-missing", name, f"{activity.code} needs this field"))
    return problems


def split(activity: ActivityType, data: Mapping[str, Any]) -> tuple[dict[str, int | str], dict[str, str]]:
    """(quantities, details): what methodologies may read, and what is personal and kept apart."""
    details = activity.details
    if details.isdisjoint(data):
        return dict(data), {}
    quantities = {name: value for name, value in data.items() if name not in details}
    return quantities, {name: data[name] for name in data if name in details}


def tier_of(activity: ActivityType, data: Mapping[str, Any]) -> Tier:
    """How good the inputs of this event are, by the word that the partner gave for their source."""
    word = data.get(activity.tier_field) if activity.tier_field else None
    return activity.tiers.get(word, activity.otherwise) if word else activity.otherwise


def read_activities(data: bytes, *, file: str = FILE) -> dict[str, ActivityType]:
    """Activity types by code. Raises a DataError naming file, line and key."""
    document = read_document(data, file)
    parsed = convert(document, _ActivitiesFile)
    tiers = {spec.field: spec for spec in parsed.tiers}
    types: dict[str, ActivityType] = {}
    for index, spec in enumerate(parsed.types):
        if spec.code in types:
            raise document.refuse(NameRepeated, "types", index, "code", key=spec.code)
        types[spec.code] = _activity(document, index, spec, tiers)
    return types


def load_activities(root: Path) -> dict[str, ActivityType]:
    """The activity types of a library folder (`methodologies/`)."""
    path = root / FILE
    if not path.is_file():
        raise FileMissing(file=str(path), line=0, key=FILE)
    return read_activities(path.read_bytes())


def _activity(document: Document, at: int, spec: _TypeSpec, tiers: Mapping[str, _TierSpec]) -> ActivityType:
    names: set[str] = set()
    for index, one in enumerate(spec.fields):
        path = ("types", at, "fields", index)
        if one.name in names:
            raise document.refuse(NameRepeated, *path, "name", key=one.name)
        names.add(one.name)
        _check_field(document, one, path)
    tier = tiers.get(spec.tier_field) if spec.tier_field else None
    if spec.tier_field is not None:
        source = next((one for one in spec.fields if one.name == spec.tier_field), None)
        if tier is None or source is None or set(source.values) != set(tier.words):
            known = ", ".join(tiers)
            raise document.refuse(NameUndefined, "types", at, "tier_field", key=spec.tier_field, known=known)
    return ActivityType(
        code=spec.code,
        scene=spec.scene,
        label=spec.label,
        fields={one.name: one for one in spec.fields},
        required=tuple(one.name for one in spec.fields if one.required),
        details=frozenset(one.name for one in spec.fields if one.detail),
        tier_field=spec.tier_field,
        tiers=tier.words if tier else {},
        otherwise=tier.otherwise if tier else Tier.DECLARED,
        _checks={one.name: _check(one) for one in spec.fields},
    )


def _check(one: FieldSpec) -> tuple[Any, int, int, frozenset[str]]:
    if one.kind == "integer":
        return int, one.min or 0, one.max or 0, frozenset()
    return str, 1, one.max or 0, frozenset(one.values)


def _check_field(document: Document, one: FieldSpec, path: tuple[str | int, ...]) -> None:
    if one.kind == "integer":
        try:
            units.scale(one.unit or "")
        except units.UnknownUnit:
            known = ", ".join(units.KNOWN_UNITS)
            raise document.refuse(
                UnitUnknown, *path, "unit", unit=one.unit or "(none)", known=known
            ) from None
        if one.min is None or one.max is None or not 0 <= one.min <= one.max <= MAX_QUANTITY:
            raise document.refuse(ValueWrong, *path, what="an integer field has bounds, 0 <= min <= max")
    if (one.kind == "enum") != bool(one.values):
        raise document.refuse(ValueWrong, *path, what="an enum field, and only that, has values")
    if one.kind == "text" and (one.max is None or not 1 <= one.max <= 256):
        raise document.refuse(ValueWrong, *path, what="a text field has max, a length of 1 to 256")
    if (one.kind == "text") != one.detail:
        raise document.refuse(
            ValueWrong, *path, what="a text field, and only that, is detail: free text is personal"
        )


def _problem(one: FieldSpec, value: object) -> Problem:
    if one.kind == "integer":
        unit = _IN_WORDS.get(one.unit or "", one.unit)
        if type(value) is not int:
            wanted = f"a whole number of {unit}" if unit else "a whole number"
            return Problem("field-not-integer", one.name, f"Expected {wanted}")
        return Problem("field-out-of-bounds", one.name, f"Expected {one.min} to {one.max} {unit}".rstrip())
    if not isinstance(value, str):
        return Problem("field-not-text", one.name, "Expected text")
    if one.kind == "enum":
        return Problem("field-not-listed", one.name, f"Expected one of {', '.join(one.values)}")
    return Problem("field-length", one.name, f"Expected 1 to {one.max} printable characters")
