"""Refusals that have to do with time: an approval that ended, a value that is past its validity."""

from datetime import date
from pathlib import Path

import pytest
import yaml

from carbon_credit.events.reasons import REASONS
from carbon_credit.identity.operations import add_links
from carbon_credit.kernel.db import Database
from carbon_credit.kernel.unit_of_work import transact
from tests.quantification.household import METER, Homes, binding, household, reading, write_library


def plain(start: str = "2024-01-01", last: str | None = None) -> dict[str, object]:
    """A household method without conditions, whose factor holds until `last`."""
    package = household(1, "0.5", start=start, end=None)
    package["parameters"][0]["values"][0]["effective_to"] = last
    integers = [one for one in package["inputs"] if one["kind"] == "integer"]
    return package | {"inputs": integers, "eligibility": []}


def homes(database: Database, root: Path, *, last: str | None, approved_to: str | None) -> Homes:
    bound = [binding("test-household", 1, start="2024-01-01")]
    write_library(root, plain(last=last), bindings=bound)
    path = root / "programmes" / "x-gd-sz.yaml"
    profile = yaml.safe_load(path.read_text(encoding="utf-8"))
    for scene in profile["scenes"]:
        if scene["code"] == "electricity" and approved_to is not None:
            scene["approval"] = {"approved_to": approved_to, "grade": "assumed", "source": None}
    path.write_text(yaml.safe_dump(profile, allow_unicode=True, sort_keys=False), encoding="utf-8")
    world = Homes(database, root)
    pair = (world.citizens[0], METER)
    transact(
        world.database,
        lambda session: add_links(session, partner_id=world.partner, pairs=[pair], now=world.now),
    )
    return world


def test_the_last_day_of_an_approval_counts_and_the_next_does_not(database: Database, tmp_path: Path) -> None:
    world = homes(database, tmp_path / "methodologies", last=None, approved_to="2026-03-10")
    told = world.credit(
        reading("E-1", "2026-03-10", "2026-03-11", 0, baseline_wh=1_000),
        reading("E-2", "2026-03-11", "2026-03-12", 0, baseline_wh=1_000),
        reading("E-3", "2026-03-01", "2026-04-01", 0, baseline_wh=31_000),
    )
    assert [one.reason for one in told] == [None, "scene-approval-ended", None]
    assert [(part.starts_on, part.reason) for part in told[2].parts] == [
        (date(2026, 3, 1), None),
        (date(2026, 3, 11), "scene-approval-ended"),
    ]
    assert world.grams() == 500_000 + 10 * 500_000
    (again,) = world.credit(reading("E-2", "2026-03-11", "2026-03-12", 0, baseline_wh=1_000))
    assert (again.status, again.first) == ("duplicate", "rejected")
    world.database.dispose()


def test_a_value_is_not_extended_silently(database: Database, tmp_path: Path) -> None:
    world = homes(database, tmp_path / "methodologies", last="2026-03-11", approved_to=None)
    told = world.credit(
        reading("E-1", "2026-03-10", "2026-03-11", 0, baseline_wh=1_000),
        reading("E-2", "2026-03-11", "2026-03-12", 0, baseline_wh=1_000),
    )
    assert [one.reason for one in told] == [None, "value-expired"]
    # It is the operator who has to do something: the same event may come again.
    (again,) = world.credit(reading("E-2", "2026-03-11", "2026-03-12", 0, baseline_wh=1_000))
    assert (again.status, again.reason) == ("rejected", "value-expired")
    # Of a period only the days on which the value holds are credited.
    (month,) = world.credit(reading("E-3", "2026-03-01", "2026-04-01", 0, baseline_wh=31_000))
    assert [(part.starts_on.day, part.reason, part.co2e_mg) for part in month.parts] == [
        (1, None, 10 * 500_000),
        (11, "value-expired", 0),
    ]
    world.database.dispose()


@pytest.mark.parametrize("code", sorted(REASONS))
def test_every_reason_speaks_both_languages(code: str) -> None:
    reason = REASONS[code]
    assert reason.en.endswith(".")
    assert reason.zh.endswith("。")
    assert len(code) <= 40
