"""`adapter list|show|check|try`, and the guide's example as it is written there."""

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from carbon_credit.cli.main import commands

GUIDE = Path(__file__).resolve().parents[2] / "docs" / "adapters.md"


def run(*arguments: str) -> Result:
    return CliRunner().invoke(commands, ["adapter", *arguments])


def block(kind: str, number: int = 0) -> str:
    """The guide's n-th block of this kind."""
    return re.findall(rf"```{kind}\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)[number]  # type: ignore[no-any-return]


def test_the_example_of_the_guide_works_as_written(tmp_path: Path) -> None:
    rows, mapping = tmp_path / "buses.csv", tmp_path / "buses.yaml"
    rows.write_text(block("csv"), encoding="utf-8")
    mapping.write_text(block("yaml"), encoding="utf-8")
    assert run("check", str(mapping)).exit_code == 0
    told = json.loads(run("try", str(mapping), str(rows), "--events", "1", "--json").stdout)
    del told["sha256"]
    assert told == json.loads(block("json"))
    # And as the company sends it.
    rows.write_text(block("csv"), encoding="gb18030")
    mapping.write_text(
        block("yaml").replace("{skip_rows: 1}", "{skip_rows: 1, encoding: gb18030}"), encoding="utf-8"
    )
    again = json.loads(run("try", str(mapping), str(rows), "--events", "1", "--json").stdout)
    del again["sha256"]
    assert again == told


def test_list_and_show() -> None:
    told = json.loads(run("list", "--json").stdout)
    assert {"shenzhen-card", "citibike", "generic-ride"} <= {one["name"] for one in told["adapters"]}
    assert "深圳" in run("list").stdout
    assert run("show", "citibike").stdout.startswith("# Bike trips")


def test_check_says_everything_that_is_wrong(tmp_path: Path) -> None:
    mapping = tmp_path / "buses.yaml"
    wrong = block("yaml").replace("unit: km", "unit: parsec").replace("type: bus.ride", "type: boat.ride")
    mapping.write_text(wrong, encoding="utf-8")
    found = run("check", str(mapping), "--json")
    assert found.exit_code == 1
    told = json.loads(found.stdout)
    assert told["sound"] is False
    assert [problem["line"] for problem in told["problems"]] == [13, 18]
    text = run("check", str(mapping))
    assert "boat.ride is not defined" in text.stdout
    assert "未定义" in text.stdout


@pytest.mark.parametrize("extra", [(), ("--json",)])
def test_try_shows_no_card(extra: tuple[str, ...], tmp_path: Path) -> None:
    rows, mapping = tmp_path / "buses.csv", tmp_path / "buses.yaml"
    rows.write_text(block("csv"), encoding="utf-8")
    mapping.write_text(block("yaml"), encoding="utf-8")
    shown = run("try", str(mapping), str(rows), *extra)
    assert shown.exit_code == 0
    assert "6230001" not in shown.output
    assert "time-malformed" in shown.output
