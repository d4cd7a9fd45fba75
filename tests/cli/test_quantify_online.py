"""`quantify` and the online path on the same random day: one engine, one answer for each event."""

import json
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest
from click.testing import CliRunner

from carbon_credit.catalogue.library import load_library
from carbon_credit.cli.quantifying import quantify
from carbon_credit.kernel.db import Database
from carbon_credit.quantification.outcomes import Outcome
from tests.world import World

ROOT = Path(__file__).resolve().parents[2]
LIBRARY = load_library(ROOT / "methodologies")
EVENTS = 120
PEOPLE = 12


def random_day(programme: str, seed: int) -> list[dict[str, Any]]:
    """Events of every activity that the programme binds, some of them without what a formula needs."""
    chance = Random(seed)
    types = sorted({spec.activity_type for spec in LIBRARY.profiles[programme].bindings})
    midnight = datetime.fromisoformat("2026-11-19T00:00:00+08:00")
    seconds = sorted(chance.sample(range(86_400), EVENTS))
    return [
        {
            "id": f"E-{number}",
            "type": (kind := chance.choice(types)),
            "occurred_at": (midnight + timedelta(seconds=second)).isoformat(),
            "citizen": {"link": {"kind": "transit-card", "value": f"CARD-{chance.randrange(PEOPLE)}"}},
            "data": _data(kind, chance),
        }
        for number, second in enumerate(seconds)
    ]


def _data(kind: str, chance: Random) -> dict[str, Any]:
    activity = LIBRARY.activities[kind]
    data: dict[str, Any] = {}
    for name, spec in activity.fields.items():
        if spec.kind == "text" or (name not in activity.required and chance.random() < 0.1):
            continue
        if spec.kind == "enum":
            data[name] = chance.choice(spec.values)
        else:
            # Seldom the largest of all, so that most results are usual ones.
            most = min(spec.max or 0, (spec.min or 0) + 10 ** chance.randint(1, 6))
            data[name] = chance.randint(spec.min or 0, most)
    return data


def online(outcome: Outcome) -> tuple[Any, ...]:
    if outcome.status == "credited":
        return outcome.gross_mg, outcome.methodology, outcome.digest, outcome.grade
    if outcome.status == "invalid":
        return (outcome.error.code if outcome.error else None,)
    return (outcome.reason,)


def offline(told: dict[str, Any]) -> tuple[Any, ...]:
    if "refused" in told:
        return (told["refused"],)
    return told["co2e_mg"], told["methodology"], told["digest"], told["grade"]


@pytest.mark.parametrize("programme", ["x-gd-sz", "x-gd-gz", "x-bj", "x-hb-wh"])
@pytest.mark.parametrize("seed", [1, 2])
def test_a_random_day_has_the_same_answers(
    sqlite_database: Database, tmp_path: Path, programme: str, seed: int
) -> None:
    events = random_day(programme, seed)
    file = tmp_path / "day.ndjson"
    file.write_text("".join(json.dumps(one) + "\n" for one in events), encoding="utf-8")
    ran = CliRunner().invoke(quantify, ["--programme", programme, str(file)], catch_exceptions=False)
    assert ran.exit_code == 0, ran.stderr
    found = {one["id"]: offline(one) for one in map(json.loads, ran.stdout.splitlines())}
    world = World(sqlite_database, programme=programme, people=PEOPLE)
    expected = {str(one.id): online(one) for one in world.credit(*events, backfill=True)}
    assert found == expected
    assert sum(len(one) == 4 and one[0] > 0 for one in found.values()) > 20, "most of a day has results"
