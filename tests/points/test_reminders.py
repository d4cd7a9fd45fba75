"""Partners are told of points of their users that end, as the programme says: once for each lot."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson
import pytest

from carbon_credit.kernel.db import Database
from carbon_credit.kernel.outbox import Outgoing, take
from carbon_credit.kernel.unit_of_work import transact, unit_of_work
from carbon_credit.ledger import points as ledger_points
from carbon_credit.ledger.points import PointsGrant, PointsTakeBack
from carbon_credit.points import reminders
from carbon_credit.points.reminders import remind
from tests.quantification.cities import NOTE, city
from tests.quantification.test_concurrency import at_once
from tests.world import World

TODAY = date(2026, 11, 21)
SOON, EDGE, LATER = TODAY, TODAY + timedelta(days=30), TODAY + timedelta(days=31)


@contextmanager
def reminding(database: Database, folder: Path, **changes: Any) -> Iterator[World]:
    terms = {"points_reminder": {"days_before": 30, **NOTE}, **changes}
    with city(database, folder, people=3, **terms) as world:
        yield world


def grant(world: World, person: int, points: int, lot: date) -> None:
    item = PointsGrant(world.citizens[person], points, lot, None, world.now)
    with unit_of_work(world.database) as session:
        ledger_points.grants(session, items=[item], programme=world.programme, now=world.now)


def sweep(world: World, limit: int = 100) -> int:
    return transact(
        world.database,
        lambda session: remind(session, programme=world.programme, now=world.now, limit=limit),
    )


def told(world: World) -> list[Outgoing]:
    with unit_of_work(world.database) as session:
        return take(session, limit=100)


def test_each_lot_that_ends_soon_is_told_once(database: Database, tmp_path: Path) -> None:
    with reminding(database, tmp_path) as world:
        grant(world, 0, 10, EDGE)
        grant(world, 0, 20, LATER)
        grant(world, 1, 30, SOON)
        grant(world, 2, 40, TODAY - timedelta(days=1))  # over: nothing to be reminded of
        assert [sweep(world), sweep(world)] == [2, 0]
        messages = {one.subject_id: one for one in told(world)}
        assert set(messages) == set(world.citizens[:2])
        one = messages[world.citizens[0]]
        assert (one.type, one.audience, one.programme) == ("points.expiring", world.partner, world.programme)
        assert orjson.loads(one.data) == {
            "citizen_id": str(world.citizens[0]),
            "points": 10,
            "last_day": EDGE.isoformat(),
        }
        grant(world, 0, 5, EDGE)  # more comes into a lot that was told
        assert sweep(world) == 0
        world.now += timedelta(days=1)
        assert sweep(world) == 1
        (late,) = told(world)
        assert orjson.loads(late.data)["points"] == 20


def test_it_goes_on_in_portions_and_tells_the_soonest_first(database: Database, tmp_path: Path) -> None:
    with reminding(database, tmp_path) as world:
        for person, lot in ((0, EDGE), (1, SOON), (2, TODAY + timedelta(days=9))):
            grant(world, person, 7, lot)
        assert [sweep(world, limit=2), sweep(world, limit=2), sweep(world, limit=2)] == [2, 1, 0]
        assert [one.subject_id for one in told(world)] == [world.citizens[n] for n in (1, 2, 0)]


def test_a_programme_without_a_rule_tells_nothing(database: Database, tmp_path: Path) -> None:
    with city(database, tmp_path, people=1) as world:
        grant(world, 0, 10, SOON)
        assert (sweep(world), told(world)) == (0, [])


def test_an_empty_lot_tells_nothing(database: Database, tmp_path: Path) -> None:
    with reminding(database, tmp_path) as world:
        taken = PointsTakeBack(world.citizens[0], 10, None, world.now, SOON)
        grant(world, 0, 10, SOON)
        with unit_of_work(database) as session:
            ledger_points.take_backs(session, items=[taken], programme=world.programme, now=world.now)
        assert (sweep(world), told(world)) == (0, [])


def test_sweeps_at_once_tell_everybody_once(database: Database, tmp_path: Path) -> None:
    with reminding(database, tmp_path) as world:
        for person in range(3):
            grant(world, person, 7, EDGE)
            grant(world, person, 8, SOON)
        at_once(4, lambda _: sweep(world, limit=2))
        while sweep(world):
            pass
        lots = [(one.subject_id, orjson.loads(one.data)["last_day"]) for one in told(world)]
        assert len(lots) == len(set(lots)) == 6


def test_what_cannot_be_told_is_not_marked(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Row and message are one transaction: a death between them leaves neither."""
    with reminding(database, tmp_path) as world:
        grant(world, 0, 10, SOON)

        def dead(*_: object, **__: object) -> list[UUID]:
            raise ConnectionError

        with monkeypatch.context() as patched:
            patched.setattr(reminders, "emit_all", dead)
            with pytest.raises(ConnectionError):
                sweep(world)
        assert told(world) == []
        assert (sweep(world), len(told(world))) == (1, 1)
