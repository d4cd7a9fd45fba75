"""`import`, `imports`, `watch-folder` through the door: summary, control totals, going on, dropped files."""

import os
from pathlib import Path
from typing import Any

import orjson
import pytest

from carbon_credit.cli import folders
from carbon_credit.kernel.db import Database
from carbon_credit.kernel.unit_of_work import unit_of_work
from tests.cli.conftest import Run
from tests.flows.conftest import findings
from tests.imports.driver import Row, rides, write
from tests.world import World

OPTIONS = ("--programme", "x-gd-sz", "--partner", "metro", "--adapter", "generic-ride")


@pytest.fixture
def world(embedded: Database) -> World:
    return World(embedded)


def refused(world: World) -> Row:
    return ("R-90", "NOBODY", rides(1)[0][2], 8300)


def test_the_summary_adds_up_and_the_rejects_say_why(run: Run, world: World, tmp_path: Path) -> None:
    path = write(tmp_path / "rides.csv", [*rides(12), refused(world)])
    told = run(
        "import",
        *OPTIONS,
        "--expect-rows",
        "13",
        "--expect-sum",
        f"distance_m={13 * 8300}",
        "--json",
        str(path),
    )
    found = told.json
    assert found["rows"] == 13
    assert (found["credited"], found["credited_rows"], found["rejected"], found["state"]) == (
        12,
        12,
        1,
        "done",
    )
    assert found["co2e_mg"] == world.grams(0) + world.grams(1)
    lines = Path(found["rejects"]).read_text(encoding="utf-8").splitlines()
    assert lines[0] == "line,status,reason,zh,en"
    assert lines[1].startswith("14,rejected,unlinked,")
    shown = run("imports", "show", found["import"], "--json").json
    assert {name: shown[name] for name in ("rows", "credited", "import")} == {
        name: found[name] for name in ("rows", "credited", "import")
    }
    (listed,) = run("imports", "list", "--programme", "x-gd-sz", "--json").json["imports"]
    assert (listed["import"], listed["state"]) == (found["import"], "done")
    assert "rides.csv" in run("imports", "list", "--programme", "x-gd-sz").out
    again = run("import", *OPTIONS, str(path))
    assert (again.status, again.out) == (0, "")
    assert "duplicate 12" in again.err
    assert findings(world.database) == []


def test_control_totals_from_a_file(run: Run, world: World, tmp_path: Path) -> None:
    path = write(tmp_path / "rides.csv", rides(4))
    control = tmp_path / "rides.ctl"
    control.write_text("rows=5\n")
    run("import", *OPTIONS, "--control", str(control), "--json", str(path)).refused(
        "rows should be 5, and is 4"
    )
    assert world.grams(0) == 0
    control.write_text(f"rows=4\nsha256={'0' * 64}\n")
    run("import", *OPTIONS, "--control", str(control), "--json", str(path)).refused("import-digest-differs")
    control.write_text("rows=4\ndistance_m=33200\n")
    assert run("import", *OPTIONS, "--control", str(control), "--json", str(path)).json["credited"] == 4
    control.write_text("four rows")
    run("import", *OPTIONS, "--control", str(control), str(path)).refused("import-control-unreadable")
    run("import", *OPTIONS, "--expect-sum", "distance_m", str(path)).refused("COLUMN=SUM")


def test_rows_of_unknown_cards_are_counted_and_dropped(run: Run, world: World, tmp_path: Path) -> None:
    path = write(tmp_path / "rides.csv", [*rides(4), refused(world)])
    found = run("import", *OPTIONS, "--drop-unknown", "--json", str(path)).json
    assert (found["rows"], found["credited"], found["rejected"], found["dropped"]) == (5, 4, 0, 1)
    assert Path(found["rejects"]).read_text().count("\n") == 1
    with unit_of_work(world.database, read_only=True) as session:
        assert session.connection().exec_driver_sql("SELECT count(*) FROM event_claim").scalar() == 4


def test_a_file_that_replaces_another_is_told(run: Run, world: World, tmp_path: Path) -> None:
    first = run("import", *OPTIONS, "--json", str(write(tmp_path / "one.csv", rides(12)))).json
    changed = [*rides(4), *rides(4, first=4, distance_m=9300), *rides(2, first=20)]
    path = write(tmp_path / "two.csv", changed)
    second = run("import", *OPTIONS, "--replaces", first["import"], "--json", str(path)).json
    assert {name: second[name] for name in ("duplicate", "revised", "credited", "withdrawn", "replaces")} == {
        "duplicate": 4,
        "revised": 4,
        "credited": 6,
        "withdrawn": 4,
        "replaces": first["import"],
    }
    assert run("imports", "show", first["import"], "--json").json["replaced_by"] == second["import"]
    other = World(world.database, programme="x-gd-gz")
    only = run("import", *OPTIONS, "--json", str(write(tmp_path / "fresh.csv", changed))).json
    assert only["credited"] == 0
    assert other.grams(0) == 0
    assert findings(world.database) == []


def test_a_stopped_import_is_resumed_or_cancelled(
    run: Run, world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "rides.csv", rides(6))

    def stop(*_given: Any, **_more: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as here:
        here.setattr("carbon_credit.sweeps.importing.crediting.credit_next", stop)
        assert run("import", *OPTIONS, "--json", str(path)).status == 130
    (job,) = run("imports", "list", "--programme", "x-gd-sz", "--json").json["imports"]
    assert job["state"] == "crediting"
    assert run("imports", "resume", job["import"], "--json").json["credited"] == 6
    run("imports", "cancel", job["import"]).refused("import-state-wrong")
    run("imports", "show", "0192f3c1-7a52-7b61-9d3e-0f6a1c2b3d4e").refused("import-not-found")


def drop(folder: Path, name: str, rows: list[Row], control: str | None = None) -> None:
    write(folder / name, rows)
    if control is not None:
        (folder / f"{name}.ctl").write_text(control)
    (folder / f"{name}.ok").touch()


def watch(run: Run, folder: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = run("watch-folder", *OPTIONS, "--once", "--json", str(folder)).json["files"]
    return found


def names(folder: Path) -> list[str]:
    return sorted(one.name for one in folder.iterdir())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "drop"
    made.mkdir()
    return made


def test_a_dropped_file_is_taken_with_its_marker_and_put_away(run: Run, world: World, folder: Path) -> None:
    write(folder / "a.csv", rides(4))
    assert watch(run, folder) == []
    assert names(folder) == ["a.csv"], "it may still grow"
    (folder / "a.csv.ok").touch()
    drop(folder, "b.csv", rides(3, first=4), "rows=3\ndistance_m=24900")
    drop(folder, "c.csv", rides(3, first=9), "rows=4")
    told = watch(run, folder)
    assert [(one["file"], one["state"]) for one in told] == [
        ("a.csv", "done"),
        ("b.csv", "done"),
        ("c.csv", "refused"),
    ]
    assert names(folder) == [".work", "done", "failed"]
    assert names(folder / ".work") == []
    for one in told:
        place = folder / one["folder"]
        assert {one["file"], "report.json", "rejects.csv"} <= set(names(place))
        assert orjson.loads((place / "report.json").read_bytes()) == one
    assert told[2]["problem"]["code"] == "import-totals-differ"
    assert (folder / told[1]["folder"] / "b.csv.ctl").is_file()
    assert watch(run, folder) == []
    # What was refused is dropped again, whole; what was done is dropped again, under its own name.
    drop(folder, "c.csv", rides(3, first=9), "rows=3")
    drop(folder, "a.csv", rides(4))
    again = watch(run, folder)
    assert [(one["state"], one["credited"], one["duplicate"]) for one in again] == [
        ("done", 0, 4),
        ("done", 3, 0),
    ]
    assert len(names(folder / "done")) == 4
    assert findings(world.database) == []


def test_a_marker_without_a_file_and_a_link_are_left_alone(run: Run, world: World, folder: Path) -> None:
    (folder / "missing.csv.ok").touch()
    (folder / "link.csv").symlink_to("/etc/passwd")
    (folder / "link.csv.ok").touch()
    assert watch(run, folder) == []
    assert names(folder) == ["link.csv", "link.csv.ok", "missing.csv.ok"]


def test_an_unreadable_control_file_fails_the_file(run: Run, world: World, folder: Path) -> None:
    drop(folder, "a.csv", rides(2), "two rows")
    (told,) = watch(run, folder)
    assert (told["state"], told["problem"]["code"]) == ("failed", "import-control-unreadable")
    assert names(folder) == [".work", "failed"]


@pytest.mark.parametrize("step", range(6))
def test_stopped_at_any_rename_it_is_put_away_once(
    run: Run, world: World, folder: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    drop(folder, "a.csv", rides(4), "rows=4")
    left = [step]

    def counted(deed: Any) -> Any:
        def call(*given: Any, **more: Any) -> Any:
            if left[0] == 0:
                raise KeyboardInterrupt
            left[0] -= 1
            return deed(*given, **more)

        return call

    with monkeypatch.context() as here:
        here.setattr(folders, "write_rejects", counted(folders.write_rejects))
        here.setattr(folders.os, "replace", counted(os.replace))
        here.setattr(Path, "unlink", counted(Path.unlink))
        stopped = run("watch-folder", *OPTIONS, "--once", str(folder))
        assert stopped.status == 130, stopped.err
    watch(run, folder)
    assert names(folder) == [".work", "done"]
    assert names(folder / ".work") == []
    (place,) = (folder / "done").iterdir()
    report = orjson.loads((place / "report.json").read_bytes())
    assert (report["credited"], report["duplicate"], report["rows"]) == (4, 0, 4)
    assert names(place) == ["a.csv", "a.csv.ctl", "rejects.csv", "report.json"]
