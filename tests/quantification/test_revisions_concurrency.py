"""Re-quantification while people ride, withdraw, and a day is closed: every milligram is accounted for."""

from datetime import date
from typing import Any

import pytest

from carbon_credit.kernel.db import Database
from tests.quantification.newer import apply, findings, planned, publish
from tests.quantification.test_concurrency import at_once
from tests.world import World, metro

DAY = date(2026, 11, 19)
AT = "2026-11-19T08:00:00+08:00"
PEOPLE, NEW = 8, 332_000


@pytest.mark.parametrize("closing", [False, True])
def test_all_at_once(postgresql_database: Database, closing: bool) -> None:
    world = World(postgresql_database, people=PEOPLE)
    world.credit(*(metro(f"old-{n}", person=n % PEOPLE, at=AT) for n in range(4 * PEOPLE)))
    publish(world, "40")

    def ride(number: int) -> Any:
        for turn in range(6):
            world.credit(metro(f"new-{number}-{turn}", person=(number + turn) % PEOPLE, at=AT))

    def withdraw(number: int) -> Any:
        for event in range(number, 4 * PEOPLE, 7):
            world.withdraw(f"old-{event}")

    def close(_number: int) -> Any:
        world.close(DAY)

    def run(number: int) -> Any:
        deeds = [lambda n: apply(world), lambda n: apply(world), ride, withdraw, withdraw]
        return (deeds + [close] * closing)[number](number)

    at_once(5 + closing, run)
    apply(world)
    assert planned(world) == []
    assert findings(world) == []
    # Nobody has ridden more than six times that day, so no cap has taken anything.
    grams = [world.grams(person) for person in range(PEOPLE)]
    assert all(one % NEW == 0 for one in grams)
    withdrawn = len({event for number in (3, 4) for event in range(number, 4 * PEOPLE, 7)})
    assert sum(grams) == (4 * PEOPLE + 6 - withdrawn) * NEW
