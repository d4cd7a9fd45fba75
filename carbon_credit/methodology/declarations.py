"""What must be true of the declarations of a methodology beyond their shape: format, names, sources,
periods, inputs, units. The first fault is raised, with its line."""

from collections.abc import Iterator, Mapping
from datetime import date

from carbon_credit.kernel.quantity import MAX_QUANTITY
from carbon_credit.methodology import expression, units
from carbon_credit.methodology.definition import (
    DatedValue,
    FactorSet,
    Grade,
    InputSpec,
    Methodology,
    Tier,
)
from carbon_credit.methodology.document import Document
from carbon_credit.methodology.errors import (
    KeyMissing,
    NameRepeated,
    NameUndefined,
    PeriodEmpty,
    PeriodsOverlap,
    SourceMissing,
    UnitUnknown,
    ValueWrong,
)
from carbon_credit.methodology.inputs import bounds, is_number, words_of

_SECTIONS = ("inputs", "parameters", "factors", "steps")
# What format 1 has not, with the value that says that it is not used.
NEW_IN_FORMAT_2: Mapping[str, object] = {
    "number": None, "design": None, "missing": (), "changes": (), "eligibility": (), "exclusive": None,
    "split": "none", "netting": "event",
}  # fmt: skip
# kind: (keys that it needs, keys that it may have), besides name, label and kind.
_KEYS: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "integer": (("unit", "min", "max"), ()),
    "enum": (("values",), ("by_activity", "otherwise", "absent")),
    "event": (("unit",), ()),
    "history": (("unit", "of", "days", "take"), ("min", "max")),
    "fact": (("fact", "values"), ("otherwise", "absent")),
    "fact since": (("fact", "unit", "since"), ("min", "max")),
    "evidence": (("by_tier",), ("values", "otherwise", "absent")),
}
_DAY_UNITS = ("day", "1")  # of what counts days


def check(document: Document, methodology: Methodology, sets: Mapping[str, FactorSet]) -> None:
    """Raises the first DataError."""
    _check_format(document, methodology)
    _check_names(document, methodology)
    _check_period(document, methodology.effective_from, methodology.effective_to, ())
    _check_sources(document, methodology)
    for index, spec in enumerate(methodology.inputs):
        _check_input(document, spec, index)
    for index, step in enumerate(methodology.steps):
        _check_unit(document, step.unit, "steps", index)
    for index, parameter in enumerate(methodology.parameters):
        _check_unit(document, parameter.unit, "parameters", index)
    check_parameters(document, methodology)
    for index, use in enumerate(methodology.factors):
        if not any(use.key in edition.values for edition in sets[use.set].editions):
            known = ", ".join(sorted(sets[use.set].editions[-1].values))
            raise document.refuse(NameUndefined, "factors", index, "key", key=use.key, known=known)


def check_parameters(document: Document, methodology: Methodology) -> None:
    """Sources, grades and periods of the values. Raises the first DataError."""
    for index, parameter in enumerate(methodology.parameters):
        _check_values(document, methodology, parameter.values, index)


def declared(methodology: Methodology) -> Iterator[tuple[str, int, str]]:
    """(section, index, name) of everything that an expression may read, and should: all but the result."""
    for section in _SECTIONS:
        for index, entry in enumerate(getattr(methodology, section)):
            if entry.name != methodology.result:
                yield section, index, entry.name


def _check_format(document: Document, methodology: Methodology) -> None:
    if methodology.format == 1:
        _check_format_1(document, methodology)
        return
    if methodology.design is None:
        raise document.refuse(KeyMissing, "design")
    if methodology.prose is not None:
        what = "format 2 has `design` instead of prose; move the texts there"
        raise document.refuse(ValueWrong, "prose", what=what)
    if all(change.version != methodology.version for change in methodology.changes):
        what = f"say here what version {methodology.version} changes: a line with version, dated and text"
        raise document.refuse(ValueWrong, "changes", what=what)
    if methodology.supersedes is not None and methodology.supersedes >= methodology.version:
        raise document.refuse(ValueWrong, "supersedes", what="a version supersedes an earlier one, or null")
    if methodology.netting != "event" and methodology.negative != "keep":
        what = f"netting over a {methodology.netting} needs results below zero; write negative: keep"
        raise document.refuse(ValueWrong, "netting", what=what)
    if not methodology.missing:
        for index, parameter in enumerate(methodology.parameters):
            for at, value in enumerate(parameter.values):
                if value.value is None:
                    path = ("parameters", index, "values", at, "value")
                    what = "null needs an entry under `missing` that says what is lacking and where to get it"
                    raise document.refuse(ValueWrong, *path, what=what)


def _check_format_1(document: Document, methodology: Methodology) -> None:
    if methodology.prose is None:
        raise document.refuse(KeyMissing, "prose")
    for key, unused in NEW_IN_FORMAT_2.items():
        if getattr(methodology, key) != unused:
            what = "this needs format: 2 (and design in place of prose)"
            raise document.refuse(ValueWrong, key, what=what)
    for index, spec in enumerate(methodology.inputs):
        if spec.kind in ("history", "fact", "evidence") or spec.otherwise or spec.absent:
            what = f"an input of kind {spec.kind} like this needs format: 2"
            raise document.refuse(ValueWrong, "inputs", index, what=what)


def _check_names(document: Document, methodology: Methodology) -> None:
    seen: set[str] = set()
    for section in _SECTIONS:
        for index, entry in enumerate(getattr(methodology, section)):
            if entry.name in seen or entry.name in (*expression.FUNCTIONS, "if", "else"):
                raise document.refuse(NameRepeated, section, index, "name", key=entry.name)
            seen.add(entry.name)
    steps = [step.name for step in methodology.steps]
    if methodology.result not in steps:
        raise document.refuse(NameUndefined, "result", key=methodology.result, known=", ".join(steps))
    sources = [source.name for source in methodology.sources]
    for index, name in enumerate(sources):
        if name in sources[:index]:
            raise document.refuse(NameRepeated, "sources", index, "name", key=name)
    predicates = [predicate.name for predicate in methodology.eligibility]
    for index, name in enumerate(predicates):
        if name in predicates[:index]:
            raise document.refuse(NameRepeated, "eligibility", index, "name", key=name)


def _check_sources(document: Document, methodology: Methodology) -> None:
    known = {source.name for source in methodology.sources}
    for part in ("formula", "eligibility", "caps", "rounding", "validity"):
        graded = getattr(methodology.grades, part)
        _check_source(document, graded.source, known, ("grades", part))
        if graded.source is None and graded.grade is not Grade.ASSUMED:
            raise document.refuse(SourceMissing, "grades", part)
    for index, use in enumerate(methodology.factors):
        _check_source(document, use.use_source, known, ("factors", index))
        if use.use_source is None and use.use_grade is not Grade.ASSUMED:
            raise document.refuse(SourceMissing, "factors", index)
    for index, predicate in enumerate(methodology.eligibility):
        _check_source(document, predicate.source, known, ("eligibility", index))
        if predicate.source is None and predicate.grade is not Grade.ASSUMED:
            raise document.refuse(SourceMissing, "eligibility", index)


def _check_source(document: Document, name: str | None, known: set[str], path: tuple[str | int, ...]) -> None:
    if name is not None and name not in known:
        raise document.refuse(NameUndefined, *path, "source", key=name, known=", ".join(sorted(known)))


def _check_input(document: Document, spec: InputSpec, index: int) -> None:
    path = ("inputs", index)
    kind = "fact since" if spec.kind == "fact" and spec.since else spec.kind
    needed, allowed = _KEYS[kind]
    every = sorted({key for keys in _KEYS.values() for part in keys for key in part})
    values = {key: getattr(spec, key) for key in every}
    given = {key for key, value in values.items() if value is not None and value is not False and value != ()}
    wrong = [key for key in needed if key not in given and key != "unit"]  # units have an error of their own
    wrong += sorted(given - {*needed, *allowed})
    if wrong:
        more = f", may have {', '.join(allowed)}" if allowed else ""
        what = f"an input of kind {kind} has {', '.join(needed)}{more}, no more; mend {', '.join(wrong)}"
        raise document.refuse(ValueWrong, *path, what=what)
    for activity, word in (spec.by_activity or {}).items():
        if word not in words_of(spec):
            raise document.refuse(
                ValueWrong, *path, "by_activity", activity, what=f"{word} is not among values"
            )
    for tier, word in (spec.by_tier or {}).items():
        if spec.values and word not in words_of(spec):
            raise document.refuse(ValueWrong, *path, "by_tier", tier, what=f"{word} is not among values")
    if spec.by_tier is not None and spec.otherwise is None and len(spec.by_tier) < len(Tier):
        what = f"give a word for each of {', '.join(Tier)}, or `otherwise`"
        raise document.refuse(ValueWrong, *path, "by_tier", what=what)
    if "unit" in needed:
        _check_unit(document, spec.unit, *path)
        if (spec.since or spec.take == "days") and spec.unit not in _DAY_UNITS:
            what = f"this counts days; write unit: day, or {_DAY_UNITS[1]!r} for a plain number"
            raise document.refuse(ValueWrong, *path, "unit", what=what)
    least, greatest = bounds(spec)
    if is_number(spec) and not -MAX_QUANTITY <= least <= greatest <= MAX_QUANTITY:
        raise document.refuse(ValueWrong, *path, what="bounds are min <= max, within 64 bits; mend them")


def _check_unit(document: Document, unit: str | None, *path: str | int) -> None:
    try:
        units.scale(unit or "")
    except units.UnknownUnit:
        known = ", ".join(units.KNOWN_UNITS)
        raise document.refuse(UnitUnknown, *path, "unit", unit=unit or "(none)", known=known) from None


def _check_values(
    document: Document, methodology: Methodology, values: tuple[DatedValue, ...], at: int
) -> None:
    known = {source.name for source in methodology.sources}
    for index, value in enumerate(values):
        path = ("parameters", at, "values", index)
        _check_source(document, value.source, known, path)
        if value.value is not None and (value.source is None or value.grade is None):
            raise document.refuse(SourceMissing, *path)
        if value.borrowed_from is not None and value.grade is not Grade.ASSUMED:
            raise document.refuse(ValueWrong, *path, "grade", what="a borrowed value has the grade assumed")
        _check_period(document, value.effective_from, value.effective_to, path)
        for other in values[:index]:
            if _overlap(value.effective_from, value.effective_to, other.effective_from, other.effective_to):
                raise document.refuse(PeriodsOverlap, *path)


def _check_period(
    document: Document, start: date | None, end: date | None, path: tuple[str | int, ...]
) -> None:
    if start is not None and end is not None and end <= start:
        raise document.refuse(
            PeriodEmpty, *path, "effective_to" if path[:1] != ("editions",) else "applies_to"
        )


def _overlap(start: date | None, end: date | None, other_start: date | None, other_end: date | None) -> bool:
    first, second = start or date.min, other_start or date.min
    return first < (other_end or date.max) and second < (end or date.max)


def check_factor_set(document: Document, factor_set: FactorSet) -> None:
    """Unit known, one edition per data year, periods not empty."""
    _check_unit(document, factor_set.unit)
    years = [edition.data_year for edition in factor_set.editions]
    for index, edition in enumerate(factor_set.editions):
        if edition.data_year in years[:index]:
            raise document.refuse(NameRepeated, "editions", index, key=str(edition.data_year))
        _check_period(document, edition.applies_from, edition.applies_to, ("editions", index))
