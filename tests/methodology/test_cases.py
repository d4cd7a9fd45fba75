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
