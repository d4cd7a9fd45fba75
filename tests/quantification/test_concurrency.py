"""Many connections at once: one credit, no lost update, no deadlock."""

import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from typing import Any

import pytest
from sqlalchemy import event
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


def assert_books_are_whole(database: Database) -> None:
    with unit_of_work(database, read_only=True) as session:
        assert audit_ledger(session) == []
        assert audit_reductions(session, progress=lambda _: None) == []


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


def test_who_is_slower_counts_again_from_what_the_quicker_left(postgresql_database: Database) -> None:
    world = World(postgresql_database, people=60)
    world.credit(*[metro(f"M-old-{n}", person=n, distance_m=1_000) for n in range(0, 60, 3)])
    quicker = [metro(f"M-quick-{n}", person=n, distance_m=3_000) for n in range(40)]
    slower = [metro(f"M-slow-{n}-{k}", person=n, distance_m=3_000) for n in range(60) for k in range(6)]
    fresh = iter([quicker])

    def come_between(_conn: Any, _cursor: Any, statement: str, *_: Any) -> None:
        # What the slower batch has read is about to be held: now somebody else is done before it.
        payloads = next(fresh, None) if statement.startswith("INSERT INTO day_tally") else None
        if payloads is not None:
            with ThreadPoolExecutor(1) as pool:
                assert set(statuses(pool.submit(world.credit, *payloads).result())) == {"credited"}

    event.listen(postgresql_database.engine, "before_cursor_execute", come_between)
    outcomes = world.credit(*slower)
    event.remove(postgresql_database.engine, "before_cursor_execute", come_between)
    # Six rides of a day count: those that came first, whoever counted them.
    taken = Counter(outcome.cap_code for outcome in outcomes)
    assert taken == {None: 300, "cap-events": 60}
    for n in range(60):
        metres = 1_000 * (n % 3 == 0) + 3_000 * (n < 40) + 3_000 * (6 - (n % 3 == 0) - (n < 40))
        assert world.grams(n) == metres * 468 // 10
        assert world.points(n) == world.grams(n) // 100_000
    assert_books_are_whole(postgresql_database)


def test_two_large_batches_of_the_same_people_at_once_count_as_one_after_the_other(
    postgresql_database: Database,
) -> None:
    world = World(postgresql_database, people=80)
    batches = [
        [metro(f"M-{b}-{n}-{k}", person=n, distance_m=2_000) for n in range(80) for k in range(5)]
        for b in range(3)
    ]
    outcomes = at_once(3, lambda n: world.credit(*batches[n]))
    assert Counter(one.cap_code for batch in outcomes for one in batch) == {None: 480, "cap-events": 720}
    assert {world.grams(n) for n in range(80)} == {6 * 2_000 * 468 // 10}
    assert {world.points(n) for n in range(80)} == {6 * 93_600 // 100_000}
    assert_books_are_whole(postgresql_database)


def test_batches_with_the_same_events_in_opposite_order_do_not_deadlock(
    postgresql_database: Database,
) -> None:
    world = World(postgresql_database, people=20)
    events = [metro(f"M-{n}", person=n % 20) for n in range(100)]
    failures: list[Exception] = []
    event.listen(
        postgresql_database.engine, "handle_error", lambda told: failures.append(told.original_exception)
    )
    for attempt in range(10):
        fresh = [{**one, "id": f"{one['id']}-{attempt}"} for one in events]
        both = [fresh, fresh[::-1]]
        outcomes = at_once(2, lambda n, both=both: world.credit(*both[n]))
        found = Counter(statuses(outcomes[0]) + statuses(outcomes[1]))
        assert found == {"credited": 100, "duplicate": 100}
    assert failures == []


@pytest.mark.parametrize("state", ["40001", "40P01"])
def test_what_the_database_asks_to_be_done_again_is_done_once(
    postgresql_database: Database, state: str
) -> None:
    world = World(postgresql_database)
    attempts = iter(range(9))

    def deed(session: Session) -> list[str]:
        told = credit(
            session,
            programme=world.programme,
            partner_id=world.partner,
            payloads=[metro("M-1"), metro("M-2", person=1)],
            now=world.now,
        )
        if next(attempts) < 2:
            raises = f"DO $$ BEGIN RAISE EXCEPTION 'again' USING ERRCODE = '{state}'; END $$"
            session.connection().exec_driver_sql(raises)
        return statuses(told)

    assert transact(postgresql_database, deed) == ["credited", "credited"]
    assert next(attempts) == 3
    assert (world.grams(0), world.grams(1)) == (388_440, 388_440)
    assert_books_are_whole(postgresql_database)


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
    assert_books_are_whole(postgresql_database)


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


@pytest.mark.parametrize("many", [1, 60])
def test_nothing_of_the_programme_is_held_while_events_of_others_are_credited(
    postgresql_database: Database, many: int
) -> None:
    world = World(postgresql_database, people=2 * many)
    payloads = [metro(f"M-{n}", person=n, distance_m=3_000) for n in range(2 * many)]
    world.credit(*[{**one, "id": f"before-{one['id']}"} for one in payloads])

    def work(session: Session, those: list[dict[str, Any]]) -> list[str]:
        told = credit(
            session, programme=world.programme, partner_id=world.partner, payloads=those, now=world.now
        )
        return statuses(told)

    with unit_of_work(postgresql_database) as open_still:
        assert set(work(open_still, payloads[:many])) == {"credited"}
        # The first has not ended: whoever had to wait for it would wait until the lock timeout.
        with ThreadPoolExecutor(1) as pool:
            others = pool.submit(
                transact, postgresql_database, lambda session: work(session, payloads[many:])
            )
            assert set(others.result(timeout=60)) == {"credited"}
    assert_books_are_whole(postgresql_database)
