"""The guide "write a methodology in ten minutes": its files and commands, from nothing."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import yaml

from carbon_credit.catalogue.library import library_problems

ROOT = Path(__file__).resolve().parents[2]
GUIDE = (ROOT / "docs/write-a-methodology.md").read_text("utf-8")
FILES = {match[1]: match[2] for match in re.finditer(r"```yaml\n# file: (\S+)\n(.*?)```", GUIDE, re.DOTALL)}
COMMANDS = [
    line for block in re.findall(r"```bash\n(.*?)```", GUIDE, re.DOTALL) for line in block.splitlines()
]


def run(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    program = f"{sys.executable} -c 'from carbon_credit.cli.main import main; main()'"
    there = os.environ | {"METHODOLOGIES_DIR": str(folder / "methodologies"), "PYTHONPATH": str(ROOT)}
    line = command.replace("carbon-credit ", f"{program} ", 1)
    return subprocess.run(
        line, shell=True, cwd=folder, env=there, capture_output=True, text=True, timeout=60, check=False
    )


def test_the_guide_works_from_nothing(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "methodologies", tmp_path / "methodologies")
    told = ""
    for command in COMMANDS:
        if command.startswith("carbon-credit"):  # the folder is made before, the files are written then
            for name, text in FILES.items():
                (tmp_path / name).write_text(text, encoding="utf-8")
        ran = run(command, tmp_path)
        assert ran.returncode == 0, f"{command}: {ran.stderr}"
        told += ran.stdout + ran.stderr
    assert "The library is sound." in told
    assert "2 cases passed, 0 failed" in told
    assert "减排量: 153.75 gCO2e" in told
    assert "Reduction: 153.75 gCO2e" in told


def test_the_binding_of_the_guide_is_accepted_by_a_rehearsal(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "methodologies", tmp_path / "methodologies")
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    [line] = re.findall(r"```yaml\n(- \{activity_type: bike.*?)\n```", GUIDE)
    profile = tmp_path / "methodologies/programmes/x-gd-gz.yaml"
    text = profile.read_text("utf-8")
    taken = [one for one in yaml.safe_load(text)["bindings"] if one["activity_type"] == "bike.ride"]
    assert taken, "the rehearsal has a bike of its own, which this one takes the place of"
    lines = [one for one in text.splitlines() if "activity_type: bike.ride" not in one]
    at = lines.index("bindings:") + 1
    profile.write_text("\n".join([*lines[:at], f"  {line}", *lines[at:], ""]), encoding="utf-8")
    assert library_problems(tmp_path / "methodologies") == []


def test_the_mistakes_that_the_guide_invites_are_named_with_their_line(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "methodologies", tmp_path / "methodologies")
    name = "methodologies/my-cargo-bike/v1/methodology.yaml"
    (tmp_path / name).parent.mkdir(parents=True)
    good = FILES[name]
    for wrong, code in (
        (good.replace("value: 61.5,", "value: 61.5e3,"), "yaml-feature-refused"),
        (good.replace("source: notice, clause: 第4条", "source: null, clause: 第4条"), "source-missing"),
        (good.replace("RF_cargo * distance_m", "RF_cargo + distance_m"), "dimension-wrong"),
    ):
        assert wrong != good
        (tmp_path / name).write_text(wrong, encoding="utf-8")
        [problem] = library_problems(tmp_path / "methodologies")
        assert problem.code == code
        assert re.search(r"line [0-9]+", problem.message("en"))
