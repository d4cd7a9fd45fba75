"""What needs no database: the library, worked cases, explanations, quantification offline."""

import re
import shutil
from pathlib import Path

import orjson
import pytest

from carbon_credit.kernel.settings import HOME
from tests.cli.conftest import Run
from tests.world import metro


@pytest.fixture
def library(tmp_path: Path) -> Path:
    """A copy of the library to bend."""
    copy = tmp_path / "methodologies"
    shutil.copytree(HOME / "methodologies", copy)
    return copy


def test_nothing_of_it_touches_a_database(run: Run, tmp_path: Path) -> None:
    fresh = tmp_path / "fresh"
    for command in (("list", "--json"), ("lint",), ("test", "--json")):
        assert run("methodology", *command, CARBON_CREDIT_VAR=str(fresh)).status == 0
    assert not (fresh / "carbon-credit.db").exists()


def test_the_list_names_grade_and_use(run: Run) -> None:
    told = run("methodology", "list", "--json").json["methodologies"]
    shenzhen = next(one for one in told if one["id"] == "sz-public-transit")
    assert (shenzhen["version"], shenzhen["grade"], shenzhen["sandbox"]) == ("v1", "published", False)
    assert shenzhen["state"] == "published"
    assert {one["state"] for one in told if one["version"].endswith("+sandbox")} == {"draft"}
    assert {one["number"] for one in told} >= {"M2", "M4", "M9", None}
    assert {"programme": "gd-sz", "activity_type": "metro.ride", "use": "credit"} in shenzhen["uses"]
    assert any(one["sandbox"] for one in told)
    listed = run("methodology", "list").out
    assert re.search(r"sz-public-transit/v1 .* published .* published .* 深圳市低碳公共出行", listed), (
        "not cut"
    )


def test_a_broken_package_is_named_with_its_file(run: Run, library: Path) -> None:
    assert run("methodology", "lint", METHODOLOGIES_DIR=str(library)).status == 0
    path = library / "sz-public-transit" / "v1" / "methodology.yaml"
    path.write_text(path.read_text().replace("unit: gCO2/pkm", "unit: pkm"))
    told = run("methodology", "lint", METHODOLOGIES_DIR=str(library))
    assert (told.status, told.out) == (1, "")
    assert "sz-public-transit/v1/methodology.yaml" in told.err
    # What stands in brackets is a dimension, and no colour.
    assert "[length]^2" in told.err
    path.write_bytes(b"\xff\xfe{")
    told = run("methodology", "lint", METHODOLOGIES_DIR=str(library))
    assert told.status == 1
    assert "Traceback" not in told.err


def test_a_wrong_case_fails_with_what_was_found(run: Run, library: Path) -> None:
    sound = run("methodology", "test", "--json", METHODOLOGIES_DIR=str(library))
    assert (sound.status, sound.json["failed"]) == (0, 0)
    assert sound.json["passed"] > 20
    path = library / "sz-public-transit" / "v1" / "cases.yaml"
    assert "388440" in path.read_text()
    path.write_text(path.read_text().replace("388440", "388441"))
    told = run("methodology", "test", "sz-public-transit", "--json", METHODOLOGIES_DIR=str(library))
    assert told.status == 1
    assert told.json["failed"] >= 1
    assert "388440" in told.err
    assert run("methodology", "test", "nonsense", "--json").status == 1, "no case is no success"


def test_an_explanation_shows_values_and_sources(run: Run) -> None:
    ask = ("methodology", "explain", "sz-public-transit/v1", "mode=metro", "distance_m=8300", "--on")
    told = run(*ask, "2026-11-20", "--json")
    assert told.status == 0
    assert told.json["reduction_mg"] == 388_440
    people = run(*ask, "2026-11-20", "--language", "zh")
    assert "46.8" in people.out
    refused = run(*ask, "1999-01-01")
    assert refused.status == 1
    run("methodology", "explain", "nonsense", "--on", "2026-11-20").refused("nonsense")
    run("methodology", "explain", "sz-public-transit", "distance", "--on", "2026-11-20").refused(
        "INPUT=VALUE"
    )


def test_eight_kilometres_of_metro_are_388_grams(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "events.ndjson"
    lines = [
        orjson.dumps(metro("M-1")),
        b"",
        orjson.dumps(metro("M-2", distance_m=-1)),
        orjson.dumps({**metro("M-3"), "type": "walk", "data": {"count": 3000}}),
        b"{broken",
        orjson.dumps({**metro("M-5"), "data": {}}),
        orjson.dumps(metro("M-6", distance_m=10_000)),
    ]
    file.write_bytes(b"\n".join(lines))
    told = run("quantify", "--programme", "gd-sz", str(file))
    assert told.status == 0
    found = [orjson.loads(line) for line in told.out.splitlines()]
    assert [one["id"] for one in found] == ["M-1", "M-2", "M-3", None, "M-5", "M-6"]
    assert (found[0]["co2e_mg"], found[0]["methodology"], found[0]["grade"]) == (
        388_440,
        "sz-public-transit/v1",
        "published",
    )
    assert len(found[0]["digest"]) == 64
    refusals = [one.get("refused") for one in found]
    assert refusals == [
        None,
        "event-invalid",
        "no-methodology",
        "event-invalid",
        "input-missing",
        None,
    ]
    assert "distance_m" in found[1]["detail"]
    assert found[5]["co2e_mg"] == 468_000
    run("quantify", "--programme", "nowhere", str(file)).refused("nowhere")


def test_an_event_is_quantified_by_the_day_where_the_programme_lives(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "events.ndjson"
    # In force from 2021-12-17 in Shanghai: the hour before in UTC is the day before there or not.
    at = ["2021-12-16T15:59:59.999Z", "2021-12-16T16:00:00Z"]
    file.write_bytes(b"\n".join(orjson.dumps(metro(f"M-{n}", at=text)) for n, text in enumerate(at)))
    before, after = map(orjson.loads, run("quantify", "--programme", "gd-sz", str(file)).out.splitlines())
    assert "refused" in before
    assert after["co2e_mg"] == 388_440


def test_lint_warns_of_dates_and_fails_on_a_value_that_has_ended(run: Run, library: Path) -> None:
    for on, told in (("2027-05-30", None), ("2027-05-31", "due"), ("2027-07-01", "overdue")):
        done = run("methodology", "lint", "--on", on)
        assert done.status == 0, done.err
        named = [line for line in done.err.splitlines() if "bj-hydrogen-vehicle v1 RF_hydrogen" in line]
        assert named == ([f"{told} bj-hydrogen-vehicle v1 RF_hydrogen: review 2027-06-30"] if told else [])
    method = library / "bj-hydrogen-vehicle" / "v1" / "methodology.yaml"
    parameters, rest = method.read_text(encoding="utf-8").split("parameters:")
    assert "effective_to: null" in rest
    rest = rest.replace("effective_to: null", "effective_to: 2028-01-01", 1)
    method.write_text(f"{parameters}parameters:{rest}", encoding="utf-8")
    lock = library / "published.lock"  # it would say that a published byte has changed
    lines = [line for line in lock.read_text().splitlines() if not line.startswith("bj-hydrogen-vehicle ")]
    lock.write_text("\n".join(lines) + "\n")
    for on, status in (("2027-12-31", 0), ("2028-01-01", 1)):
        done = run("methodology", "lint", "--on", on, METHODOLOGIES_DIR=str(library))
        assert done.status == status, done.err
    assert "ended bj-hydrogen-vehicle v1 RF_hydrogen: end of validity 2028-01-01" in done.err.splitlines()


def test_the_schema_is_printed_and_written(run: Run, tmp_path: Path) -> None:
    printed = run("methodology", "schema", "overlay")
    assert orjson.loads(printed.out)["$ref"] == "#/$defs/Overlay"
    assert "prose" in run("methodology", "schema").out
    folder = tmp_path / "schema"
    assert run("methodology", "schema", "--write", "--folder", str(folder)).status == 0
    committed = HOME / "docs" / "schema"
    assert {path.name: path.read_text() for path in folder.iterdir()} == {
        path.name: path.read_text() for path in committed.iterdir()
    }
