from collections.abc import Callable

import pytest

from carbon_credit.methodology.cases import read_cases, run_cases
from carbon_credit.methodology.errors import DataError, FileMissing, KeyMissing, NameRepeated, ValueWrong
from carbon_credit.methodology.loader import Package

Build = Callable[..., Package]
CASES = """\
cases:
  - {name: one, on: 2022-01-01, inputs: {distance_m: 8300}, expect_mg: 388440}
  - {name: two, on: 2022-01-01, inputs: {distance_m: 1.5}, expect_refusal: input-not-integer}
"""


def test_cases_pass_or_say_what_was_found(build: Build) -> None:
    assert all(result.passed for result in run_cases(build(files={"cases.yaml": CASES})))
    wrong = CASES.replace("388440", "388441").replace("input-not-integer", "not-in-force")
    first, second = run_cases(build(files={"cases.yaml": wrong}))
    assert (first.passed, first.expected, first.found) == (False, "388441 mg", "388440 mg")
    assert (second.passed, second.found) == (False, "refused: input-not-integer")


@pytest.mark.parametrize(
    ("old", "new", "error"),
    [
        (", expect_mg: 388440", "", ValueWrong),
        ("expect_mg: 388440", "expect_mg: 388440, expect_refusal: x", ValueWrong),
        ("name: two", "name: one", NameRepeated),
        ("on: 2022-01-01, ", "", KeyMissing),
        ("2022-01-01", "1 March", ValueWrong),
    ],
)
def test_cases_that_say_nothing_are_refused(build: Build, old: str, new: str, error: type[DataError]) -> None:
    package = build(files={"cases.yaml": CASES.replace(old, new, 1)})
    with pytest.raises(error, match=r"test-ride/v1/cases\.yaml"):
        read_cases(package)


def test_no_cases_are_no_evidence(build: Build) -> None:
    with pytest.raises(FileMissing):
        run_cases(build())


OVERLAY = """\
note: {zh: 演练, en: For rehearsal}
values:
  - {parameter: RF, value: 10, note: {zh: 占位, en: A placeholder}}
"""
BOTH = """\
cases:
  - {name: one, on: 2022-01-01, inputs: {distance_m: 8300}, expect_refusal: value-missing}
  - {name: two, on: 2022-01-01, inputs: {distance_m: 8300}, overlay: true, expect_mg: 83000}
"""


def test_cases_of_the_overlay_are_about_the_version_with_it(build: Build) -> None:
    unknown = ("value: 46.8", "value: null")
    plain = build(unknown, files={"cases.yaml": BOTH})
    rehearsed = build(unknown, files={"cases.yaml": BOTH, "overlay.yaml": OVERLAY})
    assert [(case.name, case.passed) for case in run_cases(plain)] == [("one", True)]
    assert [(case.name, case.passed) for case in run_cases(rehearsed)] == [("two", True)]
    with pytest.raises(ValueWrong, match="no case with overlay: true"):
        read_cases(build(unknown, files={"cases.yaml": CASES, "overlay.yaml": OVERLAY}))
    only = BOTH.replace("expect_refusal: value-missing", "overlay: true, expect_mg: 83000")
    with pytest.raises(ValueWrong, match="add one of the version without it"):
        read_cases(build(unknown, files={"cases.yaml": only}))


def test_a_case_may_ask_whether_the_result_is_provisional(build: Build, format_2: str) -> None:
    inputs = (
        "{energy_wh: 9000, past_wh: 70000, past_days: 7, solar: no, tariff: WORD, age: 1, proof: reading}"
    )
    case = f"  - {{name: WORD, on: 2022-01-01, inputs: {inputs}, expect_mg: 500000, expect_pending: ASKED}}\n"
    text = "cases:\n" + "".join(
        case.replace("WORD", word).replace("ASKED", asked)
        for word, asked in (("undecided", "true"), ("first", "false"), ("second", "true"))
    )
    results = run_cases(build(text=format_2, files={"cases.yaml": text}))
    assert [result.passed for result in results] == [True, True, False]
    assert (results[2].expected, results[2].found) == ("500000 mg, pending", "500000 mg, not pending")
