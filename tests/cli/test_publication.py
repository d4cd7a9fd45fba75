"""The methodology office at the command line."""

import shutil
from pathlib import Path

import pytest

from carbon_credit.kernel.settings import HOME
from tests.catalogue.conftest import ID, package
from tests.cli.conftest import Run


@pytest.fixture
def operators(run: Run) -> list[str]:
    """Credentials of two operators of gd-sz."""
    told = [
        run("party", "add", "--programme", "gd-sz", "--role", "operator", "--name", name, "--json").json
        for name in ("Anna", "Boris")
    ]
    return [f"{one['client_id']}:{one['client_secret']}" for one in told]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A package in a folder."""
    path = tmp_path / ID / "v1"
    path.mkdir(parents=True)
    for name, data in package().items():
        (path / name).write_bytes(data)
    return path


def test_a_package_is_published_and_a_value_confirmed(
    run: Run, operators: list[str], folder: Path, tmp_path: Path
) -> None:
    office = ("--programme", "gd-sz", "--json")
    anna, boris = operators
    drafted = run("methodology", "upload", *office, "--as", anna, str(folder)).json
    assert (drafted["state"], drafted["version"]) == ("draft", "v1")
    assert run("methodology", "publish", *office, "--as", anna, f"{ID}/v1").json["state"] == "draft"
    run("methodology", "publish", *office, "--as", anna, f"{ID}/v1").refused("second-operator-needed")
    told = run("methodology", "publish", "--programme", "gd-sz", "--as", boris, f"{ID}/v1")
    assert "is published." in told.err
    shown = run("methodology", "parts", f"{ID}/v1")
    assert ["parameters.RF[0]", "46.8", "published"] in [line.split() for line in shown.out.splitlines()]
    listed = run("methodology", "parts", f"{ID}/v1", "--json").json["parts"]
    assert {"part": "parameters.RF[0]", "stated": "46.8", "grade": "published"} in listed
    document = tmp_path / "official.pdf"
    document.write_bytes(b"%PDF-1.7")
    finding = (f"{ID}/v1", "parameters.RF[0]", "46.8", "--file", str(document), "--document", "Official",
               "--number", "No. 12", "--clause", "Table 3")  # fmt: skip
    first = run("methodology", "confirm", *office, "--as", anna, *finding).json
    assert first["draft"] is None
    second = run("methodology", "confirm", *office, "--as", boris, *finding).json
    assert (second["grade"], second["draft"]) == ("official", f"{ID}/v2")
    wrong = [word if word != "46.8" else "46.7" for word in finding]
    run("methodology", "confirm", *office, "--as", anna, *wrong).refused("stated-value-differs")
    reason = ("--reason", "wrong")
    assert (
        run("methodology", "retire", *office, "--as", anna, f"{ID}/v1", *reason).json["state"] == "published"
    )
    assert (
        run("methodology", "retire", *office, "--as", boris, f"{ID}/v1", *reason).json["state"] == "retired"
    )


def test_a_set_of_factors_comes_along(run: Run, operators: list[str], tmp_path: Path) -> None:
    folder = tmp_path / "v2"
    shutil.copytree(HOME / "methodologies" / "household-electricity" / "v1", folder)
    path = folder / "methodology.yaml"
    path.write_text(
        path.read_text(encoding="utf-8").replace("\nversion: 1\n", "\nversion: 9\n"), encoding="utf-8"
    )
    told = run(
        "methodology", "upload", "--programme", "gd-sz", "--as", operators[0], "--json", str(folder)
    ).json
    assert (told["version"], told["state"]) == ("v9", "draft")


def test_who_acts_must_be_said(run: Run, folder: Path) -> None:
    told = run("methodology", "upload", "--programme", "gd-sz", str(folder))
    assert told.status == 2
    assert "--as CLIENT_ID:SECRET" in told.err


def test_the_lock_is_lengthened(run: Run, folder: Path, tmp_path: Path) -> None:
    library = tmp_path / "methodologies"
    shutil.copytree(HOME / "methodologies", library)
    shutil.copytree(folder.parent, library / ID)
    told = run("methodology", "lock", ID, "--json", METHODOLOGIES_DIR=str(library)).json
    assert told == {"added": [f"{ID}/v1"], "drafts": {}}
    told = run("methodology", "lock", ID, "--json", METHODOLOGIES_DIR=str(library)).json
    assert told == {"added": [], "drafts": {}}
    assert run("methodology", "lint", METHODOLOGIES_DIR=str(library)).status == 0
