"""The task queue without a broker: the same sweeps, in process, on a schedule that names them all."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import text

from carbon_credit.identity.operations import register_citizens
from carbon_credit.kernel import clock
from carbon_credit.kernel.db import Database
from carbon_credit.kernel.settings import Settings
from carbon_credit.kernel.unit_of_work import unit_of_work
from carbon_credit.ledger.points import PointsGrant, grants
from carbon_credit.sweeps import SWEEPS, Sweep
from carbon_credit.tasks import MAX_BATCHES, create_celery, run_sweep
from tests.flows.conftest import findings, hold_a_voucher
from tests.world import World, metro


def world_with_points(database: Database) -> World:
    """A world of thirty hours ago, past the grace of what ended then; its first citizen has seven points."""
    now = clock.now() - timedelta(hours=30)
    world = World(database, now=now)
    yesterday = (now - timedelta(days=1)).isoformat()
    world.credit(metro("M-1", at=yesterday), metro("M-2", at=yesterday))
    assert world.points() in (6, 7)  # two days, if midnight was in between
    return world


def test_without_a_broker_a_task_runs_where_it_is_called(database: Database) -> None:
    world = world_with_points(database)
    points = world.points()
    hold_a_voucher(world, points=5, ttl_s=3600)
    assert world.points() == points - 5
    celery = create_celery(database.settings, database=database)
    sweep = celery.tasks["carbon_credit.sweep"]
    assert sweep.delay(name="redemptions").get() == 1
    assert sweep.delay(name="redemptions").get() == 0
    assert world.points() == points
    for name in SWEEPS:
        sweep.delay(name=name).get()
    assert findings(database) == []


def test_points_whose_last_day_is_over_expire_by_sweep(database: Database) -> None:
    now = clock.now()
    world = World(database, now=now)
    with unit_of_work(database) as session:
        people = register_citizens(session, partner_id=world.partner, links_of=[[]] * 3, now=now)
        for lot in (now.date() - timedelta(days=2), now.date() + timedelta(days=2)):
            items = [PointsGrant(person, 10, lot, None, now) for person in people]
            grants(session, programme=world.programme, items=items, now=now)
    celery = create_celery(database.settings, database=database)
    assert celery.tasks["carbon_credit.sweep"].delay(name="lots").get() == 3
    assert run_sweep(database, SWEEPS["lots"]) == 0
    assert findings(database) == []


def test_what_is_due_is_done_in_portions_until_nothing_is_left(sqlite_database: Database) -> None:
    left = [7]

    def batch(_session: object, _now: object, limit: int) -> int:
        done = min(left[0], limit)
        left[0] -= done
        return done

    assert run_sweep(sqlite_database, Sweep("test", batch, 3, 60, "")) == 7
    endless = Sweep("test", lambda _session, _now, limit: limit, 3, 60, "")
    assert run_sweep(sqlite_database, endless) == 3 * MAX_BATCHES, "a task stays short"


def test_a_portion_that_fails_leaves_those_before_it(sqlite_database: Database) -> None:
    def batch(session: object, _now: object, limit: int) -> int:
        count = session.execute(text("SELECT count(*) FROM idempotency_record")).scalar()  # type: ignore[attr-defined]
        session.execute(  # type: ignore[attr-defined]
            text("INSERT INTO idempotency_record VALUES ('c', :key, 'h', 200, 'b', '2026-01-01')"),
            {"key": f"k{count}"},
        )
        if count == 2:
            raise RuntimeError("the third fails")
        return limit

    with pytest.raises(RuntimeError, match="third"):
        run_sweep(sqlite_database, Sweep("test", batch, 1, 60, ""))
    with unit_of_work(sqlite_database, read_only=True) as session:
        assert session.execute(text("SELECT count(*) FROM idempotency_record")).scalar() == 2


def test_beat_sends_every_sweep_and_lets_old_messages_die(base_settings: Settings) -> None:
    broker = replace(base_settings, celery_broker_url="amqp://nowhere//", celery_queue="own")
    celery = create_celery(broker)
    assert not celery.conf.task_always_eager
    assert celery.conf.task_default_queue == "own"
    sent = {entry["kwargs"]["name"]: entry for entry in celery.conf.beat_schedule.values()}
    assert sorted(sent) == sorted(SWEEPS)
    for name, entry in sent.items():
        assert entry["task"] in celery.tasks
        assert entry["schedule"] == entry["options"]["expires"] == SWEEPS[name].every_s


def test_a_sweep_without_a_database_is_put_off(
    base_settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    nowhere = "postgresql+psycopg://nobody@127.0.0.1:9/none?connect_timeout=2"
    settings = replace(base_settings, database_url=nowhere)
    celery = create_celery(settings, database=Database(settings))
    assert celery.tasks["carbon_credit.sweep"].delay(name="seal").get() == 0
    assert "sweep seal is put off: database-unavailable" in caplog.text
