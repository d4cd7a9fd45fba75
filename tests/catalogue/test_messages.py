"""What `methodology lint` says of common mistakes: the file that is wrong, its line, the key and the fix."""

import shutil
from pathlib import Path

import pytest

from carbon_credit.catalogue.library import library_problems

LIBRARY = Path(__file__).resolve().parents[2] / "methodologies"
METRO = "gz-metro/v1/methodology.yaml"
OVERLAY = "sh-household-electricity/v1/overlay.yaml"
DIVIDED = ("(baseline_wh - energy_wh) * EF_grid", "(baseline_wh - energy_wh) * EF_grid * EF_grid / EF_grid")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "methodologies"
    for name in ("gz-metro", "sz-public-transit", "sh-household-electricity", "sh-distributed-pv", "factors"):
        shutil.copytree(LIBRARY / name, root / name)
    shutil.copy(LIBRARY / "activities.yaml", root)
    return root


def told(root: Path, file: str, *pairs: tuple[str, str]) -> list[str]:
    text = (root / file).read_text(encoding="utf-8")
    for old, new in pairs:
        assert old in text
        text = text.replace(old, new, 1)
    (root / file).write_text(text, encoding="utf-8")
    return [one.message("en") for one in library_problems(root)]


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ("grade: assumed", "grade: good", "'good' is not known here; write one of official, published,"),
        ("dated: 20", "dated: 20/", "this is no day of the calendar; write it as 2026-03-01"),
        ("region: 广州", "region: {}", "expected text"),
        ("id: gz-metro", "id: GZ metro", "write it in small letters and digits joined by -"),
    ],
)
def test_a_value_of_the_wrong_kind_is_told_what_it_should_be(
    root: Path, old: str, new: str, what: str
) -> None:
    (problem,) = told(root, METRO, (old, new))
    assert problem.startswith(f"{METRO}, line ")
    assert what in problem


def test_a_number_that_is_none_is_told_how_to_write_it(root: Path) -> None:
    (problem,) = told(root, OVERLAY, ("value: 0.42", 'value: "1,000"'))
    assert problem.startswith(f"{OVERLAY}, line 4, values[0].value: write it as a plain decimal number")


def test_what_an_overlay_does_wrong_is_found_in_the_overlay(root: Path) -> None:
    told(root, "sh-household-electricity/v1/methodology.yaml", DIVIDED)
    (problem,) = told(root, OVERLAY, ("value: 0.42", "value: 0"))
    assert problem.startswith(
        f"{OVERLAY}, line 4, values[0].value of EF_grid (steps[0].expression): the formula"
    )


def test_what_an_overlay_borrows_is_compared_where_it_stands(root: Path) -> None:
    problems = told(root, OVERLAY, ("borrowed_from: sh-distributed-pv", "borrowed_from: sh-nobody"))
    assert problems == [
        f"{OVERLAY}, line 5, values[0].borrowed_from: sh-nobody/v1/EF_grid holds no such value. Copy that "
        "value, or name another lender."
    ]


def test_an_overlay_fills_a_value_once(root: Path) -> None:
    text = (root / OVERLAY).read_text(encoding="utf-8")
    again = text[text.index("  - parameter") :]
    (problem,) = told(root, OVERLAY, (again, again + again))
    assert problem.startswith(f"{OVERLAY}, line 7: the name EF_grid is given twice")


def test_a_factor_set_that_is_not_there_is_named(root: Path) -> None:
    (root / "factors/cn-grid-average-v1.yaml").rename(root / "factors/cn-grid-average-v2.yaml")
    assert told(root, "factors/cn-grid-average-v2.yaml", ("average-v1", "average-v2")) == []
    shutil.copytree(LIBRARY / "household-electricity", root / "household-electricity")
    missing = [one for one in told(root, METRO) if one.startswith("household-electricity/")]
    assert len(missing) == 1
    assert "factors/cn-grid-average-v1.yaml is not defined. Known names: cn-" in missing[0]


def test_a_character_that_no_text_has_is_found_in_its_line(root: Path) -> None:
    (problem,) = told(root, METRO, ("\nregion: ", "\nregion: \0"))
    line = (root / METRO).read_text(encoding="utf-8").split("\0")[0].count("\n") + 1
    assert problem.startswith(f"{METRO}, line {line}: this is not valid YAML")
