"""An explanation names the cap that took something, the partner's share, and the days of a part."""

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from carbon_credit.kernel.db import Database
from carbon_credit.kernel.unit_of_work import unit_of_work
from carbon_credit.quantification.explaining import Explanation, explain
from tests.quantification.cities import NOTE, cap, city
from tests.quantification.household import Homes, two_versions
from tests.quantification.household import reading as metered
from tests.quantification.test_periods import state
from tests.world import World, metro

MONTHLY = {"activity_types": ["metro.ride"], "partner": None, "threshold_mg": 100_000, "per": "citizen-month"}
CAPS = {
    "cap-events": (cap("activity-day", events=1, activity_type="metro.ride"), "1 events", "1 次"),
    "cap-mg": (cap("activity-day", mg=400_000, activity_type="metro.ride"), "400 g", "400 克"),
    "cap-scene": (
        cap("scene-day", mg=400_000, events=2, scene="metro"),
        "2 events and 400 g",
        "2 次、400 克",
    ),
    "cap-person": (cap("person-day", mg=400_000), "400 g", "400 克"),
    "cap-year": (cap("person-year", mg=400_000), "400 g", "400 克"),
    "cap-programme": (cap("programme-day", mg=400_000), "400 g", "400 克"),
}


def explained(world: World, reduction_id: Any) -> Explanation:
    with unit_of_work(world.database, read_only=True) as session:
        return explain(session, reduction_id=reduction_id, programme=world.programme)


@pytest.mark.parametrize("code", CAPS)
def test_the_cap_that_took_something_is_told_with_its_grade(
    database: Database, tmp_path: Path, code: str
) -> None:
    rule, en, zh = CAPS[code]
    other = cap("person-day", mg=10**9) if code != "cap-person" else cap("person-year", mg=10**9)
    with city(database, tmp_path, caps=[other, rule]) as world:
        first, second = world.credit(metro("M-1"), metro("M-2", at="2026-11-20T09:00:00+08:00"))
        if code == "cap-programme":  # what all people do together is known when the day is closed
            assert second.cap_code is None
            world.close(date(2026, 11, 20))
        else:
            assert second.cap_code == code
        told = explained(world, second.reduction_id)
        assert f"The cap is {en} (grade: assumed (sandbox))." in told.text("en")
        assert f"上限为 {zh}（证据等级：假定（沙盒））。" in told.text("zh")
        assert [one["en"] in told.text("en") for one in told.as_dict()["limits"]] == [True]
        assert explained(world, first.reduction_id).limits == ()


def test_the_share_of_a_partner_is_told(database: Database, tmp_path: Path) -> None:
    with city(database, tmp_path, overflow=[MONTHLY | NOTE]) as world:
        (one,) = world.credit(metro("M-1"))
        told = explained(world, one.reduction_id)
        assert "in a month, the first 100 g are those of the partner that reported it" in told.text("en")
        assert "前 100 克归数据提供方" in told.text("zh")
        assert "Counts now: 388.44 gCO2e" in told.text("en")


def test_a_part_says_which_days_it_is_of(database: Database, tmp_path: Path) -> None:
    homes = Homes(database, two_versions(tmp_path / "methodologies"))
    state(homes, homes.citizens[0], "pv-owner", "no", date(2024, 1, 1))
    whole = metered("E-1", "2025-12-20", "2026-01-13", 240_001, baseline_wh=480_000)
    (event,) = homes.credit({**whole, "citizen": {"link": {"kind": "transit-card", "value": "CARD-0"}}})
    texts = [explained(homes, part.reduction_id).text("en") for part in event.parts]
    assert "its part of 2025-12-20 to 2025-12-31, both included" in texts[0]
    assert "its part of 2026-01-01 to 2026-01-12, both included" in texts[1]
    assert "2026-01-01 至 2026-01-12（含首尾）" in explained(homes, event.parts[1].reduction_id).text("zh")
    homes.database.dispose()
