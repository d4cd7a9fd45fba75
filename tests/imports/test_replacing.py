"""A delivery in place of another: changed rows are revisions, missing ones withdrawn, nothing else posts."""

from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from carbon_credit.imports.jobs import chunks, replacing
from carbon_credit.imports.jobs.errors import AlreadyReplaced, ImportNotFound, ReplacedNotDone
from carbon_credit.imports.jobs.records import replaced_by
from carbon_credit.kernel.db import Database
from carbon_credit.sweeps.importing import credit_all
from tests.flows.conftest import findings
from tests.imports.driver import Driver, rides, write
from tests.world import World


@pytest.fixture
def driver(database: Database, monkeypatch: pytest.MonkeyPatch) -> Driver:
    """Small chunks and passes, so that there are several."""
    small = {"lanes": 3, "chunk_events": 4, "chunk_decided": 3}
    monkeypatch.setattr(chunks.Cutter.__init__, "__kwdefaults__", small)
    monkeypatch.setattr(replacing, "KEYS_A_PASS", 8)
    monkeypatch.setattr(replacing, "WITHDRAWN_AT_ONCE", 3)
    return Driver(World(database))


def grams(driver: Driver) -> int:
    return driver.world.grams(0) + driver.world.grams(1)


def test_only_the_differences_post(driver: Driver, tmp_path: Path) -> None:
    first = driver.run(write(tmp_path / "one.csv", rides(40)))
    before = grams(driver)
    # Thirteen as they were, seven longer, ten missing, ten missing as well, five new.
    rows = [*rides(13), *rides(7, first=13, distance_m=9_300), *rides(5, first=40)]
    second = driver.run(write(tmp_path / "two.csv", rows), replaces=first.id)
    told = driver.counts(second.id)
    assert second.state == "done"
    assert (told.duplicate, told.revised, told.credited, second.withdrawn) == (13, 7, 12, 20)
    assert grams(driver) == 18 * 388_440 + 7 * (388_440 * 9_300 // 8_300)
    assert before == 40 * 388_440
    assert driver.hands.look(lambda session, _now: replaced_by(session, job_id=first.id)) == second.id
    assert findings(driver.world.database) == []
    # Back to what the first file said: what was withdrawn comes back as a revision.
    third = driver.run(write(tmp_path / "three.csv", rides(40)), replaces=second.id)
    assert (driver.counts(third.id).duplicate, third.withdrawn) == (13, 5)
    assert grams(driver) == before
    assert findings(driver.world.database) == []


def test_one_id_with_two_contents_in_a_replacing_file_is_corrected_once(
    driver: Driver, tmp_path: Path
) -> None:
    """In whichever chunks they lie: the first stands, it again is a duplicate, another a conflict."""
    first = driver.run(write(tmp_path / "one.csv", rides(30)))
    corrected = rides(30, distance_m=9_300)
    rows = [*corrected, *corrected, *rides(30, distance_m=10_100)]
    second = driver.run(write(tmp_path / "two.csv", rows), replaces=first.id)
    told = driver.counts(second.id)
    assert (told.revised, told.duplicate, told.rejected) == (30, 30, 30)
    assert {reason for _, _, reason in driver.rejects(second.id)} == {"already-reported", "event-conflict"}
    assert grams(driver) == 30 * (388_440 * 9_300 // 8_300)
    assert findings(driver.world.database) == []


def test_the_same_file_replaces_itself_without_a_posting(driver: Driver, tmp_path: Path) -> None:
    path = write(tmp_path / "one.csv", rides(20))
    first = driver.run(path)
    second = driver.run(path, replaces=first.id)
    told = driver.counts(second.id)
    assert (told.duplicate, told.credited, second.withdrawn) == (20, 0, 0)


def test_only_a_done_job_of_the_same_partner_is_replaced_once(driver: Driver, tmp_path: Path) -> None:
    path, other = write(tmp_path / "one.csv", rides(4)), write(tmp_path / "two.csv", rides(5))
    known = driver.open(path)
    with pytest.raises(ReplacedNotDone):
        driver.open(other, replaces=known.id)
    with pytest.raises(ImportNotFound):
        driver.open(other, replaces=UUID(int=1))
    first = driver.run(path)
    second = driver.run(other, replaces=first.id)
    with pytest.raises(AlreadyReplaced):
        driver.open(write(tmp_path / "three.csv", rides(6)), replaces=first.id)
    assert driver.run(write(tmp_path / "three.csv", rides(6)), replaces=second.id).state == "done"


@pytest.mark.parametrize("step", range(8))
def test_broken_off_while_withdrawing_it_goes_on(
    driver: Driver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    first = driver.run(write(tmp_path / "one.csv", rides(40)))
    path = write(tmp_path / "two.csv", rides(10))
    left, whole = [step], replacing.withdraw

    def withdraw(*given: Any, **more: Any) -> int:
        done = whole(*given, **more)
        left[0] -= 1
        if left[0] < 0:
            raise KeyboardInterrupt  # before the commit
        return done

    with monkeypatch.context() as here:
        here.setattr(replacing, "withdraw", withdraw)
        with pytest.raises(KeyboardInterrupt):
            driver.run(path, replaces=first.id)
    known = driver.open(path, replaces=first.id)
    assert known.state == "withdrawing"
    assert 0 <= known.withdrawn <= 3 * step
    assert credit_all(driver.hands, job_id=known.id) == "done"
    assert driver.job(known.id).withdrawn == 30
    assert grams(driver) == 10 * 388_440
    assert findings(driver.world.database) == []


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(old=st.sets(st.integers(0, 59)), new=st.sets(st.integers(0, 59)), of=st.sampled_from([1, 2, 8]))
def test_passes_find_each_missing_key_once(old: set[int], new: set[int], of: int) -> None:
    def key(number: int) -> bytes:
        # Spread over the whole range, with neighbours at the edges of passes.
        return (number * 2**128 // 60 - number % 2).to_bytes(16, "big") if number else bytes(16)

    class Stored:
        def __init__(self) -> None:
            self.jobs = {"old": sorted(map(key, old)), "new": sorted(map(key, new))}

        def pieces(self, name: str) -> list[bytes]:
            keys = self.jobs[name]
            return [b"".join(keys[start::3]) for start in range(3)]

    stored = Stored()
    found: list[bytes] = []
    for number in range(of):
        named = {one for piece in stored.pieces("new") for one in replacing.keys_between(piece, number, of)}
        found += [
            one
            for piece in stored.pieces("old")
            for one in replacing.keys_between(piece, number, of)
            if one not in named
        ]
    assert sorted(found) == sorted(map(key, old - new))
