"""A rule over the citizen's own history comes to one answer, whatever the order of the readings."""

import random
from collections.abc import Sequence
from datetime import date
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from carbon_credit.kernel.db import Database
from carbon_credit.kernel.unit_of_work import unit_of_work
from tests.quantification.cities import (
    LABEL,
    METERED,
    assert_books,
    cap,
    city,
    parameter,
    reading,
    saving,
)
from tests.world import World

# Below 10,000 Wh the city's baseline counts, above it what lies below the mean of the seven days before.
_PREVIOUS = "\n".join(
    f"  - {{name: previous_{take}, {LABEL}, kind: history, unit: {unit}, min: 0, max: 7000000, "
    f"of: energy_wh, days: 7, take: {take}}}"
    for take, unit in (("sum", "Wh"), ("days", "day"))
).replace("max: 7000000, of: energy_wh, days: 7, take: days", "max: 7, of: energy_wh, days: 7, take: days")
TWO_BRANCHES = saving("two-branches") | {
    "inputs": f"{METERED}\n{_PREVIOUS}\n  - {{name: one_day, {LABEL}, kind: event, unit: day}}",
    "parameters": "\n".join(
        [
            parameter("base", "Wh", 10_000),
            parameter("rate", "gCO2/kWh", 1),
            parameter("window", "day", 7),
        ]
    ),
    "expression": "(base - energy_wh) * rate if energy_wh < base else "
    "(max(0, previous_sum / window * one_day - energy_wh) * rate if previous_days >= window else 0)",
}
# Worked by hand. The first seven days add up to 140,000 Wh, their mean is 20,000: the eighth is 7,000 below
# it. The seven before the ninth add up to 129,000, their mean is 18,428.57: 6,428.57 below, rounded down.
READINGS = [24_000, 9_000, 30_000, 18_500, 21_500, 17_000, 20_000, 13_000, 12_000]
NET_MG = [0, 1_000, 0, 0, 0, 0, 0, 7_000, 6_428]
DAYS = [date(2026, 11, day) for day in range(1, 10)]


def readings(person: int = 0) -> list[dict[str, Any]]:
    return [
        reading(f"R-{person}-{day.day}", wh, person=person, at=f"{day}T12:00:00+08:00")
        for day, wh in zip(DAYS, READINGS, strict=True)
    ]


def net_by_day(world: World) -> dict[str, int]:
    """What counts by business day, over everybody."""
    statement = text(
        "SELECT r.business_day AS day, SUM(r.credited_mg + COALESCE((SELECT SUM(a.delta_mg) FROM "
        "reduction_adjustment a WHERE a.reduction_id = r.id), 0)) AS mg FROM reduction r "
        "GROUP BY r.business_day"
    )
    with unit_of_work(world.database, read_only=True) as session:
        return {str(row.day): int(row.mg) for row in session.execute(statement)}


def orders() -> Sequence[Sequence[int]]:
    """In order, backwards, and some others: one for each person."""
    draw = random.Random(3)
    places = list(range(len(READINGS)))
    return [places, places[::-1], *[draw.sample(places, len(places)) for _ in range(28)]]


def test_nine_readings_in_thirty_orders_are_one_answer(database: Database, tmp_path: Path) -> None:
    people = len(orders())
    with city(database, tmp_path, methods=[TWO_BRANCHES], people=people) as world:
        for turn in range(len(READINGS)):
            told = world.credit(*[readings(p)[order[turn]] for p, order in enumerate(orders())])
            assert {one.status for one in told} == {"credited"}
        assert len({world.grams(person) for person in range(people)}) > 1, "arrival should matter until then"
        world.close(*DAYS)
        assert {world.grams(person) for person in range(people)} == {sum(NET_MG)}
        assert net_by_day(world) == {str(day): mg * people for day, mg in zip(DAYS, NET_MG, strict=True)}
        assert_books(world)


@pytest.mark.long
def test_all_5040_orders_of_the_seven_days_are_one_answer(database: Database, tmp_path: Path) -> None:
    # The eighth reading, which reads the seven, comes in at each of the eight places.
    every = [
        [*order[: place % 8], 7, *order[place % 8 :]] for place, order in enumerate(permutations(range(7)))
    ]
    with city(database, tmp_path, methods=[TWO_BRANCHES], people=len(every)) as world:
        known = [readings(person) for person in range(len(every))]
        for turn in range(8):
            events = [known[person][order[turn]] for person, order in enumerate(every)]
            for start in range(0, len(events), 1_000):
                world.credit(*events[start : start + 1_000])
        world.close(*DAYS[:8])
        sums = text("SELECT DISTINCT credits_posted - debits_posted FROM account WHERE kind = :kind")
        with unit_of_work(world.database, read_only=True) as session:
            found = list(session.scalars(sums, {"kind": "citizen.reductions"}))
        assert found == [sum(NET_MG[:8])]


def test_what_was_settled_is_a_revision_with_what_is_known_now(database: Database, tmp_path: Path) -> None:
    with city(database, tmp_path, methods=[TWO_BRANCHES]) as world:
        world.credit(readings()[7])
        world.credit(*readings()[:7])
        world.close(*DAYS[:8])
        with unit_of_work(world.database, read_only=True) as session:
            rows = session.execute(text("SELECT inputs, gross_mg, reason FROM reduction_revision")).all()
            changes = session.execute(text("SELECT delta_mg, reason FROM reduction_adjustment")).all()
        assert {row.reason for row in rows} == {"settled"}
        last = max(rows, key=lambda row: row.gross_mg)
        assert (last.gross_mg, '"previous_sum":140000' in last.inputs) == (7_000, True)
        assert [(int(row.delta_mg), row.reason) for row in changes] == [(7_000, "settled")]
        assert_books(world)


def test_caps_hold_over_what_was_settled(database: Database, tmp_path: Path) -> None:
    caps = [cap("person-day", mg=5_000), cap("person-year", mg=5_500)]
    with city(database, tmp_path, methods=[TWO_BRANCHES], caps=caps) as world:
        world.credit(*readings()[::-1])
        world.close(*DAYS)
        assert net_by_day(world)["2026-11-02"] == 1_000
        assert net_by_day(world)["2026-11-08"] == 4_500
        assert net_by_day(world)["2026-11-09"] == 0
        assert_books(world)


def test_a_withdrawn_reading_is_no_history(database: Database, tmp_path: Path) -> None:
    with city(database, tmp_path, methods=[TWO_BRANCHES]) as world:
        world.credit(*readings()[:8])
        assert world.grams() == 8_000
        world.withdraw("R-0-1")
        world.close(*DAYS[:8])
        # Six days are no full window.
        assert world.grams() == 1_000
        assert_books(world)
