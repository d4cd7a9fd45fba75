"""The parts of a version that somebody can confirm, what each says, and how one is raised to `official`.

grades.formula · grades.eligibility · grades.caps · grades.rounding · grades.validity
parameters.RF_metro[0]               a value, by its place among those of its parameter
factors.EF_grid                      the taking of a factor, by this key and rule
factor-set cn-grid-average-v1[2021]  the values of a data year that the methodology takes
eligibility.no-pv                    a condition
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from carbon_credit.methodology.definition import Grade, Methodology, Source
from carbon_credit.methodology.loader import Package

_GRADED = ("formula", "eligibility", "caps", "rounding", "validity")
NOTHING_STATED = "-"
_NUMBER = re.compile(r"([^=;<>! ]+=)?(-?[0-9]+(?:\.[0-9]+)?)")
_INDEX = re.compile(r"(parameters\.[A-Za-z0-9_]+)\[[0-9]+\]")
_SET_NAME = re.compile(r"factor-set [a-z0-9-]+(\[[0-9]+\])")


@dataclass(frozen=True, slots=True)
class Part:
    """`stated`: what the version says here, as text ("46.8", "广东=0.4715", a formula); None where it has
    no value. `file_sha256`: of the document by which it was confirmed."""

    name: str
    stated: str | None
    grade: Grade | None
    file_sha256: str | None

    @property
    def lasting(self) -> str:
        """The name without what differs between versions that say the same: places and names of sets."""
        return lasting_name(self.name)


def lasting_name(name: str) -> str:
    """`name` of a part without the place of its value and the name of its factor set."""
    return _SET_NAME.sub(r"factor-set \1", _INDEX.sub(r"\1", name))


def parts_of(package: Package) -> dict[str, Part]:
    """Every part of a version by name, in the order of the file."""
    return {part.name: part for part in _parts(package)}


def same_statement(given: str, stated: str) -> bool:
    """Whether two texts state the same: numbers by value, a single keyed value also without its key,
    everything else but for spaces."""
    said, found = _NUMBER.fullmatch(given.strip()), _NUMBER.fullmatch(stated)
    if said is None or found is None:
        return "".join(given.split()) == "".join(stated.split())
    return said[1] in (None, found[1]) and Decimal(said[2]) == Decimal(found[2])


def raise_part(
    name: str, methodology: dict[str, Any], sets: dict[str, dict[str, Any]], source: dict[str, Any]
) -> None:
    """Give the part the grade `official` and `source`, an entry of the methodology's `sources`.

    `methodology` and `sets` are the plain data of the files; they are changed in place.
    """
    kind, _, rest = name.partition(".")
    if name.startswith("factor-set "):
        _raise_edition(name, methodology, sets, source)
        return
    changes: dict[str, Any] = {"grade": Grade.OFFICIAL.value, "source": source["name"]}
    if kind == "grades":
        methodology["grades"][rest] |= changes
    elif kind == "factors":
        use = _named(methodology["factors"], rest)
        use |= {"use_grade": Grade.OFFICIAL.value, "use_source": source["name"]}
    elif kind == "eligibility":
        _named(methodology["eligibility"], rest).update(changes, clause=source["clause"])
    else:
        parameter, _, at = rest.rstrip("]").partition("[")
        value = _named(methodology["parameters"], parameter)["values"][int(at)]
        value.pop("borrowed_from", None)
        value.update(changes, clause=source["clause"])


def _parts(package: Package) -> Iterator[Part]:
    method = package.methodology
    says = _general_statements(method)
    for name in _GRADED:
        graded = getattr(method.grades, name)
        yield Part(f"grades.{name}", says[name], graded.grade, _file_of(method.source(graded.source)))
    for parameter in method.parameters:
        for at, value in enumerate(parameter.values):
            name = f"parameters.{parameter.name}[{at}]"
            yield Part(name, value.value, value.grade, _file_of(method.source(value.source)))
    for use in method.factors:
        stated = f"{use.key} {use.choose.value}"
        yield Part(f"factors.{use.name}", stated, use.use_grade, _file_of(method.source(use.use_source)))
    for name, factor_set in package.factor_sets.items():
        keys = sorted({use.key for use in method.factors if use.set == name})
        for edition in factor_set.editions:
            taken = [f"{key}={edition.values[key]}" for key in keys if key in edition.values]
            if taken:
                part = f"factor-set {name}[{edition.data_year}]"
                yield Part(part, "; ".join(taken), edition.grade, edition.file_sha256)
    for predicate in method.eligibility:
        source = method.source(predicate.source)
        yield Part(f"eligibility.{predicate.name}", predicate.test, predicate.grade, _file_of(source))


def _general_statements(method: Methodology) -> dict[str, str]:
    start, end = method.effective_from, method.effective_to
    return {
        "formula": "; ".join(f"{step.name} = {step.expression.strip()}" for step in method.steps),
        "eligibility": "; ".join(one.test for one in method.eligibility) or NOTHING_STATED,
        "caps": NOTHING_STATED,
        "rounding": f"{method.rounding.mode} {method.rounding.to}",
        "validity": f"{start or NOTHING_STATED}/{end or NOTHING_STATED}",
    }


def _file_of(source: Source | None) -> str | None:
    return source.file_sha256 if source else None


def _named(entries: list[dict[str, Any]], name: str) -> dict[str, Any]:
    return next(entry for entry in entries if entry["name"] == name)


def _raise_edition(
    name: str, methodology: dict[str, Any], sets: dict[str, dict[str, Any]], source: dict[str, Any]
) -> None:
    """A confirmed edition holds the confirmed values alone, in a version of the set of its own."""
    set_name, _, year = name.removeprefix("factor-set ").rstrip("]").partition("[")
    factor_set = sets[set_name]
    keys = {use["key"] for use in methodology["factors"] if use["set"] == set_name}
    edition = next(one for one in factor_set["editions"] if one["data_year"] == year)
    edition.pop("read_as", None)
    edition.update(
        document=source["document"],
        number=source["number"],
        address=source["address"],
        grade=Grade.OFFICIAL.value,
        clause=source["clause"],
        file_sha256=source["file_sha256"],
        values={key: value for key, value in edition["values"].items() if key in keys},
    )
