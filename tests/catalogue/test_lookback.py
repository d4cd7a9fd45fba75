"""No refusal may hang on days that can still be reported: it would be final, the closing does not mend it."""

from pathlib import Path
from shutil import copytree

import pytest

from carbon_credit.catalogue.library import library_problems

LIBRARY = Path(__file__).resolve().parents[2] / "methodologies"
FILE = "sz-household-electricity/v1/methodology.yaml"
CONDITION = """eligibility:
  - {name: week, label: {zh: 七日, en: A week}, test: TEST, grade: assumed, source: null}
steps:
"""
FROM_AVERAGE = '"max(0, average - actual) if previous_days >= window else 0"'


def problems(tmp_path: Path, old: str, new: str) -> list[str]:
    root = tmp_path / "methodologies"
    copytree(LIBRARY, root)
    text = (root / FILE).read_text(encoding="utf-8")
    assert old in text
    (root / FILE).write_text(text.replace(old, new, 1), encoding="utf-8")
    return [one.message("en") for one in library_problems(root) if one.code == "value-wrong"]


@pytest.mark.parametrize(
    ("old", "new", "key", "what"),
    [
        (
            "steps:\n",
            CONDITION.replace("TEST", "previous_days >= window"),
            "eligibility[0].test",
            "condition",
        ),
        ("steps:\n", CONDITION.replace("TEST", "average > actual"), "eligibility[0].test", "previous_wh"),
        (
            FROM_AVERAGE,
            "average / previous_days * window - 0",
            "steps[3].expression",
            "divides by the history",
        ),
        (
            FROM_AVERAGE,
            "actual - max(0, average - actual) if previous_days >= window else 0",
            "negative",
            "previous_wh stands in a difference",
        ),
        (
            FROM_AVERAGE,
            "average - actual if previous_days >= window else 0",
            "negative",
            "previous_wh stands in a difference",
        ),
    ],
)
def test_a_refusal_that_hangs_on_history_is_no_sound_package(
    tmp_path: Path, old: str, new: str, key: str, what: str
) -> None:
    (told,) = problems(tmp_path, old, new)
    assert told.startswith(f"{FILE}, line ")
    assert f", {key}: " in told
    assert what in told


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (
            FROM_AVERAGE,
            '"max(0, average - actual) / previous_days * window if previous_days > 0 * window else 0"',
        ),
        ("negative: refuse", "negative: zero"),
    ],
)
def test_what_can_be_settled_later_is_taken(tmp_path: Path, old: str, new: str) -> None:
    assert problems(tmp_path, old, new) == []
