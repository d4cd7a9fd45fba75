"""Worked cases: what a methodology must answer, computed by hand from its source.

`cases.yaml` beside each `methodology.yaml`: named inputs, a date, and the expected milligrams or the
code of the refusal. Inputs are as the formula takes them: numbers, and words of history, facts and
evidence by input name. A version without green cases is not published.
"""

import re
from datetime import date
from typing import Annotated

from msgspec import Meta

from carbon_credit.methodology.definition import LongText, Record, ShortText, Slug
from carbon_credit.methodology.document import Document, convert, read_document
from carbon_credit.methodology.engine import CompiledMethodology, Evaluation, Refusal
from carbon_credit.methodology.errors import FileMissing, NameRepeated, ValueWrong
from carbon_credit.methodology.loader import CASES, Package

_NO_CASES = {
    True: "there is an overlay and no case with overlay: true; add one",
    False: "every case has overlay: true; add one of the version without it",
}
_INTEGER = re.compile(r"-?[0-9]{1,19}")


class Case(Record, frozen=True, kw_only=True):
    """One line of evidence. Exactly one of `expect_mg` and `expect_refusal` is given. `overlay`: it is
    about the version with the overlay, not about the plain one. `expect_pending`: whether the result
    is provisional until the end of the year, where the case is about that."""

    name: ShortText
    on: date
    earlier: bool = False
    overlay: bool = False
    inputs: dict[str, str]
    working: LongText | None = None
    expect_mg: int | None = None
    expect_pending: bool | None = None
    expect_refusal: Slug | None = None


class Cases(Record, frozen=True, kw_only=True):
    cases: Annotated[tuple[Case, ...], Meta(min_length=1, max_length=200)]


class CaseResult(Record, frozen=True, kw_only=True):
    """How a case went: `expected` and `found` are "388440 mg", "388440 mg, pending", or
    "refused: not-in-force"."""

    name: str
    expected: str
    found: str

    @property
    def passed(self) -> bool:
        return self.expected == self.found


def read_cases(package: Package) -> tuple[Case, ...]:
    """The cases of a package, those with `overlay` for the version with the overlay, the others for the
    plain one. Raises a DataError; all of the file is checked."""
    where = f"{package.methodology.id}/v{package.methodology.version}/{CASES}"
    if CASES not in package.files:
        raise FileMissing(file=where, line=0, key=CASES)
    document = read_document(package.files[CASES], where)
    cases = convert(document, Cases).cases
    for index, case in enumerate(cases):
        _check_case(document, cases, index, case)
    wanted = package.overlay is not None
    fitting = tuple(case for case in cases if case.overlay is wanted)
    if not fitting:
        raise document.refuse(ValueWrong, "cases", what=_NO_CASES[wanted])
    return fitting


def run_cases(package: Package) -> list[CaseResult]:
    """Every case of the package against its own formula. Raises a DataError if they cannot be read."""
    compiled = CompiledMethodology(package)
    return [_run(compiled, case) for case in read_cases(package)]


def _check_case(document: Document, cases: tuple[Case, ...], index: int, case: Case) -> None:
    if (case.expect_mg is None) == (case.expect_refusal is None):
        raise document.refuse(ValueWrong, "cases", index, what="give either expect_mg or expect_refusal")
    if case.name in [other.name for other in cases[:index]]:
        raise document.refuse(NameRepeated, "cases", index, "name", key=case.name)


def _run(compiled: CompiledMethodology, case: Case) -> CaseResult:
    # What does not look like an integer stays text, so that a case can show how 1.5 is refused.
    inputs = {name: int(text) if _INTEGER.fullmatch(text) else text for name, text in case.inputs.items()}
    answer = compiled.evaluate(inputs, on=case.on, earlier=case.earlier)
    expected = (
        f"refused: {case.expect_refusal}"
        if case.expect_mg is None
        else _result(case.expect_mg, case.expect_pending)
    )
    return CaseResult(name=case.name, expected=expected, found=_found(answer, case.expect_pending))


def _found(answer: Evaluation | Refusal, asked: bool | None) -> str:
    if isinstance(answer, Refusal):
        return f"refused: {answer.code}"
    return _result(answer.reduction_mg, None if asked is None else answer.pending)


def _result(milligrams: int, pending: bool | None) -> str:
    return f"{milligrams} mg" + ("" if pending is None else ", pending" if pending else ", not pending")
