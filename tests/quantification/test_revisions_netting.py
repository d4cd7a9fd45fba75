"""Results that are set off against each other are computed again: never more than their new sum."""

import random
from datetime import date
from pathlib import Path

import pytest

from carbon_credit.catalogue import publication, queries
from carbon_credit.kernel.db import Database
from carbon_credit.kernel.unit_of_work import transact, unit_of_work
from tests.catalogue.conftest import XAVER
from tests.quantification.cities import assert_books, city, net_by_person, reading, saving
from tests.quantification.newer import Span, apply, planned, reported
from tests.world import World

OCTOBER = (date(2026, 10, 1), date(2026, 10, 31))
PEOPLE = 8


def replaced(world: World, before: str, after: str) -> None:
    """A rehearsal's draft gets other bytes, and governs by them at once."""
    with unit_of_work(world.database, read_only=True) as session:
        files = queries.package_files(session, methodology_id="saving", version="v1")
    told = files["methodology.yaml"].decode()
    assert told.count(before) == 1
    changed = files | {"methodology.yaml": told.replace(before, after).encode()}
    transact(
        world.database,
        lambda session: publication.upload(session, files=changed, actor=XAVER, now=world.now),
    )


@pytest.mark.parametrize("closed", [False, True])
@pytest.mark.parametrize(
    ("before", "after", "factor", "base"),
    [
        ("unit: gCO2/kWh, values: [{value: 1,", "unit: gCO2/kWh, values: [{value: 2,", 2, 10_000),
        ("unit: Wh, values: [{value: 10000,", "unit: Wh, values: [{value: 9000,", 1, 9_000),
        ("unit: Wh, values: [{value: 10000,", "unit: Wh, values: [{value: 13000,", 1, 13_000),
    ],
)
def test_a_span_is_never_credited_more_than_its_new_sum(
    database: Database, tmp_path: Path, closed: bool, before: str, after: str, factor: int, base: int
) -> None:
    draw = random.Random(base + closed)
    used = [
        (person, day, draw.choice([2_000, 7_000, 12_000, 21_000]))
        for person in range(PEOPLE)
        for day in (1, 2, 3, 17, 31)
    ]
    with city(database, tmp_path, methods=[saving("saving", netting="month")], people=PEOPLE) as world:
        for person, day, energy in draw.sample(used, len(used)):
            world.credit(
                reading(f"E-{person}-{day}", energy, person=person, at=f"2026-10-{day:02d}T08:00:00+08:00"),
                backfill=True,
            )
        if closed:
            world.close_month(OCTOBER[0])
        old = net_by_person(world)
        replaced(world, before, after)
        span = Span(world.programme, *OCTOBER)
        plan = planned(world, span)
        done = apply(world, span)
        assert len(done) == len(used)
        assert reported(done) == reported(plan)
        new = net_by_person(world)
        assert sum(new) - sum(old) == reported(done).delta_mg
        sums = [
            max(sum((base - energy) * factor for one, _, energy in used if one == person), 0)
            for person in range(PEOPLE)
        ]
        if closed:
            assert all(counted <= total for counted, total in zip(new, sums, strict=True))
            if factor == 2:
                assert new == sums == [2 * one for one in old]
        else:
            world.close_month(OCTOBER[0])
            assert net_by_person(world) == sums
        assert planned(world, span) == []
        assert_books(world)
