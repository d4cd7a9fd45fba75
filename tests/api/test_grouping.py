"""Posts that come together are credited together: one commit, each its own answer, nobody hurt by another."""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import event

from carbon_credit.api.gate import Gate, Overloaded
from carbon_credit.api.grouping import Groups
from carbon_credit.events.errors import EventConflict
from carbon_credit.events.incoming import claim_key
from carbon_credit.events.operations import Claim, claim
from carbon_credit.kernel.db import Database, keys_of
from carbon_credit.kernel.errors import Busy, DatabaseUnavailable
from carbon_credit.kernel.ids import random_id
from carbon_credit.kernel.unit_of_work import unit_of_work
from carbon_credit.ledger.audit import audit
from carbon_credit.quantification.outcomes import Outcome
from carbon_credit.quantification.periods import lock_period_alone
from tests.api.conftest import Town
from tests.world import NOW, World, metro

DAY = date(2026, 11, 20)


@dataclass
class Office:
    """Posts by threads, and a count of what was committed."""

    world: World
    groups: Groups
    commits: int = 0
    posts: list["Future[Outcome]"] = field(default_factory=list)
    pool: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(40))

    def post(self, payload: Any, *, groups: Groups | None = None) -> "Future[Outcome]":
        """Post in a thread of its own, as a server does."""
        found = self.pool.submit(
            (groups or self.groups).credit,
            programme=self.world.programme,
            partner_id=self.world.partner,
            payload=payload,
            now=self.world.now,
        )
        self.posts.append(found)
        return found


@contextmanager
def office(database: Database, **limits: int) -> Iterator[Office]:
    """Opens with a world of twenty people; ends when every post is answered."""
    world = World(database, people=20)
    opened = Office(world, Groups(database, **limits))

    def count(_connection: object) -> None:
        opened.commits += 1

    event.listen(database.engine, "commit", count)
    try:
        yield opened
    finally:
        event.remove(database.engine, "commit", count)
        opened.pool.shutdown()


@contextmanager
def held(database: Database) -> Iterator[None]:
    """Nobody can credit on that day until the block ends; who tries waits."""
    with unit_of_work(database) as session:
        session.connection()
        lock_period_alone(session, "x-gd-sz", "day", DAY)
        yield


def queue_up(found: Office, payloads: list[Any], *, waiting: int) -> None:
    """Post them all and wait until so many stand in line behind the first."""
    for place, payload in enumerate(payloads):
        found.post(payload)
        wait_for(lambda: found.groups._waiting >= min(place, waiting))  # noqa: B023


def wait_for(holds: Callable[[], bool]) -> None:
    for _ in range(1000):
        if holds():
            return
        time.sleep(0.01)
    raise AssertionError("it did not happen")


def ride(number: int, *, distance_m: int = 8300) -> dict[str, Any]:
    """The ride of one of the twenty."""
    return metro(f"M-{number}", person=number % 20, distance_m=distance_m)


def test_a_lone_post_goes_at_once_and_alone(database: Database) -> None:
    with office(database) as found:
        assert found.post(ride(1)).result().co2e_mg == 388_440
        assert found.post(ride(1)).result().status == "duplicate"
        assert found.commits == 2


def test_those_that_wait_go_together(database: Database) -> None:
    with office(database) as found:
        with held(database):
            queue_up(found, [ride(number) for number in range(12)], waiting=11)
        outcomes = [post.result() for post in found.posts]
        # The holder's, the first alone, then the eleven that had waited.
        assert found.commits == 3
        assert [(one.id, one.status) for one in outcomes] == [(f"M-{n}", "credited") for n in range(12)]
        assert sum(found.world.grams(citizen) for citizen in range(12)) == 12 * 388_440


def test_a_group_has_a_size(database: Database) -> None:
    with office(database, most_together=4) as found:
        with held(database):
            queue_up(found, [ride(number) for number in range(9)], waiting=8)
        assert {post.result().status for post in found.posts} == {"credited"}
        assert found.commits == 4


def test_in_a_group_a_repeated_id_is_a_duplicate_and_other_content_a_conflict_of_that_one(
    database: Database,
) -> None:
    with office(database) as found:
        with held(database):
            other = ride(1, distance_m=9000)
            wrong = ride(3) | {"type": "rocket.ride"}
            queue_up(found, [ride(0), ride(1), ride(1), other, wrong, ride(2)], waiting=5)
        outcomes = [post.result() for post in found.posts]
        assert [one.status for one in outcomes] == [
            "credited", "credited", "duplicate", "invalid", "invalid", "credited",
        ]  # fmt: skip
        assert isinstance(outcomes[3].error, EventConflict)
        assert found.commits == 3


def test_one_that_cannot_be_done_does_not_hurt_the_others(postgresql_database: Database) -> None:
    """Somebody holds the claim of one event: its sender is told to come again, the others are credited."""
    database = Database(replace(postgresql_database.settings, lock_timeout_s=1))
    with office(database) as found, unit_of_work(postgresql_database) as session:
        key = claim_key(keys_of(session).mac, partner_id=found.world.partner, event_id="M-3")
        taken = Claim(key, found.world.partner, 1, random_id(), "rejected", "unlinked", True, None)
        claim(session, claims=[taken], now=found.world.now)
        first = found.post(ride(3))
        wait_for(lambda: bool(found.groups._lines))
        for number in (1, 2, 3, 4):
            found.post(ride(number))
        with pytest.raises(Busy):
            first.result()
        statuses = Counter(type(post.exception()).__name__ for post in found.posts)
        assert statuses == {"NoneType": 3, "Busy": 2}
        session.rollback()
    assert [found.world.grams(citizen) for citizen in (1, 2, 3, 4)] == [388_440, 388_440, 0, 388_440]
    database.dispose()


def test_nobody_is_answered_before_the_commit(database: Database) -> None:
    """The commit of a group fails once: each goes again by itself, and what was answered is there."""
    with office(database) as found:
        failures = iter([True])

        def fail(_session: object) -> None:
            if found.commits == 2 and next(failures, False):
                raise RuntimeError("the disk is full")

        event.listen(database.write_session, "before_commit", fail)
        with held(database):
            queue_up(found, [ride(number) for number in range(6)], waiting=5)
        assert {post.result().status for post in found.posts} == {"credited"}
        event.remove(database.write_session, "before_commit", fail)
        assert next(failures, None) is None
        assert [found.world.grams(citizen) for citizen in range(6)] == [388_440] * 6
        with unit_of_work(database, read_only=True) as session:
            assert audit(session) == []


def test_without_a_database_everyone_is_told_so(base_settings: Any) -> None:
    nowhere = Database(replace(base_settings, database_url="postgresql+psycopg://postgres@127.0.0.1:9/none"))
    groups = Groups(nowhere)
    with ThreadPoolExecutor(8) as pool:
        posts = [
            pool.submit(groups.credit, programme="x", partner_id=random_id(), payload={}, now=NOW)
            for _ in range(8)
        ]
    assert {type(post.exception()) for post in posts} == {DatabaseUnavailable}
    nowhere.dispose()


def test_a_line_that_is_full_turns_away_and_so_does_one_that_does_not_move(database: Database) -> None:
    with office(database, most_waiting=2, patience_s=1) as found:
        with held(database):
            queue_up(found, [ride(0), ride(1), ride(2)], waiting=2)
            with pytest.raises(Overloaded):
                found.post(ride(3)).result()
            for post in found.posts[1:3]:
                with pytest.raises(Overloaded):
                    post.result()
        assert found.posts[0].result().status == "credited"
        assert [found.world.grams(citizen) for citizen in range(4)] == [388_440, 0, 0, 0]
        assert found.post(ride(1)).result().status == "credited"


def test_over_http_too_much_is_503_with_a_time_to_come_again(town: Town) -> None:
    object.__setattr__(town.runtime, "groups", Groups(town.database, most_waiting=0))
    told = town.post("partner", "/v1/events", {"id": "M-1"})
    assert (told.status_code, told.json["code"]) == (503, "overloaded")
    assert int(told.headers["Retry-After"]) > 0
    tried = town.post("partner", "/v1/events?dry_run=true", {"id": "M-1"})
    assert tried.json["code"] == "event-invalid"


def test_batches_beyond_so_many_at_once_wait_and_are_turned_away(town: Town) -> None:
    gate = Gate(1, patience_s=1)
    object.__setattr__(town.runtime, "batches", gate)
    with gate.passed():
        told = town.post("partner", "/v1/events/batch", [{"id": "M-1"}])
    assert (told.status_code, told.json["code"]) == (503, "overloaded")
    for _ in range(2):  # who leaves, leaves the gate open
        assert town.post("partner", "/v1/events/batch", [{"id": "M-1"}]).status_code == 200


def test_the_gate_lets_so_many_in() -> None:
    gate = Gate(3)
    inside: list[int] = []
    most: list[int] = []

    def enter(number: int) -> None:
        with gate.passed():
            inside.append(number)
            most.append(len(inside))
            time.sleep(0.01)
            inside.remove(number)

    with ThreadPoolExecutor(12) as pool:
        list(pool.map(enter, range(36)))
    assert (max(most), len(most)) == (3, 36)


def test_whatever_comes_at_once_counts_as_one_after_the_other(database: Database) -> None:
    """For each id one content counts; the same again is a duplicate, any other a conflict."""
    with office(database) as found:

        @settings(max_examples=6, deadline=None)
        @given(sent=st.lists(st.tuples(st.integers(0, 5), st.integers(1, 3)), min_size=1, max_size=20))
        def check(sent: list[tuple[int, int]]) -> None:
            mark = random_id().hex
            posts = [
                (number, found.post(ride(number, distance_m=1000 * content) | {"id": f"{mark}-{number}"}))
                for number, content in sent
            ]
            for number in {number for number, _ in sent}:
                outcomes = [post.result() for which, post in posts if which == number]
                told = Counter(one.status for one in outcomes)
                assert told["credited"] == 1
                assert set(told) <= {"credited", "duplicate", "invalid"}
                (credited,) = (one for one in outcomes if one.status == "credited")
                again = {one.gross_mg for one in outcomes if one.status == "duplicate"}
                assert again <= {credited.gross_mg}

        check()
        with unit_of_work(database, read_only=True) as session:
            assert audit(session) == []
