"""Many connections at once: one credit, no lost update, no deadlock."""

import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from typing import Any

import pytest
from sqlalchemy.orm import Session

from carbon_credit.kernel.db import Database
from carbon_credit.kernel.unit_of_work import transact, unit_of_work
from carbon_credit.ledger.audit import audit as audit_ledger
from carbon_credit.quantification.audit import audit as audit_reductions
from carbon_credit.quantification.errors import PeriodClosed
from carbon_credit.quantification.operations import credit
from tests.world import World, metro, statuses


def at_once(count: int, deed: Callable[[int], Any]) -> list[Any]:
    """Run `deed(0..count-1)` in threads that start together."""
    barrier = threading.Barrier(count)

    def run(number: int) -> Any:
        barrier.wait()
        return deed(number)

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(run, range(count)))


def test_fifty_posts_of_one_event_are_one_credit_and_49_replays(postgresql_database: Database) -> None:
    world = World(postgresql_database)
    outcomes = at_once(50, lambda _: world.credit(metro("M-1"))[0])
    assert Counter(outcome.status for outcome in outcomes) == {"credited": 1, "duplicate": 49}
    assert {outcome.co2e_mg for outcome in outcomes} == {388_440}
    assert world.grams() == 388_440


def test_ten_posts_of_one_event_on_sqlite(sqlite_database: Database) -> None:
    world = World(sqlite_database)
    outcomes = at_once(10, lambda _: world.credit(metro("M-1"))[0])
    assert Counter(outcome.status for outcome in outcomes) == {"credited": 1, "duplicate": 9}


def test_parallel_rides_of_one_citizen_share_the_cap_and_the_days_points(
    postgresql_database: Database,
) -> None:
    world = World(postgresql_database)
    at_once(12, lambda n: world.credit(metro(f"M-{n}", distance_m=2_000)))
    assert world.grams() == 6 * 2_000 * 468 // 10
    assert world.points() == world.grams() // 100_000


def test_batches_with_the_same_events_in_opposite_order_do_not_deadlock(
    postgresql_database: Database,
) -> None:
    world = World(postgresql_database, people=20)
    events = [metro(f"M-{n}", person=n % 20) for n in range(100)]
    for attempt in range(5):
        fresh = [{**event, "id": f"{event['id']}-{attempt}"} for event in events]
        both = [fresh, fresh[::-1]]
        outcomes = at_once(2, lambda n, both=both: world.credit(*both[n]))
        found = Counter(statuses(outcomes[0]) + statuses(outcomes[1]))
        assert found == {"credited": 100, "duplicate": 100}


def test_closing_and_crediting_at_once_leave_the_books_whole(postgresql_database: Database) -> None:
    world = World(postgresql_database, people=4)

    def deed(number: int) -> None:
        if number == 3:
            world.close(date(2026, 11, 20))
        else:
            for n in range(10):
                world.credit(*[metro(f"M-{number}-{n}-{p}", person=p, distance_m=100 + n) for p in range(4)])

    at_once(4, deed)
    with pytest.raises(PeriodClosed):
        world.close(date(2026, 11, 20))
    with unit_of_work(postgresql_database, read_only=True) as session:
        assert audit_ledger(session) == []
        assert audit_reductions(session, progress=lambda _: None) == []


def test_a_crash_before_the_commit_leaves_nothing_and_the_retry_credits_once(database: Database) -> None:
    world = World(database)

    def die_before_the_commit(session: Session) -> None:
        credit(
            session,
            programme=world.programme,
            partner_id=world.partner,
            payloads=[metro("M-1")],
            now=world.now,
        )
        raise RuntimeError("the worker dies here")

    with pytest.raises(RuntimeError, match="dies here"):
        transact(database, die_before_the_commit)
    assert world.grams() == 0
    assert statuses(world.credit(metro("M-1"))) == ["credited"]
