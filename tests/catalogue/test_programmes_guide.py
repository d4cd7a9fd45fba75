"""Adding a city needs no code: the guide's example is put into a library, and people report to it."""

import re
import shutil
from dataclasses import replace
from datetime import date
from pathlib import Path

import orjson
import pytest

from carbon_credit.catalogue.library import library_problems, load_library
from carbon_credit.catalogue.past import past_changes
from carbon_credit.catalogue.profile import parse_profile
from carbon_credit.kernel.db import Database
from tests.world import World

ROOT = Path(__file__).resolve().parents[2]
GUIDE = (ROOT / "docs" / "programmes.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```yaml\n(.*?)^```", GUIDE, re.DOTALL | re.MULTILINE)
CITY, EXTRA, LATER = BLOCKS
EVENT = orjson.loads(re.findall(r"^```json\n(.*?)^```", GUIDE, re.DOTALL | re.MULTILINE)[0])


def with_city(library: Path, text: str) -> Path:
    root = Path(shutil.copytree(ROOT / "methodologies", library))
    (root / "programmes" / "jx-fz.yaml").write_text(text, encoding="utf-8")
    return root


def test_the_new_city_gives_its_points(database: Database, tmp_path: Path) -> None:
    root = with_city(tmp_path / "methodologies", CITY)
    database.settings = replace(database.settings, methodologies_dir=root)
    town = World(database, programme="jx-fz", people=1)
    card = {"link": {"kind": "transit-card", "value": "CARD-0"}}
    told = [
        {**EVENT, "occurred_at": "2026-11-20T08:00:00+08:00", "citizen": card},
        ("bike.ride", {"distance_m": 4000, "duration_s": 1500}),
        ("walk", {"count": 6200}),
    ]
    events = [
        one
        if isinstance(one, dict)
        else {
            "id": one[0],
            "type": one[0],
            "occurred_at": "2026-11-20T09:00:00+08:00",
            "citizen": card,
            "data": one[1],
        }
        for one in told
    ]
    outcomes = town.credit(*events)
    assert [(one.status, one.use, one.points, one.co2e_mg) for one in outcomes] == [
        ("credited", "points", 1, 0),
        ("credited", "points", 2, 0),
        ("credited", "points", 3, 0),
    ]
    assert (town.points(), town.grams()) == (6, 0)


def test_the_guides_other_examples_are_right(tmp_path: Path) -> None:
    budgets, caps = EXTRA.split("caps:\n")
    text = CITY.replace("caps: null ", f"caps:\n{caps}# ").replace(
        "points_validity:", f"{budgets}points_validity:"
    )
    assert library_problems(with_city(tmp_path / "one", text)) == []
    before = next(line for line in CITY.splitlines(keepends=True) if line.startswith("points_validity:"))
    later = CITY.replace(before, LATER)
    root = with_city(tmp_path / "two", later)
    assert library_problems(root) == []
    old, new = (parse_profile(one.encode(), file="jx-fz.yaml") for one in (CITY, later))
    assert past_changes(old, new, date(2026, 12, 31)) == []
    assert [one.rule for one in past_changes(old, new, date(2027, 1, 2))] == ["points_validity"]


def test_the_guide_names_every_programme_and_every_key() -> None:
    library = load_library(ROOT / "methodologies")
    for code in library.profiles:
        assert f"`{code}`" in GUIDE or f"`{code.removeprefix('x-')}`" in GUIDE, code
    some = next(iter(library.profiles.values()))
    plain = {"code", "name", "region", "phase", "rehearsal", "sources", "notes", "description", "digest"}
    for key in set(some.__struct_fields__) - plain:
        assert key in GUIDE, key


@pytest.mark.parametrize("scope", ["activity-day", "scene-day", "person-day", "person-year", "programme-day"])
def test_the_guide_names_every_scope(scope: str) -> None:
    assert f"`{scope}`" in GUIDE
