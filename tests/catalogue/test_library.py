import shutil
from pathlib import Path

import pytest

from carbon_credit.catalogue.library import library_problems, load_library
from carbon_credit.kernel.errors import CarbonError

LIBRARY = Path(__file__).resolve().parents[2] / "methodologies"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return Path(shutil.copytree(LIBRARY, tmp_path / "methodologies"))


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def test_the_library_is_sound() -> None:
    assert [problem.message("en") for problem in library_problems(LIBRARY)] == []
    assert load_library(LIBRARY).activities.keys() >= {"metro.ride", "electricity.period", "forest.period"}


@pytest.mark.parametrize(
    ("file", "old", "new", "codes"),
    [
        ("sz-public-transit/v1/cases.yaml", "expect_mg: 388440", "expect_mg: 388441", ["case-failed"]),
        ("sz-public-transit/v1/methodology.yaml", "unit: gCO2e\n", "unit: kWh\n", ["dimension-wrong"]),
        ("sz-public-transit/v1/methodology.yaml", "name: distance_m", "name: length_m", ["name-undefined"]),
        (
            "walking-sandbox/v1/methodology.yaml",
            "value: 46.8",
            "value: 46.7",
            ["borrowed-value-differs", "case-failed"],
        ),
        ("walking-sandbox/v1/methodology.yaml", "v1/RF_metro", "v9/RF_metro", ["borrowed-value-differs"]),
        ("walking-sandbox/v1/methodology.yaml", "unit: pm", "unit: vm", ["value-wrong"]),
        ("walking-sandbox/v1/methodology.yaml", "[walk]", "[walk, swim]", ["name-undefined"]),
        ("factors/cn-grid-average-v1.yaml", "data_year: 2022", "data_year: 2021", ["name-repeated"]),
        ("factors/cn-grid-average-v1.yaml", "广东: 0.4715", "广东: o.4715", ["value-wrong"]),
        ("programmes/gd-sz.yaml", "phase: pilot", "phase: soon", ["value-wrong"]),
        ("activities.yaml", "- code: walk", "- code: walks", ["name-undefined"]),
    ],
)
def test_what_is_wrong_is_found(root: Path, file: str, old: str, new: str, codes: list[str]) -> None:
    edit(root / file, old, new)
    found = library_problems(root)
    assert {problem.code for problem in found} >= set(codes)
    assert all(problem.details["file"] for problem in found)
    if not {"case-failed", "borrowed-value-differs", "dimension-wrong"} & set(codes):
        with pytest.raises(CarbonError):
            load_library(root)


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        # Bound by a rehearsal; a lender of others' values, and published.
        ("gz-metro/v1/methodology.yaml", "RF_metro * distance_m", "RF_metro ** distance_m"),
        ("gz-metro/v1/overlay.yaml", "parameter: RF_metro", "parameter: RF_tram"),
        ("sz-public-transit/v1/methodology.yaml", "region:", "regoin:"),
    ],
)
def test_who_names_a_faulty_version_is_not_blamed(root: Path, file: str, old: str, new: str) -> None:
    edit(root / file, old, new)
    found = [problem for problem in library_problems(root) if problem.code != "locked-differs"]
    assert [problem.details["file"] for problem in found] == [file]


def test_a_binding_that_names_nothing_is_told_the_names_that_are_near(root: Path) -> None:
    edit(root / "programmes/x-gd-gz.yaml", "methodology: gz-metro,", "methodology: gz-metr,")
    [problem] = library_problems(root)
    known = str(problem.details["known"])
    assert "gz-metro v1+sandbox" in known
    assert "wh-carpool" not in known


@pytest.mark.parametrize(
    "name",
    [
        "walking-sandbox/v2/methodology.yml",
        "walking-sandbox/2/methodology.yaml",
        "walking-sandbox/v2/cases.yaml",
        "walking-sandbox/v1/overlays.yaml",
        "programmes/old/gd-sz.yaml",
        "persona.yaml",
    ],
)
def test_a_file_that_nothing_reads_is_found(root: Path, name: str) -> None:
    (root / name).parent.mkdir(exist_ok=True)
    (root / name).write_text("id: x\n")
    (found,) = library_problems(root)
    assert (found.code, found.details["file"]) == ("data-file-unread", name)
    assert "Rename it" in found.message("en")


def test_a_package_without_cases_is_found(root: Path) -> None:
    (root / "walking-sandbox/v1/cases.yaml").unlink()
    assert "data-file-missing" in {problem.code for problem in library_problems(root)}


def test_a_folder_without_activities_is_told_so(tmp_path: Path) -> None:
    with pytest.raises(CarbonError):
        load_library(tmp_path)
